"""The search page without a browser."""

import html
import re
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import clear_script_prefix, reverse, set_script_prefix
from django.utils import timezone
from django.utils.translation import override
from pytest_django import Settings

from searchapp.models import Chunk, Collection, Document
from searchapp.services import indexing
from searchapp.web.presentation import (
    EXCERPT_CHARACTERS,
    collection_url,
    excerpt,
    language_badge,
    language_name,
    passage_url,
    text_direction,
)
from tests.factories import index, upload
from tests.integration.conftest import forget_backends

TEXT = "# Lost luggage\n\nReport a lost suitcase at the counter within two days."
FAQ = "question,answer\nWhere is the lounge?,Next to platform 3.\n"
FAQ_WITH_WORDINGS = (
    "question,similar questions,alternatives,answer\n"
    "Where is the lounge?,Is there a place to wait?,Can I <b>sit</b> down?,Next to platform 3.\n"
)
MARKUP = '# <script>alert(1)</script>\n\nA <b>bold</b> suitcase & "quotes".'
HTMX = {"HX-Request": "true"}


def test_search_question_in_another_language_shows_the_passage_with_its_language(
    client: Client, collection: Collection
) -> None:
    document = index(collection, TEXT)
    page = client.get("/", {"q": "我的行李箱丢了"})
    assert page.status_code == 200
    assert "question in Chinese" in page.text
    assert f'href="/documents/{document.pk}/?passage=0#passage-0"' in page.text
    assert 'lang="en" dir="ltr">' in page.text


def test_search_faq_hit_is_headed_by_its_question_and_names_the_document_above(
    client: Client, collection: Collection
) -> None:
    index(collection, FAQ_WITH_WORDINGS, name="booking.en.csv")
    page = client.get("/", {"q": "Where is the lounge?"}).text
    assert re.search(r"<a [^>]*data-hit-link>Where is the lounge\?</a>", page)
    assert re.search(r'<p class="hit-place">.*<bdi>booking\.en</bdi>.*?</p>', page, re.DOTALL)
    assert '<p class="hit-question">Is there a place to wait?<br>Can I &lt;b&gt;sit&lt;/b&gt; down?</p>' in page


def test_search_hit_of_a_text_is_headed_by_its_title_alone(client: Client, collection: Collection) -> None:
    index(collection, TEXT)
    page = client.get("/", {"q": "suitcase"}).text
    assert re.search(r"<a [^>]*data-hit-link>Lost luggage</a>", page)
    assert "<bdi>Lost luggage</bdi>" not in page
    assert "hit-question" not in page


def test_search_by_htmx_answers_with_the_results_alone(client: Client, collection: Collection) -> None:
    index(collection, TEXT)
    page = client.get("/", {"q": "suitcase"}, headers=HTMX)
    assert "<html" not in page.text
    assert "lost suitcase" in page.text
    assert "HX-Request" in page["Vary"]


@pytest.mark.parametrize("question", ["", "   ", "x" * 2_001], ids=["empty", "blank", "too long"])
def test_search_question_that_cannot_be_asked_is_400_with_a_sentence(client: Client, site: None, question: str) -> None:
    page = client.get("/", {"q": question})
    assert page.status_code == 400
    assert "Type a question" in page.text or "at most 2,000 characters" in page.text


def test_search_embedding_service_down_shows_what_words_find_and_says_so(
    client: Client, collection: Collection, settings: Settings
) -> None:
    index(collection, TEXT)
    settings.EMBEDDING_BASE_URL = "http://127.0.0.1:1/v1"
    forget_backends()
    page = client.get("/", {"q": "suitcase"}, headers=HTMX)
    assert page.status_code == 200
    assert "Only passages with the same words are shown." in page.text
    assert "The embedding service cannot be reached." in page.text
    assert "lost suitcase" in page.text
    nothing = client.get("/", {"q": "行李箱"}, headers=HTMX).text
    assert "Only passages with the same words are shown." in nothing
    assert "Use words of the documents themselves" in nothing


def test_search_vector_store_down_is_503_with_a_sentence(
    client: Client, collection: Collection, settings: Settings
) -> None:
    settings.QDRANT_URL = "http://127.0.0.1:1"
    forget_backends()
    page = client.get("/", {"q": "suitcase"}, headers=HTMX)
    assert page.status_code == 503
    assert "The vector store cannot be reached." in page.text


def test_search_without_a_good_answer_says_so_and_folds_the_weaker_passages(
    client: Client, collection: Collection
) -> None:
    index(collection, TEXT)
    page = client.get("/", {"q": "How deep is the volcano lake on the moon?"}).text
    assert "No passage answers this well." in page
    assert re.search(
        r"<details class=\"weaker\">\s*<summary>Show 1 weaker passage</summary>.*lost suitcase", page, re.DOTALL
    )
    assert "No passage answers this well." not in client.get("/", {"q": "lost suitcase"}).text


