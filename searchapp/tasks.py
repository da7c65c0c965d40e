"""The Celery tasks, each one call of a service, and the only way to start them."""

import logging
import time
import uuid
from collections.abc import Iterable
from functools import partial

from celery import shared_task
from django.db import transaction
from kombu.exceptions import OperationalError

from searchapp.errors import IsoglossError
from searchapp.services import embedding_cache, indexing, outages, twins

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
def maintain() -> None:
    """Put back what was left, send messages for what is due, pay what is owed to the index."""
    global _last_index_check
    indexing.recover_abandoned()
    outages.try_again()
    embedding_cache.prune()
    _send(indexing.take_due())
    try:
        indexing.settle_sweeps()
        if time.monotonic() - _last_index_check > indexing.INDEX_CHECK_INTERVAL_S:
            _last_index_check = time.monotonic()
            indexing.repair_index()
    except IsoglossError as exc:
        logger.warning("the vector store cannot be looked after: %s", exc)
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
