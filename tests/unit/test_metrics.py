"""Measures of rankings, against values worked out by hand."""

import math

import numpy as np
import pytest

from searchapp.metrics import Interval, QueryScore, bootstrap_difference, mean_scores, score_ranking


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


def test_bootstrap_difference_same_scores_is_exactly_zero() -> None:
    scores = [0.0, 0.5, 1.0]
    assert bootstrap_difference(scores, scores) == Interval(0.0, 0.0, 0.0)


def test_bootstrap_difference_same_gain_everywhere_has_no_width() -> None:
    interval = bootstrap_difference([0.25, 0.5], [0.5, 0.75])
    assert interval == Interval(0.25, 0.25, 0.25)
    assert interval.is_above_zero
    assert not interval.is_below_zero


def test_bootstrap_difference_agrees_with_the_normal_interval_for_many_questions() -> None:
    rng = np.random.default_rng(7)
    before = rng.normal(size=4000)
    difference = rng.normal(0.1, 1.0, size=4000)
    interval = bootstrap_difference(before, before + difference, seed=3)
    half = 1.96 * difference.std() / math.sqrt(difference.size)
    assert interval.mean == pytest.approx(difference.mean())
    assert interval.low == pytest.approx(difference.mean() - half, abs=0.1 * half)
    assert interval.high == pytest.approx(difference.mean() + half, abs=0.1 * half)


def test_bootstrap_difference_is_paired_so_a_steady_gain_shows_through_wide_scores() -> None:
    rng = np.random.default_rng(1)
    before = rng.random(50)
    interval = bootstrap_difference(before, before + rng.normal(0.02, 0.005, size=50))
    assert 0.015 < interval.low < interval.high < 0.025


def test_bootstrap_difference_same_seed_same_interval_and_another_seed_another() -> None:
    rng = np.random.default_rng(2)
    before, after = rng.random(30), rng.random(30)
    assert bootstrap_difference(before, after, seed=1) == bootstrap_difference(before, after, seed=1)
    assert bootstrap_difference(before, after, seed=1) != bootstrap_difference(before, after, seed=2)


def test_bootstrap_difference_more_confidence_is_wider() -> None:
    rng = np.random.default_rng(2)
    before, after = rng.random(30), rng.random(30)
    narrow, wide = (bootstrap_difference(before, after, confidence=share) for share in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_bootstrap_difference_repeating_questions_as_a_group_makes_nothing_surer() -> None:
    rng = np.random.default_rng(5)
    before, after = rng.random(40), rng.random(40)
    alone = bootstrap_difference(before, after)
    groups = [f"question {number}" for number in range(40)] * 9
    grouped = bootstrap_difference(np.tile(before, 9), np.tile(after, 9), groups=groups)
    assert (grouped.mean, grouped.low, grouped.high) == pytest.approx((alone.mean, alone.low, alone.high))


def test_bootstrap_difference_a_question_that_counts_three_times_is_like_three() -> None:
    interval = bootstrap_difference([0.0, 0.0], [1.0, 0.2], weights=[3, 1])
    assert interval.mean == pytest.approx(0.8)
    assert (interval.low, interval.high) == pytest.approx((0.2, 1.0))


def test_bootstrap_difference_many_questions_are_drawn_in_parts() -> None:
    before = np.zeros(3_000_001)
    after = np.ones(3_000_001)
    assert bootstrap_difference(before, after, resamples=2) == Interval(1.0, 1.0, 1.0)


@pytest.mark.parametrize(("before", "after"), [([], []), ([1.0], [1.0, 0.0]), ([[1.0]], [[1.0]])])
def test_bootstrap_difference_rows_that_do_not_pair_are_an_error(before: list[float], after: list[float]) -> None:
    with pytest.raises(ValueError, match="one length"):
        bootstrap_difference(before, after)


def test_bootstrap_difference_a_group_for_each_question_or_an_error() -> None:
    with pytest.raises(ValueError, match="groups"):
        bootstrap_difference([1.0, 0.0], [1.0, 1.0], groups=["a"])
