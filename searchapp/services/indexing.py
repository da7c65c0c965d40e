"""The way of a document from its file into the index, and everything that keeps it from getting lost.

    claim -> read -> cut -> embed and store, window by window -> switch -> sweep

The passages go into the generation of the index that answers searches, and into the others that are kept up to
date (`searchapp.services.generations`); what those cannot take now, `reindexing` brings them later.

The rows decide. A message from the broker only says "look at this document"; what is done with it
depends on its row, which one worker at a time holds by a lease. Whoever dies in the middle leaves a
lease that runs out, and `maintain` puts the document back.
"""

import hashlib
import json
import logging
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import F, Q
from django.utils import timezone
from numpy.typing import NDArray

from searchapp.backends import get_index
from searchapp.chunking import Passage, cut
from searchapp.embedding import Embedder, EmbeddingRefusedError, EmbeddingUnavailableError, blend, estimate_tokens
from searchapp.errors import IsoglossError, PermanentError, ServiceUnavailableError, TransientError
from searchapp.index import Point
from searchapp.language import clean_text
from searchapp.models import Chunk, Document, GenerationDocument, IndexGeneration, IndexSweep
from searchapp.parsing import FaqColumns, ParseError, ParseLimits, parse
from searchapp.services import embedding_cache, generations, outages
from searchapp.services.documents import order_sweep, title_from_name

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=20)
HEARTBEAT_S = 5.0
# How often work on a document may end without a verdict (a killed worker, an unexpected error) before it has failed.
MAX_ATTEMPTS = 5
# A service that is down is asked again after this long; the spread keeps the waiting from coming back as one.
OUTAGE_RETRY_S = 8.0
OUTAGE_RETRY_SPREAD_S = 4.0
# A message that no worker took in this time is dropped, and then sent again.
MESSAGE_LIFETIME_S = 60
MAX_MESSAGES_A_ROUND = 200
MAX_SWEEPS_A_ROUND = 100
SWEEP_RETRY = timedelta(seconds=10)
# What is embedded while the former is stored: several batches, so that the service is sent the next before the last
# answer is here.
WINDOW_PASSAGES = 256
INDEX_CHECK_INTERVAL_S = 60.0
# Shares of the context in a passage's vector, chosen on the development sets (docs/evaluation.md).
QUESTION_SHARE = 0.4
HEADINGS_SHARE = 0.2
# So long a generation beside the live one gets no documents after its service did not answer.
LEFT_ALONE_S = 30.0
CHUNK_NAMESPACE = uuid.UUID("6f0c6a5e-27f5-5d0c-9a4e-0d4b8c1c4f5a")

_left_alone_until: dict[int, float] = {}


