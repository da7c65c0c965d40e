"""What a collection says in several languages is found, and is one hit."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client
from pytest_django import Settings

from searchapp.index import VectorStoreUnavailableError
from searchapp.models import Chunk, Collection, Document
from searchapp.services import twins
from searchapp.services.searching import search
from tests.factories import CollectionFactory, index, upload
from tests.integration.conftest import forget_backends

ENGLISH = "# Lost luggage\n\nReport a lost suitcase at the counter within two days. We keep it for two weeks."
GERMAN = "# Verlorenes Gepäck\n\nMelden Sie einen verlorenen Koffer innerhalb von zwei Tagen am Schalter."
OTHER = "# Breakfast\n\nBreakfast is served in the dining car from six o'clock in the morning."
FAQ = """question,answer
Where can I park?,There is a car park behind the station. Parking costs two euros a day.
Where can I sleep?,Every cabin has two beds. Bed linen and towels are on the bed.
"""
FAQ_FRENCH = """question,réponse
Où puis-je me garer ?,Il y a un parking derrière la gare. Le parking coûte deux euros par jour.
Où puis-je dormir ?,Chaque cabine a deux lits. Le linge de lit et les serviettes sont sur le lit.
"""


@pytest.fixture
def library(collection: Collection) -> Collection:
    index(collection, ENGLISH, name="luggage.en.md")
    index(collection, GERMAN, name="luggage.de.md")
    index(collection, OTHER, name="breakfast.md")
    return collection


def test_find_twins_documents_and_rows_that_say_the_same_share_a_name(library: Collection) -> None:
    index(library, FAQ, name="faq.csv")
    index(library, FAQ_FRENCH, name="faq.fr.csv")
    assert twins.collections_due() == [library.pk]
    twins.find_twins(library.pk)
    assert twins.collections_due() == []
    names = dict(Document.objects.values_list("source_name", "twins"))
    assert names["luggage.en.md"] == names["luggage.de.md"] is not None
    assert names["breakfast.md"] is None
    rows = dict(Chunk.objects.exclude(question="").values_list("question", "twins"))
    assert rows["Where can I park?"] == rows["Où puis-je me garer ?"] is not None
    assert rows["Where can I park?"] != rows["Where can I sleep?"]


def test_find_twins_changed_collection_is_looked_at_again_when_it_has_settled(library: Collection) -> None:
    twins.find_twins(library.pk)
    document = upload(library, OTHER + " Until nine.", name="breakfast.md").document
    assert twins.collections_due() == []
    Document.objects.filter(pk=document.pk).delete()
    index(library, "# Dogs\n\nDogs travel in the last carriage.")
    assert twins.collections_due() == [library.pk]


def test_find_twins_store_that_is_down_is_asked_again_later(library: Collection, settings: Settings) -> None:
    settings.QDRANT_URL = "http://127.0.0.1:1"
    forget_backends()
    with pytest.raises(VectorStoreUnavailableError):
        twins.find_twins(library.pk)
    assert twins.collections_due() == [library.pk]


def test_search_folded_shows_one_language_and_names_the_others(library: Collection, client: Client) -> None:
    twins.find_twins(library.pk)
    question = "我的行李箱丢了怎么办？"
    plain = [hit.title for hit in search(question, AnonymousUser()).hits]
    assert {"Lost luggage", "Verlorenes Gepäck"} <= set(plain)
    folded = search(question, AnonymousUser(), is_folded=True).hits
    assert len(folded) == len(plain) - 1
    assert [place.language for place in folded[0].elsewhere] == [{"de": "en", "en": "de"}[folded[0].language]]
    page = client.get("/", {"q": question}).text
    assert "The same in:" in page
    assert 'lang="de">Deutsch</a>' in page or 'lang="en">English</a>' in page


def test_search_folded_shows_the_version_in_the_language_of_the_question(library: Collection) -> None:
    twins.find_twins(library.pk)
    for question, title in (
        ("How do I report a lost suitcase?", "Lost luggage"),
        ("Wo melde ich einen verlorenen Koffer?", "Verlorenes Gepäck"),
    ):
        titles = [hit.title for hit in search(question, AnonymousUser(), is_folded=True).hits]
        assert titles[0] == title
        assert len(titles) == 2


def test_search_folded_nearly_equal_text_of_another_collection_is_one_hit_and_rows_are_not(
    library: Collection,
) -> None:
    copy = index(CollectionFactory.create(), ENGLISH + "\n", name="copy.md")
    hits = search("lost suitcase", AnonymousUser(), is_folded=True).hits
    luggage = [hit for hit in hits if hit.title == "Lost luggage"]
    assert len(luggage) == 1
    assert len(luggage[0].elsewhere) == 1
    assert copy.pk in {luggage[0].document_id, luggage[0].elsewhere[0].document_id}
    rows = "".join(f"How do I find suitcase {number}?,Ask at the counter.\n" for number in range(4))
    index(library, f"question,answer\n{rows}", name="faq.csv")
    found = search("how do I find a suitcase?", AnonymousUser(), is_folded=True).hits
    assert sum(bool(hit.question) for hit in found) == 4


def test_search_page_passages_of_one_document_stand_together(collection: Collection, client: Client) -> None:
    index(collection, "\n\n".join(f"## Suitcase {n}\n\n" + f"A lost suitcase, case {n}. " * 60 for n in range(3)))
    page = client.get("/", {"q": "lost suitcase"}).text
    assert page.count("data-hit-link") == 1
    assert 'class="hit-more"' in page
