"""Find out which documents and FAQ rows of a collection say the same in different languages.

Done in the background after a collection has changed and come to rest, from the vectors in the index.
Only within one collection, so nobody learns through a twin of what they may not see.
"""

import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from django.db import transaction
from django.db.models import F, Max, Q
from django.utils import timezone

from searchapp.backends import get_index
from searchapp.errors import IsoglossError
from searchapp.index import VectorIndex
from searchapp.models import Chunk, Collection, Document
from searchapp.ranking import Version, group_versions
from searchapp.services import generations

logger = logging.getLogger(__name__)

# All texts of a collection are compared with all others: beyond this, none are, and the log says so.
MAX_TEXTS = 20_000


def collections_due() -> list[int]:
    """Return the collections whose documents changed since their twins were looked for, and are all settled."""
    latest = Max("documents__ready_at", filter=Q(documents__live_version__isnull=False))
    changed = (
        Collection.objects.annotate(latest=latest)
        .filter(Q(twins_found_at=None) | Q(twins_found_at__lt=F("latest")), latest__isnull=False)
        .exclude(documents__status__in=[Document.Status.QUEUED, *Document.RUNNING])
    )
    return list(changed.order_by().values_list("pk", flat=True))


def find_twins(collection_id: int) -> None:
    """Look for the twins of a collection and remember them; doing it twice, or at the same time, is safe.

    Raises:
        VectorStoreUnavailableError, VectorStoreRefusedError: it is tried again when it is due.
    """
    started = time.monotonic()
    collection = Collection.objects.filter(pk=collection_id).first()
    if collection is None:
        return
    now = timezone.now()
    rows = Collection.objects.filter(pk=collection_id, twins_found_at=collection.twins_found_at)
    if rows.update(twins_found_at=now) != 1:
        return  # another worker is at it
    live = generations.live_row()
    if live is None:
        return
    try:
        chunks = list(
            Chunk.objects.filter(
                document__collection=collection_id, document__live_version__isnull=False, chunking=live.chunking
            )
            .order_by("document_id", "ordinal")
            .only("pk", "document_id", "question", "text", "language")[: MAX_TEXTS + 1]
        )
        if len(chunks) > MAX_TEXTS:
            logger.warning("too many passages to look for twins", extra={"collection_id": collection_id})
            return
        texts = _texts(chunks, get_index(live))
        groups = group_versions(list(texts.values()))
    except IsoglossError:
        Collection.objects.filter(pk=collection_id, twins_found_at=now).update(twins_found_at=None)
        raise
    _remember(collection_id, list(texts), groups)
    logger.info(
        "twins found",
        extra={
            "collection_id": collection_id,
            "groups": len(groups),
            "took_ms": round((time.monotonic() - started) * 1000),
        },
    )


# A document, and the question of one of its rows where it is a FAQ.
_Key = tuple[uuid.UUID, str]


def _texts(chunks: Iterable[Chunk], index: VectorIndex) -> dict[_Key, Version]:
    """Return what is compared: whole documents, and each row of a FAQ."""
    passages: dict[_Key, list[Chunk]] = defaultdict(list)
    for chunk in chunks:
        passages[chunk.document_id, chunk.question].append(chunk)
    vectors = index.vectors([chunk.pk for group in passages.values() for chunk in group])
    texts: dict[_Key, Version] = {}
    for key, group in passages.items():
        if all(chunk.pk in vectors for chunk in group):
            texts[key] = Version(
                language=_main_language(group),
                length=max(1, sum(len(chunk.question) + len(chunk.text) for chunk in group)),
                passages=np.stack([vectors[chunk.pk] for chunk in group]),
            )
    return texts


def _main_language(chunks: list[Chunk]) -> str:
    characters: dict[str, int] = defaultdict(int)
    for chunk in chunks:
        characters[chunk.language] += len(chunk.text)
    return max(characters, key=lambda language: characters[language])


def _remember(collection_id: int, keys: list[_Key], groups: list[list[int]]) -> None:
    with transaction.atomic():
        documents = Document.objects.filter(collection=collection_id)
        documents.exclude(twins=None).update(twins=None)
        Chunk.objects.filter(document__in=documents).exclude(twins=None).update(twins=None)
        for group in groups:
            name = uuid.uuid4()
            for document_id, question in (keys[position] for position in group):
                if question:
                    Chunk.objects.filter(document=document_id, question=question).update(twins=name)
                else:
                    documents.filter(pk=document_id).update(twins=name)
