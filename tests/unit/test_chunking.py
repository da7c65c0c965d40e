"""Passages: what is kept together, where text is cut, and what never happens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchapp.chunking import Passage, cut, document_text


class Kind(StrEnum):
    HEADING = "heading"
    TEXT = "text"
    CODE = "code"
    TABLE = "table"
    FAQ = "faq"


@dataclass(frozen=True, slots=True)
class Block:
    kind: Kind
    text: str
    heading_path: tuple[str, ...] = ()
    page: int | None = None
    question: str = ""


def count_words(text: str) -> int:
    return len(text.split())


def count_bytes_with_specials(text: str) -> int:
    """Count like a tokenizer that puts two special tokens around every text."""
    return len(text.encode("utf-8", "surrogatepass")) + 2


def cut_words(blocks: Sequence[Block], max_tokens: int, **options: str) -> list[Passage]:
    return cut(blocks, max_tokens=max_tokens, count_tokens=count_words, languages=["en", "de", "zh"], **options)


def prose(sentences: int, word: str = "word") -> str:
    """Write sentences of ten words."""
    return " ".join(f"Sentence {number} {' '.join([word] * 7)} end." for number in range(sentences))


# --- sections


def test_cut_blocks_under_one_heading_become_one_passage_without_the_heading_twice() -> None:
    blocks = [
        Block(Kind.HEADING, "Guide"),
        Block(Kind.HEADING, "Install", ("Guide",)),
        Block(Kind.TEXT, prose(3), ("Guide", "Install")),
        Block(Kind.TEXT, "And then some more.", ("Guide", "Install")),
    ]
    (passage,) = cut_words(blocks, 100)
    assert passage.heading_path == ("Guide", "Install")
    assert passage.text == prose(3) + "\n\nAnd then some more."
    assert passage.token_count == 34


def test_cut_sections_that_stand_on_their_own_stay_apart() -> None:
    blocks = [
        block
        for name in ("Install", "Remove")
        for block in (Block(Kind.HEADING, name), Block(Kind.TEXT, prose(2), (name,)))
    ]
    assert [passage.heading_path for passage in cut_words(blocks, 200)] == [("Install",), ("Remove",)]


def test_cut_tiny_siblings_join_under_their_parent_with_their_headings_as_text() -> None:
    blocks = [
        Block(Kind.HEADING, "Ports"),
        Block(Kind.HEADING, "Web", ("Ports",)),
        Block(Kind.TEXT, "It is 80.", ("Ports", "Web")),
        Block(Kind.HEADING, "Mail", ("Ports",)),
        Block(Kind.TEXT, "It is 25.", ("Ports", "Mail")),
    ]
    (passage,) = cut_words(blocks, 200)
    assert passage.heading_path == ("Ports",)
    assert passage.text == "Web\n\nIt is 80.\n\nMail\n\nIt is 25."


def test_cut_tiny_section_at_the_end_joins_the_sibling_before_it() -> None:
    blocks = [
        Block(Kind.HEADING, "Install"),
        Block(Kind.TEXT, prose(4), ("Install",)),
        Block(Kind.HEADING, "Licence"),
        Block(Kind.TEXT, "Free.", ("Licence",)),
    ]
    (passage,) = cut_words(blocks, 200)
    assert passage.text == f"Install\n\n{prose(4)}\n\nLicence\n\nFree."


def test_cut_heading_that_nothing_follows_joins_what_is_before_it() -> None:
    blocks = [Block(Kind.TEXT, prose(2)), Block(Kind.HEADING, "See also")]
    (passage,) = cut_words(blocks, 50)
    assert passage.text.endswith("end.\n\nSee also")


def test_cut_document_of_headings_only_is_still_found() -> None:
    (passage,) = cut_words([Block(Kind.HEADING, "Alpha"), Block(Kind.HEADING, "Beta")], 50)
    assert passage.text == "Alpha\n\nBeta"


@pytest.mark.parametrize("blocks", [[], [Block(Kind.TEXT, " \n ")], [Block(Kind.FAQ, "", question="Why?")]])
def test_cut_nothing_to_embed_gives_no_passage(blocks: list[Block]) -> None:
    assert cut_words(blocks, 50) == []


# --- sizes


def test_cut_long_section_is_parted_at_sentences_into_equal_passages() -> None:
    passages = cut_words([Block(Kind.TEXT, prose(11))], 50)
    assert sorted(passage.token_count for passage in passages) == [30, 40, 40]
    assert all(passage.text.endswith("end.") for passage in passages)


def test_cut_long_section_prefers_paragraph_ends() -> None:
    blocks = [Block(Kind.TEXT, prose(4)), Block(Kind.TEXT, prose(5)), Block(Kind.TEXT, prose(4))]
    passages = cut_words(blocks, 100)
    assert sorted(passage.token_count for passage in passages) == [40, 90]
    assert all(passage.text.startswith("Sentence 0") for passage in passages)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("今天天气很好我们一起去公园吧。" * 30, "。"),
        ("यह एक छोटा वाक्य है जो समझाता है। " * 20, "।"),
        ("ما هي ساعات العمل في هذا المكتب؟ " * 20, "؟"),
    ],
)
def test_cut_long_text_of_other_scripts_ends_at_their_sentence_ends(text: str, end: str) -> None:
    passages = cut([Block(Kind.TEXT, text)], max_tokens=120, count_tokens=len)
    assert len(passages) > 1
    assert all(passage.text.endswith(end) for passage in passages)


def test_cut_text_without_sentence_ends_is_parted_between_words() -> None:
    passages = cut([Block(Kind.TEXT, "wordword " * 5_000)], max_tokens=100, count_tokens=len)
    assert all(set(passage.text.split()) == {"wordword"} for passage in passages)
    assert min(passage.token_count for passage in passages) > 50


def test_cut_counting_calls_grow_with_the_text_only() -> None:
    def calls(sentences: int) -> int:
        counted: list[int] = []

        def count(text: str) -> int:
            counted.append(len(text))
            return len(text) // 4 + 1

        cut(
            [Block(Kind.TEXT, "Hello world, this is it. " * sentences)],
            max_tokens=256,
            count_tokens=count,
            language="en",
        )
        return len(counted)

    assert calls(8_000) < 2.2 * calls(4_000)


def test_cut_special_tokens_around_each_text_do_not_shrink_passages() -> None:
    passages = cut(
        [Block(Kind.TEXT, "Ten bytes. " * 100)], max_tokens=112, count_tokens=count_bytes_with_specials, language="en"
    )
    assert min(passage.token_count for passage in passages) > 90


def test_cut_budget_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="no room"):
        cut([Block(Kind.TEXT, "a")], max_tokens=4, count_tokens=count_bytes_with_specials)


# --- code, tables, questions, pages


def test_cut_code_stays_whole_with_the_sentence_before_it() -> None:
    code = "\n".join(f"step {number}" for number in range(10))
    blocks = [
        Block(Kind.TEXT, prose(4) + " Run this command now:"),
        Block(Kind.CODE, code),
        Block(Kind.TEXT, prose(3)),
    ]
    with_code = [passage for passage in cut_words(blocks, 45) if "step" in passage.text]
    assert len(with_code) == 1
    assert f"Run this command now:\n\n{code}" in with_code[0].text


def test_cut_long_code_and_tables_are_parted_between_lines() -> None:
    lines = [f"cell {number} | value. Not an end {number}" for number in range(30)]
    for kind in (Kind.CODE, Kind.TABLE):
        passages = cut_words([Block(kind, "\n".join(lines))], 40)
        assert [line for passage in passages for line in passage.text.split("\n")] == lines
        assert len(passages) > 1


def test_cut_faq_rows_are_passages_of_their_own() -> None:
    rows = [Block(Kind.FAQ, "By card.", question="How do I pay?"), Block(Kind.FAQ, "Ten days.", question="How long?")]
    assert [(p.question, p.text) for p in cut_words(rows, 100)] == [
        ("How do I pay?", "By card."),
        ("How long?", "Ten days."),
    ]


def test_cut_long_answer_repeats_the_question_within_the_budget() -> None:
    row = Block(Kind.FAQ, prose(9), question="How do I pay by card?")
    passages = cut_words([row], 50)
    assert len(passages) > 1
    assert {passage.question for passage in passages} == {row.question}
    assert all(count_words(f"{p.question} {p.text}") <= 50 for p in passages)
    assert " ".join(passage.text for passage in passages) == row.text


def test_cut_page_is_that_of_the_first_character() -> None:
    blocks = [
        Block(Kind.TEXT, prose(3), page=4),
        Block(Kind.TEXT, prose(3), page=5),
        Block(Kind.TEXT, prose(3), page=6),
    ]
    assert {passage.page for passage in cut_words(blocks, 200)} == {4}
    assert [passage.page for passage in cut_words(blocks, 30)] == [4, 5, 6]


def test_document_text_faq_row_is_question_and_answer() -> None:
    blocks = [Block(Kind.TEXT, "Intro."), Block(Kind.FAQ, "By card.", question="How?")]
    assert document_text(blocks) == "Intro.\n\nHow?\nBy card."


# --- language


def test_cut_language_is_detected_per_passage() -> None:
    blocks = [
        Block(Kind.FAQ, "Go to your account and choose a new one.", question="How can I change my password?"),
        Block(Kind.FAQ, "在账户页面选择新的密码。", question="我怎么修改密码？"),
    ]
    assert [passage.language for passage in cut_words(blocks, 100)] == ["en", "zh"]


def test_cut_code_takes_the_main_language_of_the_document() -> None:
    german = (
        "Wie kann ich mein Passwort ändern? Bitte melden Sie sich dafür mit Ihrem Konto an und wählen Sie ein neues."
    )
    blocks = [
        Block(Kind.HEADING, "Eins"),
        Block(Kind.TEXT, german, ("Eins",)),
        Block(Kind.HEADING, "Zwei"),
        Block(Kind.CODE, "for (i = 0; i < n; i++) { f(x[i]); }", ("Zwei",)),
    ]
    assert [passage.language for passage in cut_words(blocks, 20)] == ["de", "de"]


def test_cut_declared_language_wins() -> None:
    (passage,) = cut_words([Block(Kind.TEXT, "Wie kann ich mein Passwort ändern?")], 50, language="nl")
    assert passage.language == "nl"


# --- what holds for every document

PATHS = st.sampled_from([(), ("A",), ("A", "B"), ("A", "C"), ("D",)])
TEXTS = st.lists(
    st.sampled_from(
        ["One two three. ", "词语很多。", "ก ข ", "x" * 40, "यह है। ", "\n", "a | b\n", "👩‍💻", " ", "Why? ", "é"]
    ),
    max_size=25,
).map("".join)
BLOCKS = st.lists(
    st.one_of(
        st.builds(
            Block, st.sampled_from([Kind.TEXT, Kind.CODE, Kind.TABLE]), TEXTS, PATHS, st.sampled_from([None, 1, 2])
        ),
        st.builds(Block, st.just(Kind.HEADING), st.sampled_from(["A", "B", "C", "D", "Long heading " * 3]), PATHS),
        st.builds(Block, st.just(Kind.FAQ), TEXTS, PATHS, st.none(), st.sampled_from(["Why?", "How does it work?"])),
    ),
    max_size=12,
)
COUNTS: list[Callable[[str], int]] = [
    count_words,
    len,
    count_bytes_with_specials,
    lambda text: len(text) // 3 + 1,
]


@given(BLOCKS, st.sampled_from(COUNTS), st.integers(60, 200))
def test_cut_any_document_is_covered_in_order_and_never_over_budget(
    blocks: list[Block], count: Callable[[str], int], max_tokens: int
) -> None:
    passages = cut(blocks, max_tokens=max_tokens, count_tokens=count)
    text = document_text(blocks)
    covered = [False] * len(text)
    for ordinal, passage in enumerate(passages):
        assert passage.ordinal == ordinal
        assert passage.text == text[passage.start : passage.end]
        assert passage.text.strip()
        assert passage.token_count == count(passage.text) <= max_tokens
        covered[passage.start : passage.end] = [True] * len(passage.text)
    assert [p.start for p in passages] == sorted(p.start for p in passages)
    assert all(before.end <= after.start for before, after in pairwise(passages))

    named = {heading for passage in passages for heading in passage.heading_path}
    position = 0
    for block in blocks:
        position += len(block.question) + 1 if block.question else 0
        for offset, character in enumerate(block.text, start=position):
            assert covered[offset] or character.isspace() or (block.kind is Kind.HEADING and block.text in named)
        position += len(block.text) + 2
