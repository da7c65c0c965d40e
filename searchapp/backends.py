"""The composition root: settings in, the engines out, made once per process when first needed."""

import re
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from searchapp.embedding import Embedder, is_same_model, probe
from searchapp.errors import IsoglossError, PermanentError, ServiceUnavailableError
from searchapp.index import SCHEMA_VERSION, VectorIndex
from searchapp.models import IndexGeneration
from searchapp.ranking import Profile, profile_of, read_profile
from searchapp.reranking import Reranker


class ModelChangedError(ServiceUnavailableError):
    """Raise where no configured service has the model of a generation.

    ``index_model_changed``: none serves its name. ``index_model_drifted``: other weights answer to its name.
    It passes when a person puts the service back, or builds a new generation: work waits for that, uncounted.
    """


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A configured embedding service, each field as `Embedder` takes it."""

    base_url: str
    model: str
    api_key: str = field(repr=False)
    dimensions: int
    family: str
    max_tokens: int = 0
    tokenizer: str = ""


def current_endpoint() -> Endpoint:
    """Return the service of the ``EMBEDDING_`` settings.

    Raises:
        PermanentError: none is configured.
    """
    if not settings.EMBEDDING_BASE_URL:
        raise PermanentError("embedding_not_configured", "start script/serve, or set EMBEDDING_BASE_URL")
    return Endpoint(
        settings.EMBEDDING_BASE_URL,
        settings.EMBEDDING_MODEL,
        settings.EMBEDDING_API_KEY,
        settings.EMBEDDING_DIMENSIONS,
        settings.EMBEDDING_FAMILY,
        settings.EMBEDDING_MAX_TOKENS,
        settings.EMBEDDING_TOKENIZER,
    )


@cache
def get_redis() -> redis.Redis:
    """Return a client of the broker for what can be done without: it gives up within a tenth of a second."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=0.1,
        socket_timeout=0.05,
        # Once more, for a connection that a restarted Redis closed; not where it does not answer in time.
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    )


def wanted_endpoint() -> Endpoint:
    """Return the service that a new generation is made with: of the ``NEXT_`` settings where they are set.

    Raises:
        PermanentError: none is configured.
    """
    current = current_endpoint()
    if not (settings.NEXT_EMBEDDING_BASE_URL or settings.NEXT_EMBEDDING_MODEL):
        return current
    return Endpoint(
        settings.NEXT_EMBEDDING_BASE_URL or current.base_url,
        settings.NEXT_EMBEDDING_MODEL or current.model,
        settings.NEXT_EMBEDDING_API_KEY or current.api_key,
        settings.NEXT_EMBEDDING_DIMENSIONS,
        settings.NEXT_EMBEDDING_FAMILY,
    )


def endpoint_embedder(endpoint: Endpoint) -> Embedder:
    """Return the client of a service."""
    return _embedder(endpoint, settings.EMBEDDING_TIMEOUT_S)


def configured_embedder() -> Embedder:
    """Return the client of the service of the ``EMBEDDING_`` settings, whatever the index was made with.

    Raises:
        PermanentError: none is configured.
    """
    return endpoint_embedder(current_endpoint())


def get_embedder(generation: IndexGeneration) -> Embedder:
    """Return the client of the service that has a generation's model: any configured one that serves its name.

    Where two serve the name, as while the weights behind it change, the one with the same weights.

    Raises:
        PermanentError: no service is configured.
        ModelChangedError: none serves the model.
        Errors of `Embedder.embed_documents`, where two services have to be told apart.
    """
    found = [item for item in dict.fromkeys([current_endpoint(), wanted_endpoint()]) if item.model == generation.model]
    addresses = {item.base_url: item for item in found}
    if not addresses:
        raise ModelChangedError("index_model_changed", f"no configured service serves {generation.model}")
    # Length and frame are the generation's own, whatever the settings have become.
    embedders = [
        endpoint_embedder(replace(item, dimensions=generation.dimensions, family=generation.family))
        for item in addresses.values()
    ]
    return embedders[0] if len(embedders) == 1 else _same_weights(generation.pk, tuple(embedders), generation)


def get_index(generation: IndexGeneration) -> VectorIndex:
    """Return the collection of a generation in the vector store.

    Raises:
        PermanentError: no vector store is configured.
    """
    if not settings.QDRANT_URL:
        raise PermanentError("vector_store_not_configured", "start script/serve, or set QDRANT_URL")
    return _index(settings.QDRANT_URL, generation.collection, settings.QDRANT_API_KEY)


@cache
def get_reranker() -> Reranker | None:
    """Return the client of the reranker, None where none is configured."""
    if not settings.RERANK_BASE_URL:
        return None
    return Reranker(settings.RERANK_BASE_URL, settings.RERANK_MODEL, api_key=settings.RERANK_API_KEY)


def get_profile(generation: IndexGeneration | None) -> Profile:
    """Return the constants of ranking for the model of a generation, or for the configured model.

    Raises:
        PermanentError: RANKING_FILE names something else than a profile.
    """
    return _profile(settings.RANKING_FILE, generation.model if generation else settings.EMBEDDING_MODEL)


def index_name(endpoint: Endpoint) -> str:
    """Return the name of the first collection for a model and dimensions, as it was before there were generations."""
    model = re.sub(r"[^a-z0-9]+", "-", endpoint.model.lower()).strip("-")
    return f"isogloss-{SCHEMA_VERSION}-{model}-{endpoint.dimensions or 'full'}"


def forget() -> None:
    """Have the clients made anew."""
    _embedder.cache_clear()
    _index.cache_clear()
    _profile.cache_clear()
    get_reranker.cache_clear()
    get_redis.cache_clear()
    _chosen.clear()


@cache
def _embedder(endpoint: Endpoint, timeout_s: int) -> Embedder:
    return Embedder(
        endpoint.base_url,
        endpoint.model,
        api_key=endpoint.api_key,
        dimensions=endpoint.dimensions,
        timeout_s=timeout_s,
        family=endpoint.family,
        max_tokens=endpoint.max_tokens,
        tokenizer=Path(endpoint.tokenizer) if endpoint.tokenizer else None,
    )


@cache
def _profile(file: str, model: str) -> Profile:
    if not file:
        return profile_of(model)
    try:
        return read_profile(Path(file))
    except (OSError, ValueError) as exc:
        raise PermanentError("ranking_file_invalid", str(exc)) from exc


@cache
def _index(url: str, name: str, api_key: str) -> VectorIndex:
    return VectorIndex(url, name, api_key=api_key)


_chosen: dict[tuple[int, tuple[Embedder, ...]], Embedder] = {}


def _same_weights(pk: int, embedders: tuple[Embedder, ...], generation: IndexGeneration) -> Embedder:
    if (pk, embedders) not in _chosen:
        error: IsoglossError = ModelChangedError("index_model_drifted", f"other weights answer to {generation.model}")
        before = generation.fingerprint.vectors
        for embedder in embedders:
            try:
                if is_same_model(before, probe(embedder)):
                    _chosen[pk, embedders] = embedder
                    break
            except IsoglossError as exc:
                error = exc
        else:
            raise error
    return _chosen[pk, embedders]
