"""One number for how well a passage answers: meaning, words and language together.

relevance = similarity + 0.8 x share of the question's words found - 0.12 in the question's own language

Words find names, codes and rare terms that a vector blurs, and within a language they find better than
meaning does; between languages there are hardly any in common, so they add nothing there and cost nothing.
Passages in the question's own language share words with it that say nothing ("how do I ..."), in meaning
and in letters, which is taken off again. Both constants were chosen on the development sets
(docs/evaluation.md).
"""

TERM_WEIGHT = 0.8
OWN_LANGUAGE_OFFSET = 0.12


def relevance(similarity: float, term_share: float, *, is_own_language: bool) -> float:
    """Return the number that hits are ranked by, between -1.12 and 1.8, seldom outside 0 and 1.

    Args:
        similarity: cosine similarity of passage and question, in [-1, 1].
        term_share: about how much of the question's words the passage holds, in [0, 1].
        is_own_language: whether passage and question are in one language.
    """
    return similarity + TERM_WEIGHT * term_share - (OWN_LANGUAGE_OFFSET if is_own_language else 0.0)
