"""The client of the embedding service against servers with one fault each."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from searchapp.embedding import (
    Embedder,
    EmbeddingBusyError,
    EmbeddingRefusedError,
    EmbeddingUnavailableError,
    client,
    estimate_tokens,
    format_query,
)
from searchapp.errors import ServiceUnavailableError

Answer = Callable[[list[str]], tuple[int, object]]


@contextmanager
def serving(answer: Answer) -> Iterator[tuple[Embedder, list[list[str]]]]:
    """Run an embedding service that answers as told, and note what it is asked."""
    asked: list[list[str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(body["input"])
            status, payload = answer(body["input"])
            content = json.dumps(payload).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Embedder(f"http://127.0.0.1:{server.server_port}/v1", "model", timeout_s=5), asked
        finally:
            server.shutdown()
            thread.join()


def vectors(rows: list[list[float]]) -> tuple[int, object]:
    data = [{"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(rows)]
    return 200, {"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}}


def by_length(texts: list[str]) -> tuple[int, object]:
    return vectors([[float(len(text)), 1.0] for text in texts])


def test_embed_documents_order_is_kept_over_batches_and_vectors_are_normalised() -> None:
    texts = ["x" * (1 + number % 7) for number in range(150)]
    with serving(by_length) as (embedder, asked):
        found = embedder.embed_documents(texts)
    assert len(asked) > 1
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(found[:, 0] / found[:, 1], [len(text) for text in texts], rtol=1e-5)


def test_embed_documents_nothing_gives_an_empty_array_of_the_right_width() -> None:
    with serving(by_length) as (embedder, _asked):
        assert embedder.embed_documents([]).shape == (0, 2)


def test_embed_query_carries_the_instruction_once_asked_and_documents_do_not() -> None:
    with serving(by_length) as (embedder, asked):
        embedder.embed_query("where?", instruction="Find the place")
        embedder.embed_query("where?", instruction="Find the place")
        embedder.embed_documents(["here"])
    assert asked == [["Instruct: Find the place\nQuery:where?"], ["here"]]


def test_embed_documents_answer_out_of_order_is_put_in_order() -> None:
    def shuffled(texts: list[str]) -> tuple[int, object]:
        status, payload = by_length(texts)
        payload["data"].reverse()  # type: ignore[index]
        return status, payload

    with serving(shuffled) as (embedder, _asked):
        found = embedder.embed_documents(["x", "xx"])
    assert found[0, 0] < found[1, 0]


def test_embedder_wanted_dimensions_are_cut_and_normalised() -> None:
    with serving(lambda texts: vectors([[3.0, 4.0, 12.0] for _ in texts])) as (embedder, _asked):
        cut = Embedder(str(embedder._client.base_url), "model", dimensions=2)
        np.testing.assert_allclose(cut.embed_documents(["x"]), [[0.6, 0.8]], atol=1e-6)
        assert cut.dimensions == 2


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (lambda texts: vectors([[0.0, 0.0] for _ in texts]), "embedding_answer_invalid"),
        (lambda texts: vectors([[float("nan"), 1.0] for _ in texts]), "embedding_answer_invalid"),
        (lambda texts: vectors([[1.0, 0.0]] * (len(texts) + 1)), "embedding_answer_invalid"),
        (lambda texts: vectors([[1.0] * (index + 1) for index in range(len(texts))]), "embedding_answer_invalid"),
        (lambda texts: (200, "no vectors"), "embedding_answer_invalid"),
        (lambda texts: (401, {"error": "Unauthorized"}), "embedding_key_refused"),
        (lambda texts: (404, {"detail": "Not Found"}), "embedding_not_found"),
        (lambda texts: (400, {"object": "error", "message": "too long"}), "embedding_refused"),
    ],
)
def test_embed_documents_wrong_answer_is_refused(answer: Answer, code: str) -> None:
    with serving(answer) as (embedder, _asked), pytest.raises(EmbeddingRefusedError) as caught:
        embedder.embed_documents(["one", "two"])
    assert caught.value.code == code


def test_embed_documents_vectors_of_another_length_than_before_are_refused() -> None:
    width = [2]
    with serving(lambda texts: vectors([[1.0] * width[0] for _ in texts])) as (embedder, _asked):
        embedder.embed_documents(["one"])
        width[0] = 3
        with pytest.raises(EmbeddingRefusedError, match="2 expected, 3 received"):
            embedder.embed_documents(["one"])


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_embed_documents_busy_service_is_unavailable_and_was_tried_again(status: int) -> None:
    busy = (status, {"message": "The request queue is full."})
    with serving(lambda texts: busy) as (embedder, asked), pytest.raises(EmbeddingUnavailableError) as caught:
        embedder.embed_documents(["one"])
    assert caught.value.code == "embedding_busy"
    assert len(asked) == 3


def test_embed_documents_service_that_breaks_over_the_texts_is_no_outage() -> None:
    broken = (500, {"message": "CUDA error"})
    with serving(lambda texts: broken) as (embedder, _asked), pytest.raises(EmbeddingBusyError) as caught:
        embedder.embed_documents(["one"])
    assert not isinstance(caught.value, ServiceUnavailableError)


def test_embed_query_slow_service_is_given_up_before_the_person_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "QUERY_TIMEOUT_S", 0.05)
    is_free = threading.Event()
    slow = lambda texts: by_length(texts) if is_free.wait(30) else (500, {})  # noqa: E731
    with serving(slow) as (embedder, _asked):
        try:
            with pytest.raises(EmbeddingUnavailableError) as caught:
                embedder.embed_query("where?")
        finally:
            is_free.set()
    assert caught.value.code == "embedding_timeout"


def test_embed_documents_nobody_listening_is_unavailable() -> None:
    with pytest.raises(EmbeddingUnavailableError) as caught:
        Embedder("http://127.0.0.1:9/v1", "model").embed_documents(["one"])
    assert caught.value.code == "embedding_unreachable"


def test_check_asks_only_after_a_failure() -> None:
    is_up = [True]
    with serving(lambda texts: by_length(texts) if is_up[0] else (400, {})) as (embedder, asked):
        embedder.check()
        embedder.check()
        assert len(asked) == 1
        is_up[0] = False
        with pytest.raises(EmbeddingRefusedError):
            embedder.embed_documents(["one"])
        is_up[0] = True
        embedder.check()
        assert len(asked) == 3


def test_format_query_is_the_form_of_the_model_card() -> None:
    assert format_query("什么是 Pod？", "Find pages") == "Instruct: Find pages\nQuery:什么是 Pod？"


@pytest.mark.parametrize(("text", "least"), [("hello world", 2), ("行李箱丢了", 5), ("กระเป๋า", 7), ("", 0)])
def test_estimate_tokens_is_no_less_than_the_least_possible(text: str, least: int) -> None:
    assert estimate_tokens(text) >= least