def test_search_mode_orders_the_page_and_stays_chosen(client: Client, collection: Collection) -> None:
    index(collection, TEXT)
    index(collection, "# Lost and found\n\nThe counter keeps what was lost.")
    assert client.get("/", {"q": "lost", "mode": "each-language"}).text.count("data-hit-link") == 1
    page = client.get("/", {"q": "lost", "mode": "own-first"}).text
    assert '<option value="own-first" selected>' in page
    assert page.count("data-hit-link") == 2
    assert client.get("/", {"q": "lost", "mode": "no-such"}).status_code == 200


def test_search_hit_says_in_a_line_why_it_stands_there(client: Client, collection: Collection) -> None:
    index(collection, TEXT)
    assert re.search(
        r"meaning \d+ % · rare words \d+ % · language of the question", client.get("/", {"q": "lost suitcase"}).text
    )
    assert re.search(r"meaning \d+ % · another language", client.get("/", {"q": "我的行李箱丢了"}).text)


def test_search_markup_in_documents_and_questions_is_shown_as_text(client: Client, collection: Collection) -> None:
    index(collection, MARKUP)
    page = client.get("/", {"q": "<script>alert(2)</script> suitcase"})
    assert "<script>alert" not in page.text
    assert "<b>bold" not in page.text
    assert "&lt;script&gt;alert(2)" in page.text


def test_search_restricted_collection_is_found_and_offered_to_its_members_only(
    client: Client, restricted: Collection, bob: User, charlie: User
) -> None:
    index(restricted, TEXT)
    client.force_login(bob)
    assert "lost suitcase" in client.get("/", {"q": "suitcase"}).text
    for user in (None, charlie):
        client.logout()
        if user:
            client.force_login(user)
        for query in ({"q": "suitcase"}, {"q": "suitcase", "collection": restricted.slug}, {}):
            page = client.get("/", query).text
            assert "lost suitcase" not in page
            assert "Lost luggage" not in page
            assert restricted.name not in page


def test_search_nothing_found_says_what_to_try(client: Client, collection: Collection) -> None:
    index(collection, TEXT)
    upload(collection, "# Waiting\n\nStill in the queue.")
    page = client.get("/", {"q": "suitcase", "language": "ja"}).text
    assert "Take the filters away" in page
    assert "1 document is still being processed" in page


def test_search_without_question_shows_examples_in_several_languages(client: Client, collection: Collection) -> None:
    index(collection, TEXT)
    index(collection, FAQ, name="faq.csv")
    index(collection, "# 早餐\n\n餐车每天早上六点到九点供应早餐。")
    page = client.get("/").text
    assert "Where is the lounge?" in page
    assert "早餐" in page


def test_search_empty_site_says_what_to_do(client: Client, site: None) -> None:
    assert "Sign in to upload documents" in client.get("/").text


def test_search_page_number_of_queries_does_not_grow(
    client: Client, collection: Collection, django_assert_max_num_queries
) -> None:
    for number in range(5):
        index(collection, f"# Suitcase {number}\n\nA suitcase is at the counter {number}.")
    client.get("/", {"q": "counter"})  # sees which weights answer, which is known for some seconds
    with django_assert_max_num_queries(12):
        client.get("/", {"q": "suitcase"})
    with django_assert_max_num_queries(9):
        client.get("/")


def test_search_filters_show_how_many_documents_stand_behind_each_choice(
    client: Client, collection: Collection, restricted: Collection
) -> None:
    index(collection, TEXT)
    index(collection, FAQ, name="faq.csv")
    index(collection, "# 早餐\n\n餐车每天早上六点到九点供应早餐。")
    index(restricted, "# Secret\n\nNobody knows.")
    page = client.get("/").text
    for choice in ("Handbook (3)", "English (2)", "中文 (1)", "Markdown (2)", "CSV (1)", "Last 7 days (3)"):
        assert choice in page
    assert "Secret (" not in page


def test_search_type_and_time_of_the_document_can_be_chosen(client: Client, collection: Collection) -> None:
    old = upload(collection, TEXT).document
    Document.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=40))
    indexing.index_document(old.pk)
    index(collection, "question,answer\nWhere is a lost suitcase?,At the counter.\n", name="faq.csv")
    link = f'href="/documents/{old.pk}/'
    assert link in client.get("/", {"q": "lost suitcase", "kind": "markdown"}).text
    assert link not in client.get("/", {"q": "lost suitcase", "kind": "csv"}).text
    assert link in client.get("/", {"q": "lost suitcase", "period": "365"}).text
    page = client.get("/", {"q": "lost suitcase", "period": "30"}).text
    assert link not in page
    assert "Where is a lost suitcase?" in page
    assert link in client.get("/", {"q": "lost suitcase", "period": "no-such"}).text


