"""Bringing a generation of the index what it misses, from the database: no file is uploaded again.

    claim a document -> its passages: the rows, or read and cut anew -> embed and store -> note it

Any number of threads, workers and commands may do this at once: a document is one's own by a lease on its row, and
is noted only if nobody changed its passages meanwhile. Whoever is killed leaves a lease that runs out.
"""

import logging
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from searchapp.backends import wanted_endpoint
from searchapp.chunking import Passage
from searchapp.embedding.doctor import Endpoint, Severity
from searchapp.errors import IsoglossError, PermanentError, ServiceUnavailableError, TransientError
from searchapp.models import Chunk, Document, GenerationDocument, IndexGeneration
from searchapp.services import diagnosing, generations, indexing
from searchapp.services.documents import order_sweep
from searchapp.services.generations import GenerationError
from searchapp.services.indexing import LEASE, LeaseLostError

logger = logging.getLogger(__name__)

Status = IndexGeneration.Status
State = GenerationDocument.State

MAX_ATTEMPTS = 5
# Documents looked for at a time: the search for the next one passes over all that are done.
LOOK_AHEAD = 100
# A message lets a worker begin documents for so long.
TURN_S = 20.0
# Whoever does not begin, or renew its lease, in this time is taken for dead.
WORKER_FOR = timedelta(seconds=30)
# Whoever waits for the rate looks so often whether the work was paused.
PAUSE_NOTICED_S = 1.0
# These say that the whole service is set up wrongly, not that one text is.
SERVICE_WIDE = frozenset(
    {
        "embedding_not_configured",
        "embedding_key_refused",
        "embedding_not_found",
        "embedding_dimensions",
        "vector_store_not_configured",
        "vector_store_key_refused",
        "index_dimensions",
        "index_model_changed",
        "index_model_drifted",
    }
)


class Outcome(StrEnum):
    """Say why `catch_up` returned."""

    COMPLETE = "complete"
    STOPPED = "stopped"  # paused, failed, given up, or switched away from
    OUT_OF_TIME = "out_of_time"
    WAITING = "waiting"  # a service does not answer, or others hold what is left


class _StoppedError(IsoglossError):
    """Raise in the middle of a document when its generation is no longer to be worked on."""

    def __init__(self) -> None:
        super().__init__("generation_stopped")


@dataclass(frozen=True, slots=True)
class _Unit:
    """A document that this thread brings into a generation."""

    generation: IndexGeneration
    document: Document
    mark: GenerationDocument
    lease: uuid.UUID

    def update(self, **values: object) -> None:
        """Write to the row if it is still ours.

        Raises:
            LeaseLostError: it is not.
        """
        rows = GenerationDocument.objects.filter(pk=self.mark.pk, lease=self.lease, state=State.OPEN)
        if rows.update(**values) != 1:
            raise LeaseLostError

    def renew(self) -> None:
        now = timezone.now()
        self.update(lease_expires_at=now + LEASE)
        working = IndexGeneration.objects.filter(pk=self.generation.pk, worker_until__isnull=False)
        working.update(worker_until=now + WORKER_FOR)


def begin(*, rate: int = 0) -> IndexGeneration:
    """Examine the service that the settings name for a new generation, and begin one if it is well.

    Args:
        rate: passages a second at the most; 0 as many as there can be.

    Raises:
        GenerationError: ``generation_service_faulty``, and those of `searchapp.services.generations.start`.
        Errors of `searchapp.services.generations.start`.
    """
    wanted = wanted_endpoint()
    endpoint = Endpoint(wanted.base_url, wanted.model, wanted.api_key, float(settings.EMBEDDING_TIMEOUT_S))
    examination = diagnosing.examine_endpoint(endpoint, depth="fast", dimensions=wanted.dimensions)
    faults = [finding.code for finding in examination.findings if finding.severity is Severity.ERROR]
    if faults:
        raise GenerationError("generation_service_faulty", ", ".join(faults))
    return generations.start(rate=rate)


def catch_up(generation_id: int, *, within_s: float | None = None, is_yielding: bool = False) -> Outcome:
    """Bring a generation documents that it misses until it has all of them; calling twice at once is safe.

    Errors do not leave this function: they become the reason at the document or the generation.

    Args:
        generation_id: which; one that is not being built or kept up to date is left alone.
        within_s: begin no further document after so long.
        is_yielding: whether uploads come first: after one document, none is begun while one waits for a worker.
    """
    started = time.monotonic()
    waiting: list[uuid.UUID] = []
    while True:
        generation = IndexGeneration.objects.defer("report").filter(pk=generation_id).first()
        if generation is None or generation.status not in IndexGeneration.CATCHING_UP:
            return Outcome.STOPPED
        waiting = waiting or _missing(generation)
        if not waiting:
            return _end(generation)
        unit = _claim(generation, waiting.pop(0))
        if unit is not None and not _bring(unit):
            return Outcome.WAITING
        if within_s is not None and time.monotonic() - started > within_s:
            return Outcome.OUT_OF_TIME
        if is_yielding and _is_upload_waiting():
            return Outcome.OUT_OF_TIME


