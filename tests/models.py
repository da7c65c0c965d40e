"""Embedding services for tests of a change of the model, each in a thread of the test."""

import hashlib
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

# As they are before a test changes them.
ADDRESS, KEY, MODEL = settings.EMBEDDING_BASE_URL, settings.EMBEDDING_API_KEY, settings.EMBEDDING_MODEL
Embed = Callable[[list[str]], NDArray[np.float32]]


class Model:
    """A running service. ``hold_at`` is the number of the request that gets no answer until ``release`` is set."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests = 0
        self.texts = 0
        self.hold_at = 0
        self.is_held = threading.Event()
        self.release = threading.Event()
        self.is_down = False
        self._lock = threading.Lock()

    def pass_request(self, texts: list[str]) -> None:
        with self._lock:
            self.requests += 1
            self.texts += len(texts)
            is_to_be_held = self.requests == self.hold_at
        if is_to_be_held:
            self.is_held.set()
            self.release.wait(120)

    def hold(self, *, after: int) -> None:
        """Hold the request that comes after so many more."""
        self.is_held.clear()
        self.release.clear()
        self.hold_at = self.requests + after + 1


def built_in(texts: list[str]) -> NDArray[np.float32]:
    """Embed with the model that the local server of the tests has."""
    parts = urlsplit(ADDRESS)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    body = json.dumps({"model": MODEL, "input": texts, "encoding_format": "float"})
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    connection.request("POST", f"{parts.path}/embeddings", body, headers)
    answer = json.load(connection.getresponse())
    connection.close()
    return np.asarray([row["embedding"] for row in answer["data"]], dtype=np.float32)


def rotated(seed: int) -> Embed:
    """Return a model as good as the built-in one, in whose vectors nothing of another model is found."""
    made: list[NDArray[np.float32]] = []

    def embed(texts: list[str]) -> NDArray[np.float32]:
        vectors = built_in(texts)
        if not made:
            rng = np.random.default_rng(seed)
            made.append(np.linalg.qr(rng.normal(size=(vectors.shape[1],) * 2))[0].astype(np.float32))
        return vectors @ made[0]

    return embed


def worthless(texts: list[str]) -> NDArray[np.float32]:
    """Embed each text somewhere, by chance."""
    seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") for text in texts]
    return np.stack([np.random.default_rng(seed).normal(size=96) for seed in seeds]).astype(np.float32)


@contextmanager
def serving(embed: Embed) -> Iterator[Model]:
    """Serve a model under any name."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if not self.path.endswith("/embeddings"):
                self.do_GET()
                return
            texts = body["input"]
            model.pass_request(texts)
            if model.is_down:
                self.answer(503, {"message": "down"})
                return
            rows = embed(texts).tolist()
            data = [{"object": "embedding", "index": at, "embedding": row} for at, row in enumerate(rows)]
            self.answer(200, {"object": "list", "model": "any", "data": data, "usage": {}})

        def do_GET(self) -> None:
            self.answer(404, {"detail": "Not Found"})

        def answer(self, status: int, body: object) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *args: object) -> None:
            """Say nothing of a client that was killed."""

    with Server(("127.0.0.1", 0), Handler) as server:
        model = Model(f"http://127.0.0.1:{server.server_port}/v1")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield model
        finally:
            model.release.set()
            server.shutdown()
            thread.join()
