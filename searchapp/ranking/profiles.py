"""What suits one model: the constants of the relevance, and how well a passage has to fit to be an answer.

Similarities mean something else with each model, so the numbers belong to a model and are found by
measuring: ``benchmarks/calibrate_ranking.py`` writes them for any embedding service.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from searchapp.ranking.relevance import Evidence, Weights, fit

# A question has a good answer if one of the first so many passages is one.
ANSWER_RANKS = 3


@dataclass(frozen=True, slots=True)
class Profile:
    """The constants for one model.

    ``floor_own`` and ``floor_other`` are the least `fit` of a good answer in the question's own language
    and in another; 0 where it was never measured, and then every passage counts as good.
    """

    weights: Weights = field(default_factory=Weights)
    floor_own: float = 0.0
    floor_other: float = 0.0

    def has_answer(self, evidence: list[Evidence]) -> bool:
        """Return whether one of the best passages, best first, is a good answer."""
        return any(
            fit(passage, self.weights) >= (self.floor_own if passage.is_own_language else self.floor_other)
            for passage in evidence[:ANSWER_RANKS]
        )


# By the name under which a service serves the model. At these floors 3.5 of 100 answerable questions of the development
# sets are lost, and 57 of 100 from another set are recognised (docs/evaluation.md).
_PROFILES: Final[Mapping[str, Profile]] = MappingProxyType(
    {"multilingual-static": Profile(floor_own=0.41, floor_other=0.23)}
)


def profile_of(model: str) -> Profile:
    """Return the constants for a model; for one that was never measured, those of the built-in one without floors."""
    return _PROFILES.get(model, Profile())


def read_profile(path: Path) -> Profile:
    """Read a profile that was written by `write_profile`.

    Raises:
        ValueError: the file is none.
        OSError: it cannot be read.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        weights = Weights(**{name: float(value) for name, value in values.pop("weights").items()})
        return Profile(weights, **{name: float(value) for name, value in values.items()})
    except (AttributeError, KeyError, TypeError) as exc:
        raise ValueError(f"{path} is no ranking profile: {exc}") from exc


def write_profile(profile: Profile, path: Path) -> None:
    """Write a profile for `read_profile`."""
    path.write_text(json.dumps(asdict(profile), indent=2) + "\n", encoding="utf-8")
