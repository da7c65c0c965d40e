"""Find documents that say the same in different languages.

Two are twins when each is the other's nearest in its language, clearly nearer than those that come next
(the idea of margins: Artetxe and Schwenk, Margin-based Parallel Corpus Mining with Multilingual Sentence
Embeddings, ACL 2019), and when their twins in third languages are the same. The mean of a language is taken
off its vectors first, since it says which language a text is in and not what it is about. Precise rather
than complete; measured in docs/evaluation.md.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Fewer texts in a language have no mean that says more of the language than of themselves.
MIN_TEXTS_FOR_MEAN = 10
NEIGHBOURS = 4
MIN_SIMILARITY = 0.3
MIN_GAP = 0.15
MIN_SHARE = 0.7
# Of third languages: at most one where the two sides' twins differ for three where they are the same.
MAX_DISAGREEING = 1 / 3
# How near the next ones are taken to be where there are none.
UNKNOWN_NEAR = 0.3
ROWS_AT_ONCE = 1_000


def find_twins(
    vectors: NDArray[np.float32],
    languages: Sequence[str],
    *,
    min_similarity: float = MIN_SIMILARITY,
    min_gap: float = MIN_GAP,
    min_share: float = MIN_SHARE,
) -> list[tuple[int, int]]:
    """Return the pairs of rows that are translations of each other, each once, the lower row first.

    Args:
        vectors: ``(n, dimensions)`` float32, one of each text; of unit L2 norm or zero.
        languages: the language of each text, n of them.
        min_similarity: cosine similarity that twins have at least.
        min_gap: how much more similar twins are than the mean of what comes next on both sides.
        min_share: how similar twins are at least, as a share of how similar either is to the nearest text of
            any other language. A text with a translation into one language has something near in each.
    """
    centred = centred_by_language(vectors, languages)
    rows: dict[str, list[int]] = {}
    for row, language in enumerate(languages):
        rows.setdefault(language, []).append(row)
    names = sorted(rows)
    found: list[tuple[int, int, float]] = []
    best = np.full(len(languages), -1.0, dtype=np.float32)
    for position, first in enumerate(names):
        for second in names[position + 1 :]:
            own, other = np.array(rows[first]), np.array(rows[second])
            there, similarities, gaps_there = nearest_others(centred[own], centred[other])
            back, similarities_back, gaps_back = nearest_others(centred[other], centred[own])
            best[own] = np.maximum(best[own], similarities)
            best[other] = np.maximum(best[other], similarities_back)
            gaps = (gaps_there + gaps_back[there]) / 2
            is_twin = (back[there] == np.arange(len(own))) & (similarities >= min_similarity) & (gaps >= min_gap)
            found += [
                (int(own[row]), int(other[there[row]]), float(similarities[row])) for row in np.flatnonzero(is_twin)
            ]
    pairs = [(one, two) for one, two, score in found if score >= min_share * max(best[one], best[two])]
    return sorted((min(pair), max(pair)) for pair in _in_agreement(pairs, languages))


def _in_agreement(pairs: Sequence[tuple[int, int]], languages: Sequence[str]) -> list[tuple[int, int]]:
    """Return the pairs whose sides have the same twins in third languages, but for a few."""
    twins: dict[int, dict[str, int]] = defaultdict(dict)
    for one, two in pairs:
        twins[one][languages[two]] = two
        twins[two][languages[one]] = one
    kept = []
    for one, two in pairs:
        common = twins[one].keys() & twins[two].keys()
        agreeing = sum(twins[one][language] == twins[two][language] for language in common)
        if len(common) - agreeing <= MAX_DISAGREEING * agreeing:
            kept.append((one, two))
    return kept


def centred_by_language(vectors: NDArray[np.float32], languages: Sequence[str]) -> NDArray[np.float32]:
    """Return the vectors without what they share with all of their language, of unit L2 norm or zero."""
    codes = np.array(languages)
    centred = vectors.astype(np.float32, copy=True)
    for language in set(languages):
        rows = codes == language
        if rows.sum() >= MIN_TEXTS_FOR_MEAN:
            centred[rows] -= centred[rows].mean(axis=0)
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9)
    return centred


def nearest_others(
    texts: NDArray[np.float32], others: NDArray[np.float32]
) -> tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.float32]]:
    """Return for each text its nearest other, how similar that is, and by how much more than the next ones."""
    nearest = np.empty(len(texts), dtype=np.intp)
    similarity = np.empty(len(texts), dtype=np.float32)
    gap = np.empty(len(texts), dtype=np.float32)
    next_ones = min(NEIGHBOURS, len(others) - 1)
    for start in range(0, len(texts), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        scores = texts[part] @ others.T
        nearest[part] = scores.argmax(axis=1)
        similarity[part] = best = scores.max(axis=1)
        if next_ones:
            first_ones = np.partition(scores, -next_ones - 1, axis=1)[:, -next_ones - 1 :]
            gap[part] = best - (first_ones.sum(axis=1) - best) / next_ones
        else:
            gap[part] = best - UNKNOWN_NEAR
    return nearest, similarity, gap
