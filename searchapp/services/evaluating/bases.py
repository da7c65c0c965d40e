"""Collections that evaluations make for themselves: indexed, kept or taken away, and cleared after the dead."""

import hashlib
import json
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.core.files.base import ContentFile
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.text import slugify

from searchapp.backends import get_embedder
from searchapp.index import SCHEMA_VERSION
from searchapp.models import Chunk, Collection, Document, EvaluationBase
from searchapp.models.knowledge import Visibility
from searchapp.services import collections, documents, generations, indexing
from searchapp.services.collections import CollectionRejectedError, CollectionSpec
from searchapp.services.evaluating.sets import EvaluationError, EvaluationSet, Item
from searchapp.services.fingerprints import current_fingerprint

LEASE = timedelta(seconds=20)
POLL_S = 0.5

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Base:
    """A set as it stands in the index.

    ``ids`` holds the ids in the set of each document, several where contents are the same; ``languages``
    the language of each id, as declared or else as found.
    """

    collection: Collection
    ids: Mapping[uuid.UUID, Sequence[str]]
    languages: Mapping[str, str]


def index_settings(*, has_headings: bool) -> dict[str, str | int | float | bool]:
    """Return all that decides what an index of given documents holds.

    Raises:
        EmbeddingUnavailableError, EmbeddingBusyError, EmbeddingRefusedError: the embedding service, which is
            asked for the weights behind the name of its model.
    """
    live = generations.live_or_first()
    return {
        "model": live.model,
        "fingerprint": current_fingerprint(get_embedder(live)).pk,
        "dimensions": live.dimensions,
        "schema_version": SCHEMA_VERSION,
        "chunk_tokens": live.chunk_tokens,
        "question_share": indexing.QUESTION_SHARE,
        "headings_share": indexing.HEADINGS_SHARE,
        "has_headings": has_headings,
    }


@contextmanager
def indexed(
    evaluation_set: EvaluationSet, *, keep: str = "", has_headings: bool = True, progress: Progress
) -> Iterator[Base]:
    """Index the documents of a set into a collection of its own, for as long as the block runs.

    What evaluations left that were killed is taken away first.

    Args:
        evaluation_set: whose documents.
        keep: leave the collection for the next evaluation of this name, which takes it as it is if the set
            and the settings of the index are still the same, goes on where this one was stopped, and indexes
            anew where they are not. Empty: it is taken away again.
        has_headings: whether passages know the headings above them.
        progress: called with the step, what is done, and of how many.

    Raises:
        EvaluationError: a document could not be indexed, or another evaluation uses what is kept.
    """
    remove_dead()
    made_of = json.dumps([evaluation_set.sha256, index_settings(has_headings=has_headings)])
    row = _claim(evaluation_set.name, slugify(keep), hashlib.sha256(made_of.encode()).hexdigest())
    try:
        with _heartbeat(row):
            ids = _index(evaluation_set.items, row.collection, has_headings=has_headings, progress=progress)
            found = dict(row.collection.documents.values_list("pk", "language"))
            languages = {item: found[pk] for pk, items in ids.items() for item in items}
            languages |= {item.id: item.language for item in evaluation_set.items if item.language}
            yield Base(row.collection, ids, languages)
    finally:
        if row.kept_as:
            EvaluationBase.objects.filter(pk=row.pk).update(lease_expires_at=timezone.now())
        else:
            _remove(row)


def remove_dead() -> int:
    """Take away the collections that evaluations left which were killed, and return how many."""
    dead = EvaluationBase.objects.filter(kept_as="", lease_expires_at__lt=timezone.now()).select_related("collection")
    for row in dead:
        _remove(row)
    return len(dead)


def remove_kept(name: str) -> bool:
    """Take away what is kept under a name; False where there is nothing."""
    row = EvaluationBase.objects.filter(kept_as=slugify(name)).exclude(kept_as="").first()
    if row is not None:
        _remove(row)
    return row is not None


