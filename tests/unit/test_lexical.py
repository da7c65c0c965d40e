"""Terms of all scripts, and how BM25 weighs them."""

import pytest

from searchapp.index.lexical import document_vector, query_vector, term_share
from searchapp.language import lexical_terms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("The Über-cool café!", ["the", "uber-cool", "uber", "cool", "cafe"]),
        ("错误代码 E-217", ["错误", "误代", "代码", "e-217", "e", "217"]),
        ("ﾊﾞｯｸﾞ", ["バッ", "ッグ"]),
        ("사용자 가이드", ["사용", "용자", "가이", "이드"]),
        ("กระเป๋า", ["กระ", "ระเ", "ะเป", "เป๋", "ป๋า"]),
        ("مُحَمَّد", ["محمد"]),
        ("Ёлка Ελλάδα", ["елка", "ελλαδα"]),
        (
            "kube-proxy v1.2.3 a@b.org",
            ["kube-proxy", "kube", "proxy", "v1.2.3", "v1", "2", "3", "a@b.org", "a", "b", "org"],
        ),
        ("水", ["水"]),
        ("伺服器錯誤", ["伺服", "服器", "器错", "错误"]),
        ("أحمد إلى مكتبة", ["احمد", "الي", "مكتبه"]),
        ("کتابی", ["كتابي"]),
        ("ज़रूर गाँव", ["जरूर", "गांव"]),
        ("١٢٣ १२३", ["123", "123"]),
        ("?! 🧳", []),
    ],
)
def test_lexical_terms_every_script_is_cut_and_folded(text: str, terms: list[str]) -> None:
    assert lexical_terms(text) == terms


@pytest.mark.parametrize(
    ("text", "language", "terms"),
    [
        ("lost suitcases", "en", ["lost", "suitcases", "suitcas"]),
        ("verlorene Häuser", "de", ["verlorene", "verlor", "hauser", "haus"]),
        ("поездами", "ru", ["поездами", "поезд"]),
        ("suitcases", "zh", ["suitcases"]),
        ("suitcases", "", ["suitcases"]),
    ],
)
def test_lexical_terms_stem_is_one_more_term_where_the_language_has_endings(
    text: str, language: str, terms: list[str]
) -> None:
    assert lexical_terms(text, language=language) == terms


def test_document_vector_repetition_counts_less_and_less() -> None:
    once, thrice = (document_vector(text).values[0] for text in ("word", "word word word"))
    assert once < thrice < 3 * once


def test_document_vector_same_term_has_the_same_index_in_question_and_passage() -> None:
    assert set(query_vector("Café").indices) <= set(document_vector("the cafe is open").indices)


def test_term_share_is_bounded_and_nothing_matched_is_nothing() -> None:
    assert term_share(0.0, term_count=3, point_count=100) == 0.0
    assert term_share(1e9, term_count=3, point_count=100) == 1.0
    assert term_share(1.0, term_count=0, point_count=100) == 0.0
