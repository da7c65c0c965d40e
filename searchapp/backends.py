"""The composition root: settings in, the engines out, made once per process when first needed."""

import re
from functools import cache
from pathlib import Path

from django.conf import settings

from searchapp.embedding import Embedder
from searchapp.errors import PermanentError
from searchapp.index import SCHEMA_VERSION, VectorIndex
from searchapp.ranking import Profile, profile_of, read_profile


@cache
def get_embedder() -> Embedder:
    """Return the client of the embedding service.

    Raises:
        PermanentError: no service is configured.
    """
    if not settings.EMBEDDING_BASE_URL:
        raise PermanentError("embedding_not_configured", "start script/serve, or set EMBEDDING_BASE_URL")
    return Embedder(
        settings.EMBEDDING_BASE_URL,
        settings.EMBEDDING_MODEL,
        api_key=settings.EMBEDDING_API_KEY,
        dimensions=settings.EMBEDDING_DIMENSIONS,
        timeout_s=settings.EMBEDDING_TIMEOUT_S,
        family=settings.EMBEDDING_FAMILY,
        max_tokens=settings.EMBEDDING_MAX_TOKENS,
        tokenizer=Path(settings.EMBEDDING_TOKENIZER) if settings.EMBEDDING_TOKENIZER else None,
    )


@cache
def get_index() -> VectorIndex:
    """Return the vector index of the configured model and dimensions.

    Its name holds both, so that vectors of two models can never be mixed.

    Raises:
        PermanentError: no vector store is configured.
    """
    if not settings.QDRANT_URL:
        raise PermanentError("vector_store_not_configured", "start script/serve, or set QDRANT_URL")
    return VectorIndex(settings.QDRANT_URL, index_name(), api_key=settings.QDRANT_API_KEY)


@cache
def get_profile() -> Profile:
    """Return the constants of ranking for the configured model.

    Raises:
        PermanentError: RANKING_FILE names something else than a profile.
    """
    if not settings.RANKING_FILE:
        return profile_of(settings.EMBEDDING_MODEL)
    try:
        return read_profile(Path(settings.RANKING_FILE))
    except (OSError, ValueError) as exc:
        raise PermanentError("ranking_file_invalid", str(exc)) from exc


def index_name() -> str:
    """Return the name of the Qdrant collection for the configured model and dimensions."""
    model = re.sub(r"[^a-z0-9]+", "-", settings.EMBEDDING_MODEL.lower()).strip("-")
    return f"isogloss-{SCHEMA_VERSION}-{model}-{settings.EMBEDDING_DIMENSIONS or 'full'}"