def _claim(name: str, kept_as: str, contents_sha256: str) -> EvaluationBase:
    """Return the row to work on: the one kept under this name if it holds the same, else a new one."""
    if kept_as:
        kept = EvaluationBase.objects.select_related("collection").filter(kept_as=kept_as).first()
        if kept is not None:
            now = timezone.now()
            free = EvaluationBase.objects.filter(pk=kept.pk, lease_expires_at__lte=now)
            if free.update(lease_expires_at=now + LEASE) != 1:
                raise EvaluationError("evaluation_running", f"another evaluation uses what is kept as {kept_as!r}")
            if kept.contents_sha256 == contents_sha256:
                return kept
            _remove(kept)
    slug = f"evaluation-{kept_as or uuid.uuid4().hex[:12]}"
    spec = CollectionSpec(
        slug, f"Evaluation of {name} ({'kept' if kept_as else 'temporary'})", visibility=Visibility.RESTRICTED
    )
    try:
        with transaction.atomic():
            return EvaluationBase.objects.create(
                collection=collections.create_collection(spec, owner=None),
                kept_as=kept_as,
                contents_sha256=contents_sha256,
                lease_expires_at=timezone.now() + LEASE,
            )
    except (IntegrityError, CollectionRejectedError) as exc:
        raise EvaluationError("evaluation_running", f"another evaluation just began to keep {kept_as!r}") from exc


def _remove(row: EvaluationBase) -> None:
    pks = list(row.collection.documents.values_list("pk", flat=True))
    collections.delete_collection(row.collection)
    for pk in pks:
        indexing.settle_sweeps(pk)


@contextmanager
def _heartbeat(row: EvaluationBase) -> Iterator[None]:
    """Keep the lease while the block runs."""

    def renew() -> None:
        EvaluationBase.objects.filter(pk=row.pk).update(lease_expires_at=timezone.now() + LEASE)

    with indexing.keep_lease(renew, context={"evaluation": row.pk}):
        yield


def _index(
    items: Sequence[Item], collection: Collection, *, has_headings: bool, progress: Progress
) -> dict[uuid.UUID, list[str]]:
    """Index what is not there yet, and return the ids in the set of each document."""
    contents: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        contents[hashlib.sha256(item.read()).hexdigest()].append(item)
    there = dict(collection.documents.values_list("content_sha256", "pk"))
    missing = {sha256: same[0] for sha256, same in contents.items() if sha256 not in there}
    with ThreadPoolExecutor(max_workers=settings.WORKER_THREADS) as pool:
        taken = pool.map(lambda item: _take_in(collection, item, has_headings=has_headings), missing.values())
        for done, (sha256, pk) in enumerate(zip(missing, taken, strict=True), start=1):
            there[sha256] = pk
            progress("indexing", done, len(missing))
        while waiting := _unfinished(collection):
            list(pool.map(lambda pk: _index_one(pk, has_headings=has_headings), waiting))
            if _unfinished(collection):
                time.sleep(POLL_S)
    if not has_headings and Chunk.objects.filter(document__collection=collection).exclude(heading_path=[]).exists():
        raise EvaluationError("document_failed", "a worker of the running site indexed some documents with headings")
    return {there[sha256]: [item.id for item in same] for sha256, same in contents.items()}


def _take_in(collection: Collection, item: Item, *, has_headings: bool) -> uuid.UUID:
    try:
        with transaction.atomic():
            upload = documents.create_document(
                collection,
                ContentFile(item.read()),
                source_name=item.source_name,
                declared_language=item.language,
            )
            # Together with the row, so that the workers of a running site leave it to this process.
            indexing.note_enqueued([upload.document.pk])
        indexing.index_document(upload.document.pk, has_headings=has_headings)
        return upload.document.pk
    finally:
        connection.close()


def _index_one(document_id: uuid.UUID, *, has_headings: bool) -> None:
    try:
        indexing.index_document(document_id, has_headings=has_headings)
    finally:
        connection.close()


def _unfinished(collection: Collection) -> list[uuid.UUID]:
    rows = list(collection.documents.values_list("pk", "status", "source_name", "error_code", "error_detail"))
    for _pk, status, source_name, error_code, error_detail in rows:
        if status == Document.Status.FAILED:
            raise EvaluationError("document_failed", f"{source_name}: {error_code} {error_detail}")
    return [pk for pk, status, *_rest in rows if status != Document.Status.READY]
