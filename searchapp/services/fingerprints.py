"""Which weights the embedding service runs now."""

import logging
import threading
import time
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from searchapp.embedding import Embedder, is_same_model, probe
from searchapp.models import ModelFingerprint

logger = logging.getLogger(__name__)

# No service loads other weights and answers again in less.
LIFETIME_S = 10.0

_lock = threading.Lock()
_known: WeakKeyDictionary[Embedder, tuple[ModelFingerprint, float]] = WeakKeyDictionary()


def current_fingerprint(embedder: Embedder) -> ModelFingerprint:
    """Return the row of the weights that answer now, made if they were never met. Asks the service each time.

    Raises:
        EmbeddingUnavailableError, EmbeddingBusyError, EmbeddingRefusedError: the embedding service.
    """
    asked_at = time.monotonic()
    return note_probe(embedder, probe(embedder), asked_at=asked_at)


def trusted_fingerprint(embedder: Embedder) -> ModelFingerprint:
    """Return the row of the weights as `current_fingerprint`, but ask only where the last answer may be outdated."""
    return known_fingerprint(embedder, within_s=LIFETIME_S) or current_fingerprint(embedder)


def known_fingerprint(embedder: Embedder, *, within_s: float) -> ModelFingerprint | None:
    """Return the row of the weights that answered last, if that was within so many seconds. Asks nobody."""
    with _lock:
        fingerprint, asked_at = _known.get(embedder, (None, 0.0))
    return fingerprint if time.monotonic() - asked_at < within_s else None


def note_probe(embedder: Embedder, vectors: NDArray[np.float32], *, asked_at: float) -> ModelFingerprint:
    """Return the row of the weights that made these vectors of `PROBE_TEXTS`, made if they were never met.

    Calling twice is safe, also at once in two processes: two rows of the same weights may come of it, of which
    everybody then finds the first.

    Args:
        embedder: client of the service.
        vectors: ``(len(PROBE_TEXTS), dimensions)`` float32, unit L2 norm.
        asked_at: when the service was asked, as `time.monotonic` tells it.
    """
    fingerprint = _find(vectors)
    if fingerprint is None:
        logger.warning("the embedding service runs weights that were not met before", extra={"model": embedder.model})
        ModelFingerprint.objects.create(
            model=embedder.model, dimensions=vectors.shape[1], probe=vectors.astype("<f4").tobytes()
        )
        fingerprint = _find(vectors)
    if fingerprint is None:
        raise AssertionError("the row just made has these vectors")
    with _lock:
        _known[embedder] = (fingerprint, asked_at)
    return fingerprint


def distrust_fingerprints() -> None:
    """Look at the weights again before their next use: the service was away, and may be another now."""
    with _lock:
        _known.clear()


def _find(vectors: NDArray[np.float32]) -> ModelFingerprint | None:
    known = ModelFingerprint.objects.filter(dimensions=vectors.shape[1])
    return next((row for row in known if is_same_model(row.vectors, vectors)), None)
