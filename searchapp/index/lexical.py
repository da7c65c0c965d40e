"""Texts as sparse vectors for BM25: the index multiplies by the inverse document frequency (`Modifier.IDF`).

Weights: Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009), with its
usual constants. The mean length is fixed, since an index that grows has none.
"""

import hashlib
import math
from collections import Counter

from qdrant_client import models

from searchapp.language import lexical_terms

K1 = 1.2
B = 0.75
# Terms of a passage of the default budget, on the development sets.
MEAN_TERMS = 60
# What a term that stands once or twice in a passage of usual length weighs, between 1 and K1 + 1.
USUAL_WEIGHT = 1.6


def document_vector(text: str, *, language: str = "") -> models.SparseVector:
    """Return the saturated, length-normalised weight of each term of a passage."""
    counts = Counter(lexical_terms(text, language=language))
    length = 1 - B + B * counts.total() / MEAN_TERMS
    return _sparse({term: count * (K1 + 1) / (count + K1 * length) for term, count in counts.items()})


def query_vector(text: str, *, language: str = "") -> models.SparseVector:
    """Return weight 1 for each distinct term of a question."""
    return _sparse(dict.fromkeys(lexical_terms(text, language=language), 1.0))


def term_share(score: float, *, term_count: int, point_count: int) -> float:
    """Return about how much of a question's term mass a passage matched, in [0, 1].

    1 would be a passage with all its terms, each of them rare: the mass is estimated as if each term had
    the greatest inverse document frequency there can be, ``ln(1 + points)``.

    Args:
        score: BM25 score of the passage.
        term_count: number of distinct terms of the question.
        point_count: number of points in the index.
    """
    mass = USUAL_WEIGHT * term_count * math.log(1 + point_count)
    return min(1.0, score / mass) if mass else 0.0


def _sparse(weights: dict[str, float]) -> models.SparseVector:
    by_index: dict[int, float] = {}
    for term, weight in weights.items():
        index = int.from_bytes(hashlib.blake2b(term.encode(), digest_size=4).digest(), "big")
        by_index[index] = by_index.get(index, 0.0) + weight
    return models.SparseVector(indices=list(by_index), values=list(by_index.values()))
