"""Texts that are versions of one text in different languages, and texts that are nearly the same."""

import numpy as np
import pytest
from numpy.typing import NDArray

from searchapp.ranking import Version, first_of_equals, group_versions


def topics(count: int, *, seed: int = 3) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(count, 64))


def version(language: str, passages: NDArray[np.float64], *, length: int = 500) -> Version:
    rows = np.atleast_2d(passages)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return Version(language, length, unit.astype(np.float32))


def near(topic: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    return topic + np.random.default_rng(seed).normal(scale=0.4, size=topic.shape)


def test_group_versions_translations_in_three_languages_are_one_group() -> None:
    base = topics(6)
    texts = [
        version(code, near(base[row], seed * 10 + row))
        for seed, code in enumerate(("en", "de", "zh"))
        for row in range(6)
    ]
    assert group_versions(texts) == [[row, row + 6, row + 12] for row in range(6)]


def test_group_versions_text_of_another_length_is_no_version() -> None:
    base = topics(4)
    english = [version("en", near(base[row], row)) for row in range(4)]
    german = [version("de", near(base[row], 10 + row), length=500 if row else 60_000) for row in range(4)]
    assert group_versions([*english, *german]) == [[1, 5], [2, 6], [3, 7]]


def test_group_versions_answers_in_one_language_are_never_one_group() -> None:
    topic = topics(1)[0]
    texts = [version("en", near(topic, seed)) for seed in range(5)] + [version("de", near(topic, 9))]
    groups = group_versions(texts)
    assert all(len([position for position in group if position < 5]) == 1 for group in groups)


def test_group_versions_texts_without_a_counterpart_stay_alone() -> None:
    english, german = topics(5, seed=1), topics(5, seed=2)
    assert group_versions([*(version("en", row) for row in english), *(version("de", row) for row in german)]) == []
    assert group_versions([]) == []


@pytest.mark.parametrize(
    ("texts", "first"),
    [
        (["Lost  suitcases are kept at the counter.", "lost suitcases are kept at the counter."], [0, 0]),
        (["The door opens at 6.", "The door opens at 9.", "The door opens at 6."], [0, 1, 0]),
        (["您可以在出发前24小时内免费退票。", "您可以在出发前24小时内免费退票", "餐车六点开门。"], [0, 0, 2]),
        (["", "a", ""], [0, 1, 0]),
        (["a" * 40, "a" * 400, "ab" * 20], [0, 0, 2]),
        (["🚆 leaves at six 🚆", "🚄 leaves at six 🚄", "🚆 LEAVES at six 🚆"], [0, 1, 0]),
        ([], []),
    ],
)
def test_first_of_equals_finds_what_is_nearly_the_same(texts: list[str], first: list[int]) -> None:
    assert first_of_equals(texts) == first
