"""Whether the best passages answer a question, or are merely the nearest there are.

A question whose topic is absent has nearest passages too. They fit worse, and they stand out less from those behind
them. Both are weighed against each other by logistic regression (``benchmarks/calibrate_ranking.py``), apart for
passages in the question's language, which share words with it that say nothing, and in others. A model knows some
languages better than others, so each pair of languages has a floor of its own: the least sum, less what the language of
the question and that of the passage are usually short of.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from searchapp.ranking.relevance import NOISE_RANKS, Evidence, noise_of_languages

# A question has a good answer if one of the first so many passages is one.
ANSWER_RANKS = 3
# With fewer passages than this behind the best, nothing is known of what is usual.
LEAST_BEHIND = 3


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What else was found for a question; None where that is too little to tell.

    Attributes:
        noise: for each language, the similarity of its passages that do not answer (`NOISE_RANKS`).
        rest: the mean relevance of the passages at those ranks of all.
    """

    noise: Mapping[str, float]
    rest: float | None


@dataclass(frozen=True, slots=True)
class AnswerTest:
    """Weights of what tells an answer; a passage is one where their sum is at least the floor of its languages.

    Attributes:
        similarity: weight of the similarity of passage and question.
        terms: weight of the share of the question's words that the passage holds.
        above_noise: weight of how far the similarity is above the noise of its language.
        above_rest: weight of how far the relevance is above the rest.
        usual_above_noise: taken where the noise is not known; the mean of answers.
        usual_above_rest: likewise.
        least: the sum from which on a passage is a good answer, in languages of which nothing is known.
        questions: for the language of a question, what its answers are short of.
        passages: likewise for that of a passage.
    """

    similarity: float = 0.0
    terms: float = 0.0
    above_noise: float = 0.0
    above_rest: float = 0.0
    usual_above_noise: float = 0.0
    usual_above_rest: float = 0.0
    least: float = 0.0
    questions: Mapping[str, float] = field(default_factory=dict)
    passages: Mapping[str, float] = field(default_factory=dict)

    def floor(self, question_language: str, passage_language: str) -> float:
        """Return the least sum of a good answer for a pair of primary languages."""
        return self.least - self.questions.get(question_language, 0.0) - self.passages.get(passage_language, 0.0)

    def passes(self, passage: Evidence, relevance: float, around: Surroundings, *, language: str) -> bool:
        """Return whether a passage is a good answer to a question in a primary language."""
        noise, rest = around.noise.get(passage.language), around.rest
        above_noise = self.usual_above_noise if noise is None else passage.similarity - noise
        above_rest = self.usual_above_rest if rest is None else relevance - rest
        value = (
            self.similarity * passage.similarity
            + self.terms * passage.term_share
            + self.above_noise * above_noise
            + self.above_rest * above_rest
        )
        return value >= self.floor(language, passage.language)


def surroundings(evidence: Sequence[Evidence], relevances: Sequence[float]) -> Surroundings:
    """Return what is known of the passages that were found for a question.

    Args:
        evidence: all of them, as for `relevances`.
        relevances: theirs, in the same order.
    """
    behind = sorted(relevances, reverse=True)[NOISE_RANKS]
    return Surroundings(
        noise_of_languages(evidence, least_passages=NOISE_RANKS.start + LEAST_BEHIND),
        float(np.mean(behind)) if len(behind) >= LEAST_BEHIND else None,
    )
