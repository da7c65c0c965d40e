"""The generations of the index: which one answers, which take new documents, and how one follows another.

    start -> BUILDING <-> PAUSED -> BUILT -> LIVE -> RETIRED -> DROPPING -> DROPPED
                 \\-> FAILED -> (resume) BUILDING         \\-> LIVE again (rollback)

The rows decide. Every change of status is a compare-and-set, so two people, or a person and a worker, cannot both
do it. What is written to the vector store can be lost or repeated without harm.
"""

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, QuerySet, Subquery, Sum
from django.utils import timezone

from searchapp.backends import (
    Endpoint,
    ModelChangedError,
    current_endpoint,
    endpoint_embedder,
    get_embedder,
    get_index,
    index_name,
    wanted_endpoint,
)
from searchapp.chunking import CHUNKER_VERSION
from searchapp.embedding import Embedder, EmbeddingRefusedError, is_same_model
from searchapp.errors import IsoglossError, PermanentError, ServiceUnavailableError
from searchapp.index import SCHEMA_VERSION
from searchapp.models import Chunk, Collection, Document, GenerationDocument, IndexGeneration, ModelFingerprint
from searchapp.services.documents import LAST_SWEEP_AFTER, order_sweep
from searchapp.services.fingerprints import LIFETIME_S as FINGERPRINT_LIFETIME_S
from searchapp.services.fingerprints import (
    current_fingerprint,
    distrust_fingerprints,
    known_fingerprint,
    trusted_fingerprint,
)

logger = logging.getLogger(__name__)

Status = IndexGeneration.Status
State = GenerationDocument.State

# For tools beside the site: the name under which the vector store shows the collection that answers.
LIVE_ALIAS = "isogloss-live"
CHUNKS_AT_ONCE = 5_000

_alias_of: dict[str, str] = {}


