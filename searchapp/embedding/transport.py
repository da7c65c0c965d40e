"""One request to the service, and what its answer means."""

import base64
import binascii
import json
from collections.abc import Sequence

import numpy as np
import openai
from numpy.typing import NDArray

from searchapp.embedding.errors import EmbeddingBusyError, EmbeddingRefusedError, EmbeddingUnavailableError

# The server, or a proxy before it, says that it cannot serve now; any other 5xx may be due to the texts.
BUSY_STATUSES = frozenset({408, 425, 429, 502, 503, 504})
CONNECT_TIMEOUT_S = 5.0
# These name a fault of the texts or of the request as a whole, which only smaller requests can tell apart.
REFUSED_STATUSES = frozenset({400, 413, 422})


class TextsRefusedError(EmbeddingRefusedError):
    """Raise when the service refuses a request for what is in it."""


class TurnedAwayError(EmbeddingUnavailableError):
    """Raise when the service answers that it is too busy; ``retry_after_s`` is its own word, or 0."""

    retry_after_s = 0.0


def request_vectors(
    client: openai.OpenAI, model: str, texts: Sequence[str], *, timeout_s: float, dimensions: int = 0
) -> NDArray[np.float32]:
    """Return what the service answers to the texts, in their order, not yet judged.

    Args:
        client: of the service; makes no tries of its own.
        model: name under which the service serves the model.
        texts: as they are to be embedded.
        timeout_s: longest wait for the answer.
        dimensions: length to ask for; 0 asks for none.

    Returns:
        ``(len(texts), length)`` float32 of any norm.

    Raises:
        EmbeddingUnavailableError: no connection or no answer in time.
        TurnedAwayError: the service is too busy.
        EmbeddingBusyError: it broke over the request.
        TextsRefusedError: it refuses what is in the request.
        EmbeddingRefusedError: it refuses all requests like this, or its answer cannot be right.
    """
    try:
        # Not `client.embeddings.create`, which walks through every text and turns every number into an object: with
        # small models that takes longer than the embedding.
        content = client.post(
            "/embeddings",
            cast_to=openai.HttpxBinaryResponseContent,
            body={"model": model, "input": list(texts), "encoding_format": "base64"}
            | ({"dimensions": dimensions} if dimensions else {}),
            options={"timeout": openai.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S)},
        ).content
    except openai.APITimeoutError as exc:
        raise EmbeddingUnavailableError("embedding_timeout", str(exc)) from exc
    except openai.APIConnectionError as exc:
        raise EmbeddingUnavailableError("embedding_unreachable", f"{exc} {exc.__cause__ or ''}".strip()) from exc
    except openai.APIStatusError as exc:
        raise _error_of(exc) from exc
    except (openai.APIError, ValueError) as exc:
        raise EmbeddingRefusedError("embedding_answer_invalid", str(exc)) from exc
    return _vectors(content, len(texts))


def _error_of(exc: openai.APIStatusError) -> Exception:
    detail = f"HTTP {exc.status_code}: {exc.message}"
    if exc.status_code in BUSY_STATUSES:
        error = TurnedAwayError("embedding_busy", detail)
        error.retry_after_s = _seconds(exc.response.headers.get("retry-after", ""))
        return error
    if exc.status_code >= 500:
        return EmbeddingBusyError("embedding_busy", detail)
    if exc.status_code in (401, 403):
        return EmbeddingRefusedError("embedding_key_refused", detail)
    if exc.status_code == 404:
        return EmbeddingRefusedError("embedding_not_found", detail)
    if exc.status_code in REFUSED_STATUSES:
        return TextsRefusedError("embedding_refused", detail)
    return EmbeddingRefusedError("embedding_refused", detail)


def _seconds(header: str) -> float:
    try:
        return max(0.0, float(header))
    except ValueError:
        return 0.0  # a date: our own waiting will do


def _vectors(content: bytes, count: int) -> NDArray[np.float32]:
    try:
        items = json.loads(content)["data"]
        found = len(items)
        rows: list[NDArray[np.float32] | None] = [None] * count
        if found == count:
            for item in items:
                rows[_position(item["index"], count)] = _row(item["embedding"])
    except (ValueError, KeyError, TypeError, OverflowError, binascii.Error, RecursionError) as exc:
        raise EmbeddingRefusedError(
            "embedding_answer_invalid", f"no embeddings: {type(exc).__name__} {exc}; {content[:200]!r}"
        ) from exc
    if found != count:
        raise EmbeddingRefusedError("embedding_answer_invalid", f"{count} texts sent, {found} vectors received")
    whole = [row for row in rows if row is not None]
    if len(whole) != count:
        raise EmbeddingRefusedError("embedding_answer_invalid", "two vectors for one text")
    lengths = sorted({len(row) for row in whole})
    if len(lengths) != 1 or not lengths[0]:
        raise EmbeddingRefusedError("embedding_answer_invalid", f"vectors of different lengths: {lengths}")
    return np.stack(whole)


def _position(index: object, count: int) -> int:
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < count:
        raise ValueError(f"index {index!r}")
    return index


def _row(embedding: object) -> NDArray[np.float32]:
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4")
    with np.errstate(over="ignore"):  # what is beyond float32 becomes infinite, which is found later
        row = np.asarray(embedding, dtype=np.float32)
    if row.ndim != 1 or (row.size and isinstance(embedding, list) and isinstance(embedding[0], str)):
        raise ValueError("an embedding is no list of numbers")
    return row
