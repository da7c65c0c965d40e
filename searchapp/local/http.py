"""What the local servers share: a key on every request, one loopback address, a clean stop."""

import logging
import secrets
import signal
import socket
import sys
from types import FrameType
from typing import NoReturn

import uvicorn
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from searchapp.errors import PermanentError

logger = logging.getLogger(__name__)

_HOST = "127.0.0.1"

# A request still running when the stop signal comes has this long to end; its supervisor waits 2 s.
_STOP_TIMEOUT_S = 1


class PortError(PermanentError):
    """Raise when a server cannot listen; ``detail`` is one sentence for the person who started it."""


class KeyGuard:
    """ASGI middleware that answers ``refusal`` to every request without the key.

    The key is taken from ``Authorization: Bearer`` or from the header ``api-key``.

    Args:
        app: what answers requests that carry the key.
        key: the key.
        open_paths: paths that need no key, for health checks.
        refusal: the answer to all others, in the protocol's own shape.
    """

    def __init__(self, app: ASGIApp, *, key: str, open_paths: frozenset[str], refusal: ASGIApp) -> None:
        self._app = app
        self._key = key.encode()
        self._open_paths = open_paths
        self._refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        is_open = scope["type"] != "http" or scope["path"] in self._open_paths
        app = self._app if is_open or self._has_key(Headers(scope=scope)) else self._refusal
        await app(scope, receive, send)

    def _has_key(self, headers: Headers) -> bool:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = headers.get("api-key") or (token if scheme.lower() == "bearer" else "")
        return secrets.compare_digest(given.encode(), self._key)


def listen(port: int) -> socket.socket:
    """Open the loopback port of a local server; port 0 takes a free one.

    Raises:
        PortError: the port is taken or not allowed.
    """
    try:
        return socket.create_server((_HOST, port))
    except OSError as exc:
        raise PortError("port_unusable", f"Port {port} on {_HOST} cannot be opened: {exc.strerror}") from exc


def stop_on_sigterm() -> None:
    """Make SIGTERM end the program through its ``with`` blocks, with exit code 0.

    uvicorn takes the signal over while it serves and raises it again once it has stopped.
    """

    def leave(_number: int, _frame: FrameType | None) -> NoReturn:
        sys.exit(0)

    signal.signal(signal.SIGTERM, leave)


def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Answer requests until a stop signal; requests in flight get a moment to end."""
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level=logging.WARNING,
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=_STOP_TIMEOUT_S,
    )
    logger.info("listening on http://%s:%s", *listener.getsockname())
    uvicorn.Server(config).run(sockets=[listener])
