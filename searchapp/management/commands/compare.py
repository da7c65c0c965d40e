"""Compare runs that `evaluate --out` saved."""

from argparse import ArgumentParser
from itertools import combinations
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from searchapp.metrics import METRICS
from searchapp.services import evaluating
from searchapp.services.evaluating import Change, Comparison, Difference, EvaluationError

NAMES = {
    "mixed": "all languages at once",
    "other_language": "cross-lingual (mean of pairs)",
    "same_language": "monolingual (mean of languages)",
}
HEADER = f"{'':<34}{'before':>8}{'after':>8}{'change':>9}   {'95 % interval':<20}{'better/worse/same':>20}"
WORST_SHOWN = 10


class Command(BaseCommand):
    """Print whether one saved run of a set is better than another, and for which questions it is worse."""

    help = "Compare runs that evaluate --out saved, each with each, with confidence intervals."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("runs", type=Path, nargs="+", help="run.json files, or the folders that hold them")
        parser.add_argument("--metric", choices=METRICS, default="ndcg_10")
        parser.add_argument("--out", type=Path, metavar="DIR", help="write comparison.json, .csv and .svg here")

    def handle(self, *_args: Any, **options: Any) -> None:
        paths: list[Path] = options["runs"]
        if len(paths) < 2:
            raise CommandError("Name two runs at least.")
        try:
            runs = [(path, evaluating.read_run(_run_path(path))) for path in paths]
            for number, ((before_path, before), (after_path, after)) in enumerate(combinations(runs, 2)):
                comparison = evaluating.compare(before, after, metric=options["metric"])
                self.stdout.write(f"{'' if number == 0 else chr(10)}{before_path} -> {after_path}")
                self._print(comparison)
                if options["out"]:
                    folder = options["out"]
                    if len(runs) > 2:
                        folder /= f"{_label(before_path)}-to-{_label(after_path)}"
                    evaluating.write_comparison(comparison, folder)
        except EvaluationError as exc:
            raise CommandError(exc.detail) from exc

    def _print(self, comparison: Comparison) -> None:
        for name, (before, after) in comparison.settings.items():
            self.stdout.write(f"  {name}: {before} -> {after}")
        if comparison.left_out:
            self.stdout.write(f"  {comparison.left_out} rankings are in one of the runs only and left out")
        self.stdout.write(f"{comparison.set_name}, {comparison.metric}")
        self.stdout.write(HEADER)
        for key, name in NAMES.items():
            if key in comparison.overall:
                self._print_row(name, comparison.overall[key])
        for kind, difference in comparison.kinds.items():
            self._print_row(f"  {kind or 'of no kind'}", difference)
        if len(comparison.pairs) > 1:
            self.stdout.write(
                "\nby language of the question and of the answer; * where the interval does not hold zero"
            )
            for (asked, found), difference in comparison.pairs.items():
                self._print_row(f"{asked} -> {found}", difference)
        if comparison.worst:
            self.stdout.write("\nworse than before")
            for change in comparison.worst[:WORST_SHOWN]:
                self._print_change(change)

    def _print_row(self, name: str, difference: Difference) -> None:
        interval = difference.interval
        mark = "*" if difference.is_clear else " "
        counts = f"{difference.wins}/{difference.losses}/{difference.ties}"
        self.stdout.write(
            f"{name:<34}{difference.before:>8.3f}{difference.after:>8.3f}{interval.mean:>+9.3f}{mark}  "
            f"{f'{interval.low:+.3f} to {interval.high:+.3f}':<20}{counts:>20}"
        )

    def _print_change(self, change: Change) -> None:
        pool = change.language or "all"
        self.stdout.write(
            f"  {change.score_before:.3f} -> {change.score_after:.3f}  "
            f"{change.question.language} -> {pool}  {change.question.text[:100]}"
        )


def _run_path(path: Path) -> Path:
    return path / evaluating.RUN_NAME if path.is_dir() else path


def _label(path: Path) -> str:
    """Return what tells a run from others in the name of a folder."""
    return path.name if path.is_dir() else (path.parent.name if path.name == evaluating.RUN_NAME else path.stem)
