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
    EmbeddingItemError,
    EmbeddingRefusedError,
    EmbeddingUnavailableError,
    client,
    estimate_tokens,
    format_query,
    most_tokens,
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
            yield Embedder(f"http://127.0.0.1:{server.server_port}/v1", "qwen3-model", timeout_s=5), asked
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


def test_embed_query_carries_the_instruction_and_documents_do_not() -> None:
    with serving(by_length) as (embedder, asked):
        embedder.embed_query("where?", instruction="Find the place")
        embedder.embed_documents(["here"])
    assert asked == [["Instruct: Find the place\nQuery:where?"], ["here"]]


def test_embed_queries_are_one_request_with_what_is_beside() -> None:
    with serving(by_length) as (embedder, asked):
        found = embedder.embed_queries("where?", instructions=["A", "Bcd"], beside=["here"])
    assert asked == [["Instruct: A\nQuery:where?", "Instruct: Bcd\nQuery:where?", "here"]]
    np.testing.assert_allclose(found[:, 0] / found[:, 1], [len(text) for text in asked[0]], rtol=1e-5)


def test_embed_queries_too_many_for_the_queue_are_sent_one_by_one_without_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(client.time, "sleep", waits.append)
    full = (503, {"message": "The request queue is full."})
    with serving(lambda texts: full if len(texts) > 1 else by_length(texts)) as (embedder, _asked):
        found = embedder.embed_queries("where?", instructions=["A", "Bcd"], beside=["here"])
    assert len(found) == 3
    assert waits == []


def test_embed_query_service_that_is_down_costs_a_person_less_than_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(client.time, "sleep", waits.append)
    busy = (503, {"message": "The request queue is full."})
    with serving(lambda texts: busy) as (embedder, _asked), pytest.raises(EmbeddingUnavailableError):
        embedder.embed_query("where?")
    with pytest.raises(EmbeddingUnavailableError):
        Embedder("http://127.0.0.1:9/v1", "model").embed_query("where?")
    assert len(waits) == 4
    assert sum(waits) < 1


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


def test_embed_query_service_that_hangs_keeps_one_question_waiting_and_not_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "QUERY_TIMEOUT_S", 0.05)
    is_free = threading.Event()
    hanging = lambda texts: by_length(texts) if is_free.wait(30) else (500, {})  # noqa: E731
    details: list[str] = []

    def ask() -> None:
        with pytest.raises(EmbeddingUnavailableError) as caught:
            embedder.embed_query("where?")
        details.append(caught.value.detail)

    with serving(hanging) as (embedder, _asked):
        try:
            ask()
            ask()
            monkeypatch.setattr(embedder, "_silent_until", 0.001)  # the time is over
            ask()
            ask()
        finally:
            is_free.set()
        embedder.embed_documents(["here"])
        monkeypatch.setattr(client, "QUERY_TIMEOUT_S", 30)
        embedder.embed_query("where?")
    assert ["last question" in detail for detail in details] == [False, True, False, True]


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
        assert asked[-1] == ["check"]
        before = len(asked)
        embedder.check()
        assert len(asked) == before


def test_format_query_is_the_form_of_the_model_card() -> None:
    assert format_query("什么是 Pod？", "Find pages") == "Instruct: Find pages\nQuery:什么是 Pod？"


@pytest.mark.parametrize(("text", "least"), [("hello world", 2), ("行李箱丢了", 5), ("กระเป๋า", 7), ("", 0)])
def test_estimate_tokens_is_no_less_than_the_least_possible(text: str, least: int) -> None:
    assert estimate_tokens(text) >= least


def _refusing(word: str, status: int = 400) -> Answer:
    def answer(texts: list[str]) -> tuple[int, object]:
        return (status, {"message": "no"}) if any(word in text for text in texts) else by_length(texts)

    return answer


def test_try_documents_one_refused_text_fails_none_of_its_neighbours() -> None:
    texts = ["x" * number for number in range(1, 101)]
    texts[41] = "bad"
    with serving(_refusing("bad")) as (embedder, _asked):
        found, errors = embedder.try_documents(texts)
        with pytest.raises(EmbeddingItemError) as caught:
            embedder.embed_documents(texts)
    assert list(errors) == [41]
    assert errors[41].position == caught.value.position == 41
    assert not found[41].any()
    good = [number for number in range(100) if number != 41]
    np.testing.assert_allclose(found[good, 0] / found[good, 1], [len(texts[number]) for number in good], rtol=1e-5)


def test_embed_documents_text_that_is_refused_for_its_length_is_the_mean_of_its_parts() -> None:
    answer = lambda texts: (400, {"message": "too long"}) if max(map(len, texts)) > 300 else by_length(texts)  # noqa: E731
    text = " ".join(f"word{number}" for number in range(1_000))
    with serving(answer) as (embedder, asked):
        # What it is told lets through parts three times as long as what the service takes.
        embedder = Embedder(embedder.base_url, "qwen3", max_tokens=900)
        found, errors = embedder.try_documents(["short", text, "tail"])
    assert errors == {}
    parts = [sent for texts in asked for sent in texts if sent.startswith("word") and len(sent) <= 300]
    assert " ".join(parts) == text
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(found[[0, 2], 0] / found[[0, 2], 1], [5, 4], rtol=1e-5)
    assert 100 < found[1, 0] / found[1, 1] < 300