class LeaseLostError(IsoglossError):
    """Raise when the document was deleted, replaced or given to another worker in the meantime."""

    def __init__(self) -> None:
        super().__init__("lease_lost")


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A passage as it is embedded and stored.

    ``context`` is the question of a FAQ row and the headings above; ``share`` how far it draws the vector.
    """

    passage: Passage
    id: uuid.UUID
    text: str
    context: str
    share: float


@dataclass(frozen=True, slots=True)
class _Job:
    """One run of work on one version of a document."""

    document: Document
    lease: uuid.UUID

    def update(self, **values: object) -> None:
        """Write to the row if it is still ours.

        Raises:
            LeaseLostError: it is not.
        """
        rows = Document.objects.filter(pk=self.document.pk, lease=self.lease)
        if rows.update(**values) != 1:
            raise LeaseLostError


def index_document(document_id: uuid.UUID, *, has_headings: bool = True) -> None:
    """Index one queued document; any other is left alone, so calling twice is safe.

    Errors do not leave this function: they become the document's status and reason.

    Args:
        document_id: which.
        has_headings: whether passages know the headings above them; measurements of their worth leave them out.
    """
    job = _claim(document_id)
    if job is None:
        return
    started = time.monotonic()
    try:
        with _heartbeat(job):
            live = generations.live_or_first()
            generations.confirm_model(live).check()  # reading a long file is worth nothing while it cannot be embedded
            others = [generation for generation in generations.writable_generations() if generation.pk != live.pk]
            cuts = read_passages(
                job.document, job.document.file.name or "", [live.chunk_tokens, *(row.chunk_tokens for row in others)]
            )
            if not has_headings:
                cuts = {
                    tokens: [replace(passage, heading_path=()) for passage in passages]
                    for tokens, passages in cuts.items()
                }
            _embed_and_store(job, live, cuts[live.chunk_tokens])
            stored = [live, *(row for row in others if _store_beside(job, row, cuts[row.chunk_tokens]))]
            _switch(job, stored, cuts)
        outages.note_answer()
    except LeaseLostError:
        logger.info("document was taken away while it was indexed", extra={"document_id": document_id})
        order_sweep(document_id)
    except EmbeddingUnavailableError as exc:
        outages.note_failure(exc)
        _put_back(job, exc, counts=False)
    except ServiceUnavailableError as exc:
        _put_back(job, exc, counts=False)
    except TransientError as exc:
        _put_back(job, exc, counts=True)
    except PermanentError as exc:
        _fail(job, exc)
    except Exception as exc:
        # A fault of ours must not leave the document without a verdict.
        logger.exception("indexing failed unexpectedly", extra={"document_id": document_id})
        _put_back(job, TransientError("internal_error", f"{type(exc).__name__}: {exc}"), counts=True)
    else:
        took_ms = round((time.monotonic() - started) * 1000)
        logger.info(
            "document ready",
            extra={
                "document_id": document_id,
                "passages": len(cuts[live.chunk_tokens]),
                "generations": len(stored),
                "took_ms": took_ms,
            },
        )
    settle_sweeps(document_id)


def index_when_possible(document_id: uuid.UUID) -> None:
    """Index one queued document, or leave it for later while the embedding service is out.

    What waits is sent again as soon as the service answers (`outages.note_answer`).
    """
    if not outages.is_embedding_out():
        index_document(document_id)


def forget_outages() -> None:
    """Have every generation beside the live one tried again at once."""
    _left_alone_until.clear()


def recover_abandoned() -> int:
    """Put back the documents whose worker let its lease run out, and return how many."""
    expired = Document.objects.filter(status__in=Document.RUNNING, lease_expires_at__lt=timezone.now())
    recovered = 0
    for document in expired.only("pk", "lease", "attempts"):
        rows = Document.objects.filter(pk=document.pk, lease=document.lease, lease_expires_at__lt=timezone.now())
        unleased = {"lease": None, "lease_expires_at": None, "enqueued_at": None}
        if document.attempts >= MAX_ATTEMPTS:
            recovered += rows.update(status=Document.Status.FAILED, error_code="worker_stopped", **unleased)
        else:
            recovered += rows.update(status=Document.Status.QUEUED, **unleased)
        order_sweep(document.pk)
    if recovered:
        logger.warning("put back documents that a worker left", extra={"documents": recovered})
    return recovered


def take_due() -> list[uuid.UUID]:
    """Return the queued documents that a message should be sent for now, oldest first, and note the sending.

    None while the embedding service is out.
    """
    if outages.is_embedding_out():
        return []
    now = timezone.now()
    due = Document.objects.filter(
        Q(next_attempt_at=None) | Q(next_attempt_at__lte=now),
        Q(enqueued_at=None) | Q(enqueued_at__lt=now - timedelta(seconds=MESSAGE_LIFETIME_S)),
        status=Document.Status.QUEUED,
    )
    ids = list(due.order_by("created_at").values_list("pk", flat=True)[:MAX_MESSAGES_A_ROUND])
    note_enqueued(ids)
    return ids


def note_enqueued(document_ids: Sequence[uuid.UUID]) -> None:
    """Remember that messages for these documents are on their way."""
    Document.objects.filter(pk__in=document_ids).update(enqueued_at=timezone.now())


def settle_sweeps(document_id: uuid.UUID | None = None) -> None:
    """Delete stale points from the index, of one document or of all whose time has come.

    A document that is being worked on is left for later: what looks stale may be about to go live.
    """
    sweeps = IndexSweep.objects.filter(due_at__lte=timezone.now())
    if document_id is not None:
        sweeps = sweeps.filter(document_id=document_id)
    for sweep in sweeps.order_by("due_at")[:MAX_SWEEPS_A_ROUND]:
        try:
            is_swept = _sweep(sweep.document_id, has_new_tags=sweep.has_new_tags)
        except ServiceUnavailableError as exc:
            logger.warning("stale points stay until the vector store answers: %s", exc)
            return
        except IsoglossError as exc:
            # It must not keep those behind it waiting.
            logger.warning("stale points stay until the vector store takes their deletion: %s", exc)
            is_swept = False
        if is_swept:
            sweep.delete()
        else:
            IndexSweep.objects.filter(pk=sweep.pk).update(due_at=timezone.now() + SWEEP_RETRY)


def repair_index() -> int:
    """Have what is missing in the index written again, and return how many documents that concerns.

    Ready documents whose points are not all in the live generation are queued; for the other generations
    `reindexing` is told. One exact count tells that all is well; only where it does not are documents looked at one
    by one.
    """
    generations.align_counts()
    if Document.objects.exclude(status__in=[Document.Status.READY, Document.Status.FAILED]).exists():
        return 0
    repaired = 0
    for generation in generations.writable_generations():
        marks = GenerationDocument.objects.filter(generation=generation)
        if marks.filter(state=GenerationDocument.State.OPEN).exists():
            continue  # points come in that are not noted yet
        missing = _missing_points(generation)
        if generation.status == IndexGeneration.Status.LIVE:
            ready = Document.objects.filter(status=Document.Status.READY)
            unnoted = ready.exclude(pk__in=marks.values("document_id")).values_list("pk", flat=True)
            for pk in {*missing, *unnoted}:
                repaired += ready.filter(pk=pk).update(status=Document.Status.QUEUED, enqueued_at=None, attempts=0)
        else:
            repaired += marks.filter(document_id__in=missing).delete()[0]
    if repaired:
        logger.warning("points were missing in the index", extra={"documents": repaired})
    return repaired


def _missing_points(generation: IndexGeneration) -> list[uuid.UUID]:
    """Return the documents that have another number of points in a generation than was noted."""
    index = get_index(generation)
    if index.count() == generations.passages_noted(generation):
        return []
    done = GenerationDocument.objects.filter(generation=generation, state=GenerationDocument.State.DONE)
    counts = done.values_list("document_id", "passage_count").iterator()
    return [pk for pk, passage_count in counts if index.count(pk) != passage_count]


def _claim(document_id: uuid.UUID) -> _Job | None:
    now = timezone.now()
    lease = uuid.uuid4()
    rows = Document.objects.filter(
        Q(next_attempt_at=None) | Q(next_attempt_at__lte=now), pk=document_id, status=Document.Status.QUEUED
    )
    is_ours = rows.update(
        status=Document.Status.PARSING,
        lease=lease,
        lease_expires_at=now + LEASE,
        run=F("run") + 1,
        attempts=F("attempts") + 1,
        progress_done=0,
        progress_total=0,
    )
    if not is_ours:
        return None
    document = Document.objects.select_related("collection").filter(pk=document_id, lease=lease).first()
    return _Job(document, lease) if document else None


@contextmanager
def _heartbeat(job: _Job) -> Iterator[None]:
    """Keep the lease of a document while the block runs."""
    context = {"document_id": job.document.pk}
    with keep_lease(lambda: job.update(lease_expires_at=timezone.now() + LEASE), context=context):
        yield


@contextmanager
def keep_lease(renew: Callable[[], object], *, context: Mapping[str, object]) -> Iterator[None]:
    """Call ``renew``, which may raise `LeaseLostError`, while the block runs, from a thread of its own.

    ``context`` says in the log whose lease it is.
    """
    stop = threading.Event()

    def beat() -> None:
        try:
            while not stop.wait(HEARTBEAT_S):
                try:
                    renew()
                except (DatabaseError, InterfaceError) as exc:
                    logger.warning("the lease could not be renewed: %s", exc, extra=dict(context))
                    connection.close()  # a broken connection stays broken; the next beat opens another
        except LeaseLostError:
            pass  # the working thread meets the same at its next write
        finally:
            connection.close()

    thread = threading.Thread(target=beat, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def read_passages(document: Document, file_name: str, budgets: Sequence[int]) -> dict[int, list[Passage]]:
    """Read a stored file of a document and cut it into passages, once for each token budget.

    Sets the document's title, in memory alone.

    Raises:
        ParseError, PermanentError: it cannot be read, or holds no text.
    """
    columns = FaqColumns(**document.faq_columns) if document.faq_columns else None
    try:
        parsed = parse(
            Path(default_storage.path(file_name)),
            source_name=document.source_name,
            limits=ParseLimits(timeout_s=settings.PARSE_TIMEOUT_S, max_memory_bytes=settings.PARSE_MEMORY_BYTES),
            faq_columns=columns,
        )
    except ParseError as exc:
        if exc.headers:  # the document's page offers them for choosing
            raise PermanentError(exc.code, json.dumps(exc.headers, ensure_ascii=False)) from exc
        raise
    document.title = parsed.title[:300] or title_from_name(document.source_name)
    cuts: dict[int, list[Passage]] = {}
    for max_tokens in dict.fromkeys(budgets):
        passages = cut(
            parsed.blocks,
            max_tokens=max_tokens,
            count_tokens=estimate_tokens,
            languages=settings.SITE_LANGUAGES or None,
            language=document.declared_language,
        )
        cuts[max_tokens] = [passage for passage in passages if clean_text(passage.question + passage.text)]
        if not cuts[max_tokens]:
            raise PermanentError("no_text")
    return cuts


def embedded_parts(passage: Passage) -> tuple[str, str, float]:
    """Return what a passage is found by: all its text, its context alone, and how far that draws the vector.

    The context is the question of a FAQ row and the headings above.
    """
    context = "\n".join(
        text for part in (passage.question, " ".join(passage.heading_path)) if (text := clean_text(part))
    )
    text = "\n".join(part for part in (context, clean_text(passage.text)) if part)
    share = (QUESTION_SHARE if passage.question else HEADINGS_SHARE) if context else 0.0
    return text, context, share


def _prepare(document: Document, passage: Passage, chunking: str) -> _Prepared:
    """Return a passage as it is embedded; its id is the same for the same text at the same place of the same cut."""
    text, context, share = embedded_parts(passage)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return _Prepared(
        passage,
        id=uuid.uuid5(CHUNK_NAMESPACE, f"{document.pk}:{document.version}:{chunking}:{passage.ordinal}:{digest}"),
        text=text,
        context=context,
        share=share,
    )


def store_passages(
    document: Document,
    generation: IndexGeneration,
    passages: Sequence[Passage],
    *,
    between: Callable[[int], None],
) -> None:
    """Embed passages for a generation and store their points, window by window, each while the one before is stored.

    Args:
        document: whose they are; its ``run`` and ``version`` go into the points.
        generation: where to.
        passages: all of the document.
        between: called after each window with the number of passages done; what it raises ends the work.

    Raises:
        Errors of `searchapp.services.generations.confirm_model`, of the embedding service, of the vector store.
    """
    embedder, index = generations.confirm_model(generation), get_index(generation)
    index.ensure(generation.dimensions)
    with ThreadPoolExecutor(1, thread_name_prefix="storing") as storing:
        under_way: Future[None] | None = None
        done = 0
        for start in range(0, len(passages), WINDOW_PASSAGES):
            window = [
                _prepare(document, passage, generation.chunking)
                for passage in passages[start : start + WINDOW_PASSAGES]
            ]
            vectors = _embed(embedder, window)
            generations.confirm_model(generation)  # once more: a long document takes minutes
            if under_way is not None:
                under_way.result()
                between(done)
            tags = _tag_keys(document)
            under_way = storing.submit(index.upsert, [_point(document, prepared, tags) for prepared in window], vectors)
            done = start + len(window)
        if under_way is not None:
            under_way.result()
            between(done)


def chunk_rows(document: Document, chunking: str, passages: Sequence[Passage]) -> list[Chunk]:
    """Return unsaved rows for the passages of a document, as cut in one way."""
    return [
        Chunk(
            id=_prepare(document, passage, chunking).id,
            document=document,
            version=document.version,
            chunking=chunking,
            ordinal=passage.ordinal,
            text=passage.text,
            question=passage.question,
            heading_path=list(passage.heading_path),
            page=passage.page,
            start=passage.start,
            end=passage.end,
            language=passage.language,
            token_count=passage.token_count,
        )
        for passage in passages
    ]


def _embed_and_store(job: _Job, live: IndexGeneration, passages: Sequence[Passage]) -> None:
    job.update(status=Document.Status.EMBEDDING, progress_total=len(passages))
    store_passages(job.document, live, passages, between=lambda done: job.update(progress_done=done))


def _store_beside(job: _Job, generation: IndexGeneration, passages: Sequence[Passage]) -> bool:
    """Store passages in a generation that does not answer searches; whether it took them.

    One whose service is down must not hold documents up: for a while nothing is tried there, and `reindexing`
    brings it later what it missed.
    """
    if time.monotonic() < _left_alone_until.get(generation.pk, 0.0):
        return False
    try:
        # Writes nothing new, but finds out whether the document is still ours.
        store_passages(
            job.document, generation, passages, between=lambda _done: job.update(progress_total=F("progress_total"))
        )
    except LeaseLostError:
        raise
    except IsoglossError as exc:
        logger.warning(
            "a document goes into another generation later: %s",
            exc,
            extra={"document_id": job.document.pk, "generation": generation.pk},
        )
        if isinstance(exc, TransientError):
            _left_alone_until[generation.pk] = time.monotonic() + LEFT_ALONE_S
        return False
    return True


def _point(document: Document, prepared: _Prepared, tags: tuple[str, ...]) -> Point:
    return Point(
        id=prepared.id,
        document_id=document.pk,
        collection_id=document.collection_id,
        language=prepared.passage.language,
        run=document.run,
        text=prepared.text,
        kind=document.kind,
        uploaded_at=int(document.created_at.timestamp()),
        tags=tags,
    )


def _embed(embedder: Embedder, passages: Sequence[_Prepared]) -> NDArray[np.float32]:
    """Embed passages with their context, and draw each towards its context on its own.

    A question is more like the question of a FAQ row, or like a heading, than like the text below it.

    Raises:
        EmbeddingRefusedError: the service refuses a passage, which is named; the others are in the cache by then.
        EmbeddingUnavailableError, EmbeddingBusyError: the embedding service.
    """
    contexts = list(dict.fromkeys(prepared.context for prepared in passages if prepared.context))
    texts = [prepared.text for prepared in passages]
    vectors, errors = embedding_cache.embed_documents(embedder, texts + contexts)
    for position, error in errors.items():
        if position < len(texts):
            place = _place(passages[position].passage)
            raise EmbeddingRefusedError(error.code, f"{place}: {error.detail}") from error
    rows = {text: row for row, text in enumerate(contexts, start=len(texts)) if row not in errors}
    shares = [prepared.share if prepared.context in rows else 0.0 for prepared in passages]
    # A passage without a context has a share of 0, and then its own vector will do in its place.
    context_rows = [rows.get(prepared.context, position) for position, prepared in enumerate(passages)]
    return blend(vectors[: len(texts)], vectors[context_rows], np.array(shares, dtype=np.float32))


def _place(passage: Passage) -> str:
    """Say for staff which passage it is."""
    place = f"passage {passage.ordinal + 1}"
    if passage.page is not None:
        place += f", page {passage.page}"
    if passage.heading_path:
        place += f", under {' / '.join(passage.heading_path)!r}"
    return place


def _switch(job: _Job, stored: Sequence[IndexGeneration], cuts: dict[int, list[Passage]]) -> None:
    """Make the new passages the document's own, in one step that readers see whole or not at all.

    Args:
        job: the work.
        stored: the generations that hold the passages, the live one first.
        cuts: the passages by token budget.
    """
    document = job.document
    former_file = document.live_file
    passages = cuts[stored[0].chunk_tokens]
    with transaction.atomic():
        job.update(
            status=Document.Status.READY,
            live_version=document.version,
            live_file=document.file.name,
            title=document.title,
            language=_main_language(passages),
            ready_at=timezone.now(),
            lease=None,
            lease_expires_at=None,
            next_attempt_at=None,
            attempts=0,
            error_code="",
            error_detail="",
        )
        document.chunks.all().delete()
        by_chunking = {row.chunking: cuts[row.chunk_tokens] for row in stored}
        for chunking, cut_passages in by_chunking.items():
            Chunk.objects.bulk_create(chunk_rows(document, chunking, cut_passages), batch_size=500)
        # Late, as other documents that go live wait for it.
        live = generations.note_stored(document.pk, {row.pk: len(cuts[row.chunk_tokens]) for row in stored})
        [chunk_tokens] = [row.chunk_tokens for row in stored if row.pk == live]
        Document.objects.filter(pk=document.pk).update(passage_count=len(cuts[chunk_tokens]))
        IndexSweep.objects.create(document_id=document.pk, due_at=timezone.now())
    if former_file and former_file != document.file.name:
        default_storage.delete(former_file)


def _sweep(document_id: uuid.UUID, *, has_new_tags: bool) -> bool:
    """Delete the points of a document that no passage stands for; False while it is worked on.

    Args:
        document_id: which.
        has_new_tags: whether to give the others the tags of the document.
    """
    document = Document.objects.filter(pk=document_id).only("status", "run").first()
    if document is not None and not document.is_settled:
        return False
    for generation in generations.generations_with_vectors():
        if document is None:
            get_index(generation).delete_document(document_id)
            continue
        chunks = Chunk.objects.filter(document_id=document_id, chunking=generation.chunking)
        keep_ids = list(chunks.values_list("pk", flat=True))
        get_index(generation).delete_document(document_id, up_to_run=document.run, keep_ids=keep_ids)
        if has_new_tags:
            get_index(generation).set_tags(document_id, _tag_keys(document))
    return True


def _tag_keys(document: Document) -> tuple[str, ...]:
    return tuple(document.tags.values_list("key", flat=True))


def _put_back(job: _Job, exc: TransientError, *, counts: bool) -> None:
    """Queue the document again with the reason, or let it fail when it has been tried often enough."""
    attempts = job.document.attempts
    if counts and attempts >= MAX_ATTEMPTS:
        _fail(job, exc)
        return
    delay_s = 2.0**attempts if counts else OUTAGE_RETRY_S
    delay_s += random.uniform(0, OUTAGE_RETRY_SPREAD_S)  # noqa: S311 - no secret
    logger.warning("document waits: %s", exc, extra={"document_id": job.document.pk, "delay_s": round(delay_s)})
    _end(
        job,
        status=Document.Status.QUEUED,
        attempts=attempts if counts else attempts - 1,
        next_attempt_at=timezone.now() + timedelta(seconds=delay_s),
        enqueued_at=None,
        error_code=exc.code,
        error_detail=exc.detail,
    )


def _fail(job: _Job, exc: IsoglossError) -> None:
    logger.warning("document failed: %s", exc, extra={"document_id": job.document.pk})
    _end(job, status=Document.Status.FAILED, error_code=exc.code, error_detail=exc.detail)
    order_sweep(job.document.pk)


def _end(job: _Job, **values: object) -> None:
    try:
        job.update(lease=None, lease_expires_at=None, **values)
    except LeaseLostError:
        logger.info("document was taken away before its end", extra={"document_id": job.document.pk})
        order_sweep(job.document.pk)


def _main_language(passages: Sequence[Passage]) -> str:
    """Return the language that most of the text is in."""
    characters: dict[str, int] = {}
    for passage in passages:
        characters[passage.language] = characters.get(passage.language, 0) + len(passage.text)
    return max(characters, key=lambda language: characters[language])
