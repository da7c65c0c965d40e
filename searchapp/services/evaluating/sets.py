"""Labelled questions: what they are, and reading them from a folder or a file."""

import csv
import gzip
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from django.conf import settings

from searchapp.errors import PermanentError
from searchapp.language import detect
from searchapp.models import Chunk, Collection, Document
from searchapp.services import generations

# Above this share of texts whose title is the same in all their languages, titles are labels, no translations.
SHARED_TITLES = 0.9
# A labelled passage of fewer characters than this does not tell which passage it is a part of.
MIN_PASSAGE_CHARACTERS = 20
QUESTION_COLUMNS = ("query", "question", "text")
LANGUAGE_COLUMNS = ("language", "lang")
RELEVANT_COLUMNS = ("relevant", "document", "passage")


class EvaluationError(PermanentError):
    """Raise for what cannot be evaluated or compared."""


class Unit(StrEnum):
    """Say what a question's answers are, and so what its ranking is a ranking of."""

    DOCUMENT = "document"
    ROW = "row"
    PASSAGE = "passage"


@dataclass(frozen=True, slots=True)
class Item:
    """One document of a set. ``language`` is empty where it is to be found."""

    id: str
    source_name: str
    path: Path | None
    text: str
    language: str

    def read(self) -> bytes:
        """Return its content as it is uploaded."""
        return self.text.encode() if self.path is None else self.path.read_bytes()


@dataclass(frozen=True, slots=True)
class Question:
    """One labelled question.

    Attributes:
        relevant: the ids of all that answers it, with the language of each; empty until it is known.
        unit: what these ids are ids of.
        kind: where the question comes from, as the set says; kinds are reported apart.
        rows: FAQ rows that answer it beside the documents: document id and question, where known.
        negatives: ids of what is near but does not answer.
    """

    id: str
    language: str
    text: str
    relevant: Mapping[str, str]
    unit: Unit = Unit.DOCUMENT
    kind: str = ""
    rows: frozenset[tuple[str, str]] = frozenset()
    negatives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """Labelled questions, and the documents to index for them; none where they stand in a collection.

    ``sha256`` is of all that makes the set; runs are only compared on the same.
    """

    name: str
    items: tuple[Item, ...]
    questions: tuple[Question, ...]
    has_titles: bool = True
    sha256: str = field(default="")


def load_set(folder: Path, *, scope: str = "") -> EvaluationSet:
    """Read a folder in one of two layouts.

    ``corpus.jsonl.gz`` and ``queries.jsonl.gz``: texts; ``positives`` of a query name a ``pid``, and every
    language version of that ``pid`` answers it. ``files/`` and ``queries.jsonl``: files as people upload
    them; ``relevant`` of a query names the files that answer it.

    Args:
        folder: where it lies.
        scope: keep only the lines with this ``scope``, where a set is several in one.

    Raises:
        EvaluationError: the folder has neither layout, or a line cannot be read.
    """
    try:
        if (folder / "corpus.jsonl.gz").is_file() and (folder / "queries.jsonl.gz").is_file():
            loaded = _load_texts(folder, scope)
        elif (folder / "queries.jsonl").is_file() and (folder / "files").is_dir():
            loaded = _load_files(folder)
        else:
            raise EvaluationError(
                "set_unreadable",
                f"{folder} holds neither corpus.jsonl.gz and queries.jsonl.gz nor queries.jsonl and files/",
            )
    except (KeyError, ValueError, OSError) as exc:
        raise EvaluationError("set_unreadable", f"{folder}: {type(exc).__name__} {exc}") from exc
    if not loaded.questions:
        raise EvaluationError("set_unreadable", f"{folder} holds no questions")
    digests = [(item.id, item.language, hashlib.sha256(item.read()).hexdigest()) for item in loaded.items]
    return replace(loaded, sha256=sha256_of(loaded.questions, sorted(digests)))


