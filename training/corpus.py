"""The training texts: groups of texts that mean the same, in several languages.

A corpus file (``.jsonl`` or ``.jsonl.xz``) has one JSON object a line, ``{"s": source, "g": {language:
[texts]}}``. The first text of a language is the main one. The order of the lines of one source counts:
neighbours come from the same page, which is what passages are made from.
"""

import csv
import json
import lzma
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.errors import TrainingError

# One project, two names: corpus-id.jsonl.xz was extracted apart from the rest.
_ALIASES = {"mozilla": "mozilla_www", "osm-presets": "osm_presets", "bitcoin": "bitcoin_org", "k8s-other": "k8s_docs"}
# Licences that ask that what is made from a work be passed on under the same terms.
_SHARE_ALIKE_MARKS = ("BY-SA", "CeCILL", "GPL")


@dataclass(frozen=True, slots=True)
class Group:
    """Texts that mean the same."""

    source: str
    texts: Mapping[str, Sequence[str]]


def read_corpus(files: Iterable[Path], *, without: Collection[str] = ()) -> list[Group]:
    """Read all groups, those of one source together.

    A group of a later file that has the source and the main English text of an earlier one adds its
    languages to that group, so that a language extracted apart meets all others.

    Args:
        files: corpus files, the largest first.
        without: sources to leave out.

    Raises:
        TrainingError: a file is not a corpus, or nothing is left.
    """
    groups: list[tuple[str, dict[str, list[str]]]] = []
    by_english: dict[tuple[str, str], int] = {}
    for file in files:
        known = dict(by_english)
        for source, texts in _lines(file):
            if source in without:
                continue
            key = (source, texts["en"][0]) if texts.get("en") else None
            earlier = known.get(key) if key else None
            if earlier is not None:
                groups[earlier][1].update({k: v for k, v in texts.items() if k not in groups[earlier][1]})
                continue
            if key:
                by_english.setdefault(key, len(groups))
            groups.append((source, texts))
    if not groups:
        raise TrainingError("the corpus holds no text")
    groups.sort(key=lambda group: group[0])  # stable: the order inside a source stays
    return [Group(source, texts) for source, texts in groups]


def share_alike_sources(sources: Path) -> set[str]:
    """Return the sources whose licence has a share-alike clause, by the table that comes with the corpus.

    Args:
        sources: tab-separated, with columns ``source`` and ``licence``.

    Raises:
        TrainingError: there is no such table, so nothing can be left out for sure.
    """
    try:
        with sources.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines, delimiter="\t"))
        return {row["source"] for row in rows if any(mark in row["licence"] for mark in _SHARE_ALIKE_MARKS)}
    except (OSError, KeyError) as exc:
        raise TrainingError(f"no table of sources and licences in {sources}") from exc


def _lines(file: Path) -> Iterator[tuple[str, dict[str, list[str]]]]:
    try:
        with lzma.open(file, "rt", encoding="utf-8") if file.suffix == ".xz" else file.open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                yield _ALIASES.get(row["s"], row["s"]), row["g"]
    except (OSError, ValueError, KeyError, TypeError, lzma.LZMAError) as exc:
        raise TrainingError(f"{file} is not a corpus: {exc}") from exc
