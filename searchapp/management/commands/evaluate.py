"""Measure search on labelled questions."""

import json
import logging
import signal
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError

from searchapp.errors import IsoglossError
from searchapp.management.servers import servers_running
from searchapp.metrics import QueryScore
from searchapp.models import Collection
from searchapp.services import evaluating
from searchapp.services.evaluating import Means, Report, Run
from searchapp.services.searching import Lanes, SearchOptions

HEADER = f"{'':<34}{'R@1':>8}{'R@5':>8}{'R@10':>8}{'MRR@10':>8}{'nDCG@10':>9}"


class Command(BaseCommand):
    """Index a set through the ordinary pipeline, ask its questions, and print how good the answers are."""

    help = "Measure search on a folder of labelled questions, or on questions about collections of the site."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "source",
            type=Path,
            nargs="?",
            help="a folder with corpus.jsonl.gz and queries.jsonl.gz, or with files/ and queries.jsonl; "
            "with --collection a CSV or JSONL file of query, language and relevant",
        )
        parser.add_argument("--collection", nargs="+", metavar="SLUG", help="ask about documents that stand in these")
        parser.add_argument("--mine", nargs="+", metavar="SLUG", help="ask questions made from these collections")
        parser.add_argument("--seed", type=int, default=0, metavar="N", help="which questions --mine makes")
        parser.add_argument("--count", type=int, default=200, metavar="N", help="how many questions --mine makes")
        parser.add_argument("--scope", default="", help="only the lines of a set with this scope")
        parser.add_argument("--limit-queries", type=int, metavar="N", help="ask only N questions, spread over the set")
        parser.add_argument("--lanes", choices=list(Lanes), default=Lanes.HYBRID, type=Lanes, help="find by what")
        parser.add_argument("--balance", choices=["on", "off"], default="on", help="balance of languages")
        parser.add_argument("--no-headings", action="store_true", help="index a set without headings")
        parser.add_argument("--keep", default="", metavar="NAME", help="keep what was indexed for the next evaluation")
        parser.add_argument("--out", type=Path, metavar="DIR", help="write run.json, cells.csv and matrix.svg here")
        parser.add_argument(
            "--run-out",
            type=Path,
            metavar="FILE",
            help="write the rankings within each language here, and those over all beside it with .mixed in the name",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        if (options["source"] is None) == (options["mine"] is None):
            raise CommandError("Name a folder or file of questions, or the collections to --mine them from.")
        # A line for each document and question would bury the progress.
        logging.getLogger("searchapp.services").setLevel(logging.WARNING)
        # What was indexed is taken away again also when the command is stopped.
        former = signal.signal(signal.SIGTERM, _stop)
        try:
            with servers_running():
                run = self._run(options)
        except IsoglossError as exc:
            raise CommandError(str(exc)) from exc
        finally:
            signal.signal(signal.SIGTERM, former)
        if options["run_out"]:
            _write_rankings(options["run_out"], run)
        if options["out"]:
            evaluating.write_evaluation(run, options["out"])
        self._print(evaluating.report(run))

    def _run(self, options: dict[str, Any]) -> Run:
        search_options = SearchOptions(options["lanes"], is_balanced=options["balance"] == "on")
        limit_queries = options["limit_queries"]
        slugs = options["mine"] or options["collection"]
        if slugs:
            if options["no_headings"] or options["keep"]:
                raise CommandError("Collections of the site are asked as they stand: no --no-headings, no --keep.")
            collections = _collections(slugs)
            if options["mine"]:
                evaluation_set = evaluating.mined_set(collections, seed=options["seed"], count=options["count"])
                if options["out"]:
                    options["out"].mkdir(parents=True, exist_ok=True)
                    evaluating.write_questions(evaluation_set.questions, options["out"] / "questions.jsonl")
            else:
                evaluation_set = evaluating.load_questions(options["source"], collections)
            self.stdout.write(f"{evaluation_set.name}: {len(evaluation_set.questions)} questions")
            return evaluating.evaluate_collections(
                evaluation_set,
                collections,
                options=search_options,
                limit_queries=limit_queries,
                progress=self._show_progress,
            )
        evaluation_set = evaluating.load_set(options["source"], scope=options["scope"])
        self.stdout.write(
            f"{evaluation_set.name}: {len(evaluation_set.items)} documents, "
            f"{len(evaluation_set.questions)} questions, "
            f"titles {'indexed' if evaluation_set.has_titles else 'left out: they are the same in all languages'}"
        )
        return evaluating.evaluate(
            evaluation_set,
            options=search_options,
            has_headings=not options["no_headings"],
            keep=options["keep"],
            limit_queries=limit_queries,
            progress=self._show_progress,
        )

    def _show_progress(self, step: str, done: int, total: int) -> None:
        if done == total or done % max(1, total // 20) == 0:
            self.stderr.write(f"{step}: {done} of {total}")

    def _print(self, report: Report) -> None:
        self.stdout.write(HEADER)
        self._print_means(report.means)
        for kind, means in report.kinds.items():
            self.stdout.write(f"\n{kind or 'of no kind'}, {means.questions} questions")
            self._print_means(means)
        self._print_remarks(report)
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

    def _print_means(self, means: Means) -> None:
        self._print_row("all languages at once", means.mixed)
        self._print_row("cross-lingual (mean of pairs)", means.other_language)
        self._print_row("monolingual (mean of languages)", means.same_language)

    def _print_row(self, name: str, score: QueryScore | None) -> None:
        values = "".join(f"{value:>8.3f}" for value in astuple(score)) if score else "no questions"
        self.stdout.write(f"{name:<34}{values}")

    def _print_remarks(self, report: Report) -> None:
        first, in_ten, total = report.rows_found
        if total:
            self.stdout.write(f"FAQ rows: {first} of {total} found first, {in_ten} within the first ten")
        negative, asked = report.negatives_first
        if asked:
            self.stdout.write(f"Near but wrong before the answer: {negative} of {asked} questions")
        median, slow = report.took_ms
        self.stdout.write(
            f"Over all languages the best hit is in the question's own for {report.own_language_first:.0%}; "
            f"a search took {median:.0f} ms (95 %: {slow:.0f} ms)"
        )


def _collections(slugs: Sequence[str]) -> list[Collection]:
    found = {collection.slug: collection for collection in Collection.objects.filter(slug__in=slugs)}
    missing = [slug for slug in slugs if slug not in found]
    if missing:
        raise CommandError(f"There is no collection {', '.join(missing)}.")
    return [found[slug] for slug in dict.fromkeys(slugs)]


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(1)


def _write_rankings(path: Path, run: Run) -> None:
    """Write the rankings within one language to the path, and those over all to ``<stem>.mixed<suffix>`` beside it."""
    mixed_path = path.with_name(f"{path.stem}.mixed{path.suffix}")
    with path.open("w", encoding="utf-8") as pairs, mixed_path.open("w", encoding="utf-8") as mixed:
        for ranking in run.rankings:
            row: dict[str, object] = {"query": ranking.question.id, "docs": list(ranking.ranked)}
            if ranking.language is not None:
                row["lang"] = ranking.language
            (pairs if ranking.language is not None else mixed).write(json.dumps(row, ensure_ascii=False) + "\n")
