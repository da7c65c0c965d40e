"""The files that an evaluation or a comparison leaves in a folder."""

import csv
import json
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

from searchapp.metrics import METRICS
from searchapp.services.evaluating.comparing import Change, Comparison, Difference
from searchapp.services.evaluating.matrix import difference_svg, score_svg
from searchapp.services.evaluating.runs import Means, Run, report, write_run
from searchapp.services.evaluating.sets import Question

RUN_NAME = "run.json"
DIFFERENCE_COLUMNS = (
    "questions",
    "answers",
    "before",
    "after",
    "difference",
    "low",
    "high",
    "wins",
    "losses",
    "ties",
    "is_clear",
)


def write_evaluation(run: Run, folder: Path) -> None:
    """Write the run (``run.json``), its means (``cells.csv``), and its language matrix (``matrix.svg``)."""
    folder.mkdir(parents=True, exist_ok=True)
    write_run(run, folder / RUN_NAME)
    done = report(run)
    rows: list[Sequence[object]] = []
    for kind, means in {"": done.means, **done.kinds}.items():
        rows += [(name, kind, *astuple(score)) for name, score in _named(means).items() if score is not None]
    rows += [(asked, found, *astuple(score)) for (asked, found), score in done.cells.items()]
    _write_csv(folder / "cells.csv", ("question_language", "answer_language", *METRICS), rows)
    cells = {pair: score.ndcg_10 for pair, score in done.cells.items()}
    (folder / "matrix.svg").write_text(score_svg(cells, title=f"nDCG@10, {run.set_name}"), encoding="utf-8")


def write_questions(questions: Sequence[Question], path: Path) -> None:
    """Write questions as `load_questions` reads them."""
    with path.open("w", encoding="utf-8") as stream:
        for question in questions:
            row = {
                "id": question.id,
                "query": question.text,
                "language": question.language,
                "relevant": list(question.relevant),
                "kind": question.kind,
                "negatives": list(question.negatives),
            }
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")


def write_comparison(comparison: Comparison, folder: Path) -> None:
    """Write a comparison as ``comparison.json``, ``comparison.csv`` and ``comparison.svg``."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "set": comparison.set_name,
        "metric": comparison.metric,
        "settings": {name: list(values) for name, values in comparison.settings.items()},
        "overall": {name: _difference(item) for name, item in comparison.overall.items()},
        "kinds": {kind: _difference(item) for kind, item in comparison.kinds.items()},
        "pairs": [
            {"question_language": asked, "answer_language": found, **_difference(item)}
            for (asked, found), item in comparison.pairs.items()
        ],
        "worst": [_change(change) for change in comparison.worst],
        "left_out": comparison.left_out,
    }
    text = json.dumps(content, ensure_ascii=False, indent=1)
    (folder / "comparison.json").write_text(text + "\n", encoding="utf-8")
    rows = [(name, "", *_difference(item).values()) for name, item in comparison.overall.items()]
    rows += [("mixed", kind, *_difference(item).values()) for kind, item in comparison.kinds.items()]
    rows += [(asked, found, *_difference(item).values()) for (asked, found), item in comparison.pairs.items()]
    header = ("question_language", "answer_language", *DIFFERENCE_COLUMNS)
    _write_csv(folder / "comparison.csv", header, rows)
    svg = difference_svg(comparison.pairs, title=f"{comparison.metric}, {comparison.set_name}: after - before")
    (folder / "comparison.svg").write_text(svg, encoding="utf-8")


def _named(means: Means) -> dict[str, Any]:
    return {"mixed": means.mixed, "same_language": means.same_language, "other_language": means.other_language}


def _difference(item: Difference) -> dict[str, float]:
    interval = item.interval
    means = (item.before, item.after, interval.mean, interval.low, interval.high)
    counts = (item.wins, item.losses, item.ties, item.is_clear)
    return dict(zip(DIFFERENCE_COLUMNS, (item.questions, item.answers, *means, *counts), strict=True))


def _change(change: Change) -> dict[str, object]:
    return {
        "question": change.question.text,
        "question_language": change.question.language,
        "answer_language": change.language,
        "relevant": list(change.question.relevant),
        "before": {"score": change.score_before, "ranked": list(change.before.ranked[:10])},
        "after": {"score": change.score_after, "ranked": list(change.after.ranked[:10])},
    }


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        for row in rows:
            writer.writerow([f"{value:.4f}" if isinstance(value, float) else value for value in row])
