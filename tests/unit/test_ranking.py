"""Order and highlight."""

import numpy as np

from searchapp.ranking import best_span, limit_per_group, relevance


def test_limit_per_group_keeps_order_and_spares_the_ungrouped() -> None:
    items = ["a1", "a2", "-1", "a3", "b1", "-2", "-3"]
    kept = limit_per_group(items, lambda item: None if item[0] == "-" else item[0], most=2)
    assert kept == ["a1", "a2", "-1", "b1", "-2", "-3"]


def test_best_span_nearest_sentence_wins() -> None:
    query = np.array([1.0, 0.0], dtype=np.float32)
    sentences = np.array([[0.0, 1.0], [0.6, 0.8], [-1.0, 0.0]], dtype=np.float32)
    assert best_span(query, sentences, [(0, 3), (3, 9), (9, 12)]) == (3, 9)


def test_relevance_words_lift_and_the_own_language_is_taken_off() -> None:
    plain = relevance(0.4, 0.0, is_own_language=False)
    assert plain == 0.4
    assert relevance(0.4, 0.5, is_own_language=False) > plain
    assert relevance(0.4, 0.0, is_own_language=True) < plain
    assert relevance(0.4, 0.5, is_own_language=True) > plain