def take_due(*, is_thorough: bool = False) -> list[int]:
    """Return the ids of the generations that a message should be sent for now, and note the sending.

    At any time one worker of the site is at work on a generation, so that uploads find the others free.

    Args:
        is_thorough: whether to look also at those that are complete but may have missed a document since.
    """
    statuses = IndexGeneration.CATCHING_UP if is_thorough else (Status.BUILDING,)
    now = timezone.now()
    free = IndexGeneration.objects.filter(Q(worker_until=None) | Q(worker_until__lte=now), status__in=statuses)
    return [
        row.pk
        for row in free.defer("report")
        if (row.status == Status.BUILDING or _missing(row, at_most=1))
        and free.filter(pk=row.pk).update(worker_until=now + WORKER_FOR) == 1
    ]


def take_turn(generation_id: int) -> bool:
    """Bring a generation some of the documents that it misses, as a worker of the site; whether to go on at once."""
    try:
        outcome = catch_up(generation_id, within_s=TURN_S, is_yielding=True)
    finally:
        IndexGeneration.objects.filter(pk=generation_id).update(worker_until=None)
    return outcome is Outcome.OUT_OF_TIME and not _is_upload_waiting()


def _missing(generation: IndexGeneration, *, at_most: int = LOOK_AHEAD) -> list[uuid.UUID]:
    """Return documents that a generation does not have and that nobody is at work on."""
    taken = GenerationDocument.objects.filter(generation=generation, document=OuterRef("pk")).filter(
        Q(state__in=[State.DONE, State.FAILED]) | Q(lease_expires_at__gt=timezone.now())
    )
    rows = Document.objects.filter(~Exists(taken), live_version__isnull=False)
    return list(rows.order_by("created_at", "pk").values_list("pk", flat=True)[:at_most])


def _end(generation: IndexGeneration) -> Outcome:
    """Say how it stands when no document is left to begin."""
    if generations.finish(generation):
        return Outcome.COMPLETE
    progress = generations.progress_of(generation)
    if progress.is_complete:
        return Outcome.COMPLETE
    if progress.documents_done + progress.documents_failed < progress.documents_total:
        return Outcome.WAITING  # others are at work
    first = GenerationDocument.objects.filter(generation=generation, state=State.FAILED).select_related("document")
    reasons = [f"{mark.document.source_name}: {mark.error_code} {mark.error_detail}" for mark in first[:5]]
    generations.fail(generation, "generation_documents_failed", "\n".join(reasons))
    return Outcome.STOPPED


def _claim(generation: IndexGeneration, document_id: uuid.UUID) -> _Unit | None:
    now, lease = timezone.now(), uuid.uuid4()
    if not Document.objects.filter(pk=document_id).exists():
        return None
    GenerationDocument.objects.bulk_create(
        [GenerationDocument(generation=generation, document_id=document_id)], ignore_conflicts=True
    )
    rows = GenerationDocument.objects.filter(
        Q(lease=None) | Q(lease_expires_at__lte=now), generation=generation, document=document_id, state=State.OPEN
    )
    if not rows.update(lease=lease, lease_expires_at=now + LEASE, attempts=F("attempts") + 1):
        return None
    mark = (
        GenerationDocument.objects.select_related("document__collection")
        .filter(generation=generation, document=document_id, lease=lease)
        .first()
    )
    if mark is None:
        return None
    # What is live is brought over, even while a newer version waits to be read.
    mark.document.version = mark.document.live_version or mark.document.version
    return _Unit(generation, mark.document, mark, lease)


