"""Measure search on a folder of labelled questions."""

import json
import logging
from argparse import ArgumentParser
from dataclasses import astuple
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from searchapp.errors import IsoglossError
from searchapp.management.servers import servers_running
from searchapp.metrics import QueryScore
from searchapp.services import evaluating
from searchapp.services.evaluating import Ranking, Report

HEADER = f"{'':<34}{'R@1':>8}{'R@5':>8}{'R@10':>8}{'MRR@10':>8}{'nDCG@10':>9}"


class Command(BaseCommand):
    """Index a set through the ordinary pipeline, ask its questions, and print how good the answers are."""

    help = "Measure search on a folder with corpus.jsonl.gz and queries.jsonl.gz, or files/ and queries.jsonl."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument("--limit-queries", type=int, metavar="N", help="ask only N questions, spread over the set")
        parser.add_argument(
            "--run-out",
            type=Path,
            metavar="FILE",
            help="write the rankings within each language here, and those over all beside it with .mixed in the name",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        # A line for each document and question would bury the progress.
        logging.getLogger("searchapp.services").setLevel(logging.WARNING)
        try:
            evaluation_set = evaluating.load_set(options["folder"])
            self.stdout.write(
                f"{evaluation_set.name}: {len(evaluation_set.items)} documents, "
                f"{len(evaluation_set.questions)} questions, "
                f"titles {'indexed' if evaluation_set.has_titles else 'left out: they are the same in all languages'}"
            )
            with servers_running():
                rankings = evaluating.evaluate(
                    evaluation_set, limit_queries=options["limit_queries"], progress=self._show_progress
                )
        except IsoglossError as exc:
            raise CommandError(str(exc)) from exc
        if options["run_out"]:
            _write_run(options["run_out"], rankings)
        self._print(evaluating.report(rankings))

    def _show_progress(self, step: str, done: int, total: int) -> None:
        if done == total or done % max(1, total // 20) == 0:
            self.stderr.write(f"{step}: {done} of {total}")

    def _print(self, report: Report) -> None:
        self.stdout.write(HEADER)
        self._print_row("all languages at once", report.mixed)
        self._print_row("cross-lingual (mean of pairs)", report.other_language)
        self._print_row("monolingual (mean of languages)", report.same_language)
        first, in_ten, total = report.rows_found_first
        if total:
            self.stdout.write(f"FAQ rows: {first} of {total} found first, {in_ten} within the first ten")
        asked = sorted({asked for asked, _found in report.cells})
        found = sorted({found for _asked, found in report.cells})
        for title, metric in (("Recall@1", "recall_1"), ("nDCG@10", "ndcg_10")):
            self.stdout.write(f"\n{title} (rows: language of the question, columns: language of the document)")
            self.stdout.write(" " * 8 + "".join(f"{language:>8}" for language in found))
            for row in asked:
                cells = [report.cells.get((row, column)) for column in found]
                self.stdout.write(
                    f"{row:<8}" + "".join(f"{getattr(cell, metric):>8.3f}" if cell else f"{'':>8}" for cell in cells)
                )

    def _print_row(self, name: str, score: QueryScore | None) -> None:
        values = "".join(f"{value:>8.3f}" for value in astuple(score)) if score else "no questions"
        self.stdout.write(f"{name:<34}{values}")


def _write_run(path: Path, rankings: list[Ranking]) -> None:
    """Write the rankings within one language to the path, and those over all to ``<stem>.mixed<suffix>`` beside it."""
    mixed_path = path.with_name(f"{path.stem}.mixed{path.suffix}")
    with path.open("w", encoding="utf-8") as pairs, mixed_path.open("w", encoding="utf-8") as mixed:
        for ranking in rankings:
            row: dict[str, object] = {"query": ranking.question.id, "docs": list(ranking.ranked)}
            if ranking.language is not None:
                row["lang"] = ranking.language
            (pairs if ranking.language is not None else mixed).write(json.dumps(row, ensure_ascii=False) + "\n")
