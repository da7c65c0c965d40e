"""Whether one run is better than another, where, and for which questions not."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from searchapp.metrics import METRICS, Interval, bootstrap_difference
from searchapp.services.evaluating.runs import Ranking, Run, Setting
from searchapp.services.evaluating.sets import EvaluationError, Question

DEFAULT_METRIC = "ndcg_10"
WORST_KEPT = 20
# A handful of answers drawn again and again is always much the same handful: its interval is too narrow.
MIN_ANSWERS = 20
# Scores nearer than this are the same.
TIE = 1e-9

Key = TypeVar("Key", str, tuple[str, str])


@dataclass(frozen=True, slots=True)
class Difference:
    """How the scores of some rankings changed.

    ``before`` and ``after`` are means of the metric, ``interval`` the mean difference with its confidence
    interval, ``questions`` how many rankings were compared, and ``answers`` how many different answers they
    have, which is what was drawn from.
    """

    questions: int
    answers: int
    before: float
    after: float
    interval: Interval
    wins: int
    losses: int
    ties: int

    @property
    def is_clear(self) -> bool:
        """Return whether there are enough questions to tell, and the interval does not hold zero."""
        return self.answers >= MIN_ANSWERS and (self.interval.is_above_zero or self.interval.is_below_zero)


@dataclass(frozen=True, slots=True)
class Change:
    """One ranking in both runs. ``language`` is the only one that was searched; None for all."""

    question: Question
    language: str | None
    before: Ranking
    after: Ranking
    score_before: float
    score_after: float

    @property
    def loss(self) -> float:
        """Return by how much the score fell."""
        return self.score_before - self.score_after


@dataclass(frozen=True, slots=True)
class Comparison:
    """One run against another.

    Attributes:
        settings: those that differ, of the first run and of the second.
        overall: ``mixed`` over all languages at once, ``same_language`` and ``other_language`` as means over
            the cells of the language matrix; only those that there are.
        pairs: language of the question and of the answer.
        kinds: all languages at once, for the questions of each kind, where there are several.
        worst: the rankings that lost the most, worst first.
        left_out: how many rankings stand in only one of the runs.
    """

    set_name: str
    metric: str
    settings: dict[str, tuple[Setting | None, Setting | None]]
    overall: dict[str, Difference]
    pairs: dict[tuple[str, str], Difference]
    kinds: dict[str, Difference]
    worst: tuple[Change, ...]
    left_out: int


def compare(
    before: Run, after: Run, *, metric: str = DEFAULT_METRIC, confidence: float = 0.95, seed: int = 0
) -> Comparison:
    """Compare two runs of one set, ranking by ranking.

    Questions with the same answers are drawn together, such as one question in twelve languages: they rise
    and fall as one, and counting each for itself would make chance look like certainty.

    Args:
        before: the run that is known.
        after: the run to judge.
        metric: a field of `searchapp.metrics.QueryScore`.
        confidence: of the intervals, in (0, 1).
        seed: the same seed gives the same intervals.

    Raises:
        EvaluationError: ``sets_differ``; they are runs of different sets, or of no question in common.
        ValueError: there is no such metric.
    """
    if metric not in METRICS:
        raise ValueError(f"no metric is called {metric!r}; there are {', '.join(METRICS)}")
    if before.set_sha256 != after.set_sha256:
        raise EvaluationError(
            "sets_differ",
            f"the runs are of different sets, {before.set_name!r} ({before.set_sha256[:8]}) and "
            f"{after.set_name!r} ({after.set_sha256[:8]}): their figures cannot be compared",
        )
    former = {_place(ranking): ranking for ranking in before.rankings}
    pairs = [(former[_place(ranking)], ranking) for ranking in after.rankings if _place(ranking) in former]
    if not pairs:
        raise EvaluationError("sets_differ", f"no question of {before.set_name!r} was asked in both runs")
    changes = [_change(first, second, metric) for first, second in pairs]

    def difference(chosen: Sequence[Change]) -> Difference:
        return _difference(chosen, confidence=confidence, seed=seed)

    kinds = _by(changes, lambda change: change.question.kind if change.language is None else None)
    return Comparison(
        set_name=before.set_name,
        metric=metric,
        settings={
            name: (before.settings.get(name), after.settings.get(name))
            for name in dict.fromkeys([*before.settings, *after.settings])
            if before.settings.get(name) != after.settings.get(name)
        },
        overall={name: difference(chosen) for name, chosen in _by(changes, _relation).items()},
        pairs={pair: difference(chosen) for pair, chosen in _by(changes, _languages).items()},
        kinds={kind: difference(chosen) for kind, chosen in kinds.items()} if len(kinds) > 1 else {},
        worst=tuple(sorted((item for item in changes if item.loss > TIE), key=lambda item: -item.loss)[:WORST_KEPT]),
        left_out=len(before.rankings) + len(after.rankings) - 2 * len(changes),
    )


def _place(ranking: Ranking) -> tuple[str, str | None]:
    return ranking.question.id, ranking.language


def _change(before: Ranking, after: Ranking, metric: str) -> Change:
    scores = [float(getattr(ranking.score, metric)) for ranking in (before, after)]
    return Change(after.question, after.language, before, after, *scores)


def _relation(change: Change) -> str:
    if change.language is None:
        return "mixed"
    return "same_language" if change.language == change.question.language else "other_language"


def _languages(change: Change) -> tuple[str, str] | None:
    return (change.question.language, change.language) if change.language is not None else None


def _by(changes: Sequence[Change], key_of: Callable[[Change], Key | None]) -> dict[Key, list[Change]]:
    """Return the changes by key, in the order of keys; those of key None are left out."""
    groups: dict[Key, list[Change]] = {}
    for change in changes:
        key = key_of(change)
        if key is not None:
            groups.setdefault(key, []).append(change)
    return {key: groups[key] for key in sorted(groups)}


def _difference(changes: Sequence[Change], *, confidence: float, seed: int) -> Difference:
    cells = Counter(_languages(change) for change in changes)
    # Each cell of the language matrix counts the same, as in a report.
    weights = np.array([1 / cells[_languages(change)] for change in changes])
    before = np.array([change.score_before for change in changes])
    after = np.array([change.score_after for change in changes])
    losses = before - after
    groups = [frozenset(change.question.relevant) for change in changes]
    return Difference(
        questions=len(changes),
        answers=len(set(groups)),
        before=float(np.average(before, weights=weights)),
        after=float(np.average(after, weights=weights)),
        interval=bootstrap_difference(
            before,
            after,
            seed=seed,
            confidence=confidence,
            groups=groups,
            weights=weights,
        ),
        wins=int((losses < -TIE).sum()),
        losses=int((losses > TIE).sum()),
        ties=int((np.abs(losses) <= TIE).sum()),
    )