def _bring(unit: _Unit) -> bool:
    """Bring one document into a generation; False where it makes no sense to go on now."""
    started = time.monotonic()
    context = {"document_id": unit.document.pk, "generation": unit.generation.pk}
    try:
        with indexing.keep_lease(unit.renew, context=context):
            generations.confirm_model(unit.generation)
            passages = _passages(unit)
            _throttle(unit, len(passages[: indexing.WINDOW_PASSAGES]))
            indexing.store_passages(
                unit.document, unit.generation, passages, between=lambda done: _between(unit, len(passages) - done)
            )
            unit.update(state=State.DONE, passage_count=len(passages), lease=None, lease_expires_at=None)
    except LeaseLostError:
        logger.info("document changed while it was brought over", extra=context)
        order_sweep(unit.document.pk)
        return True
    except _StoppedError:
        _release(unit)
        return False
    except IsoglossError as exc:
        return _note_error(unit, exc)
    except Exception as exc:
        # A fault of ours must not end the whole build.
        logger.exception("bringing a document over failed unexpectedly", extra=context)
        return _note_error(unit, TransientError("internal_error", f"{type(exc).__name__}: {exc}"))
    took_ms = round((time.monotonic() - started) * 1000)
    IndexGeneration.objects.filter(pk=unit.generation.pk, status=Status.BUILDING).exclude(error_code="").update(
        error_code="", error_detail=""
    )
    logger.info("document brought over", extra={**context, "passages": len(passages), "took_ms": took_ms})
    return True


def _passages(unit: _Unit) -> list[Passage]:
    """Return the passages as the generation cuts them: from rows, else read and cut anew, and kept as rows."""
    document, chunking = unit.document, unit.generation.chunking
    rows = list(Chunk.objects.filter(document=document, chunking=chunking).order_by("ordinal"))
    if rows:
        return [_passage(row) for row in rows]
    [passages] = indexing.read_passages(document, document.live_file, [unit.generation.chunk_tokens]).values()
    with transaction.atomic():
        # The row first, as whoever lets a new version go live does: then one of the two sees the other.
        is_there = Document.objects.select_for_update().filter(pk=document.pk, live_version=document.version).exists()
        if not is_there:
            raise LeaseLostError
        unit.renew()
        Chunk.objects.bulk_create(indexing.chunk_rows(document, chunking, passages), batch_size=500)
    return passages


def _passage(row: Chunk) -> Passage:
    return Passage(
        ordinal=row.ordinal,
        text=row.text,
        question=row.question,
        heading_path=tuple(row.heading_path),
        page=row.page,
        start=row.start,
        end=row.end,
        language=row.language,
        token_count=row.token_count,
    )


def _between(unit: _Unit, passages_left: int) -> None:
    unit.renew()
    _go_on(unit)
    _throttle(unit, min(passages_left, indexing.WINDOW_PASSAGES))


def _go_on(unit: _Unit) -> None:
    if not IndexGeneration.objects.filter(pk=unit.generation.pk, status__in=IndexGeneration.CATCHING_UP).exists():
        raise _StoppedError


def _throttle(unit: _Unit, passages: int) -> None:
    """Wait until the generation's rate allows so many more passages; all who work on it share the rate."""
    with transaction.atomic():
        row = IndexGeneration.objects.select_for_update().only("rate", "throttled_until").get(pk=unit.generation.pk)
        if not row.rate or not passages:
            return
        now = timezone.now()
        begin = max(now, row.throttled_until or now)
        IndexGeneration.objects.filter(pk=row.pk).update(throttled_until=begin + timedelta(seconds=passages / row.rate))
    while (wait_s := (begin - timezone.now()).total_seconds()) > 0:
        time.sleep(min(wait_s, PAUSE_NOTICED_S))
        _go_on(unit)


def _note_error(unit: _Unit, exc: IsoglossError) -> bool:
    context = {"document_id": unit.document.pk, "generation": unit.generation.pk}
    logger.warning("a document could not be brought over: %s", exc, extra=context)
    if exc.code in SERVICE_WIDE:
        _release(unit)
        generations.fail(unit.generation, exc.code, exc.detail)
        return False
    if isinstance(exc, ServiceUnavailableError):
        _release(unit)
        IndexGeneration.objects.filter(pk=unit.generation.pk, status=Status.BUILDING).update(
            error_code=exc.code, error_detail=exc.detail[:2_000]
        )
        return False
    if isinstance(exc, PermanentError) or unit.mark.attempts >= MAX_ATTEMPTS:
        _release(unit, state=State.FAILED, error_code=exc.code, error_detail=exc.detail[:2_000])
        return True
    _release(unit, attempts=F("attempts"))
    return True


def _release(unit: _Unit, **values: object) -> None:
    """Let others take the document; an outage, which is no fault of it, does not count as an attempt."""
    values.setdefault("attempts", F("attempts") - 1)
    try:
        unit.update(lease=None, lease_expires_at=None, **values)
    except LeaseLostError:
        order_sweep(unit.document.pk)


def _is_upload_waiting() -> bool:
    now = timezone.now()
    rows = Document.objects.filter(Q(next_attempt_at=None) | Q(next_attempt_at__lte=now))
    return rows.filter(status=Document.Status.QUEUED, error_code="").exists()
