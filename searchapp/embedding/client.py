"""The client of the embedding service."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import openai
from numpy.typing import NDArray

from searchapp.embedding.errors import EmbeddingBusyError, EmbeddingRefusedError, EmbeddingUnavailableError
from searchapp.embedding.presets import DEFAULT_INSTRUCTION
from searchapp.embedding.tokens import estimate_tokens

MAX_BATCH_ITEMS = 64
# SGLang prefills in chunks of 8192 tokens by default; larger batches only wait longer for their first vector.
MAX_BATCH_TOKENS = 8_192
# A batch that the service is too busy for is worth a few quick tries; longer outages are the caller's to wait out.
QUICK_RETRIES = 2
# A person waits for the vector of a question, so each try for it is shorter than those for documents.
QUERY_TIMEOUT_S = 10.0
# The server, or a proxy before it, says that it cannot serve now; any other 5xx may be due to the texts.
BUSY_STATUSES = frozenset({429, 502, 503, 504})
# At 1024 dimensions 4 MB a process.
QUERY_CACHE_ENTRIES = 1_000
# Servers normalise in their own precision: bf16 gives norms within 0.3 % of one. Far outside lies a fault.
SMALLEST_NORM = 1e-6


def format_query(text: str, instruction: str) -> str:
    """Return the query as Qwen3-Embedding wants it: no blank after ``Query:`` (model card)."""
    return f"Instruct: {instruction}\nQuery:{text}"


class Embedder:
    """Embed documents and queries with one model.

    Thread-safe. The first call that needs the vectors' length asks the service for it once.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key: str = "EMPTY",
        dimensions: int = 0,
        timeout_s: float = 60.0,
    ) -> None:
        """Remember where the service is; nothing is sent yet.

        Args:
            base_url: address of the service, ends in ``/v1``.
            model: name under which the service serves the model.
            api_key: key of the service; any text where it wants none.
            dimensions: length that vectors are cut to, then normalised again; 0 keeps the model's own.
            timeout_s: longest wait for one request.
        """
        self.model = model
        self._timeout_s = timeout_s
        self._wanted_dimensions = dimensions
        self._known_dimensions = 0
        self._is_suspect = True
        self._embed_query = lru_cache(QUERY_CACHE_ENTRIES)(self._embed_query_anew)
        self._client = openai.OpenAI(
            base_url=base_url,
            api_key=api_key or "EMPTY",
            timeout=openai.Timeout(timeout_s, connect=5.0),
            max_retries=QUICK_RETRIES,
        )

    @property
    def dimensions(self) -> int:
        """Return the length of the vectors, found by embedding one word on first use.

        Raises:
            EmbeddingUnavailableError, EmbeddingBusyError, EmbeddingRefusedError: as `embed_documents`.
        """
        if not self._known_dimensions:
            self._request(["dimensions"], self._client)
        return self._known_dimensions

    def check(self) -> None:
        """Ask the service for one vector if it did not answer the last time; cheap otherwise.

        Raises:
            EmbeddingUnavailableError, EmbeddingBusyError, EmbeddingRefusedError: as `embed_documents`.
        """
        if self._is_suspect:
            self._request(["check"], self._client)

    def embed_documents(self, texts: Sequence[str], *, timeout_s: float | None = None) -> NDArray[np.float32]:
        """Embed passages, bare, in the order given.

        Args:
            texts: cleaned, none blank.
            timeout_s: longest wait for one batch, without retries; else that of the client, with them.

        Returns:
            ``(len(texts), dimensions)`` float32, unit L2 norm.

        Raises:
            EmbeddingUnavailableError: no connection, no answer in time, or the service says try later.
            EmbeddingBusyError: the service broke over the request.
            EmbeddingRefusedError: the request or the vectors are wrong.
        """
        client = self._client if timeout_s is None else self._client.with_options(timeout=timeout_s, max_retries=0)
        batches = [self._request(texts[start:end], client) for start, end in _batches(texts)]
        if not batches:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        return np.concatenate(batches)

    def embed_query(self, text: str, *, instruction: str = "") -> NDArray[np.float32]:
        """Embed one question with the instruction that says what it is meant to find.

        The last thousand questions are remembered.

        Returns:
            ``(dimensions,)`` float32, unit L2 norm, read-only.

        Raises:
            EmbeddingUnavailableError, EmbeddingBusyError, EmbeddingRefusedError: as `embed_documents`.
        """
        return self._embed_query(format_query(text, instruction or DEFAULT_INSTRUCTION))

    def _embed_query_anew(self, framed: str) -> NDArray[np.float32]:
        client = self._client.with_options(timeout=min(self._timeout_s, QUERY_TIMEOUT_S))
        vector: NDArray[np.float32] = self._request([framed], client)[0]
        vector.flags.writeable = False
        return vector

    def _request(self, texts: Sequence[str], client: openai.OpenAI) -> NDArray[np.float32]:
        self._is_suspect = True
        vectors = self._checked(self._send(texts, client))
        self._known_dimensions = vectors.shape[1]
        self._is_suspect = False
        return vectors

    def _send(self, texts: Sequence[str], client: openai.OpenAI) -> list[list[float]]:
        try:
            response = client.embeddings.create(model=self.model, input=list(texts))
        except openai.APITimeoutError as exc:
            raise EmbeddingUnavailableError("embedding_timeout", str(exc)) from exc
        except openai.APIConnectionError as exc:
            raise EmbeddingUnavailableError("embedding_unreachable", f"{exc} {exc.__cause__ or ''}".strip()) from exc
        except (openai.RateLimitError, openai.InternalServerError) as exc:
            error = EmbeddingUnavailableError if exc.status_code in BUSY_STATUSES else EmbeddingBusyError
            raise error("embedding_busy", _detail(exc)) from exc
        except (openai.AuthenticationError, openai.PermissionDeniedError) as exc:
            raise EmbeddingRefusedError("embedding_key_refused", _detail(exc)) from exc
        except openai.NotFoundError as exc:
            raise EmbeddingRefusedError("embedding_not_found", _detail(exc)) from exc
        except openai.APIStatusError as exc:
            raise EmbeddingRefusedError("embedding_refused", _detail(exc)) from exc
        except (openai.APIError, ValueError, AttributeError, TypeError) as exc:
            # The last two: the SDK takes the answer for what was asked for, whatever it is.
            raise EmbeddingRefusedError("embedding_answer_invalid", str(exc)) from exc
        if len(response.data) != len(texts):
            raise EmbeddingRefusedError(
                "embedding_answer_invalid", f"{len(texts)} texts sent, {len(response.data)} vectors received"
            )
        ordered = sorted(response.data, key=lambda item: item.index)
        return [item.embedding for item in ordered]

    def _checked(self, rows: list[list[float]]) -> NDArray[np.float32]:
        lengths = {len(row) for row in rows}
        if len(lengths) != 1:
            raise EmbeddingRefusedError("embedding_answer_invalid", f"vectors of different lengths: {sorted(lengths)}")
        vectors = np.asarray(rows, dtype=np.float32)
        wanted = self._wanted_dimensions
        if wanted > vectors.shape[1]:
            raise EmbeddingRefusedError(
                "embedding_dimensions",
                f"EMBEDDING_DIMENSIONS is {wanted}, the model gives {vectors.shape[1]}",
            )
        if wanted:
            vectors = vectors[:, :wanted]
        if self._known_dimensions and vectors.shape[1] != self._known_dimensions:
            raise EmbeddingRefusedError(
                "embedding_dimensions", f"{self._known_dimensions} expected, {vectors.shape[1]} received"
            )
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(norms).all() or (norms < SMALLEST_NORM).any():
            raise EmbeddingRefusedError("embedding_answer_invalid", "a vector is zero or not finite")
        normalised: NDArray[np.float32] = vectors / norms
        return normalised


def blend(
    vectors: NDArray[np.float32], contexts: NDArray[np.float32], shares: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Draw each vector towards its context and normalise again.

    Args:
        vectors: ``(n, dimensions)`` float32, unit L2 norm.
        contexts: the same shape; rows whose share is 0 do not matter.
        shares: ``(n,)`` float32 in [0, 1), how much of the context goes in.

    Returns:
        ``(n, dimensions)`` float32, unit L2 norm.
    """
    mixed = (1 - shares)[:, None] * vectors + shares[:, None] * contexts
    blended: NDArray[np.float32] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    return blended


def _batches(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    start, tokens = 0, 0
    for position, text in enumerate(texts):
        count = estimate_tokens(text)
        is_full = position - start >= MAX_BATCH_ITEMS or tokens + count > MAX_BATCH_TOKENS
        if position > start and is_full:
            yield start, position
            start, tokens = position, 0
        tokens += count
    if start < len(texts):
        yield start, len(texts)


def _detail(exc: openai.APIStatusError) -> str:
    return f"HTTP {exc.status_code}: {exc.message}"
