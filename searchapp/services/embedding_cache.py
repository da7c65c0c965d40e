"""Vectors of texts that were embedded before, over re-uploads, new cuts and all documents.

The database keeps them, by the weights that made them. So an unchanged passage is never embedded twice, and
vectors of two models never meet.
"""

import hashlib
import logging
import time
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from django.conf import settings
from django.utils import timezone
from numpy.typing import NDArray

from searchapp.backends import ModelChangedError
from searchapp.embedding import PROBE_TEXTS, Embedder, EmbeddingItemError, EmbeddingRefusedError, is_same_model
from searchapp.models import EmbeddingCacheEntry, ModelFingerprint
from searchapp.services.fingerprints import current_fingerprint, trusted_fingerprint

logger = logging.getLogger(__name__)

# SQLite takes 999 values in a statement where it is old.
KEYS_A_STATEMENT = 500
# The use of an entry is noted once a day: a read must not cost a write.
USE_NOTED_EVERY = timedelta(days=1)
PRUNE_INTERVAL_S = 600.0
PRUNED_ENTRIES_A_ROUND = 5_000
# Key, date and what the two indexes and the row itself take, beside the vector.
ENTRY_OVERHEAD_BYTES = 300

_last_pruned = 0.0


def embed_documents(
    embedder: Embedder, texts: Sequence[str]
) -> tuple[NDArray[np.float32], dict[int, EmbeddingItemError]]:
    """Embed passages, of which only those are sent to the service that it never saw.

    One of the fixed texts goes with them, so that vectors of weights that came since the last look are noticed.

    Returns:
        As `Embedder.try_documents`.

    Raises:
        ModelChangedError: the weights changed on the way.
        EmbeddingUnavailableError, EmbeddingBusyError, EmbeddingRefusedError: as `Embedder.embed_documents`.
    """
    fingerprint = trusted_fingerprint(embedder)
    prefix = f"{fingerprint.pk}\0{embedder.family}\0"
    keys = [hashlib.sha256(f"{prefix}{text}".encode()).hexdigest() for text in texts]
    known = _look_up(keys, fingerprint.dimensions) if settings.EMBEDDING_CACHE_BYTES else {}
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    refused: dict[str, EmbeddingItemError] = {}
    if missing:
        missing_keys = list(missing)
        vectors, errors = _embed(embedder, list(missing.values()), fingerprint)
        refused = {missing_keys[position]: error for position, error in errors.items()}
        fresh = dict(zip(missing_keys, vectors, strict=True))
        if settings.EMBEDDING_CACHE_BYTES:
            _store({key: vector for key, vector in fresh.items() if key not in refused})
        known |= fresh
    rows = np.stack([known[key] for key in keys]) if keys else np.zeros((0, fingerprint.dimensions), dtype=np.float32)
    return rows, {position: refused[key] for position, key in enumerate(keys) if key in refused}


def prune() -> int:
    """Delete the entries unused for longest while there are more than EMBEDDING_CACHE_MB hold; return how many."""
    global _last_pruned
    if time.monotonic() - _last_pruned < PRUNE_INTERVAL_S:
        return 0
    _last_pruned = time.monotonic()
    entry = EmbeddingCacheEntry.objects.order_by("-last_used_at").first()
    if entry is None:
        return 0
    most = settings.EMBEDDING_CACHE_BYTES // (len(entry.vector) + ENTRY_OVERHEAD_BYTES)
    excess = min(EmbeddingCacheEntry.objects.count() - most, PRUNED_ENTRIES_A_ROUND)
    if excess <= 0:
        return 0
    oldest = list(EmbeddingCacheEntry.objects.order_by("last_used_at").values_list("pk", flat=True)[:excess])
    for start in range(0, len(oldest), KEYS_A_STATEMENT):
        EmbeddingCacheEntry.objects.filter(pk__in=oldest[start : start + KEYS_A_STATEMENT]).delete()
    logger.info("embeddings were forgotten", extra={"entries": len(oldest)})
    return len(oldest)


def _embed(
    embedder: Embedder, texts: Sequence[str], fingerprint: ModelFingerprint
) -> tuple[NDArray[np.float32], dict[int, EmbeddingItemError]]:
    """Embed passages and one of the fixed texts, by which other weights than those of the fingerprint are noticed."""
    changed = ModelChangedError("index_model_drifted", f"other weights answer to {embedder.model} than a moment ago")
    try:
        vectors, errors = embedder.try_documents([*texts, PROBE_TEXTS[-1]])
    except EmbeddingRefusedError as exc:
        if exc.code == "embedding_dimensions":
            raise changed from exc
        raise
    errors.pop(len(texts), None)
    if not is_same_model(fingerprint.vectors[-1:], vectors[-1:]) and current_fingerprint(embedder) != fingerprint:
        raise changed
    return vectors[:-1], errors


def _look_up(keys: Sequence[str], dimensions: int) -> dict[str, NDArray[np.float32]]:
    known: dict[str, NDArray[np.float32]] = {}
    distinct = list(dict.fromkeys(keys))
    stale: list[str] = []
    now = timezone.now()
    for start in range(0, len(distinct), KEYS_A_STATEMENT):
        rows = EmbeddingCacheEntry.objects.filter(pk__in=distinct[start : start + KEYS_A_STATEMENT])
        for key, stored, last_used_at in rows.values_list("key", "vector", "last_used_at"):
            vector = np.frombuffer(bytes(stored), dtype="<f2").astype(np.float32)
            if vector.shape == (dimensions,):
                known[key] = vector / np.linalg.norm(vector)
                if now - last_used_at > USE_NOTED_EVERY:
                    stale.append(key)
    for start in range(0, len(stale), KEYS_A_STATEMENT):
        EmbeddingCacheEntry.objects.filter(pk__in=stale[start : start + KEYS_A_STATEMENT]).update(last_used_at=now)
    return known


def _store(vectors: dict[str, NDArray[np.float32]]) -> None:
    now = timezone.now()
    # By key: two that store the same in another order would wait for each other.
    EmbeddingCacheEntry.objects.bulk_create(
        [
            EmbeddingCacheEntry(key=key, vector=vectors[key].astype("<f2").tobytes(), last_used_at=now)
            for key in sorted(vectors)
        ],
        ignore_conflicts=True,
        batch_size=300,
    )