def test_search_replaced_document_still_in_work_keeps_its_examples(client: Client, collection: Collection) -> None:
    document = index(collection, TEXT, name="lost.md")
    upload(collection, TEXT + " Or write to us.", name="lost.md")
    document.refresh_from_db()
    assert document.status == Document.Status.QUEUED
    assert "Lost luggage" in client.get("/").text


def test_excerpt_short_text_is_whole() -> None:
    shown = excerpt("One. Two.", (5, 9))
    assert (shown.before, shown.marked, shown.after, shown.is_cut) == ("One. ", "Two.", "", False)


LONG_TEXT = (
    "# Travelling\n\nThe trains are painted dark blue. Every cabin has two beds and a window. "
    "Lost suitcases are kept at the counter for two weeks. The conductor speaks four languages. "
    "In winter the heating is on all night."
)


def test_search_by_htmx_answers_at_once_and_asks_for_the_highlights(client: Client, collection: Collection) -> None:
    index(collection, LONG_TEXT)
    assert "<mark>" in client.get("/", {"q": "我的行李箱丢了"}).text
    page = client.get("/", {"q": "我的行李箱丢了"}, headers=HTMX).text
    assert "<mark>" not in page
    address = re.search(r'hx-get="(/highlights/[^"]+)" hx-trigger="load"', page)
    assert address is not None
    marks = client.get(html.unescape(address[1]), headers=HTMX).text
    chunk_id = Chunk.objects.get().pk
    assert f'<p id="excerpt-{chunk_id}" hx-swap-oob="innerHTML">' in marks
    assert "<mark>Lost suitcases are kept at the counter for two weeks." in marks


def test_highlights_of_passages_that_one_may_not_see_are_none(
    client: Client, charlie: User, alice: User, restricted: Collection
) -> None:
    index(restricted, LONG_TEXT)
    address = {"q": "suitcase", "passage": [str(Chunk.objects.get().pk), "no id"]}
    for person, is_shown in ((alice, True), (charlie, False)):
        client.force_login(person)
        answer = client.get("/highlights/", address)
        assert answer.status_code == 200
        assert ("suitcases" in answer.text) is is_shown
        assert ("<mark>" in answer.text) is is_shown


@pytest.mark.parametrize("query", ["", "  ", "suitcase"])
def test_highlights_of_nothing_are_none(client: Client, collection: Collection, query: str) -> None:
    index(collection, LONG_TEXT)
    assert "<mark>" not in client.get("/highlights/", {"q": query}).text


@pytest.mark.parametrize("start", [0, 700, 1_990])
def test_excerpt_long_text_keeps_the_highlight_whole_and_says_where_it_is_cut(start: int) -> None:
    text = "word " * 400
    shown = excerpt(text, (start, start + 10))
    joined = shown.before + shown.marked + shown.after
    assert shown.marked == text[start : start + 10]
    assert joined in text
    assert len(joined) <= EXCERPT_CHARACTERS
    assert shown.is_cut_before == (start > 0)
    assert shown.is_cut_after == (start < 1_990)


def test_excerpt_highlight_longer_than_the_excerpt_is_not_cut() -> None:
    text = "x" * 3_000
    assert excerpt(text, (500, 2_000)).marked == "x" * 1_500


@pytest.mark.parametrize(("code", "name"), [("zh", "Chinese"), ("zh-Hant", "Traditional Chinese"), ("und", "und")])
def test_language_name_is_that_of_the_page_language(code: str, name: str) -> None:
    assert language_name(code) == name


@pytest.mark.parametrize(("code", "direction"), [("ar", "rtl"), ("en", "ltr"), ("und", "auto")])
def test_text_direction_follows_the_script(code: str, direction: str) -> None:
    assert text_direction(code) == direction


def test_language_badge_is_explained_in_the_page_language_and_escaped() -> None:
    assert language_badge("de") == '<span class="badge badge-language" lang="de" title="German">Deutsch</span>'
    with override("zh-hans"):
        assert 'title="德语"' in language_badge("de")
    assert '<b title="&quot;">' not in language_badge('<b title="">')
    assert language_badge("und") == language_badge("") == ""


def test_addresses_of_hits_are_those_of_their_pages_also_below_a_folder() -> None:
    document_id = uuid.uuid4()
    try:
        for folder in ("/", "/knowledge/"):
            set_script_prefix(folder)
            page = reverse("document", args=[document_id])
            assert passage_url(document_id, 7) == f"{page}?passage=7#passage-7"
            assert page.startswith(folder)
            assert collection_url("a-b_c") == reverse("collection", args=["a-b_c"])
    finally:
        clear_script_prefix()


def test_search_question_in_a_language_that_the_model_does_not_know_says_so(
    client: Client, collection: Collection
) -> None:
    index(collection, TEXT)
    page = client.get("/", {"q": "Hol találom meg az elveszett poggyászomat a pályaudvaron?"}).text
    assert "The model does not know Hungarian" in page
    assert "The model does not know" not in client.get("/", {"q": "Where do I find my lost luggage?"}).text
