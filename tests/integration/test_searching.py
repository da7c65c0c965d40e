"""The way of a question to its hits."""

from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser, User
from pytest_django import Settings

from searchapp.embedding import EmbeddingUnavailableError
from searchapp.errors import PermanentError
from searchapp.index import VectorStoreUnavailableError
from searchapp.models import Collection, Document
from searchapp.models.knowledge import Visibility
from searchapp.ranking import AnswerTest, Profile, Weights, write_profile
from searchapp.services.searching import Lanes, Mode, QueryRejectedError, SearchOptions, search
from tests.factories import CollectionFactory, UserFactory, index
from tests.integration.conftest import forget_backends

LUGGAGE = "# Lost luggage\n\nReport a lost suitcase at the counter within two days."
BREAKFAST = "# Speisewagen\n\nDas Frühstück wird im Speisewagen ab sechs Uhr serviert."
TICKET = "# 退票\n\n您可以在出发前24小时内免费退票。"


@pytest.fixture
def library(collection: Collection) -> Collection:
    for text in (LUGGAGE, BREAKFAST, TICKET):
        index(collection, text)
    return collection


@pytest.mark.parametrize(
    ("question", "language", "title"),
    [
        ("我的行李箱丢了怎么办？", "zh", "Lost luggage"),
        ("À quelle heure est le petit-déjeuner ?", "fr", "Speisewagen"),
        ("Can I return my ticket before departure for free?", "en", "退票"),
        ("Где поесть утром в поезде?", "ru", "Speisewagen"),
    ],
)
def test_search_question_in_another_language_finds_the_answer_first(
    library: Collection, question: str, language: str, title: str
) -> None:
    result = search(question, AnonymousUser())
    assert result.query_language == language
    assert result.hits[0].title == title
    assert result.hits[0].score > result.hits[-1].score


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("E-217", "Codes of the cabin panel"),
        ("e217 E-217 是什么意思", "Codes of the cabin panel"),
        ("玄关鞋柜", "寄存物品"),
        ("くつべら", "貸出品"),
        ("구둣주걱", "대여 물품"),
        ("ที่ช้อนรองเท้า", "ของให้ยืม"),
    ],
)
def test_search_code_or_rare_word_finds_the_passage_that_holds_it(
    library: Collection, question: str, title: str
) -> None:
    index(library, "# Codes of the cabin panel\n\nE-217 means that the window is open. E-218 means that it is shut.")
    index(library, "# 寄存物品\n\n大件物品请放在玄关鞋柜旁边的架子上。")
    index(library, "# 貸出品\n\n車掌室では傘とくつべらを貸し出しています。")
    index(library, "# 대여 물품\n\n승무원실에서 우산과 구둣주걱을 빌려 드립니다.")
    index(library, "# ของให้ยืม\n\nพนักงานมีร่มและที่ช้อนรองเท้าให้ยืม")
    assert search(question, AnonymousUser()).hits[0].title == title


def test_search_thousand_passages_in_the_questions_language_do_not_hide_the_answer_in_another(
    collection: Collection,
) -> None:
    for part in range(5):
        rows = "".join(
            f"怎么办理第{part * 60 + row}号业务？,请到{row}号窗口办理第{part}类业务。\n" for row in range(60)
        )
        index(collection, f"问题,答案\n{rows}", name=f"faq-{part}.csv")
    index(collection, LUGGAGE)
    assert "Lost luggage" in [hit.title for hit in search("行李箱丢了怎么办？", AnonymousUser()).hits[:3]]


def test_search_dense_lane_alone_ranks_by_similarity(library: Collection) -> None:
    index(library, "# Codes of the cabin panel\n\nE-217 means that the window is open.")
    options = SearchOptions(Lanes.DENSE, is_balanced=False)
    scores = [hit.score for hit in search("E-217 window open", AnonymousUser(), options=options).hits]
    assert len(scores) == 4  # whatever shares no word is found as well
    assert max(scores) <= 1.0
    both = SearchOptions(is_balanced=False)
    assert scores[0] < search("E-217 window open", AnonymousUser(), options=both).hits[0].score


def test_search_lexical_lane_alone_finds_words_without_the_embedding_service(
    library: Collection, settings: Settings
) -> None:
    settings.EMBEDDING_BASE_URL = "http://127.0.0.1:1/v1"
    forget_backends()
    options = SearchOptions(Lanes.LEXICAL, is_balanced=False)
    assert [hit.title for hit in search("suitcase", AnonymousUser(), options=options).hits] == ["Lost luggage"]
    assert search("wagon", AnonymousUser(), options=options).hits == ()


