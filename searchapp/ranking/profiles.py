"""What suits one model: the constants of the relevance, and how well a passage has to fit to be an answer.

Similarities mean something else with each model, so the numbers belong to a model and are found by
measuring: ``benchmarks/calibrate_ranking.py`` writes them for any embedding service.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from searchapp.ranking.answering import ANSWER_RANKS, AnswerTest, Surroundings
from searchapp.ranking.relevance import Evidence, Weights


@dataclass(frozen=True, slots=True)
class Profile:
    """The constants for one model.

    ``own`` and ``other`` tell a good answer in the question's own language and in another; where they were never
    measured, every passage counts as good.
    """

    weights: Weights = field(default_factory=Weights)
    own: AnswerTest = field(default_factory=AnswerTest)
    other: AnswerTest = field(default_factory=AnswerTest)

    def has_answer(self, best: Iterable[tuple[Evidence, float]], around: Surroundings, *, language: str) -> bool:
        """Return whether one of the best passages is a good answer.

        Args:
            best: passages with their relevance, best first.
            around: what else was found.
            language: primary language of the question.
        """
        return any(
            (self.own if passage.is_own_language else self.other).passes(passage, relevance, around, language=language)
            for passage, relevance in islice(best, ANSWER_RANKS)
        )


# By the name under which a service serves the model. On the development sets these tests lose 5.0 of 100 questions that
# have an answer and recognise 82 of 100 that have none (docs/evaluation.md).
_PROFILES: Final[Mapping[str, Profile]] = MappingProxyType(
    {
        "multilingual-static": Profile(
            own=AnswerTest(
                similarity=14.311,
                terms=0.863,
                above_noise=1.386,
                above_rest=-1.63,
                usual_above_noise=0.354,
                usual_above_rest=0.209,
                least=4.712,
            ),
            other=AnswerTest(
                similarity=15.351,
                terms=14.891,
                above_noise=29.357,
                above_rest=-28.228,
                usual_above_noise=0.297,
                usual_above_rest=0.179,
                least=7.169,
            ),
        )
    }
)


def profile_of(model: str) -> Profile:
    """Return the constants for a model; for one that was never measured, the weights of the built-in one."""
    return _PROFILES.get(model, Profile())


def read_profile(path: Path) -> Profile:
    """Read a profile that was written by `write_profile`.

    Raises:
        ValueError: the file is none.
        OSError: it cannot be read.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Profile(
            Weights(**_floats(values["weights"])), _answer_test(values["own"]), _answer_test(values["other"])
        )
    except (AttributeError, KeyError, TypeError) as exc:
        raise ValueError(f"{path} is no ranking profile: {exc}") from exc


def _answer_test(values: Mapping[str, Any]) -> AnswerTest:
    of_languages: dict[str, Any] = {name: _floats(values[name]) for name in ("questions", "passages")}
    numbers: dict[str, Any] = _floats({name: value for name, value in values.items() if name not in of_languages})
    return AnswerTest(**numbers, **of_languages)


def _floats(values: Mapping[str, str | float]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}


def write_profile(profile: Profile, path: Path) -> None:
    """Write a profile for `read_profile`."""
    path.write_text(json.dumps(asdict(profile), indent=2) + "\n", encoding="utf-8")