def load_questions(path: Path, collections: Sequence[Collection]) -> EvaluationSet:
    """Read questions about documents that stand in collections, from a CSV or JSONL file.

    Each line names a question (``query``), in which language it is (``language``, found where it is left
    out), and what answers it (``relevant``): the file name of a document, a row of a FAQ file as
    ``name#question``, the id of a passage, or text of a passage. Lines of one question add up.

    Raises:
        EvaluationError: a line cannot be read, or what it names is not in the collections.
    """
    try:
        lines = _read_lines(path) if ".jsonl" in path.suffixes else _read_csv(path)
    except (ValueError, OSError) as exc:
        raise EvaluationError("set_unreadable", f"{path}: {type(exc).__name__} {exc}") from exc
    merged: dict[tuple[str, str], dict[str, Any]] = {}
    for number, line in enumerate(lines, start=1):
        text, named = _first(line, QUESTION_COLUMNS), _first(line, RELEVANT_COLUMNS)
        if not isinstance(text, str) or not text or not named:
            raise EvaluationError("set_unreadable", f"{path.name}, line {number}: no query, or nothing relevant to it")
        language = str(_first(line, LANGUAGE_COLUMNS) or detect(text, languages=settings.SITE_LANGUAGES or None))
        row = merged.setdefault((text, language), {**line, "relevant": []})
        row["relevant"] += [named] if isinstance(named, str) else list(named)
    if not merged:
        raise EvaluationError("set_unreadable", f"{path.name} holds no questions")
    targets = _find_targets([name for row in merged.values() for name in row["relevant"]], collections)
    questions = []
    for (text, language), row in merged.items():
        found = [targets[name] for name in row["relevant"]]
        units = {unit for unit, _keys in found}
        if len(units) > 1:
            raise EvaluationError("set_unreadable", f"{text[:80]!r}: documents, rows and passages in one question")
        questions.append(
            Question(
                id=str(row.get("id") or short_id(language, text)),
                language=language,
                text=text,
                relevant={key: key_language for _unit, keys in found for key, key_language in keys.items()},
                unit=units.pop(),
                kind=str(row.get("kind", "")),
                negatives=tuple(row.get("negatives", ())),
            )
        )
    # Passages as the file names them: their ids change with each indexing, the questions do not.
    said = [
        replace(question, relevant=dict.fromkeys(row["relevant"], "")) if question.unit is Unit.PASSAGE else question
        for question, row in zip(questions, merged.values(), strict=True)
    ]
    return EvaluationSet(path.name.split(".")[0], (), tuple(questions), sha256=sha256_of(said))


def sha256_of(questions: Iterable[Question], *more: object) -> str:
    """Return the hash of questions with their answers, and of whatever else makes a set."""
    rows = sorted((item.id, item.language, item.text, item.unit, sorted(item.relevant)) for item in questions)
    return hashlib.sha256(json.dumps([rows, *more], ensure_ascii=False).encode()).hexdigest()


