#!/usr/bin/env python3
"""Make the figures of docs/evaluation.md anew: `benchmarks/figures.py --shared FOLDER [--only SET ...]`.

Each set is indexed in a data folder of its own, since the rarity of words counts over all that an index
holds, and asked once for each way to search. Runs that stand in the work folder are kept unless --again is
given; then the tables between the marks in docs/evaluation.md are written.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "evaluation.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
PRODUCT = "as the site searches"
WAYS = {
    "words alone": ("--lanes", "lexical", "--balance", "off"),
    "vectors alone": ("--lanes", "dense", "--balance", "off"),
    "both, no balance": ("--balance", "off"),
    PRODUCT: (),
    "without headings": ("--no-headings",),
}
POOLS = {"mixed": "all at once", "other_language": "cross-lingual", "same_language": "monolingual"}


@dataclass(frozen=True, slots=True)
class Set:
    """One set and how it is asked. ``folder`` is below the shared folder; empty: the demo."""

    name: str
    folder: str
    limit: int | None = None
    scope: str = ""
    has_headings: bool = True
    is_mined: bool = False
    # One sentence is question and document: its own language asks for itself.
    is_same_text: bool = False

    def ways(self) -> dict[str, tuple[str, ...]]:
        """Return the ways to search that differ for this set."""
        return {
            way: options
            for way, options in WAYS.items()
            if way != "without headings" or (self.has_headings and not self.is_mined)
        }

    def arguments(self) -> list[str]:
        """Return the arguments that name the set."""
        limit = ["--limit-queries", str(self.limit)] if self.limit else []
        if self.is_mined:
            return ["--mine", f"evaluation-{self.name.removesuffix('-mined')}", *limit]
        return [*limit, *(["--scope", self.scope] if self.scope else [])]


SETS = (
    Set("kb-real", "data/kb-real"),
    Set("kb-real-mined", "data/kb-real", is_mined=True),
    Set("demo", ""),
    Set("faq-bitcoin", "data/eval/faq-bitcoin", limit=96),
    Set("xquad", "data/eval/xquad", limit=144, has_headings=False),
    Set("cmrc2018", "data/eval/cmrc2018", limit=300, has_headings=False),
    Set("k8s-docs", "data/eval/k8s-docs", limit=150),
    Set(
        "tatoeba-laser-zh-en",
        "data/eval/tatoeba-laser",
        limit=200,
        scope="zh-en",
        has_headings=False,
        is_same_text=True,
    ),
    Set(
        "tatoeba-laser-de-en",
        "data/eval/tatoeba-laser",
        limit=200,
        scope="de-en",
        has_headings=False,
        is_same_text=True,
    ),
)


def main() -> None:
    """Run what is missing and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="folder with data/eval and data/kb-real")
    parser.add_argument("--work", type=Path, default=ROOT / "test-output" / "figures", help="runs and indexes go here")
    parser.add_argument("--only", nargs="+", choices=[item.name for item in SETS], help="run these sets alone")
    parser.add_argument("--again", action="store_true", help="run what there is anew")
    parser.add_argument("--limit", type=int, metavar="N", help="ask at most N questions of each set")
    parser.add_argument("--tables-only", action="store_true", help="run nothing, write the tables of what there is")
    options = parser.parse_args()
    if not options.tables_only:
        for item in SETS:
            if not options.only or item.name in options.only:
                _run(_limited(item, options.limit), options.shared, options.work, is_anew=options.again)
    text = DOCUMENT.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    DOCUMENT.write_text(f"{before}{BEGIN}\n{_tables(options.work)}\n{END}{after}", encoding="utf-8")


def _limited(item: Set, limit: int | None) -> Set:
    return replace(item, limit=min(limit, item.limit or limit)) if limit else item