class GenerationError(PermanentError):
    """Raise for a change of generations that cannot be made now; the code says why."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which the settings differ from the live generation: ``what`` is a field's name."""

    what: str
    live: str
    wanted: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of a generation stands, in documents and in passages of the live generation."""

    documents_done: int
    documents_total: int
    documents_failed: int
    passages_done: int
    passages_total: int

    @property
    def is_complete(self) -> bool:
        """Return whether it holds every document."""
        return self.documents_done == self.documents_total

    @property
    def percent(self) -> int:
        """Return how much is done, rounded down, so that 100 means all."""
        total = self.passages_total or self.documents_total
        done = self.passages_done if self.passages_total else self.documents_done
        return min(100, done * 100 // total) if total else 100


# Which there are


def live_generation() -> IndexGeneration | None:
    """Return the generation that answers searches; None before the first document was indexed.

    Raises:
        Errors of `adopted`.
    """
    return live_row() or adopted()


def adopted() -> IndexGeneration | None:
    """Return the index of a release that knew no generations, made the first one; None where there is none.

    Raises:
        Errors of `live_or_first`, for such an index alone.
    """
    return live_or_first() if Document.objects.filter(live_version__isnull=False).exists() else None


def live_row() -> IndexGeneration | None:
    """Return the generation that answers searches as the database has it; asks no service."""
    return IndexGeneration.objects.defer("report").filter(status=Status.LIVE).first()


def live_or_first() -> IndexGeneration:
    """Return the generation that answers searches; where there is none, make the first from the settings.

    Raises:
        PermanentError: no embedding service is configured.
        EmbeddingUnavailableError, EmbeddingBusyError, EmbeddingRefusedError: it does not answer as it should.
    """
    live = live_row()
    if live is not None:
        return live
    endpoint = current_endpoint()
    fingerprint = current_fingerprint(endpoint_embedder(endpoint))
    try:
        with transaction.atomic():
            live = IndexGeneration.objects.create(
                **_description(endpoint, fingerprint),
                collection=_free_name(index_name(endpoint)),
                status=Status.LIVE,
                live_at=timezone.now(),
            )
            # What an index of an earlier release holds; `repair_index` finds out what it does not.
            GenerationDocument.objects.bulk_create(
                [
                    GenerationDocument(generation=live, document_id=pk, state=State.DONE, passage_count=passage_count)
                    for pk, passage_count in Document.objects.filter(live_version__isnull=False).values_list(
                        "pk", "passage_count"
                    )
                ],
                batch_size=500,
            )
    except IntegrityError:  # another process was quicker
        return IndexGeneration.objects.defer("report").get(status=Status.LIVE)
    logger.info("first index generation", extra={"generation": live.pk, "model": live.model})
    return live


def writable_generations() -> list[IndexGeneration]:
    """Return the generations that new and changed documents go into, the live one first."""
    rows = IndexGeneration.objects.defer("report").filter(status__in=IndexGeneration.WRITABLE)
    return sorted(rows, key=lambda row: row.status != Status.LIVE)


def generations_with_vectors() -> QuerySet[IndexGeneration]:
    """Return the generations that may have points in the vector store."""
    return IndexGeneration.objects.defer("report").filter(status__in=IndexGeneration.WITH_VECTORS)


def candidate() -> IndexGeneration | None:
    """Return the generation on the way to become live, if there is one."""
    return IndexGeneration.objects.filter(status__in=IndexGeneration.CANDIDATE).first()


def former() -> IndexGeneration | None:
    """Return the generation that going back would make live."""
    return IndexGeneration.objects.filter(status=Status.RETIRED).order_by("-retired_at").first()


def live_chunks(rows: QuerySet[Chunk]) -> QuerySet[Chunk]:
    """Leave the passages as the live generation cuts them."""
    live = IndexGeneration.objects.filter(status=Status.LIVE).values("chunking")[:1]
    return rows.filter(chunking=Subquery(live))


def progress_of(generation: IndexGeneration) -> Progress:
    """Return how much of a generation stands."""
    total = Document.objects.filter(live_version__isnull=False)
    marks = GenerationDocument.objects.filter(generation=generation)
    done = total.filter(Exists(marks.filter(document=OuterRef("pk"), state=State.DONE)))
    return Progress(
        documents_done=done.count(),
        documents_total=total.count(),
        documents_failed=marks.filter(state=State.FAILED).count(),
        passages_done=done.aggregate(n=Sum("passage_count"))["n"] or 0,
        passages_total=total.aggregate(n=Sum("passage_count"))["n"] or 0,
    )


def passages_noted(generation: IndexGeneration) -> int:
    """Return how many points a generation should have."""
    done = GenerationDocument.objects.filter(generation=generation, state=State.DONE)
    return done.aggregate(n=Sum("passage_count"))["n"] or 0


# What the settings want


def wanted_chunking() -> str:
    """Return how a new generation cuts documents."""
    return f"{CHUNKER_VERSION}:{settings.CHUNK_TOKENS}"


def differences(live: IndexGeneration) -> list[Difference]:
    """Return in what a new generation would differ from the live one by the settings alone; asks no service."""
    endpoint = wanted_endpoint()
    rows = [
        Difference("model", live.model, endpoint.model),
        Difference("dimensions", str(live.dimensions), str(endpoint.dimensions or "")),
        Difference("family", live.family, endpoint.family),
        Difference("chunking", live.chunking, wanted_chunking()),
        Difference("schema_version", str(live.schema_version), str(SCHEMA_VERSION)),
    ]
    return [row for row in rows if row.wanted and row.live != row.wanted]


def problem_of(live: IndexGeneration) -> str:
    """Return the code of what keeps the live generation from answering or growing, as far as is known; or nothing."""
    try:
        endpoints = (current_endpoint(), wanted_endpoint())
    except PermanentError as exc:
        return exc.code
    if all(endpoint.model != live.model for endpoint in endpoints):
        return "index_model_changed"
    return live.error_code


def confirm_model(generation: IndexGeneration) -> Embedder:
    """Return the client of a generation's model, having made sure in the last seconds that its weights are the same.

    Raises:
        PermanentError: no service is configured.
        ModelChangedError: no service has the model any more; noted at the generation, and taken back when it has.
        EmbeddingUnavailableError, EmbeddingBusyError, EmbeddingRefusedError: the service does not answer.
    """
    embedder = get_embedder(generation)
    _compare_weights(generation, partial(trusted_fingerprint, embedder))
    return embedder


def check_seen_weights(generation: IndexGeneration, embedder: Embedder) -> None:
    """Compare the weights that answered last, where this process saw them a moment ago; asks no service.

    Raises:
        ModelChangedError: they are not those of the generation; noted there.
    """
    seen = known_fingerprint(embedder, within_s=FINGERPRINT_LIFETIME_S)
    if seen is not None:
        _compare_weights(generation, lambda: seen)


def live_embedder() -> Embedder:
    """Return the client of the service of the live generation, or of the configured one where there is none yet.

    Raises:
        PermanentError: none is configured.
        ModelChangedError: none has the model.
    """
    live = live_row()
    return get_embedder(live) if live is not None else endpoint_embedder(current_endpoint())


def ask_embedding() -> None:
    """Ask the service of the live generation, or the configured one where there is none yet, whether it serves.

    Raises:
        PermanentError, ModelChangedError: none is configured, or none that has the model.
        EmbeddingUnavailableError, EmbeddingBusyError, EmbeddingRefusedError: it does not.
    """
    live = live_row()
    if live is not None and live.error_code:
        raise ModelChangedError(live.error_code, f"other weights answer to {live.model}")
    live_embedder().check()


def ask_vector_store() -> None:
    """Ask the vector store whether it serves.

    Raises:
        PermanentError: none is configured.
        VectorStoreUnavailableError, VectorStoreRefusedError: it does not.
    """
    live = live_row()
    get_index(live or IndexGeneration(collection=LIVE_ALIAS)).count()


def watch_model() -> None:
    """Ask the service of the live generation whether it still has the same weights, and note the answer there.

    Raises:
        Errors of `confirm_model`.
    """
    live = live_generation()
    if live is not None:
        _compare_weights(live, partial(current_fingerprint, get_embedder(live)))


def keep_alias() -> None:
    """Let the alias name the collection of the live generation, where this process has not seen to it yet."""
    live = live_generation()
    if live is not None and _alias_of.get("live") != live.collection:
        _tell_alias(live)


def forget() -> None:
    """Have the alias looked at anew."""
    _alias_of.clear()


def _compare_weights(generation: IndexGeneration, look: Callable[[], ModelFingerprint]) -> None:
    """Compare the weights of a service with those of a generation, and note at the live one if they are others."""
    try:
        now = look()
        is_same = now.pk == generation.fingerprint_id or is_same_model(generation.fingerprint.vectors, now.vectors)
    except EmbeddingRefusedError as exc:
        if exc.code != "embedding_dimensions":
            raise
        is_same = False  # shorter than ever
    live = IndexGeneration.objects.filter(pk=generation.pk, status=Status.LIVE)
    if not is_same:
        # Should the former weights come back, nothing kept of these may answer.
        distrust_fingerprints()
        error = ModelChangedError("index_model_drifted", f"other weights answer to {generation.model}")
        live.update(error_code=error.code)
        raise error
    if generation.error_code == "index_model_drifted":
        live.filter(error_code=generation.error_code).update(error_code="")


# How one follows another


def start(*, rate: int = 0) -> IndexGeneration:
    """Begin a new generation from the settings, beside the live one.

    Args:
        rate: passages a second at the most; 0 as many as there can be.

    Raises:
        GenerationError: ``generation_under_way``, ``generation_same``, ``generation_nothing_indexed``.
        PermanentError, EmbeddingUnavailableError, EmbeddingBusyError, EmbeddingRefusedError: the service.
        VectorStoreUnavailableError, VectorStoreRefusedError: the vector store.
    """
    live = live_generation()
    if live is None:
        raise GenerationError("generation_nothing_indexed")
    if candidate() is not None:
        raise GenerationError("generation_under_way")
    endpoint = wanted_endpoint()
    fingerprint = current_fingerprint(endpoint_embedder(endpoint))
    description = _description(endpoint, fingerprint)
    if all(getattr(live, name) == value for name, value in description.items()):
        raise GenerationError("generation_same")
    try:
        with transaction.atomic():
            generation = IndexGeneration.objects.create(
                **description, collection=uuid.uuid4().hex, status=Status.BUILDING, rate=rate
            )
            generation.collection = f"{index_name(endpoint)}-g{generation.pk}"
            generation.save(update_fields=["collection"])
    except IntegrityError as exc:
        raise GenerationError("generation_under_way") from exc
    logger.info("index generation begun", extra={"generation": generation.pk, "model": generation.model})
    return generation


def set_rate(generation: IndexGeneration, rate: int) -> None:
    """Limit how many passages a second are embedded for a generation; 0 takes the limit away."""
    IndexGeneration.objects.filter(pk=generation.pk).update(rate=rate, throttled_until=None)


def pause(generation: IndexGeneration) -> None:
    """Stop building until `resume`; new documents are caught up with then.

    Raises:
        GenerationError: ``generation_not_building``.
    """
    if not _move(generation, (Status.BUILDING,), status=Status.PAUSED):
        raise GenerationError("generation_not_building")


def resume(generation: IndexGeneration) -> None:
    """Go on building after a pause or a failure; documents that failed are tried again.

    Raises:
        GenerationError: ``generation_not_paused``.
    """
    with transaction.atomic():
        if not _move(
            generation, (Status.PAUSED, Status.FAILED), status=Status.BUILDING, error_code="", error_detail=""
        ):
            raise GenerationError("generation_not_paused")
        GenerationDocument.objects.filter(generation=generation, state=State.FAILED).update(
            state=State.OPEN, attempts=0, error_code="", error_detail=""
        )


def cancel(generation: IndexGeneration) -> None:
    """Give up a generation that is not live yet, with its vectors.

    Raises:
        GenerationError: ``generation_not_candidate``.
        VectorStoreUnavailableError, VectorStoreRefusedError: its vectors go later.
    """
    if not _move(generation, IndexGeneration.CANDIDATE, status=Status.DROPPING, prune_at=_last_drop_at()):
        raise GenerationError("generation_not_candidate")
    get_index(generation).drop()


def fail(generation: IndexGeneration, code: str, detail: str) -> None:
    """End a build with the reason; `resume` takes it up again."""
    if _move(generation, (Status.BUILDING,), status=Status.FAILED, error_code=code, error_detail=detail[:2_000]):
        logger.warning("index generation failed: %s %s", code, detail, extra={"generation": generation.pk})


def finish(generation: IndexGeneration) -> bool:
    """Call a generation complete if it is; whoever asks may be one of several."""
    if not progress_of(generation).is_complete:
        return False
    is_done = _move(
        generation, (Status.BUILDING,), status=Status.BUILT, built_at=timezone.now(), error_code="", error_detail=""
    )
    if is_done:
        logger.info("index generation complete", extra={"generation": generation.pk})
    return is_done


def switch(generation: IndexGeneration) -> None:
    """Let a complete generation answer from now on, in one step; the former one is kept for going back.

    Whether it is good enough is for `searchapp.services.comparing.gate` to say before.

    Raises:
        GenerationError: ``generation_not_built``; ``generation_incomplete`` where documents are still missing.
    """
    with transaction.atomic():
        live = IndexGeneration.objects.select_for_update().get(status=Status.LIVE)
        # Documents that go live now wait for the row above and then find that another generation is.
        if not progress_of(generation).is_complete:
            raise GenerationError("generation_incomplete")
        _replace(live, generation, (Status.BUILT,))
    align_counts()
    _tell_alias(generation)


def roll_back() -> IndexGeneration:
    """Let the former generation answer again, in one step, and return it.

    What it misses of late, because its service did not answer, is queued by `repair_index`.

    Raises:
        GenerationError: ``generation_no_former``.
        ModelChangedError: no service has its model.
        EmbeddingUnavailableError, EmbeddingBusyError, EmbeddingRefusedError: its service does not answer.
    """
    generation = former()
    if generation is None:
        raise GenerationError("generation_no_former")
    confirm_model(generation)
    with transaction.atomic():
        live = IndexGeneration.objects.select_for_update().get(status=Status.LIVE)
        _replace(live, generation, (Status.RETIRED,))
    align_counts()
    _tell_alias(generation)
    return generation


def prune(*, is_due_only: bool = True) -> int:
    """Delete former generations whose time is over, or all of them, and return how many were begun with.

    Raises:
        VectorStoreUnavailableError, VectorStoreRefusedError: the rest goes the next time.
    """
    now = timezone.now()
    retired = IndexGeneration.objects.filter(status=Status.RETIRED)
    begun = 0
    for generation in retired.filter(prune_at__lte=now) if is_due_only else retired:
        begun += _move(generation, (Status.RETIRED,), status=Status.DROPPING, prune_at=_last_drop_at())
    for generation in IndexGeneration.objects.filter(status=Status.DROPPING):
        # Twice: a worker that was storing a document may have made the collection again.
        get_index(generation).drop()
        GenerationDocument.objects.filter(generation=generation).delete()
        _delete_unused_chunks()
        if generation.prune_at is None or generation.prune_at <= now:
            _move(generation, (Status.DROPPING,), status=Status.DROPPED, report=None)
            logger.info("index generation deleted", extra={"generation": generation.pk})
    return begun


def note_stored(document_id: uuid.UUID, passage_counts: Mapping[int, int]) -> int:
    """Note, in the transaction that changes a document's passages, which generations hold the new ones.

    Args:
        document_id: whose passages change.
        passage_counts: how many passages of it each generation was given, by the generation's id.

    Returns:
        The id of the live generation, which is one of them.

    Raises:
        ServiceUnavailableError: another generation went live meanwhile that was not given them; nothing is noted.
    """
    live = IndexGeneration.objects.select_for_update().filter(status=Status.LIVE).values_list("pk", flat=True).first()
    if live is None or live not in passage_counts:
        raise ServiceUnavailableError("generation_switched")
    rows = GenerationDocument.objects.filter(document_id=document_id)
    if rows.filter(state=State.OPEN).exclude(lease=None).exists():
        order_sweep(document_id)  # for what is still being written of the former passages
    rows.exclude(generation_id__in=passage_counts).delete()
    GenerationDocument.objects.bulk_create(
        [
            GenerationDocument(generation_id=pk, document_id=document_id, state=State.DONE, passage_count=count)
            for pk, count in passage_counts.items()
        ],
        update_conflicts=True,
        unique_fields=["generation", "document"],
        update_fields=["state", "passage_count", "attempts", "lease", "lease_expires_at", "error_code", "error_detail"],
    )
    return live


def align_counts() -> None:
    """Bring the number of passages that documents show in line with the live generation, after a switch.

    On its own, since a transaction that waits for many documents while they wait for it would never end.
    """
    counts = GenerationDocument.objects.filter(
        generation__status=Status.LIVE, document=OuterRef("pk"), state=State.DONE
    ).values("passage_count")
    wrong = Document.objects.annotate(live_count=Subquery(counts[:1])).exclude(passage_count=F("live_count"))
    wrong.filter(live_count__isnull=False).update(passage_count=Subquery(counts[:1]))


def _replace(live: IndexGeneration, generation: IndexGeneration, expected: Sequence[str]) -> None:
    now = timezone.now()
    keep_until = now + timedelta(days=settings.GENERATION_RETENTION_DAYS)
    IndexGeneration.objects.filter(pk=live.pk).update(
        status=Status.RETIRED, retired_at=now, prune_at=keep_until, error_code=""
    )
    if not _move(generation, expected, status=Status.LIVE, live_at=now, retired_at=None, prune_at=None, error_code=""):
        raise GenerationError("generation_not_built")
    if live.chunking != generation.chunking:
        Collection.objects.update(twins_found_at=None)  # which rows say the same is noted at the passages
    logger.info("another index generation answers", extra={"generation": generation.pk, "former": live.pk})


def _move(generation: IndexGeneration, expected: Sequence[str], **changes: object) -> bool:
    rows = IndexGeneration.objects.filter(pk=generation.pk, status__in=expected)
    return rows.update(**changes) == 1


def _tell_alias(generation: IndexGeneration) -> None:
    try:
        get_index(generation).point_alias(LIVE_ALIAS)
    except IsoglossError as exc:  # for tools beside the site alone; `maintain` tries again
        logger.warning("the alias could not be moved: %s", exc)
    else:
        _alias_of["live"] = generation.collection


def _description(endpoint: Endpoint, fingerprint: ModelFingerprint) -> dict[str, Any]:
    return {
        "model": endpoint.model,
        "dimensions": fingerprint.dimensions,
        "fingerprint": fingerprint,
        "family": endpoint.family,
        "chunking": wanted_chunking(),
        "schema_version": SCHEMA_VERSION,
    }


def _free_name(name: str) -> str:
    is_taken = IndexGeneration.objects.filter(collection=name).exists()
    return f"{name}-{uuid.uuid4().hex[:8]}" if is_taken else name


def _last_drop_at() -> datetime:
    return timezone.now() + LAST_SWEEP_AFTER


def _delete_unused_chunks() -> None:
    """Delete the passages of cuts that no generation has."""
    used = generations_with_vectors().values_list("chunking", flat=True)
    unused = Chunk.objects.exclude(chunking__in=list(used))
    while pks := list(unused.values_list("pk", flat=True)[:CHUNKS_AT_ONCE]):
        Chunk.objects.filter(pk__in=pks).delete()
