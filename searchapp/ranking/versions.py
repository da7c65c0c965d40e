"""Group the texts of a collection that are versions of one text in different languages.

Two texts may be versions of each other where each is the other's nearest in its language. How sure that
is comes from four measures of the two, weighted by a logistic regression on parallel sets with parts left
out (docs/evaluation.md): how near they are, how much nearer than the next ones, how well their passages
match one by one, and how alike they are in length. The surest pairs are joined first; a group never has
two texts in one language, so distinct answers of one FAQ stay apart whatever they have in common.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from searchapp.ranking.twins import centred_by_language, nearest_others

# From the regression, rounded.
SIMILARITY_WEIGHT = 2.0
GAP_WEIGHT = 4.0
MATCH_WEIGHT = 11.0
LENGTH_WEIGHT = -2.0
INTERCEPT = -5.0
# Odds of two to one: folding what is no translation hides an answer, so a missed one is the lesser fault.
LEAST_ODDS = 0.75
# Pairs further apart are not looked at.
LEAST_SIMILARITY = 0.2


@dataclass(frozen=True, slots=True)
class Version:
    """One text that may be a version of others.

    Attributes:
        language: its language; both ways to write Chinese are two, for a text exists in both.
        length: in characters, at least 1.
        passages: ``(n, dimensions)`` float32, unit L2 norm, n >= 1.
    """

    language: str
    length: int
    passages: NDArray[np.float32]


def group_versions(texts: Sequence[Version]) -> list[list[int]]:
    """Return the groups of two and more texts that say the same in different languages, as positions.

    Takes time in proportion to the square of the number of texts: about a minute for 20,000.
    """
    if not texts:
        return []
    group_of = list(range(len(texts)))
    members = {position: [position] for position in group_of}
    for _odds, first, second in sorted(_likely_pairs(texts), reverse=True):
        own, other = group_of[first], group_of[second]
        if own == other or _languages(texts, members[own]) & _languages(texts, members[other]):
            continue
        for position in members[other]:
            group_of[position] = own
        members[own] += members.pop(other)
    return sorted(sorted(group) for group in members.values() if len(group) > 1)


def _languages(texts: Sequence[Version], positions: Sequence[int]) -> set[str]:
    return {texts[position].language for position in positions}


def _likely_pairs(texts: Sequence[Version]) -> list[tuple[float, int, int]]:
    """Return the log odds and the positions of the pairs that are rather versions of one text than not."""
    sums = np.stack([text.passages.sum(axis=0) for text in texts])
    means = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    centred = centred_by_language(means.astype(np.float32), [text.language for text in texts])
    rows: dict[str, list[int]] = defaultdict(list)
    for position, text in enumerate(texts):
        rows[text.language].append(position)
    names = sorted(rows)
    pairs: list[tuple[float, int, int]] = []
    for number, name in enumerate(names):
        for other_name in names[number + 1 :]:
            own, other = rows[name], rows[other_name]
            there, similarities, gaps_there = nearest_others(centred[own], centred[other])
            back, _similarities, gaps_back = nearest_others(centred[other], centred[own])
            for row in np.flatnonzero((back[there] == np.arange(len(own))) & (similarities >= LEAST_SIMILARITY)):
                first, second = own[row], other[there[row]]
                gap = float(gaps_there[row] + gaps_back[there[row]]) / 2
                odds = _log_odds(texts[first], texts[second], similarity=float(similarities[row]), gap=gap)
                if odds >= LEAST_ODDS:
                    pairs.append((odds, first, second))
    return pairs


def _log_odds(first: Version, second: Version, *, similarity: float, gap: float) -> float:
    """Return how much rather two texts are versions of one than not, as the logarithm of the odds."""
    matches = first.passages @ second.passages.T
    match = float(matches.max(axis=1).mean() + matches.max(axis=0).mean()) / 2
    length_ratio = abs(float(np.log(first.length / second.length)))
    return (
        SIMILARITY_WEIGHT * similarity
        + GAP_WEIGHT * gap
        + MATCH_WEIGHT * match
        + LENGTH_WEIGHT * length_ratio
        + INTERCEPT
    )
