"""Whether one of many comparisons is worse by more than chance.

Randomisation test of paired differences: Fisher, The Design of Experiments (1935), section 21; for comparing retrieval
runs: Smucker, Allan and Carterette, A Comparison of Statistical Significance Tests for Information Retrieval
Evaluation (CIKM 2007). Unlike the percentile bootstrap it keeps its level with few questions, far out in the tail,
where many comparisons are decided. For many at once: Holm, A Simple Sequentially Rejective Multiple Test Procedure
(Scandinavian Journal of Statistics 6, 1979), which holds whatever they have in common.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

# Signs drawn at a time, which bounds the memory to some tens of megabytes.
DRAWS_AT_ONCE = 2_000_000
# Steps of 1e-5: with 200 comparisons the first is decided at 1.25e-4.
SAMPLES = 100_000


def chance_of_loss(before: ArrayLike, after: ArrayLike, *, seed: int = 0, samples: int = SAMPLES) -> float:
    """Return how probable so great a loss is between two runs that are equally good: a p-value of one side, in (0, 1].

    Args:
        before: ``(n,)``, the score of each question in one run.
        after: ``(n,)``, the score of the same questions, in the same order, in the other run.
        seed: the same seed gives the same value.
        samples: how often the two scores of each question are swapped at random.

    Raises:
        ValueError: the two are not as long as each other, or empty.
    """
    first, second = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape or not first.size:
        raise ValueError(f"two rows of one length are needed, not {first.shape} and {second.shape}")
    differences = second - first
    changed = np.abs(differences[differences != 0])
    if not changed.size:
        return 1.0
    rng = np.random.default_rng(seed)
    # A half of the rounding of a sum: what is equal counts as equal.
    seen = float(differences.sum()) + 1e-9
    at_once = max(1, DRAWS_AT_ONCE // changed.size)
    as_low = 0
    for start in range(0, samples, at_once):
        shape = (min(at_once, samples - start), changed.size)
        sums = (rng.integers(0, 2, size=shape, dtype=np.int8) * 2.0 - 1.0) @ changed
        as_low += int((sums <= seen).sum())
    # The order that was seen is one of the possible ones.
    return (as_low + 1) / (samples + 1)


def holm(chances: Sequence[float], *, level: float) -> list[bool]:
    """Return which of several comparisons are no chance, with at most ``level`` for one false finding among all.

    Args:
        chances: the p-value of each.
        level: in (0, 1).
    """
    found = [False] * len(chances)
    for rank, place in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        if chances[place] > level / (len(chances) - rank):
            break
        found[place] = True
    return found