def test_search_without_balance_takes_nothing_off_the_questions_own_language(library: Collection) -> None:
    question = "Where do I report a lost suitcase?"
    balanced = search(question, AnonymousUser()).hits[0]
    plain = search(question, AnonymousUser(), options=SearchOptions(is_balanced=False)).hits[0]
    assert plain.title == balanced.title == "Lost luggage"
    assert plain.score == pytest.approx(balanced.score / Weights().own_language)


def test_search_language_filter_keeps_only_that_language(library: Collection) -> None:
    hits = search("train", AnonymousUser(), languages=["de"]).hits
    assert {hit.language for hit in hits} == {"de"}


def test_search_collection_filter_keeps_only_that_collection(library: Collection) -> None:
    other = CollectionFactory.create(slug="other")
    index(other, "# Suitcases\n\nWe sell suitcases of every colour.")
    hits = search("suitcase", AnonymousUser(), collections=["other"]).hits
    assert [hit.collection_slug for hit in hits] == ["other"]


def test_search_unknown_collection_finds_nothing(library: Collection) -> None:
    assert search("suitcase", AnonymousUser(), collections=["no-such-thing"]).hits == ()


def test_search_restricted_collection_is_found_by_owner_and_member_alone(
    restricted: Collection, alice: User, bob: User, charlie: User
) -> None:
    index(restricted, LUGGAGE)
    assert len(search("lost suitcase", alice).hits) == 1
    assert len(search("lost suitcase", bob).hits) == 1
    assert search("lost suitcase", charlie).hits == ()
    assert search("lost suitcase", charlie, collections=[restricted.slug]).hits == ()
    assert search("lost suitcase", AnonymousUser()).hits == ()


def test_search_signed_in_collection_is_hidden_from_visitors_and_closed_accounts(site: None) -> None:
    index(CollectionFactory.create(visibility=Visibility.SIGNED_IN), LUGGAGE)
    assert len(search("lost suitcase", UserFactory.create()).hits) == 1
    assert search("lost suitcase", AnonymousUser()).hits == ()
    assert search("lost suitcase", UserFactory.create(is_active=False)).hits == ()


def test_search_withdrawn_access_takes_effect_at_once(restricted: Collection, bob: User) -> None:
    index(restricted, LUGGAGE)
    assert len(search("lost suitcase", bob).hits) == 1
    restricted.memberships.all().delete()
    assert search("lost suitcase", bob).hits == ()


def test_search_point_without_a_row_is_never_shown(collection: Collection) -> None:
    document = index(collection, LUGGAGE)
    Document.objects.filter(pk=document.pk).delete()  # as if the index had not been swept yet
    assert search("lost suitcase", AnonymousUser()).hits == ()


def test_search_nothing_indexed_yet_finds_nothing(collection: Collection) -> None:
    assert search("lost suitcase", AnonymousUser()).hits == ()


def test_search_long_document_does_not_fill_the_page_but_faq_rows_do(collection: Collection) -> None:
    index(collection, "\n\n".join(f"## Suitcase {n}\n\n" + f"A lost suitcase, case {n}. " * 60 for n in range(8)))
    rows = "".join(f"How do I find suitcase {n}?,Ask at counter {n}.\n" for n in range(6))
    faq = index(collection, f"question,answer\n{rows}", name="faq.csv")
    hits = search("lost suitcase", AnonymousUser(), limit=20).hits
    assert sum(hit.document_id == faq.pk for hit in hits) == 6
    assert sum(hit.document_id != faq.pk for hit in hits) == 3


def test_search_long_passage_has_its_answering_sentence_marked(collection: Collection) -> None:
    index(
        collection,
        "# Travelling\n\nThe trains are painted dark blue. Every cabin has two beds and a window. "
        "Lost suitcases are kept at the counter for two weeks. The conductor speaks four languages. "
        "In winter the heating is on all night.",
    )
    hit = search("我的行李箱丢了", AnonymousUser()).hits[0]
    assert hit.highlight is not None
    start, end = hit.highlight
    assert hit.text[start:end].strip() == "Lost suitcases are kept at the counter for two weeks."


