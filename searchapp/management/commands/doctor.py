"""Say what is wrong with the site, how it shows and what to do."""

import json
import logging
import sys
from argparse import ArgumentParser
from contextlib import ExitStack
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseFault

from searchapp.embedding.doctor import Depth, Endpoint, Finding, Severity
from searchapp.management.servers import servers_running
from searchapp.services import diagnosing, remedies

LOCAL_ADDRESSES = ("REDIS_URL", "QDRANT_URL", "EMBEDDING_BASE_URL")


class Command(BaseCommand):
    """Examine all parts, or one embedding service before the site is moved to it."""

    help = "Examine the site, above all its embedding service. The exit code is 1 if anything is an error."
    # The doctor names itself what the checks would only stop at.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--fast", action="store_true", help="seconds, not minutes: no long texts, languages, speed")
        parser.add_argument("--json", action="store_true", help="print the report for machines")
        parser.add_argument(
            "--start",
            action="store_true",
            help="print one line, and only if something is an error; workers may be late",
        )
        parser.add_argument("--url", help="examine this embedding service alone; ends in /v1")
        parser.add_argument("--model", help="its model's name (default: EMBEDDING_MODEL)")
        parser.add_argument("--api-key", help="its key (default: none)")
        parser.add_argument("--dimensions", type=int, default=0, help="length that its vectors are to be cut to")

    def handle(self, *_args: Any, **options: Any) -> None:
        if not options["url"] and (options["model"] or options["api_key"] or options["dimensions"]):
            raise CommandError("--model, --api-key and --dimensions belong to --url.")
        logging.getLogger("searchapp.services").setLevel(logging.WARNING)
        content = self._examine_service(options) if options["url"] else self._examine_site(options)
        if options["start"]:
            self._print_line(content)
        elif options["json"]:
            self.stdout.write(json.dumps(diagnosing.with_sentences(content), ensure_ascii=False, indent=2))
        else:
            self._print(content)
        if content["errors"]:
            sys.exit(1)

    def _examine_service(self, options: dict[str, Any]) -> dict[str, Any]:
        endpoint = Endpoint(
            options["url"].rstrip("/"),
            options["model"] or settings.EMBEDDING_MODEL,
            options["api_key"] or "EMPTY",
            float(settings.EMBEDDING_TIMEOUT_S),
        )
        depth: Depth = "fast" if options["fast"] else "full"
        examination = diagnosing.examine_endpoint(
            endpoint,
            depth=depth,
            dimensions=options["dimensions"],
            progress=self._show_progress,
        )
        return diagnosing.content_of(examination, depth=depth)

    def _examine_site(self, options: dict[str, Any]) -> dict[str, Any]:
        with ExitStack() as stack:
            is_running = True
            if not all(settings.GIVEN_ENVIRONMENT.get(name) for name in LOCAL_ADDRESSES):
                try:
                    is_running = stack.enter_context(servers_running())
                except (CommandError, DatabaseFault) as exc:
                    self.stderr.write(f"The local servers could not be started: {exc}")
            diagnosis = diagnosing.diagnose(
                depth="fast" if options["fast"] else "full",
                has_workers=is_running and not options["start"],
                progress=None if options["start"] else self._show_progress,
            )
            try:
                return dict(diagnosing.keep_report(diagnosis).content)
            except DatabaseFault:
                self.stderr.write("The report could not be kept: the database does not take it.")
                return diagnosing.content_of_diagnosis(diagnosis)

    def _show_progress(self, name: str) -> None:
        self.stderr.write(f"examining {name}")

    def _print_line(self, content: dict[str, Any]) -> None:
        codes = [f"{row['part']} {row['code']}" for row in content["findings"] if row["severity"] == Severity.ERROR]
        if codes:
            self.stdout.write(f"something is wrong: {', '.join(codes)}. The page /doctor/ says what to do.")

    def _print(self, content: dict[str, Any]) -> None:
        for row in content["findings"]:
            finding = Finding(row["code"], Severity(row["severity"]), row["values"], row["evidence"], row["part"])
            remedy = remedies.describe(finding)
            self.stdout.write(f"{finding.severity.upper():8} {finding.part}  {finding.code}")
            self.stdout.write(f"         {remedy.what}")
            self.stdout.write(f"         How it shows: {remedy.shows}")
            self.stdout.write(f"         What to do:   {remedy.remedy}")
            if finding.evidence:
                self.stdout.write(f"         Seen:         {finding.evidence}")
        for part, values in content["measurements"].items():
            words = (
                f"{name} {', '.join(value) if isinstance(value, list) else value}" for name, value in values.items()
            )
            self.stdout.write(f"{part}: {'; '.join(words)}")
        passed = sum(step["outcome"] == "passed" for step in content["steps"])
        skipped = sum(step["outcome"] == "skipped" for step in content["steps"])
        self.stdout.write(
            f"{content['errors']} errors, {content['warnings']} warnings; "
            f"{len(content['steps'])} checks, {passed} passed, {skipped} skipped"
        )
