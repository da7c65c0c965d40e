"""What search answered to a set of questions, with all settings; the means of it; and its file."""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from searchapp.metrics import QueryScore, mean_scores, score_ranking
from searchapp.services.evaluating.sets import EvaluationError, Question, Unit

FORMAT_VERSION = 1
# Ten are scored; the rest of what is kept is for looking at.
RANKED_KEPT = 20

Setting = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Ranking:
    """What search answered to one question: over all languages, or in one.

    Attributes:
        question: what was asked.
        language: the only language that was searched; None for all.
        ranked: the first ids of the question's unit, best first.
        scores: the relevance of each of them.
        first_language: the language of the best passage; empty where nothing was found.
        row_rank: place of the right FAQ row among all rows found, from 0; None where it was not found.
        took_ms: time of the search.
    """

    question: Question
    language: str | None
    ranked: tuple[str, ...]
    scores: tuple[float, ...]
    first_language: str
    row_rank: int | None
    took_ms: float

    @property
    def relevant(self) -> frozenset[str]:
        """Return the ids that answer, of those that could be found in this language."""
        answers = self.question.relevant.items()
        return frozenset(item for item, language in answers if self.language in (None, language))

    @property
    def score(self) -> QueryScore:
        """Return the measures."""
        return score_ranking(self.ranked, self.relevant)


@dataclass(frozen=True, slots=True)
class Run:
    """Everything that came of asking a set of questions once, under the settings named."""

    set_name: str
    set_sha256: str
    settings: Mapping[str, Setting]
    created_at: str
    took_s: float
    rankings: tuple[Ranking, ...]


@dataclass(frozen=True, slots=True)
class Means:
    """The means of some rankings, each None where there are none.

    ``same_language`` and ``other_language`` are means over the cells of the language matrix, ``mixed`` over
    questions.
    """

    questions: int
    mixed: QueryScore | None
    same_language: QueryScore | None
    other_language: QueryScore | None


@dataclass(frozen=True, slots=True)
class Report:
    """The measures of a run.

    Attributes:
        means: over all questions.
        kinds: over the questions of each kind, where there are several.
        cells: the mean over the questions in the first language for answers in the second.
        rows_found: how many right FAQ rows were found first, within ten, and looked for.
        own_language_first: share of questions over all languages whose best hit is in their own, in [0, 1].
        negatives_first: how many questions with near texts that do not answer found one of these before an
            answer, and how many such questions there are.
        took_ms: median and 95th percentile of one search.
    """

    means: Means
    kinds: dict[str, Means]
    cells: dict[tuple[str, str], QueryScore]
    rows_found: tuple[int, int, int]
    own_language_first: float
    negatives_first: tuple[int, int]
    took_ms: tuple[float, float]