@pytest.mark.parametrize(
    ("question", "code"), [("", "query_empty"), (" \n\u200b\u0000", "query_empty"), ("x" * 10_000, "query_too_long")]
)
def test_search_unusable_question_is_rejected(site: None, question: str, code: str) -> None:
    with pytest.raises(QueryRejectedError) as caught:
        search(question, AnonymousUser())
    assert caught.value.code == code


@pytest.mark.parametrize(
    "question", ["<script>alert(1)</script>", "' OR 1=1 --", "\ud800 luggage", "🧳🧳", "%s {0} \\"]
)
def test_search_hostile_question_is_answered_as_any_other(library: Collection, question: str) -> None:
    assert search(question, AnonymousUser()).query


def test_search_embedding_service_down_words_answer_and_the_result_says_so(
    library: Collection, settings: Settings
) -> None:
    settings.EMBEDDING_BASE_URL = "http://127.0.0.1:1/v1"
    forget_backends()
    result = search("lost suitcase", AnonymousUser())
    assert [hit.title for hit in result.hits] == ["Lost luggage"]
    assert result.degraded == "embedding_unreachable"
    with pytest.raises(EmbeddingUnavailableError):
        search("lost suitcase", AnonymousUser(), options=SearchOptions(Lanes.DENSE))


def test_search_embedding_service_not_set_up_words_answer(library: Collection, settings: Settings) -> None:
    settings.EMBEDDING_BASE_URL = ""
    forget_backends()
    result = search("lost suitcase", AnonymousUser())
    assert (len(result.hits), result.degraded) == (1, "embedding_not_configured")


def test_search_vector_store_down_says_so(library: Collection, settings: Settings) -> None:
    settings.QDRANT_URL = "http://127.0.0.1:1"
    forget_backends()
    with pytest.raises(VectorStoreUnavailableError):
        search("lost suitcase", AnonymousUser())


def test_search_own_language_first_keeps_the_rest_behind(library: Collection) -> None:
    index(library, "# Verlorene Koffer\n\nIm Winter ist der Schalter geschlossen.")
    question = "Wo melde ich einen verlorenen Koffer?"
    languages = [hit.language for hit in search(question, AnonymousUser(), mode=Mode.OWN_FIRST).hits]
    assert languages == ["de", "de", *languages[2:]]
    assert set(languages[2:]) == {"en", "zh"}


def test_search_one_hit_for_each_language_is_the_best_of_it(library: Collection) -> None:
    index(library, "# Stations\n\nThe trains stop in twelve towns.")
    hits = search("我的行李箱丢了怎么办？", AnonymousUser(), mode=Mode.EACH_LANGUAGE).hits
    assert sorted(hit.language for hit in hits) == ["de", "en", "zh"]
    assert hits[0].title == "Lost luggage"


@pytest.mark.parametrize(
    ("question", "title"),
    [("伺服器錯誤", "服务器错误"), ("أخطاء الخدمه", "خدمة"), ("When do the servers restart?", "Server")],
    ids=["Traditional and Simplified", "Arabic letter forms", "stems"],
)
def test_search_words_in_another_form_find_the_passage_without_vectors(
    collection: Collection, question: str, title: str
) -> None:
    index(collection, "# 服务器错误\n\n伺服器错误时请联系管理员，服务器会在一小时内恢复。")
    index(collection, "# خدمة\n\nتظهر اخطاء الخدمة في هذه الصفحة من الموقع.")
    index(collection, "# Server\n\nEvery server of ours is restarted on Sunday night.")
    hits = search(question, AnonymousUser(), options=SearchOptions(Lanes.LEXICAL)).hits
    assert [hit.title for hit in hits] == [title]


def test_search_topic_that_is_absent_has_no_good_answer_but_weaker_hits(library: Collection) -> None:
    result = search("How deep is the volcano lake on the moon?", AnonymousUser())
    assert not result.is_answered
    assert result.hits
    assert search("我的行李箱丢了怎么办？", AnonymousUser()).is_answered


def test_search_ranking_file_sets_the_floors_and_a_broken_one_is_named(
    library: Collection, settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "ranking.json"
    write_profile(Profile(own=AnswerTest(least=1.0), other=AnswerTest(least=1.0)), path)
    settings.RANKING_FILE = str(path)
    forget_backends()
    assert not search("lost suitcase", AnonymousUser()).is_answered
    path.write_text("{", encoding="utf-8")
    forget_backends()
    with pytest.raises(PermanentError) as caught:
        search("lost suitcase", AnonymousUser())
    assert caught.value.code == "ranking_file_invalid"
