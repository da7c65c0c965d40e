"""Build the index anew beside the live one, compare the two, and switch."""

import logging
import time
from argparse import ArgumentParser
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from searchapp.errors import IsoglossError
from searchapp.management.servers import servers_running
from searchapp.models import IndexGeneration
from searchapp.services import comparing, generations, reindexing
from searchapp.services.evaluating import load_set
from searchapp.services.generations import GenerationError
from searchapp.services.reasons import sentence
from searchapp.services.reindexing import Outcome

POLL_S = 1.0
RETRY_S = 5.0
SHOWN_EVERY_S = 5.0

Status = IndexGeneration.Status


class Command(BaseCommand):
    """Build a generation of the index from the database; the live one answers all the while."""

    help = (
        "Build the index anew beside the live one, with the model of NEXT_EMBEDDING_* (or EMBEDDING_*), and follow it. "
        "It can be stopped and started again at any time. Then read --report, and --switch."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rate", type=int, metavar="N", help="at most N passages a second; 0 takes the limit away")
        parser.add_argument("--accept-regression", action="store_true", help="switch although the report is worse")
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            type=Path,
            metavar="FOLDER",
            help="with --report: ask the questions of this evaluation set too, a folder as manage.py evaluate takes it",
        )
        actions = parser.add_mutually_exclusive_group()
        for name, text in (
            ("status", "list the generations and stop"),
            ("pause", "stop building until --resume"),
            ("resume", "go on building after a pause or a failure"),
            ("cancel", "give the new generation up and delete its vectors"),
            ("report", "compare the new generation with the live one"),
            ("switch", "let the new generation answer searches"),
            ("rollback", "let the former generation answer again"),
            ("prune", "delete the former generations now"),
        ):
            actions.add_argument(f"--{name}", action="store_const", dest="action", const=name, help=text)

    def handle(self, *_args: Any, **options: Any) -> None:
        # A line for each document and question would bury the progress.
        logging.getLogger("searchapp.services").setLevel(logging.ERROR)
        if options["set"] and options["action"] != "report":
            raise CommandError("--set belongs to --report.")
        action = getattr(self, f"_{options['action'] or 'build'}")
        try:
            with servers_running():
                action(options)
        except IsoglossError as exc:
            reason = f"{sentence(exc.code)} {exc.detail}".strip()
            raise CommandError(f"{exc.code}: {reason}") from exc

    def _build(self, options: dict[str, Any]) -> None:
        generation = generations.candidate()
        if generation is None:
            generation = reindexing.begin(rate=options["rate"] or 0)
            self.stderr.write(f"building generation {generation}")
        elif options["rate"] is not None:
            generations.set_rate(generation, options["rate"])
        if generation.status == Status.BUILDING:
            self._follow(generation.pk)
        self._status(options)

    def _follow(self, pk: int) -> None:
        shown_at = 0.0
        with ThreadPoolExecutor(settings.WORKER_THREADS) as pool:
            work: list[Future[Outcome]] = []
            while True:
                generation = IndexGeneration.objects.defer("report").get(pk=pk)
                if time.monotonic() - shown_at > SHOWN_EVERY_S or generation.status != Status.BUILDING:
                    shown_at = time.monotonic()
                    self._show_progress(generation)
                if generation.status != Status.BUILDING:
                    return
                if all(future.done() for future in work):
                    outcomes = {future.result() for future in work}
                    if Outcome.WAITING in outcomes:
                        time.sleep(RETRY_S)
                    work = [pool.submit(_catch_up, pk) for _number in range(settings.WORKER_THREADS)]
                time.sleep(POLL_S)

    def _show_progress(self, generation: IndexGeneration) -> None:
        progress = generations.progress_of(generation)
        self.stderr.write(
            f"{progress.percent} %: {progress.documents_done} of {progress.documents_total} documents, "
            f"{progress.passages_done} of {progress.passages_total} passages"
            + (f", {progress.documents_failed} failed" if progress.documents_failed else "")
            + (f"; waits: {sentence(generation.error_code)}" if generation.error_code else "")
        )

    def _status(self, _options: dict[str, Any]) -> None:
        for row in IndexGeneration.objects.defer("report").order_by("pk"):
            self.stdout.write(
                f"{row.pk:>4}  {row.status:<9} {row.model}  {row.dimensions} dimensions  chunks {row.chunking}  "
                f"{row.collection}" + (f"  {row.error_code} {row.error_detail}" if row.error_code else "")
            )
        live = generations.live_generation()
        for item in generations.differences(live) if live else []:
            self.stdout.write(f"      settings differ: {item.what} {item.live} -> {item.wanted}")
        new = generations.candidate()
        if new is not None and new.status == Status.BUILDING:
            self._show_progress(new)
        if new is not None and new.status == Status.BUILT:
            self.stdout.write("      complete: next --report, then --switch")

    def _pause(self, _options: dict[str, Any]) -> None:
        generations.pause(self._candidate())

    def _resume(self, options: dict[str, Any]) -> None:
        generations.resume(self._candidate())
        self._build(options)

    def _cancel(self, _options: dict[str, Any]) -> None:
        generations.cancel(self._candidate())

    def _report(self, options: dict[str, Any]) -> None:
        def say(done: int, total: int) -> None:
            if done == total or done % max(1, total // 20) == 0:
                self.stderr.write(f"asking: {done} of {total}")

        generation = self._candidate()
        sets = [load_set(folder) for folder in options["set"]]
        report = comparing.make_report(generation, sets=sets, say=say)
        if report is None:
            raise CommandError("The report is being made by another process; try again in a while.")
        self._print(report)

    def _print(self, report: dict[str, Any]) -> None:
        for name in ("live", "new"):
            side = report[name]
            self.stdout.write(
                f"{name:<5}{side['model']}, {side['dimensions']} dimensions, {side['points']} passages, "
                f"{side['vector_bytes'] / 2**20:.1f} MiB, {side['took_ms_median']} ms "
                f"(95 %: {side['took_ms_95']} ms)"
            )
        self._print_lanes(report["lanes"], f"{report['known']} questions with known answers")
        for item in report["sets"]:
            self._print_lanes(item["lanes"], f"{item['questions']} questions of {item['name']}")
        for lane, alike in report["all"].items():
            if alike["questions"]:
                self.stdout.write(
                    f"\n{lane}: same first hit {alike['agreement']:.0%}, first ten in common {alike['overlap']:.0%}"
                )
        for item in report["worst"][:5]:
            self.stdout.write(f"\n{item['text']}")
            for name in ("before", "after"):
                self.stdout.write(f"  {name:<7}" + " | ".join(hit["title"] for hit in item[name]))
        found = comparing.regressions(report)
        self.stdout.write(f"\nclearly worse: {', '.join(found)}" if found else "\nno clear regression")

    def _print_lanes(self, lanes: dict[str, Any], about: str) -> None:
        for lane, part in lanes.items():
            self.stdout.write(f"\nnDCG@10, {lane} ({about})")
            rows = [("all", part["overall"])] if part["overall"] else []
            rows += [(f"{row['asked']} -> {row['found']}", row) for row in part["pairs"]]
            for title, row in rows:
                self.stdout.write(
                    f"{title:<14}{row['questions']:>5}  {row['before']:.3f} -> {row['after']:.3f}  "
                    f"{row['mean']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
                )

    def _switch(self, options: dict[str, Any]) -> None:
        comparing.switch(self._candidate(), accepts_regression=options["accept_regression"])
        self._status(options)

    def _rollback(self, options: dict[str, Any]) -> None:
        generations.roll_back()
        self._status(options)

    def _prune(self, _options: dict[str, Any]) -> None:
        generations.prune(is_due_only=False)

    def _candidate(self) -> IndexGeneration:
        generation = generations.candidate()
        if generation is None:
            raise GenerationError("generation_not_candidate")
        return generation


def _catch_up(pk: int) -> Outcome:
    try:
        return reindexing.catch_up(pk)
    finally:
        connection.close()
