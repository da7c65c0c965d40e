"""An embedding service with exactly one fault, over a real model: what the doctor has to find.

`Service` speaks the API as SGLang does. Each field is one thing that can be wrong about it.
"""

import base64
import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from searchapp.local.embeddings import EmbeddingModel, load_model
from searchapp.local.embeddings.models import qwen3, unit_rows

Vectors = NDArray[np.float32]
Encode = Callable[[list[str]], Vectors]
TINY_QWEN3 = Path(__file__).parent / "fixtures" / "tiny-qwen3"
BUILT_IN = Path(qwen3.__file__).parents[2] / "data" / "multilingual-static"
# A certificate of our own for 127.0.0.1, for tests alone: nobody trusts it, which is the fault.
CERTIFICATE = Path(__file__).parent / "fixtures" / "untrusted-certificate.pem"
MODEL_NAME = "tiny-qwen3-embedding"
Answer = tuple[int, str, bytes]


def encoding(model: EmbeddingModel) -> Encode:
    """Return the vectors of a model that is served rightly."""
    return lambda texts: model.encode(texts).vectors


def states(model: qwen3.Qwen3Model, ids: Sequence[int]) -> Vectors:
    """Return the final state of every token of one text, which the model itself keeps the last of."""
    numbers = np.array(ids)
    rotation = model._rotation(np.arange(len(numbers)))
    found = model._embeddings.rows(numbers)
    for layer in model._layers:
        normed = model._norm(found, layer.input_norm)
        found = found + model._attention(normed, layer, rotation, [slice(0, len(numbers))])
        found = found + qwen3._feed_forward(model._norm(found, layer.feed_forward_norm), layer)
    return model._norm(found, model._final_norm)


def with_mean_pooling(model: qwen3.Qwen3Model) -> Encode:
    return lambda texts: unit_rows(np.stack([states(model, ids).mean(axis=0) for ids in model.tokenize(texts)]))


def without_end_token(model: qwen3.Qwen3Model) -> Encode:
    return lambda texts: unit_rows(np.stack([states(model, ids[:-1])[-1] for ids in model.tokenize(texts)]))


def cut_at(model: qwen3.Qwen3Model, tokens: int) -> Encode:
    """Cut a text in silence, its end token kept."""

    def encode(texts: list[str]) -> Vectors:
        kept = [ids if len(ids) <= tokens else [*ids[: tokens - 1], ids[-1]] for ids in model.tokenize(texts)]
        return unit_rows(np.stack([states(model, ids)[-1] for ids in kept]))

    return encode


