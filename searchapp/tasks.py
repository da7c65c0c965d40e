"""The Celery tasks, each one call of a service, and the only way to start them."""

import logging
import time
import uuid
from collections.abc import Iterable
from functools import partial

from celery import shared_task
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError

from searchapp.errors import IsoglossError
from searchapp.models import DoctorReport, IndexGeneration
from searchapp.services import (
    comparing,
    diagnosing,
    embedding_cache,
    generations,
    history,
    indexing,
    outages,
    reindexing,
    twins,
)

logger = logging.getLogger(__name__)

_last_index_check = 0.0


def enqueue_indexing(document_ids: Iterable[uuid.UUID]) -> None:
    """Ask a worker to look at these documents once the transaction is through.

    A broker that is down fails nothing: `maintain` finds the documents when it is back.
    """
    ids = list(document_ids)
    if ids:
        transaction.on_commit(partial(_send, ids))


def _send(document_ids: list[uuid.UUID]) -> None:
    indexing.note_enqueued(document_ids)
    try:
        for document_id in document_ids:
            index_document.apply_async(
                (str(document_id),), expires=indexing.MESSAGE_LIFETIME_S, retry=False, ignore_result=True
            )
    except OperationalError as exc:
        logger.warning("the broker is not reachable; documents wait for it: %s", exc)


@shared_task
def index_document(document_id: str) -> None:
    """Index one document."""
    indexing.index_when_possible(uuid.UUID(document_id))


@shared_task
def reindex(generation_id: int) -> None:
    """Bring a generation of the index some of what it misses."""
    if reindexing.take_turn(generation_id):
        enqueue_reindexing()


@shared_task
def report_generation(generation_id: int) -> None:
    """Compare a complete generation of the index with the live one."""
    try:
        comparing.make_report(IndexGeneration.objects.get(pk=generation_id))
    except IsoglossError as exc:
        logger.warning("the new index cannot be compared: %s", exc)


def enqueue_reindexing(*, is_thorough: bool = False) -> None:
    """Ask workers to go on with the generations of the index that miss something, and to compare those that do not."""
    lifetime_s = round(reindexing.WORKER_FOR.total_seconds())
    try:
        for pk in reindexing.take_due(is_thorough=is_thorough):
            reindex.apply_async((pk,), expires=lifetime_s, retry=False, ignore_result=True)
        for pk in comparing.report_due():
            report_generation.apply_async((pk,), expires=settings.REAP_INTERVAL_S, retry=False, ignore_result=True)
    except OperationalError as exc:
        logger.warning("the broker is not reachable; the new index waits for it: %s", exc)


def enqueue_examination(report: DoctorReport) -> None:
    """Ask a worker to make the examination that was begun.

    Raises:
        OperationalError: the broker does not take the message.
    """
    examine.apply_async((report.pk,), expires=diagnosing.ABANDONED_AFTER.total_seconds(), retry=False)


@shared_task
def examine(report_id: int | None = None) -> None:
    """Examine the whole site: the report that was begun at a page, or the one of the night."""
    report = DoctorReport.objects.filter(pk=report_id, finished_at=None).first() if report_id else None
    diagnosing.write_report(report or diagnosing.begin_report("full"))


@shared_task
def maintain() -> None:
    """Put back what was left, send messages for what is due, pay what is owed to the index."""
    global _last_index_check
    diagnosing.note_maintenance()
    indexing.recover_abandoned()
    outages.try_again()
    embedding_cache.prune()
    _send(indexing.take_due())
    is_thorough = time.monotonic() - _last_index_check > indexing.INDEX_CHECK_INTERVAL_S
    enqueue_reindexing(is_thorough=is_thorough)
    try:
        indexing.settle_sweeps()
        if is_thorough:
            _last_index_check = time.monotonic()
            history.trim()
            generations.prune()
            indexing.repair_index()
            generations.keep_alias()
    except IsoglossError as exc:
        logger.warning("the vector store cannot be looked after: %s", exc)
    if is_thorough:
        try:
            generations.watch_model()
        except IsoglossError as exc:
            logger.warning("the embedding service does not serve the index: %s", exc)
    try:
        for collection_id in twins.collections_due():
            find_twins.apply_async(
                (collection_id,), expires=indexing.MESSAGE_LIFETIME_S, retry=False, ignore_result=True
            )
    except OperationalError as exc:
        logger.warning("the broker is not reachable; twins are looked for later: %s", exc)


@shared_task
def find_twins(collection_id: int) -> None:
    """Find what a collection says in several languages."""
    try:
        twins.find_twins(collection_id)
    except IsoglossError as exc:
        logger.warning("twins are looked for later: %s", exc)
