"""Qdrant's REST API over a `VectorStore`: routes, answers, errors."""

import json
import logging
import time
from collections.abc import Callable
from typing import Any, NoReturn

import qdrant_edge as edge
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from searchapp.local.http import KeyGuard

from .collection import VectorCollection
from .errors import EngineError, RequestError
from .schema import Schema, read_index
from .store import VectorStore
from .updates import (
    read_clear_payload,
    read_delete,
    read_delete_payload,
    read_overwrite_payload,
    read_set_payload,
    read_upsert,
)

logger = logging.getLogger(__name__)

# The version of the REST API spoken here: clients warn when it is more than one minor version off.
API_VERSION = "1.20.0"

# Qdrant's default limit (`service.max_request_size_mb` in its configuration reference).
_MAX_REQUEST_BYTES = 32 * 1024 * 1024

_OPEN_PATHS = frozenset({"/", "/healthz", "/livez", "/readyz"})

_Answer = Callable[[VectorStore, Request, Any], Any]
_Read = Callable[[VectorCollection, Any], Any]
_Write = Callable[[Any, Schema], list[edge.UpdateOperation]]

_READS: dict[str, _Read] = {
    "points": VectorCollection.retrieve,
    "points/scroll": VectorCollection.scroll,
    "points/count": VectorCollection.count,
    "points/query": VectorCollection.query,
    "points/query/batch": VectorCollection.query_batch,
    "facet": VectorCollection.facet,
}
_WRITES: dict[tuple[str, str], _Write] = {
    ("PUT", "points"): read_upsert,
    ("POST", "points/delete"): read_delete,
    ("POST", "points/payload"): read_set_payload,
    ("PUT", "points/payload"): read_overwrite_payload,
    ("POST", "points/payload/delete"): read_delete_payload,
    ("POST", "points/payload/clear"): read_clear_payload,
    ("PUT", "index"): lambda body, _schema: [read_index(body)],
}


def create_app(store: VectorStore, *, key: str) -> Starlette:
    """Make the ASGI application that serves ``store`` to clients that know ``key``."""

    def route(method: str, path: str, answer: _Answer) -> Route:
        return Route(path, _endpoint(store, answer), methods=[method])

    collection = "/collections/{collection}"
    return Starlette(
        routes=[
            Route("/", _show_version),
            *(Route(path, _say_ready) for path in ("/healthz", "/livez", "/readyz")),
            route("GET", "/collections", _list_collections),
            route("GET", "/aliases", lambda store, _request, _body: {"aliases": store.aliases()}),
            route("POST", "/collections/aliases", _change_aliases),
            route("GET", collection, lambda store, request, _body: _named(store, request).describe()),
            route("PUT", collection, _create_collection),
            route("DELETE", collection, lambda store, request, _body: store.delete(_name(request))),
            route("GET", f"{collection}/exists", _tell_existence),
            route("GET", f"{collection}/aliases", _list_aliases),
            route("DELETE", f"{collection}/index/{{field}}", _delete_index),
            *(route("POST", f"{collection}/{path}", _reading(read)) for path, read in _READS.items()),
            *(route(method, f"{collection}/{path}", _writing(write)) for (method, path), write in _WRITES.items()),
        ],
        middleware=[Middleware(KeyGuard, key=key, open_paths=_OPEN_PATHS, refusal=_refusal())],
        exception_handlers={
            RequestError: _refuse,
            EngineError: _refuse,
            HTTPException: _refuse_http,
            Exception: _fail,
        },
        max_body_size=_MAX_REQUEST_BYTES,
    )


def _endpoint(store: VectorStore, answer: _Answer) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        # Decoding and encoding vectors takes as long as searching them: all of it leaves the event loop.
        return await run_in_threadpool(respond, request, await request.body())

    def respond(request: Request, raw: bytes) -> Response:
        started = time.perf_counter()
        result = answer(store, request, _decode(raw))
        return JSONResponse({"result": result, "status": "ok", "time": time.perf_counter() - started})

    return endpoint


def _reading(read: _Read) -> _Answer:
    return lambda store, request, body: read(_named(store, request), body)


def _writing(write: _Write) -> _Answer:
    def answer(store: VectorStore, request: Request, body: Any) -> Any:
        collection = _named(store, request)
        return collection.update(write(body, collection.schema), is_waited_for=_is_waited_for(request))

    return answer


def _create_collection(store: VectorStore, request: Request, body: Any) -> bool:
    store.create(_name(request), body)
    return True


def _list_collections(store: VectorStore, _request: Request, _body: Any) -> Any:
    return {"collections": [{"name": name} for name in store.names()]}


def _tell_existence(store: VectorStore, request: Request, _body: Any) -> Any:
    return {"exists": store.has(_name(request))}


def _change_aliases(store: VectorStore, _request: Request, body: Any) -> bool:
    store.change_aliases(body)
    return True


def _list_aliases(store: VectorStore, request: Request, _body: Any) -> Any:
    return {"aliases": store.aliases(_name(request))}


def _delete_index(store: VectorStore, request: Request, _body: Any) -> Any:
    operation = edge.UpdateOperation.delete_field_index(request.path_params["field"])
    return _named(store, request).update([operation], is_waited_for=_is_waited_for(request))


def _named(store: VectorStore, request: Request) -> VectorCollection:
    return store.get(_name(request))


def _name(request: Request) -> str:
    return str(request.path_params["collection"])


def _is_waited_for(request: Request) -> bool:
    return request.query_params.get("wait", "false").lower() == "true"


def _decode(raw: bytes) -> Any:
    def refuse_constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is no JSON number")

    if not raw:
        return {}
    try:
        return json.loads(raw, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as exc:
        raise RequestError("wrong_json", f"Format error in JSON body: {exc}") from exc


async def _show_version(_request: Request) -> Response:
    return JSONResponse({"title": "Isogloss local vector server", "version": API_VERSION})


async def _say_ready(_request: Request) -> Response:
    return PlainTextResponse("ready")


async def _refuse(_request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RequestError | EngineError)  # noqa: S101 - narrows the type of the handler
    return _error(exc.status, exc.detail)


async def _refuse_http(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)  # noqa: S101 - narrows the type of the handler
    if exc.status_code in (404, 405):
        return _error(501, f"Not supported by the local vector server: {request.method} {request.url.path}")
    return _error(exc.status_code, exc.detail)


async def _fail(_request: Request, _exc: Exception) -> Response:
    return _error(500, "Service internal error: see the log of the local vector server")


def _refusal() -> Response:
    return _error(401, "Must provide an API key or an Authorization bearer token")


def _error(status: int, message: str) -> Response:
    return JSONResponse({"status": {"error": message}, "time": 0.0}, status_code=status)
