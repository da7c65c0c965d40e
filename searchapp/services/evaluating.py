"""Measuring search on labelled questions, through the ordinary pipeline and the ordinary search.

A set is a folder in one of two layouts:

    corpus.jsonl.gz + queries.jsonl.gz    texts; ``positives`` of a query name a ``pid``, and every
                                          language version of that ``pid`` answers it
    files/** + queries.jsonl              files as people upload them; ``relevant`` of a query names
                                          the files that answer it
"""

import gzip
import json
import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.base import ContentFile, File
from django.db import connection

from searchapp.errors import PermanentError
from searchapp.metrics import QueryScore, mean_scores, score_ranking
from searchapp.models import Collection, Document
from searchapp.models.knowledge import Visibility
from searchapp.services import collections, documents, indexing, searching
from searchapp.services.collections import CollectionSpec

logger = logging.getLogger(__name__)

# Ten documents are scored; a document may fill three places of a result, the rows of a FAQ file more.
PASSAGES_OF_TEXTS = 30
PASSAGES_OF_FILES = 100
# Above this share of texts whose title is the same in all their languages, titles are labels, no translations.
SHARED_TITLES = 0.9
POLL_S = 0.5

Progress = Callable[[str, int, int], None]


class EvaluationError(PermanentError):
    """Raise for a folder that cannot be evaluated."""


@dataclass(frozen=True, slots=True)
class Item:
    """One document of a set. ``language`` is empty where it is to be found."""

    id: str
    source_name: str
    path: Path | None
    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Question:
    """One labelled question. ``rows`` names FAQ rows: document id and question, where known."""

    id: str
    language: str
    text: str
    relevant: frozenset[str]
    rows: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """Documents and labelled questions."""

    name: str
    items: tuple[Item, ...]
    questions: tuple[Question, ...]
    has_titles: bool


@dataclass(frozen=True, slots=True)
class Ranking:
    """What search answered to one question: over all languages, or in one."""

    question: Question
    language: str | None
    ranked: tuple[str, ...]
    relevant: frozenset[str]
    score: QueryScore
    row_rank: int | None


@dataclass(frozen=True, slots=True)
class Report:
    """The measures of a run.

    ``cells`` holds the mean over the questions in the first language for documents in the second.
    """

    mixed: QueryScore | None
    same_language: QueryScore | None
    other_language: QueryScore | None
    cells: dict[tuple[str, str], QueryScore]
    rows_found_first: tuple[int, int, int]


def load_set(folder: Path) -> EvaluationSet:
    """Read a set.

    Raises:
        EvaluationError: the folder has neither layout, or a line cannot be read.
    """
    try:
        if (folder / "corpus.jsonl.gz").is_file() and (folder / "queries.jsonl.gz").is_file():
            return _load_texts(folder)
        if (folder / "queries.jsonl").is_file() and (folder / "files").is_dir():
            return _load_files(folder)
    except (KeyError, ValueError, OSError) as exc:
        raise EvaluationError("set_unreadable", f"{folder}: {type(exc).__name__} {exc}") from exc
    raise EvaluationError(
        "set_unreadable", f"{folder} holds neither corpus.jsonl.gz and queries.jsonl.gz nor queries.jsonl and files/"
    )


def evaluate(evaluation_set: EvaluationSet, *, limit_queries: int | None = None, progress: Progress) -> list[Ranking]:
    """Index the set into a collection of its own, ask every question, and take all away again.

    Every question is asked over all languages, and once for each language that an answer exists in.

    Args:
        evaluation_set: what to index and ask.
        limit_queries: ask only so many questions, spread evenly over the set.
        progress: called with the step, what is done, and of how many.

    Raises:
        EvaluationError: a document could not be indexed.
        Errors of `searchapp.services.searching.search`.
    """
    with _temporary_collection(evaluation_set.name) as collection:
        keys = _index(evaluation_set, collection, progress)
        return list(_ask(evaluation_set, collection, keys, limit_queries, progress))


def report(rankings: Sequence[Ranking]) -> Report:
    """Return the means of a run. Same and other language are means over the cells of the matrix."""
    cells: dict[tuple[str, str], list[QueryScore]] = defaultdict(list)
    for ranking in rankings:
        if ranking.language is not None:
            cells[ranking.question.language, ranking.language].append(ranking.score)
    means = {key: mean for key, scores in sorted(cells.items()) if (mean := mean_scores(scores)) is not None}
    mixed = [ranking for ranking in rankings if ranking.language is None]
    row_ranks = [ranking.row_rank for ranking in mixed if ranking.question.rows]
    return Report(
        mixed=mean_scores(ranking.score for ranking in mixed),
        same_language=mean_scores(score for (asked, found), score in means.items() if asked == found),
        other_language=mean_scores(score for (asked, found), score in means.items() if asked != found),
        cells=means,
        rows_found_first=(
            sum(rank == 0 for rank in row_ranks),
            sum(rank is not None and rank < 10 for rank in row_ranks),
            len(row_ranks),
        ),
    )


