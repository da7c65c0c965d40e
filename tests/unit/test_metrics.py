"""Measures of rankings, against values worked out by hand."""

import math

import pytest

from searchapp.metrics import QueryScore, mean_scores, score_ranking


def test_score_ranking_first_place_is_perfect() -> None:
    assert score_ranking(["a", "b"], {"a"}) == QueryScore(1.0, 1.0, 1.0, 1.0, 1.0)


def test_score_ranking_third_place() -> None:
    score = score_ranking(["x", "y", "a"], {"a"})
    assert (score.recall_1, score.recall_5, score.recall_10) == (0.0, 1.0, 1.0)
    assert score.mrr_10 == pytest.approx(1 / 3)
    assert score.ndcg_10 == pytest.approx(1 / math.log2(4))


def test_score_ranking_several_relevant_are_measured_against_the_best_order() -> None:
    score = score_ranking(["a", "x", "b"], {"a", "b"})
    assert score.ndcg_10 == pytest.approx((1 + 1 / math.log2(4)) / (1 + 1 / math.log2(3)))


def test_score_ranking_beyond_the_tenth_counts_nothing() -> None:
    assert score_ranking([*"bcdefghijk", "a"], {"a"}) == QueryScore(0.0, 0.0, 0.0, 0.0, 0.0)


def test_score_ranking_nothing_found_is_zero() -> None:
    assert score_ranking([], {"a"}) == QueryScore(0.0, 0.0, 0.0, 0.0, 0.0)


def test_score_ranking_nothing_relevant_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one relevant"):
        score_ranking(["a"], set())


def test_mean_scores_of_none_and_some() -> None:
    assert mean_scores([]) is None
    mean = mean_scores([score_ranking(["a"], {"a"}), score_ranking(["b"], {"a"})])
    assert mean == QueryScore(0.5, 0.5, 0.5, 0.5, 0.5)
