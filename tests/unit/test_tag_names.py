"""Tags as people write them."""

import pytest

from searchapp.services.tags import MAX_TAGS, TagsRejectedError, clean_tags, tag_key


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Travel", "travel ", "TRAVEL"], ["Travel"]),
        (["a, b ,, c"], ["a", "b", "c"]),
        (["发票，退款、报销"], ["发票", "退款", "报销"]),
        (["two  words", "two words"], ["two words"]),
        (["Ｔｒａｖｅｌ", "travel"], ["Travel"]),
        (["\u200b", "", "\x00", " "], []),
        (["<b>bold</b>"], ["<b>bold</b>"]),
    ],
)
def test_clean_tags_keeps_each_once_as_it_was_written_first(names: list[str], expected: list[str]) -> None:
    assert list(clean_tags(names).values()) == expected


def test_clean_tags_key_is_the_name_however_it_is_written() -> None:
    assert list(clean_tags(["Straße"])) == [tag_key("STRASSE")]


@pytest.mark.parametrize(
    ("names", "code"),
    [([f"tag {number}" for number in range(MAX_TAGS + 1)], "tags_too_many"), (["x" * 51], "tag_too_long")],
)
def test_clean_tags_too_many_or_too_long_are_refused(names: list[str], code: str) -> None:
    with pytest.raises(TagsRejectedError) as caught:
        clean_tags(names)
    assert caught.value.code == code