def test_try_documents_text_with_a_part_that_is_refused_in_every_length_is_refused() -> None:
    text = " ".join(["good"] * 100 + ["bad"] + ["good"] * 100)
    with serving(_refusing("bad")) as (embedder, asked):
        found, errors = embedder.try_documents(["short", text])
    assert list(errors) == [1]
    assert errors[1].position == 1
    assert not found[1].any()
    assert len(asked) < 30


def test_try_documents_one_vector_that_is_not_finite_fails_none_of_its_neighbours() -> None:
    answer = lambda texts: vectors([[float("nan") if text == "bad" else 1.0, 2.0] for text in texts])  # noqa: E731
    with serving(answer) as (embedder, _asked):
        found, errors = embedder.try_documents(["good", "bad", "good"])
    assert list(errors) == [1]
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), [1, 0, 1], atol=1e-6)


def test_try_documents_one_text_that_breaks_the_service_fails_none_of_its_neighbours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(client.time, "sleep", waits.append)
    texts = [f"{number} text" for number in range(40)]
    broken = (500, {"message": "CUDA error: device-side assert triggered"})
    with serving(lambda batch: broken if texts[23] in batch else by_length(batch)) as (embedder, _asked):
        found, errors = embedder.try_documents(texts)
    assert {position: (error.code, error.position) for position, error in errors.items()} == {
        23: ("embedding_refused", 23)
    }
    assert "CUDA error" in errors[23].detail
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), [float(position != 23) for position in range(40)])
    assert waits  # each was tried again before it was halved


def test_embed_documents_text_that_broke_the_service_once_is_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client.time, "sleep", lambda _seconds: None)
    breaks_left = [client.QUICK_RETRIES + 1]  # as many as one request is tried

    def answer(texts: list[str]) -> tuple[int, object]:
        if "once" in texts and breaks_left[0]:
            breaks_left[0] -= 1
            return 500, {}
        return by_length(texts)

    with serving(answer) as (embedder, _asked):
        assert embedder.embed_documents(["once"]).shape == (1, 2)


def test_try_documents_service_that_breaks_over_everything_is_at_fault_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client.time, "sleep", lambda _seconds: None)
    broken = (500, {"message": "CUDA error"})
    with serving(lambda texts: broken) as (embedder, asked), pytest.raises(EmbeddingBusyError) as caught:
        embedder.try_documents([f"{number} text" for number in range(40)])
    assert not isinstance(caught.value, EmbeddingRefusedError)
    # The batch and the harmless text, each with its tries: nothing is narrowed.
    assert len(asked) == 2 * (client.QUICK_RETRIES + 1)


def test_embed_documents_service_that_refuses_everything_is_asked_little() -> None:
    answer = lambda texts: (400, {"message": "not an embedding model"})  # noqa: E731
    with serving(answer) as (embedder, asked), pytest.raises(EmbeddingRefusedError) as caught:
        embedder.embed_documents([f"text {number}" for number in range(60)])
    assert not isinstance(caught.value, EmbeddingItemError)
    assert len(asked) == 2


def test_embed_documents_batch_too_long_for_the_queue_is_sent_in_smaller_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FIRST_BACKOFF_S", 0.001)
    full = (503, {"message": "The request queue is full."})
    with serving(lambda texts: full if len(texts) > 8 else by_length(texts)) as (embedder, asked):
        found = embedder.embed_documents(["x" * (1 + number) for number in range(64)])
        refused = sum(len(texts) > 8 for texts in asked)
        embedder.embed_documents(["x" * (1 + number) for number in range(64)])
    assert sum(len(texts) > 8 for texts in asked) < 2 * refused  # what was learned is kept
    np.testing.assert_allclose(found[:, 0] / found[:, 1], range(1, 65), rtol=1e-5)


def test_embed_documents_vectors_with_the_same_index_are_refused() -> None:
    def same(texts: list[str]) -> tuple[int, object]:
        return 200, {"data": [{"index": 0, "embedding": [1.0, float(row)]} for row, _ in enumerate(texts)]}

    with serving(same) as (embedder, _asked), pytest.raises(EmbeddingRefusedError, match="two vectors for one text"):
        embedder.embed_documents(["one", "two"])


def test_embed_documents_too_long_text_is_the_mean_of_its_parts_and_none_is_too_long() -> None:
    words = [f"word{number}" for number in range(400)]
    with serving(by_length) as (embedder, asked):
        embedder = Embedder(embedder.base_url, "qwen3", max_tokens=600)
        found = embedder.embed_documents(["short", ". ".join(words), "tail"])
    sent = [text for texts in asked for text in texts]
    assert all(most_tokens(text) < 600 for text in sent)
    assert " ".join(sent).replace(".", "").split() == ["short", *words, "tail"]
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(found[[0, 2], 0] / found[[0, 2], 1], [5, 4], rtol=1e-5)


def test_most_tokens_is_no_less_than_a_byte_level_tokenizer_can_make() -> None:
    # One token a byte is the most there is; what is counted lower is counted for a reason.
    assert most_tokens("\U00020000" * 10) >= 40
    assert most_tokens("1234567890" * 10) >= 100
    assert most_tokens("qwrtz" * 20) >= 66
    assert most_tokens("ᎠᎡᎢ" * 10) >= 60
    assert most_tokens("The cat sat on the mat") < len("The cat sat on the mat") + 3