@dataclass
class Service:
    """What is served, and how it answers.

    Attributes:
        encode: texts to vectors, all that is wrong with vectors included.
        tokenize: for counts, and for ``/v1/tokenize`` where it is offered.
        most_items: more in one request are refused.
        overfull_status: how they are refused.
        answer_as: what becomes of a right answer's JSON.
        answer_all: answers everything in place of the service.
        overlong: the tokens from which a text is refused, None where the encoder takes all.
        overlong_status: how it is refused.
        shorten: what becomes of vectors that are asked for shorter.
        headers: sent with every answer.
    """

    encode: Encode
    tokenize: Callable[[Sequence[str]], list[list[int]]]
    name: str = MODEL_NAME
    listed: str | None = None
    prefix: str = "/v1"
    api_key: str = ""
    info: dict[str, Any] = field(default_factory=dict)
    has_tokenize: bool = False
    most_items: int = 10_000
    overfull_status: int = 422
    takes_dimensions: bool = True
    checks_name: bool = False
    answer_as: Callable[[dict[str, Any]], object] = lambda answer: answer
    answer_all: Callable[[str], Answer] | None = None
    pack: Callable[[Vectors], bytes] = lambda vector: vector.astype("<f4").tobytes()
    overlong: int | None = None
    overlong_status: int = 400
    shorten: Callable[[Vectors, int], Vectors] = lambda vectors, length: unit_rows(vectors[:, :length])
    headers: dict[str, str] = field(default_factory=dict)
    rerank: Callable[[str, list[str]], list[float]] | None = None
    delay: threading.Event | None = None
    asked: int = 0

    def answer(self, method: str, path: str, key: str, body: bytes) -> Answer:
        self.asked += 1
        if self.delay:
            self.delay.wait()
        if self.answer_all:
            return self.answer_all(path)
        if self.api_key and key != f"Bearer {self.api_key}":
            return _json(401, {"error": "Unauthorized"})
        if method == "GET":
            return self._describe(path)
        fields = json.loads(body)
        if path == f"{self.prefix}/embeddings":
            return self._embed(fields)
        if path == f"{self.prefix}/tokenize" and self.has_tokenize:
            return _json(200, {"tokens": self.tokenize([fields["prompt"]])[0]})
        if path == f"{self.prefix}/rerank" and self.rerank:
            scores = self.rerank(fields["query"], fields["documents"])
            rows = [{"index": index, "score": score} for index, score in enumerate(scores)]
            return _json(200, sorted(rows, key=lambda row: -(row["score"] or 0)))
        return _json(404, {"detail": "Not Found"})

    def _describe(self, path: str) -> Answer:
        if path == f"{self.prefix}/models":
            return _json(200, {"object": "list", "data": [{"id": self.listed or self.name, "object": "model"}]})
        if path == "/model_info" and self.info:
            return _json(200, self.info)
        return _json(404, {"detail": "Not Found"})

    def _embed(self, fields: dict[str, Any]) -> Answer:
        texts = fields["input"]
        if self.checks_name and fields["model"] != self.name:
            return _json(404, {"message": f"The model `{fields['model']}` does not exist.", "code": 404})
        if ":" in fields["model"]:
            return _json(400, {"message": "LoRA is not enabled", "code": 400})
        if len(texts) > self.most_items:
            words = f"batch size {len(texts)} > maximum allowed batch size {self.most_items}"
            return _json(self.overfull_status, {"message": words})
        counts = [len(ids) for ids in self.tokenize(texts)]
        if self.overlong and max(counts) >= self.overlong:
            words = f"The input is longer than the context length ({self.overlong} tokens)."
            return _json(self.overlong_status, {"message": words})
        if "dimensions" in fields and not self.takes_dimensions:
            return _json(400, {"message": "does not support matryoshka representation"})
        vectors = self.encode(texts)
        if "dimensions" in fields:
            vectors = self.shorten(vectors, fields["dimensions"])
        packed = fields.get("encoding_format") == "base64"
        rows = [base64.b64encode(self.pack(row)).decode() if packed else row.tolist() for row in vectors]
        data = [{"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(rows)]
        return _json(200, self.answer_as({"object": "list", "data": data, "usage": {"prompt_tokens": sum(counts)}}))


def _json(status: int, body: object) -> Answer:
    return status, "application/json", json.dumps(body).encode()


def healthy(model: EmbeddingModel, **changes: Any) -> Service:
    """Return a service without fault, but for what is changed."""
    return Service(**{"encode": encoding(model), "tokenize": model.tokenize, **changes})


@contextmanager
def serving(service: Service, *, certificate: Path | None = None) -> Iterator[str]:
    """Serve on a free port and give the address without path."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet; in two, each answer waits for a delayed acknowledgement

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            key = self.headers.get("Authorization", "")
            path = self.requestline.split()[1]  # `self.path` has double slashes put right
            status, kind, content = service.answer(self.command, path, key, body)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            for name, value in service.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            self.wfile.flush()

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *args: object) -> None:
            """Keep quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Clients that go away in the middle are what some tests are about."""

    with Server(("127.0.0.1", 0), Handler) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}"
        finally:
            if service.delay:
                service.delay.set()
            server.shutdown()
            thread.join()


@contextmanager
def hanging_up() -> Iterator[str]:
    """Listen on a port, read what comes and close without an answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, _address = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextmanager
def never_accepting() -> Iterator[str]:
    """Give the address of a port that takes no connection, as behind a firewall: its queue is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = []
        for _number in range(4):
            client = socket.socket()
            client.settimeout(0)
            client.connect_ex(listener.getsockname())
            waiting.append(client)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for client in waiting:
                client.close()


@contextmanager
def broker(*, clock_s: float) -> Iterator[str]:
    """Serve what the doctor asks a Redis for, with a clock of its own, and give the address."""
    replies = {
        b"TIME": f"*2\r\n${len(str(int(clock_s)))}\r\n{int(clock_s)}\r\n$1\r\n0\r\n".encode(),
        b"INFO": b"$13\r\naof_enabled:1\r\n",
        b"LLEN": b":0\r\n",
        b"HELLO": b"%1\r\n$5\r\nproto\r\n:3\r\n",
        b"CONFIG": b"%1\r\n$4\r\nsave\r\n$0\r\n\r\n",
    }

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while count := self.rfile.readline():
                words = []
                for _number in range(int(count[1:])):
                    length = int(self.rfile.readline()[1:])
                    words.append(self.rfile.read(length + 2)[:-2])
                self.wfile.write(replies.get(words[0].upper(), b"+OK\r\n"))

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"redis://127.0.0.1:{server.server_address[1]}/0"
        finally:
            server.shutdown()
            thread.join()


def closed_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def tiny_qwen3() -> qwen3.Qwen3Model:
    model = load_model(TINY_QWEN3)
    assert isinstance(model, qwen3.Qwen3Model)
    return model