def short_id(*parts: str) -> str:
    """Return an id made from texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def document_key(collection_slug: str, source_name: str) -> str:
    """Return the id of a document that stands in a collection."""
    return f"{collection_slug}/{source_name}"


def row_key(document: str, question: str) -> str:
    """Return the id of a FAQ row of a document."""
    return f"{document}#{' '.join(question.split())}"


def _load_texts(folder: Path, scope: str) -> EvaluationSet:
    rows = _in_scope(_read_lines(folder / "corpus.jsonl.gz"), scope)
    has_titles = any(row.get("title") for row in rows) and not _titles_are_labels(rows)
    items = []
    versions: dict[str, dict[str, str]] = defaultdict(dict)
    for number, row in enumerate(rows):
        versions[row["pid"]][row["id"]] = row["lang"]
        title = str(row.get("title", "")) if has_titles else ""
        is_markdown = bool(title) or any(line.startswith("#") for line in row["text"].splitlines())
        text = f"# {' '.join(title.split())}\n\n{row['text']}" if title else row["text"]
        name = f"{number:06d}.{'md' if is_markdown else 'txt'}"
        items.append(Item(row["id"], name, None, text, row["lang"]))
    questions = tuple(
        Question(
            row["id"],
            row["lang"],
            row["text"],
            {item: language for pid in row["positives"] for item, language in versions.get(pid, {}).items()},
            kind=row.get("type", ""),
        )
        for row in _in_scope(_read_lines(folder / "queries.jsonl.gz"), scope)
    )
    name = f"{folder.resolve().name}-{scope}" if scope else folder.resolve().name
    return EvaluationSet(name, tuple(items), questions, has_titles)


def _in_scope(rows: list[dict[str, Any]], scope: str) -> list[dict[str, Any]]:
    return [row for row in rows if row.get("scope") == scope] if scope else rows


def _load_files(folder: Path) -> EvaluationSet:
    root = folder / "files"
    items = []
    for path in sorted(path for path in root.rglob("*") if path.is_file() and not path.name.startswith(".")):
        key = path.relative_to(root).as_posix()
        items.append(Item(key, key.replace("/", "__"), path, "", ""))
    questions = tuple(
        Question(
            row["id"],
            row["lang"],
            row["text"],
            dict.fromkeys(row["relevant"], ""),
            kind=row.get("kind", ""),
            rows=frozenset((row.get("relevant_rows") or {}).items()),
        )
        for row in _read_lines(folder / "queries.jsonl")
    )
    missing = {item for question in questions for item in question.relevant} - {item.id for item in items}
    if missing:
        raise ValueError(f"no such file: {', '.join(sorted(missing)[:3])}")
    return EvaluationSet(folder.resolve().name, tuple(items), questions)


def _titles_are_labels(rows: Sequence[dict[str, Any]]) -> bool:
    """Return whether translations carry one and the same title, which would give the answer away."""
    titles: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        titles[row["pid"]].append(row.get("title", ""))
    groups = [group for group in titles.values() if len(group) > 1]
    shared = sum(len(set(group)) == 1 for group in groups)
    return bool(groups) and shared > SHARED_TITLES * len(groups)


def _read_lines(path: Path) -> list[dict[str, Any]]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def _read_csv(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return [{(name or "").strip().lower(): value for name, value in row.items()} for row in csv.DictReader(lines)]


def _first(line: Mapping[str, Any], names: Sequence[str]) -> Any:
    """Return the first value there is under one of the names."""
    return next((line[name] for name in names if line.get(name)), None)


def _find_targets(names: Sequence[str], collections: Sequence[Collection]) -> dict[str, tuple[Unit, Mapping[str, str]]]:
    """Return what each name in a file of questions stands for: a unit, and ids with their languages."""
    known: dict[str, tuple[Unit, Mapping[str, str]]] = {}
    chunks = generations.live_chunks(Chunk.objects.filter(document__collection__in=collections))
    fields = ("pk", "question", "language", "document__source_name", "document__collection__slug")
    for pk, question, language, source_name, slug in chunks.values_list(*fields):
        known[str(pk)] = (Unit.PASSAGE, {str(pk): language})
        if question:
            key = row_key(document_key(slug, source_name), question)
            known[key] = known[row_key(source_name, question)] = (Unit.ROW, {key: language})
    documents = Document.objects.filter(collection__in=collections, live_version__isnull=False)
    for slug, source_name, language in documents.values_list("collection__slug", "source_name", "language"):
        key = document_key(slug, source_name)
        known[key] = known[source_name] = (Unit.DOCUMENT, {key: language})
    missing = dict.fromkeys(name for name in names if name not in known)
    if missing:
        wanted = {name: " ".join(name.split()) for name in missing}
        found: dict[str, dict[str, str]] = defaultdict(dict)
        for pk, text, language in chunks.values_list("pk", "text", "language").iterator():
            passage = " ".join(text.split())
            for name, part in wanted.items():
                if _is_part_of(part, passage) or _is_part_of(passage, part):
                    found[name][str(pk)] = language
        for name in missing:
            if name not in found:
                slugs = ", ".join(collection.slug for collection in collections)
                raise EvaluationError("set_unreadable", f"{name[:80]!r} names nothing that is in {slugs}")
            known[name] = (Unit.PASSAGE, found[name])
    return known


def _is_part_of(part: str, whole: str) -> bool:
    return part == whole or (len(part) >= MIN_PASSAGE_CHARACTERS and part in whole)
