"""Texts that say the same in different languages, found by their vectors."""

import numpy as np
from numpy.typing import NDArray

from searchapp.ranking import find_twins


def unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def topics(count: int, *, dimensions: int = 32) -> NDArray[np.float64]:
    return np.random.default_rng(11).normal(size=(count, dimensions))


def noise(shape: tuple[int, ...], amount: float) -> NDArray[np.float64]:
    return np.random.default_rng(12).normal(scale=amount, size=shape)


def test_find_twins_translations_are_found_whatever_the_order() -> None:
    base = topics(12)
    vectors = unit(np.concatenate([base, base[::-1] + noise(base.shape, 0.1)]))
    assert find_twins(vectors, ["en"] * 12 + ["zh"] * 12) == [(row, 23 - row) for row in range(12)]


def test_find_twins_direction_that_all_texts_of_a_language_share_is_taken_off() -> None:
    base = topics(12)
    shift = 6 * topics(1, dimensions=32)[0]
    vectors = unit(np.concatenate([base, base + noise(base.shape, 0.1) + shift]))
    assert find_twins(vectors, ["en"] * 12 + ["zh"] * 12) == [(row, row + 12) for row in range(12)]


def test_find_twins_text_without_a_translation_has_none() -> None:
    base = topics(12)
    vectors = unit(np.concatenate([base[:9], base[3:]]))
    assert find_twins(vectors, ["en"] * 9 + ["de"] * 9) == [(row, row + 6) for row in range(3, 9)]


def test_find_twins_texts_about_one_matter_are_not_told_apart_and_so_left_out() -> None:
    matter = np.repeat(topics(1), 8, axis=0)
    vectors = unit(np.concatenate([matter, matter]) + noise((16, 32), 0.05))
    assert find_twins(vectors, ["en"] * 8 + ["de"] * 8) == []


def test_find_twins_nearest_there_is_but_no_translation_is_told_by_the_real_one_elsewhere() -> None:
    base = topics(12)
    elsewhere = topics(24)[12:]  # German has other matters, but something about ours
    german = 0.6 * base + elsewhere
    vectors = unit(np.concatenate([base, base + noise(base.shape, 0.05), german]))
    languages = ["en"] * 12 + ["zh"] * 12 + ["de"] * 12
    assert find_twins(vectors, languages) == [(row, row + 12) for row in range(12)]
    assert (0, 24) in find_twins(vectors, languages, min_share=0.0)


def test_find_twins_sides_whose_twins_in_third_languages_differ_are_left_out() -> None:
    matter, other, *fillers = np.linalg.qr(topics(16).T)[0].T
    english = [matter, *fillers[:3]]
    german = [0.75 * other + 0.66 * matter, *fillers[3:6]]
    french = [matter, other, *fillers[6:8]]
    spanish = [matter, other, *fillers[8:10]]
    languages = ["en"] * 4 + ["de"] * 4 + ["fr"] * 4 + ["es"] * 4
    vectors = unit(np.array([*english, *german, *french, *spanish]))
    assert (0, 4) in find_twins(vectors[:8], languages[:8], min_share=0.0)
    with_others = find_twins(vectors, languages, min_share=0.0)
    assert (0, 4) not in with_others
    assert {(0, 8), (0, 12), (4, 9), (4, 13)} <= set(with_others)


def test_find_twins_same_language_is_never_paired() -> None:
    base = topics(3)
    assert find_twins(unit(np.concatenate([base, base])), ["en"] * 6) == []


def test_find_twins_one_text_in_each_language_has_to_be_near() -> None:
    vectors = unit(np.array([[1.0, 0.0, 0.0], [0.9, 0.2, 0.0], [0.3, 0.0, 1.0]]))
    assert find_twins(vectors, ["en", "de", "fr"]) == [(0, 1)]


def test_find_twins_nothing_and_texts_without_a_vector() -> None:
    assert find_twins(np.zeros((0, 4), dtype=np.float32), []) == []
    assert find_twins(np.zeros((2, 4), dtype=np.float32), ["en", "de"]) == []
