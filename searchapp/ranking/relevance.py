"""One number for how well a passage answers: meaning, words and language together.

    relevance = similarity + 0.4 x share of the question's words found - 0.8 x noise of its language,
                and two thirds of that in the question's own language

- Words find names, codes and rare terms that a vector blurs, and within a language they find better than
  meaning does; between languages there are hardly any in common.
- The noise of a language is how near its ten nearest passages and the next twenty come to this question
  on average, without answering it. It is greater for a language with many passages, and for one that the
  model likes; taken off, thousands of passages in one language do not bury the answer in another. (The
  idea of local scaling: Conneau et al., Word Translation without Parallel Data, ICLR 2018, there "CSLS".)
- A passage in the question's own language shares words and turns of phrase with it that say nothing.
  A factor takes more off a strong passage than off a weak one, so what is noise stays below what stands out.

All constants were chosen on the development sets (docs/evaluation.md), and `calibrate` finds them anew.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Among so many passages of a language, the nearest are taken for answers, the others for noise.
NOISE_RANKS = slice(10, 30)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one passage that may answer.

    Attributes:
        similarity: cosine similarity of passage and question, in [-1, 1].
        term_share: about how much of the question's words the passage holds, in [0, 1].
        language: of the passage; languages that count as one are given as one.
        is_own_language: whether it is the question's.
    """

    similarity: float
    term_share: float
    language: str
    is_own_language: bool


@dataclass(frozen=True, slots=True)
class Weights:
    """The constants of `relevance`, which suit one model.

    Attributes:
        terms: how much a share of 1 of the question's words counts beside a similarity of 1.
        noise: how much of the noise of a language is taken off.
        noise_spread: a language is taken to be at most so much quieter than the noisiest, in similarity;
            the few passages of a small language say little about its noise.
        own_language: what is left of the relevance in the question's own language.
    """

    terms: float = 0.4
    noise: float = 0.8
    noise_spread: float = 0.07
    own_language: float = 0.67


UNBALANCED = Weights(noise=0.0, own_language=1.0)


def relevances(evidence: Sequence[Evidence], weights: Weights) -> list[float]:
    """Return the numbers that passages are ranked by, in their order: seldom outside 0 and 0.7.

    Args:
        evidence: all passages that were found for a question: the nearest `NOISE_RANKS.stop` of each
            language at least, where there are so many.
        weights: the constants for the model.
    """
    noise = _noise(evidence, weights)
    found: list[float] = []
    for passage in evidence:
        value = fit(passage, weights) - weights.noise * noise[passage.language]
        found.append(min(value, value * weights.own_language) if passage.is_own_language else value)
    return found


def fit(passage: Evidence, weights: Weights) -> float:
    """Return how well a passage fits in meaning and words, whatever else there is: mostly in [0, 1]."""
    return passage.similarity + weights.terms * passage.term_share


def _noise(evidence: Sequence[Evidence], weights: Weights) -> dict[str, float]:
    """Return for each language the noise that is taken off its passages."""
    noise = noise_of_languages(evidence, least_passages=NOISE_RANKS.start + 1)
    least = max(noise.values(), default=weights.noise_spread) - weights.noise_spread
    return {passage.language: max(noise.get(passage.language, least), least) for passage in evidence}


def noise_of_languages(evidence: Sequence[Evidence], *, least_passages: int) -> dict[str, float]:
    """Return the similarity that the passages of a language have to the question without answering it.

    Args:
        evidence: as for `relevances`.
        least_passages: a language with fewer is left out; more than the first of `NOISE_RANKS`.
    """
    similarities: dict[str, list[float]] = defaultdict(list)
    for passage in evidence:
        similarities[passage.language].append(passage.similarity)
    return {
        language: float(np.mean(sorted(values, reverse=True)[NOISE_RANKS]))
        for language, values in similarities.items()
        if len(values) >= least_passages
    }
