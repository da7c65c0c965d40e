"""Which weights the embedding service runs now."""

import logging

from searchapp.embedding import Embedder, is_same_model, probe
from searchapp.models import ModelFingerprint

logger = logging.getLogger(__name__)


def current_fingerprint(embedder: Embedder) -> ModelFingerprint:
    """Return the row of the weights that answer now, made if they were never met.

    Asks the service each time. Calling twice is safe, also at once in two processes: two rows of the same
    weights may come of it, of which everybody then finds the first.

    Raises:
        EmbeddingUnavailableError, EmbeddingBusyError, EmbeddingRefusedError: the embedding service.
    """
    vectors = probe(embedder)
    known = ModelFingerprint.objects.filter(dimensions=vectors.shape[1])
    for fingerprint in known:
        if is_same_model(fingerprint.vectors, vectors):
            return fingerprint
    logger.warning("the embedding service runs weights that were not met before", extra={"model": embedder.model})
    ModelFingerprint.objects.create(
        model=embedder.model, dimensions=vectors.shape[1], probe=vectors.astype("<f4").tobytes()
    )
    return next(fingerprint for fingerprint in known.all() if is_same_model(fingerprint.vectors, vectors))
