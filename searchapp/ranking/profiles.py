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


# By the name under which a service serves the model. On the development sets these tests lose 4.2 of 100 questions that
# have an answer and recognise 81 of 100 that have none (docs/evaluation.md).
_PROFILES: Final[Mapping[str, Profile]] = MappingProxyType(
    {
        "multilingual-static": Profile(
            own=AnswerTest(
                similarity=19.385,
                terms=7.099,
                above_noise=9.349,
                above_rest=-22.806,
                usual_above_noise=0.374,
                usual_above_rest=0.214,
                least=7.52,
                questions={
                    "de": -0.06,
                    "el": 0.06,
                    "en": -0.12,
                    "es": -0.09,
                    "fr": 0.14,
                    "hi": -0.22,
                    "it": -0.1,
                    "ja": -0.18,
                    "ko": -0.1,
                    "pt": -0.12,
                    "ro": 0.05,
                    "ru": 0.25,
                    "th": 0.07,
                    "tr": 0.06,
                    "vi": 0.19,
                    "zh": 0.12,
                },
            ),
            other=AnswerTest(
                similarity=14.338,
                terms=12.931,
                above_noise=25.403,
                above_rest=-24.763,
                usual_above_noise=0.316,
                usual_above_rest=0.182,
                least=6.405,
                questions={
                    "ar": 0.12,
                    "bg": -0.08,
                    "de": 0.49,
                    "el": 0.21,
                    "en": -0.13,
                    "es": 0.09,
                    "fa": -0.1,
                    "fr": -0.12,
                    "hi": 0.23,
                    "hu": -0.07,
                    "id": -0.45,
                    "it": -0.29,
                    "ja": -0.06,
                    "ko": -0.11,
                    "nl": -0.17,
                    "pl": -0.15,
                    "pt": -0.36,
                    "ro": -0.09,
                    "ru": 0.1,
                    "sv": -0.05,
                    "th": 0.29,
                    "uk": -0.1,
                    "und": 0.12,
                    "vi": -0.14,
                    "zh": -0.06,
                },
                passages={
                    "ar": 0.12,
                    "de": 0.09,
                    "el": 0.34,
                    "en": 0.59,
                    "es": -0.07,
                    "fa": -0.13,
                    "fr": -0.05,
                    "hi": -0.52,
                    "id": -0.35,
                    "it": -0.33,
                    "ja": 0.14,
                    "ko": -0.38,
                    "nl": -0.06,
                    "pl": -0.12,
                    "pt": -0.17,
                    "ro": -0.06,
                    "ru": 0.12,
                    "th": 0.26,
                    "uk": -0.24,
                },
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