def _run(item: Set, shared: Path, work: Path, *, is_anew: bool) -> None:
    base = item.name.removesuffix("-mined")
    for way, extra in item.ways().items():
        out = _folder(work, item, way)
        if (out / "run.json").exists() and not is_anew:
            continue
        source = [] if item.is_mined else [str(shared / item.folder if item.folder else ROOT / "demo")]
        # Two bases: with and without headings.
        keep = [] if item.is_mined else ["--keep", base if way != "without headings" else f"{base}-bare"]
        data = f"{base}-bare" if way == "without headings" else base
        _manage("evaluate", *source, *item.arguments(), *extra, *keep, "--out", str(out), data_dir=work / "data" / data)
    product = _folder(work, item, PRODUCT)
    for way in item.ways():
        other = _folder(work, item, way)
        if way != PRODUCT:
            _manage(
                "compare", str(other), str(product), "--out", str(other / "to-product"), data_dir=work / "data" / base
            )


def _folder(work: Path, item: Set, way: str) -> Path:
    return work / item.name / way.replace(" ", "-").replace(",", "")


def _manage(*arguments: str, data_dir: Path) -> None:
    data_dir.mkdir(parents=True, exist_ok=True)
    print("manage.py", *arguments, file=sys.stderr, flush=True)
    environment = {**os.environ, "DATA_DIR": str(data_dir)}
    subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments], env=environment, check=True, stdout=subprocess.DEVNULL
    )


def _tables(work: Path) -> str:
    lines = [
        f"| nDCG@10 | questions | {' | '.join(WAYS)} |",
        f"|---|---|{'---|' * len(WAYS)}",
    ]
    for item, pool, scores in _scores(work):
        best = max(float(score) for score in scores.values())
        cells = [f"**{value}**" if (value := scores.get(way)) and float(value) == best else value or "" for way in WAYS]
        lines.append(f"| {item.name}, {POOLS[pool]} | {_asked(work, item)} | {' | '.join(cells)} |")
    others = [way for way in WAYS if way != PRODUCT]
    lines += [
        "",
        f"| nDCG@10 in points of 100: {PRODUCT}, against ... | {' | '.join(others)} |",
        f"|---|{'---|' * len(others)}",
    ]
    for item, pool, _found in _scores(work):
        changes = [_change(work, item, way, pool) for way in others]
        lines.append(f"| {item.name}, {POOLS[pool]} | {' | '.join(changes)} |")
    lines += ["", "| set | R@1 | R@5 | R@10 | MRR@10 | nDCG@10 |", "|---|---|---|---|---|---|"]
    for item, pool, _found in _scores(work):
        row = _means(work, item, PRODUCT).get(pool)
        if row:
            values = " | ".join(f"{float(row[name]):.3f}" for name in list(row)[2:])
            lines.append(f"| {item.name}, {POOLS[pool]} | {values} |")
    return "\n".join(lines)


def _scores(work: Path) -> list[tuple[Set, str, dict[str, str]]]:
    """Return nDCG@10 by way of searching, for each set and pool that there is."""
    rows = []
    for item in SETS:
        means = {way: _means(work, item, way) for way in WAYS}
        if not means[PRODUCT]:
            continue  # not run to the end
        for pool in POOLS:
            if item.is_same_text and pool != "other_language":
                continue
            scores = {way: f"{float(found[pool]['ndcg_10']):.3f}" for way, found in means.items() if pool in found}
            if scores:
                rows.append((item, pool, scores))
    return rows


def _means(work: Path, item: Set, way: str) -> dict[str, dict[str, str]]:
    path = _folder(work, item, way) / "cells.csv"
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as stream:
        rows = [
            row for row in csv.DictReader(stream) if row["question_language"] in POOLS and not row["answer_language"]
        ]
    return {row["question_language"]: row for row in rows}


def _change(work: Path, item: Set, way: str, pool: str) -> str:
    path = _folder(work, item, way) / "to-product" / "comparison.json"
    if not path.exists():
        return ""
    found = json.loads(path.read_text(encoding="utf-8"))["overall"].get(pool)
    if found is None:
        return ""
    mean, low, high = (f"{100 * found[name]:+.1f}" for name in ("difference", "low", "high"))
    text = f"{mean} ({low} to {high})"
    return f"**{text}**" if found["is_clear"] else text


def _asked(work: Path, item: Set) -> str:
    path = _folder(work, item, PRODUCT) / "run.json"
    return str(len(json.loads(path.read_text(encoding="utf-8"))["questions"])) if path.exists() else ""


if __name__ == "__main__":
    main()
