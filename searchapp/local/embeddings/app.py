"""The web application: routes, the key, and the threads that run the model."""

import logging
import re
import time
from collections.abc import Callable
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from searchapp.local.embeddings.models import EmbeddingModel, TextTooLongError, unit_rows
from searchapp.local.embeddings.protocol import (
    BadRequestError,
    EmbeddingRequest,
    TokenizeRequest,
    check_not_blank,
    embedding_response,
    error_response,
)
from searchapp.local.http import KeyGuard

logger = logging.getLogger(__name__)

# 2,000 passages of the longest kind are some 20 MB of JSON; what is larger is a mistake.
_MAX_BODY_BYTES = 64 * 2**20
# Requests that run the model at the same time, so that a query does not wait for a batch of passages.
# More would share the same cores and only take memory.
_CONCURRENT_REQUESTS = 4
_OPEN_PATHS = frozenset({"/health", "/ready"})
# How a query carries its instruction (model card of Qwen3-Embedding); no space follows the colon there.
_INSTRUCTION = re.compile(r"\AInstruct: [^\n]*\nQuery: ?")


def create_app(model: EmbeddingModel, *, name: str, api_key: str) -> Starlette:
    """Build the server for one model.

    Args:
        model: the model to serve.
        name: what ``/v1/models`` calls it.
        api_key: the key every request must bring, ``/health`` and ``/ready`` excepted.
    """
    endpoints = _Endpoints(model, name)
    return Starlette(
        routes=[
            Route("/v1/embeddings", endpoints.embeddings, methods=["POST"]),
            Route("/v1/tokenize", endpoints.tokenize, methods=["POST"]),
            Route("/v1/models", endpoints.models),
            Route("/model_info", endpoints.model_info),
            Route("/health", endpoints.health),
            Route("/ready", endpoints.ready),
        ],
        middleware=[Middleware(KeyGuard, key=api_key, open_paths=_OPEN_PATHS, refusal=_key_refusal())],
        exception_handlers={HTTPException: _answer_error, Exception: _answer_error},
        max_body_size=_MAX_BODY_BYTES,
    )


class _Endpoints:
    """Answer requests; whatever takes time runs in threads, so that the event loop stays free."""

    def __init__(self, model: EmbeddingModel, name: str) -> None:
        self._model = model
        self._name = name
        self._started_at_s = int(time.time())
        self._limiter = CapacityLimiter(_CONCURRENT_REQUESTS)

    async def embeddings(self, request: Request) -> Response:
        return await self._answer_in_thread(self._embed, await request.body())

    async def tokenize(self, request: Request) -> Response:
        return await self._answer_in_thread(self._tokenize, await request.body())

    async def models(self, _request: Request) -> Response:
        card = {
            "id": self._name,
            "object": "model",
            "created": self._started_at_s,
            "owned_by": "isogloss",
            "root": self._name,
            "max_model_len": self._model.max_tokens,
            "dimensions": self._model.dimensions,
            "languages": self._model.languages,
            "fingerprint": self._model.fingerprint,
        }
        return JSONResponse({"object": "list", "data": [card]})

    async def model_info(self, _request: Request) -> Response:
        return JSONResponse(
            {
                "model_path": self._name,
                "served_model_name": self._name,
                "is_generation": False,
                "max_model_len": self._model.max_tokens,
                "dimensions": self._model.dimensions,
                "languages": self._model.languages,
                "fingerprint": self._model.fingerprint,
                "embedding": {
                    "pooling": self._model.pooling,
                    "normalize": True,
                    "supports_dimensions": True,
                    "takes_instructions": self._model.takes_instructions,
                },
            }
        )

    async def health(self, _request: Request) -> Response:
        """Embed one word for real, as SGLang does: waits while the model is busy."""
        await to_thread.run_sync(self._model.encode, ["health"], limiter=self._limiter)
        return Response()

    async def ready(self, _request: Request) -> Response:
        """Answer at once: the port opens only after the model was loaded."""
        return Response()

    async def _answer_in_thread(self, answer: Callable[[bytes], dict[str, Any]], body: bytes) -> Response:
        def work() -> Response:
            # reading and writing the JSON of many texts takes as long as embedding them
            try:
                return JSONResponse(answer(body))
            except BadRequestError as exc:
                return _refusal(exc.detail, status=400, code=exc.code, param=exc.param)

        return await to_thread.run_sync(work, limiter=self._limiter)

    def _embed(self, body: bytes) -> dict[str, Any]:
        started = time.perf_counter()
        request = EmbeddingRequest.from_json(body, max_dimensions=self._model.dimensions)
        texts = request.texts
        if not self._model.takes_instructions:
            texts = [_INSTRUCTION.sub("", text) for text in texts]
            for index, text in enumerate(texts):
                check_not_blank(text, index)
        try:
            encoded = self._model.encode(texts)
        except TextTooLongError as exc:
            raise BadRequestError(exc.code, exc.detail, "input") from exc
        vectors = encoded.vectors
        if request.dimensions is not None:
            vectors = unit_rows(vectors[:, : request.dimensions])
        token_count = sum(encoded.token_counts)
        response = embedding_response(
            vectors, model_name=self._name, token_count=token_count, as_base64=request.as_base64
        )
        took_ms = round((time.perf_counter() - started) * 1000)
        logger.debug("embedded %d texts, %d tokens, took_ms=%d", len(texts), token_count, took_ms)
        return response

    def _tokenize(self, body: bytes) -> dict[str, Any]:
        request = TokenizeRequest.from_json(body)
        tokens = self._model.tokenize(request.prompts)
        counts = [len(ids) for ids in tokens]
        return {
            "tokens": tokens[0] if request.is_single else tokens,
            "count": counts[0] if request.is_single else counts,
            "max_model_len": self._model.max_tokens,
        }


def _key_refusal() -> JSONResponse:
    content = error_response(
        "Incorrect or missing API key: send the header Authorization: Bearer KEY",
        error_type="authentication_error",
        code="invalid_api_key",
    )
    return JSONResponse(content, status_code=401, headers={"WWW-Authenticate": "Bearer"})


def _refusal(message: str, *, status: int, code: str, param: str | None = None) -> Response:
    content = error_response(message, error_type="invalid_request_error", code=code, param=param)
    return JSONResponse(content, status_code=status)


def _answer_error(_request: Request, exc: Exception) -> Response:
    """Answer what the framework refuses (paths, methods, sizes), and errors of our own, which are logged."""
    if isinstance(exc, HTTPException):
        return _refusal(exc.detail, status=exc.status_code, code=f"http_{exc.status_code}")
    content = error_response(
        "The server failed to answer; its log says why", error_type="server_error", code="internal_error"
    )
    return JSONResponse(content, status_code=500)
