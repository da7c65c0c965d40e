"""Measures of one ranking with binary relevance, and their means.

Definitions: Manning, Raghavan and Schütze, Introduction to Information Retrieval (2008), chapter 8.
"Recall@k" is 1 when at least one relevant document is among the first k, as is usual for questions
with one answer (also called success or hit rate).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np

DEPTH = 10


@dataclass(frozen=True, slots=True)
class QueryScore:
    """The measures of one ranking, each in [0, 1]."""

    recall_1: float
    recall_5: float
    recall_10: float
    mrr_10: float
    ndcg_10: float


METRICS = tuple(field.name for field in fields(QueryScore))


def score_ranking(ranked: Sequence[str], relevant: Collection[str]) -> QueryScore:
    """Score the first ten of a ranking.

    Args:
        ranked: ids, best first, none twice.
        relevant: the ids that answer, at least one.

    Raises:
        ValueError: nothing is relevant, so no score means anything.
    """
    if not relevant:
        raise ValueError("a ranking can only be scored against at least one relevant document")
    gains = np.array([item in relevant for item in ranked[:DEPTH]], dtype=np.float64)
    discounts = 1.0 / np.log2(np.arange(2, DEPTH + 2))
    ideal = discounts[: min(len(relevant), DEPTH)].sum()
    positions = np.flatnonzero(gains)
    first = int(positions[0]) if positions.size else DEPTH
    return QueryScore(
        recall_1=float(first < 1),
        recall_5=float(first < 5),
        recall_10=float(first < DEPTH),
        mrr_10=1.0 / (first + 1) if first < DEPTH else 0.0,
        ndcg_10=float((gains * discounts[: len(gains)]).sum() / ideal),
    )


def mean_scores(scores: Iterable[QueryScore]) -> QueryScore | None:
    """Return the mean of each measure, or None for no scores."""
    rows = np.array([astuple(score) for score in scores], dtype=np.float64)
    return QueryScore(*(float(value) for value in rows.mean(axis=0))) if rows.size else None