def report(run: Run) -> Report:
    """Return the means of a run."""
    mixed = [ranking for ranking in run.rankings if ranking.language is None]
    kinds: dict[str, list[Ranking]] = defaultdict(list)
    for ranking in run.rankings:
        kinds[ranking.question.kind].append(ranking)
    row_ranks = [ranking.row_rank for ranking in mixed if ranking.question.rows]
    with_negatives = [ranking for ranking in mixed if ranking.question.negatives]
    own = [ranking.first_language == ranking.question.language for ranking in mixed]
    times = sorted(ranking.took_ms for ranking in run.rankings) or [0.0]
    return Report(
        means=_means(run.rankings),
        kinds={kind: _means(rankings) for kind, rankings in sorted(kinds.items())} if len(kinds) > 1 else {},
        cells=_cells(run.rankings),
        rows_found=(
            sum(rank == 0 for rank in row_ranks),
            sum(rank is not None and rank < 10 for rank in row_ranks),
            len(row_ranks),
        ),
        own_language_first=sum(own) / len(own) if own else 0.0,
        negatives_first=(sum(_is_negative_first(ranking) for ranking in with_negatives), len(with_negatives)),
        took_ms=(times[len(times) // 2], times[int(len(times) * 0.95)]),
    )


def write_run(run: Run, path: Path) -> None:
    """Write a run as JSON, gzipped where the name ends so."""
    questions = list({ranking.question.id: ranking.question for ranking in run.rankings}.values())
    items: dict[str, int] = {}

    def numbers(ids: Iterable[str]) -> list[int]:
        return [items.setdefault(item, len(items)) for item in ids]

    places = {question.id: place for place, question in enumerate(questions)}
    content = {
        "format": FORMAT_VERSION,
        "set": {"name": run.set_name, "sha256": run.set_sha256},
        "settings": dict(run.settings),
        "created_at": run.created_at,
        "took_s": round(run.took_s, 1),
        "questions": [
            {
                "id": question.id,
                "language": question.language,
                "text": question.text,
                "unit": question.unit,
                "kind": question.kind,
                "relevant": numbers(question.relevant),
                "relevant_languages": list(question.relevant.values()),
                "rows": sorted(question.rows),
                "negatives": numbers(question.negatives),
            }
            for question in questions
        ],
        "rankings": [
            {
                "question": places[ranking.question.id],
                "language": ranking.language,
                "ranked": numbers(ranking.ranked),
                "scores": [round(score, 4) for score in ranking.scores],
                "first_language": ranking.first_language,
                "row_rank": ranking.row_rank,
                "took_ms": round(ranking.took_ms, 1),
            }
            for ranking in run.rankings
        ],
    }
    content["items"] = list(items)
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8") as stream:
        json.dump(content, stream, ensure_ascii=False, separators=(",", ":"))


def read_run(path: Path) -> Run:
    """Read a run that `write_run` wrote.

    Raises:
        EvaluationError: the file is none.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as stream:
            content = json.load(stream)
        if content["format"] != FORMAT_VERSION:
            raise EvaluationError("run_unreadable", f"{path} is of format {content['format']}, not {FORMAT_VERSION}")
        return _run(content)
    except (OSError, ValueError, LookupError, TypeError) as exc:
        raise EvaluationError("run_unreadable", f"{path} is no saved run: {type(exc).__name__} {exc}") from exc


def _run(content: dict[str, Any]) -> Run:
    items = content["items"]
    questions = [
        Question(
            id=row["id"],
            language=row["language"],
            text=row["text"],
            relevant=dict(zip((items[number] for number in row["relevant"]), row["relevant_languages"], strict=True)),
            unit=Unit(row["unit"]),
            kind=row["kind"],
            rows=frozenset((item, question) for item, question in row["rows"]),
            negatives=tuple(items[number] for number in row["negatives"]),
        )
        for row in content["questions"]
    ]
    rankings = tuple(
        Ranking(
            question=questions[row["question"]],
            language=row["language"],
            ranked=tuple(items[number] for number in row["ranked"]),
            scores=tuple(row["scores"]),
            first_language=row["first_language"],
            row_rank=row["row_rank"],
            took_ms=row["took_ms"],
        )
        for row in content["rankings"]
    )
    named = content["set"]
    return Run(named["name"], named["sha256"], content["settings"], content["created_at"], content["took_s"], rankings)


def _cells(rankings: Iterable[Ranking]) -> dict[tuple[str, str], QueryScore]:
    scores: dict[tuple[str, str], list[QueryScore]] = defaultdict(list)
    for ranking in rankings:
        if ranking.language is not None:
            scores[ranking.question.language, ranking.language].append(ranking.score)
    return {cell: mean for cell, values in sorted(scores.items()) if (mean := mean_scores(values)) is not None}


def _means(rankings: Sequence[Ranking]) -> Means:
    cells = _cells(rankings)
    mixed = [ranking for ranking in rankings if ranking.language is None]
    return Means(
        questions=len(mixed),
        mixed=mean_scores(ranking.score for ranking in mixed),
        same_language=mean_scores(score for (asked, found), score in cells.items() if asked == found),
        other_language=mean_scores(score for (asked, found), score in cells.items() if asked != found),
    )


def _is_negative_first(ranking: Ranking) -> bool:
    for item in ranking.ranked:
        if item in ranking.relevant:
            return False
        if item in ranking.question.negatives:
            return True
    return False
