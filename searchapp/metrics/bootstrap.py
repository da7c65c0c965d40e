"""Whether a difference between two runs is more than chance.

Percentile bootstrap of paired differences: Efron and Tibshirani, An Introduction to the Bootstrap (1993),
chapter 13; for comparing retrieval runs: Sakai, Evaluating Evaluation Metrics based on the Bootstrap
(SIGIR 2006).
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

# Numbers drawn at a time, which bounds the memory to some tens of megabytes.
DRAWS_AT_ONCE = 2_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and the interval that holds it with the confidence asked for."""

    mean: float
    low: float
    high: float

    @property
    def is_below_zero(self) -> bool:
        """Return whether even the high end is a loss."""
        return self.high < 0

    @property
    def is_above_zero(self) -> bool:
        """Return whether even the low end is a gain."""
        return self.low > 0


def bootstrap_difference(
    before: ArrayLike,
    after: ArrayLike,
    *,
    seed: int = 0,
    resamples: int = 2000,
    confidence: float = 0.95,
    groups: Sequence[Hashable] | None = None,
    weights: ArrayLike | None = None,
) -> Interval:
    """Return the mean of ``after - before`` over the questions, with its confidence interval.

    Args:
        before: ``(n,)``, the score of each question in one run.
        after: ``(n,)``, the score of the same questions, in the same order, in the other run.
        seed: the same seed gives the same interval.
        resamples: how often the questions are drawn anew.
        confidence: share of the resampled means within the interval, in (0, 1).
        groups: what each question belongs to. Questions of one group rise and fall together, such as one
            question in twelve languages, and are drawn together; without it each stands for itself.
        weights: how much each question counts in the mean; without it all count the same.

    Raises:
        ValueError: the two are not as long as each other, or empty.
    """
    first, second = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape or not first.size:
        raise ValueError(f"two rows of one length are needed, not {first.shape} and {second.shape}")
    shares = np.ones_like(first) if weights is None else np.asarray(weights, dtype=np.float64)
    sums, counts = _by_group((second - first) * shares, groups), _by_group(shares, groups)
    rng = np.random.default_rng(seed)
    at_once = max(1, DRAWS_AT_ONCE // sums.size)
    means: list[np.ndarray] = []
    for start in range(0, resamples, at_once):
        drawn = rng.integers(0, sums.size, size=(min(at_once, resamples - start), sums.size))
        means.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return Interval(float(sums.sum() / counts.sum()), float(low), float(high))


def _by_group(values: np.ndarray, groups: Sequence[Hashable] | None) -> np.ndarray:
    """Return the sum of the values of each group."""
    if groups is None:
        return values
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    if len(groups) != values.size:
        raise ValueError(f"{len(groups)} groups were given for {values.size} questions")
    return np.bincount([numbers[group] for group in groups], weights=values)