def _load_texts(folder: Path) -> EvaluationSet:
    rows = _read_lines(folder / "corpus.jsonl.gz")
    has_titles = any(row.get("title") for row in rows) and not _titles_are_labels(rows)
    items = []
    versions: dict[str, list[str]] = defaultdict(list)
    for number, row in enumerate(rows):
        versions[row["pid"]].append(row["id"])
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
            frozenset(item for pid in row["positives"] for item in versions.get(pid, ())),
            frozenset(),
        )
        for row in _read_lines(folder / "queries.jsonl.gz")
    )
    return EvaluationSet(folder.resolve().name, tuple(items), questions, has_titles)


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
            frozenset(row["relevant"]),
            frozenset((row.get("relevant_rows") or {}).items()),
        )
        for row in _read_lines(folder / "queries.jsonl")
    )
    return EvaluationSet(folder.resolve().name, tuple(items), questions, has_titles=True)


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


@contextmanager
def _temporary_collection(name: str) -> Iterator[Collection]:
    slug = f"evaluation-{uuid.uuid4().hex[:12]}"
    spec = CollectionSpec(slug, f"Evaluation of {name} (temporary)", visibility=Visibility.RESTRICTED)
    collection = collections.create_collection(spec, owner=None)
    try:
        yield collection
    finally:
        pks = list(collection.documents.values_list("pk", flat=True))
        collections.delete_collection(collection)
        for pk in pks:
            indexing.settle_sweeps(pk)


def _index(evaluation_set: EvaluationSet, collection: Collection, progress: Progress) -> dict[uuid.UUID, list[str]]:
    """Index the documents and return the ids in the set of each row; same contents share one."""
    keys: dict[uuid.UUID, list[str]] = defaultdict(list)
    for done, item in enumerate(evaluation_set.items, start=1):
        content = ContentFile(item.text.encode()) if item.path is None else File(item.path.open("rb"))
        with content:
            upload = documents.create_document(
                collection, content, source_name=item.source_name, declared_language=item.language
            )
        keys[upload.document.pk].append(item.id)
        progress("uploading", done, len(evaluation_set.items))
    with ThreadPoolExecutor(max_workers=settings.WORKER_THREADS) as pool:
        waiting = set(keys)
        while waiting:
            list(pool.map(_index_one, waiting))
            rows = collection.documents.values_list("pk", "status", "source_name", "error_code", "error_detail")
            for _pk, status, source_name, error_code, error_detail in rows:
                if status == Document.Status.FAILED:
                    raise EvaluationError("document_failed", f"{source_name}: {error_code} {error_detail}")
            waiting = {pk for pk, status, *_rest in rows if status != Document.Status.READY}
            progress("indexing", len(keys) - len(waiting), len(keys))
            if waiting:
                time.sleep(POLL_S)
    return keys


def _index_one(document_id: uuid.UUID) -> None:
    try:
        indexing.index_document(document_id)
    finally:
        connection.close()


def _ask(
    evaluation_set: EvaluationSet,
    collection: Collection,
    keys: dict[uuid.UUID, list[str]],
    limit_queries: int | None,
    progress: Progress,
) -> Iterator[Ranking]:
    languages = _languages(evaluation_set, collection, keys)
    passages = PASSAGES_OF_FILES if any(item.path for item in evaluation_set.items) else PASSAGES_OF_TEXTS
    viewer = User(username="evaluation", is_active=True, is_superuser=True)
    questions = [question for question in evaluation_set.questions if question.relevant]
    if limit_queries is not None and limit_queries < len(questions):
        questions = [questions[index * len(questions) // limit_queries] for index in range(limit_queries)]
    for done, question in enumerate(questions, start=1):
        by_language: dict[str | None, set[str]] = defaultdict(set)
        for item in question.relevant:
            by_language[None].add(item)
            by_language[languages[item]].add(item)
        for language, relevant in sorted(by_language.items(), key=lambda entry: entry[0] or ""):
            result = searching.search(
                question.text[: settings.MAX_QUERY_CHARACTERS],
                viewer,
                collections=[collection.slug],
                languages=[language] if language else [],
                limit=passages,
                is_highlighted=False,
            )
            ranked = list(dict.fromkeys(item for hit in result.hits for item in keys[hit.document_id]))
            rows = [(item, hit.question) for hit in result.hits for item in keys[hit.document_id] if hit.question]
            row_rank = next((rank for rank, row in enumerate(rows) if row in question.rows), None)
            gold = frozenset(relevant)
            yield Ranking(question, language, tuple(ranked), gold, score_ranking(ranked, gold), row_rank)
        progress("asking", done, len(questions))


def _languages(
    evaluation_set: EvaluationSet, collection: Collection, keys: dict[uuid.UUID, list[str]]
) -> dict[str, str]:
    """Return the language of each document of the set: as declared, else as found."""
    found = {item: language for pk, language in collection.documents.values_list("pk", "language") for item in keys[pk]}
    return {item.id: item.language or found[item.id] for item in evaluation_set.items}
