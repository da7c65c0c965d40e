"""A reranker in either shape, slow, broken or missing."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from pytest_django import Settings

from searchapp.models import Collection
from searchapp.reranking import Reranker, RerankFailedError
from searchapp.services.searching import Lanes, SearchOptions, search
from tests.factories import index
from tests.integration.conftest import forget_backends

Answer = Callable[[dict[str, Any]], Any]


def lengths(request: dict[str, Any]) -> list[tuple[int, float]]:
    """Score passages by their length, best first as services do."""
    scored = [(number, len(text) / 1_000) for number, text in enumerate(request["documents"])]
    return sorted(scored, key=lambda item: -item[1])


def as_sglang(request: dict[str, Any]) -> Any:
    return [{"index": number, "score": score, "document": ""} for number, score in lengths(request)]


def as_cohere(request: dict[str, Any]) -> Any:
    return {"results": [{"index": number, "relevance_score": score} for number, score in lengths(request)]}


@pytest.fixture
def service() -> Iterator[Callable[[Answer], str]]:
    """Return a function that starts a service with an answer and returns its address."""
    servers: list[ThreadingHTTPServer] = []

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                body = json.dumps(answer(request) if self.path == "/v1/rerank" else None).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/v1"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("answer", [as_sglang, as_cohere])
def test_scores_both_shapes_are_read_in_the_order_of_the_passages(
    service: Callable[[Answer], str], answer: Answer
) -> None:
    reranker = Reranker(service(answer), "model")
    assert reranker.scores("a question", ["a", "abc", "ab"], budget_s=10) == [0.001, 0.003, 0.002]


@pytest.mark.parametrize("answer", [{}, [], [{"index": 0}], [{"index": 5, "score": 1.0}], "no", {"results": None}])
def test_scores_answer_that_cannot_be_right_fails(service: Callable[[Answer], str], answer: Any) -> None:
    with pytest.raises(RerankFailedError):
        Reranker(service(lambda _request: answer), "model").scores("a question", ["a"], budget_s=10)


def test_scores_slow_service_is_left_behind(service: Callable[[Answer], str]) -> None:
    is_over = threading.Event()

    def late(request: dict[str, Any]) -> Any:
        is_over.wait()
        return as_sglang(request)

    reranker = Reranker(service(late), "model")
    try:
        with pytest.raises(RerankFailedError):
            reranker.scores("a question", ["a"], budget_s=0.2)
    finally:
        is_over.set()


def test_search_reranker_decides_the_order_and_its_failure_changes_nothing(
    collection: Collection, settings: Settings, service: Callable[[Answer], str]
) -> None:
    index(collection, "# Suitcase\n\nA lost suitcase.")
    index(collection, "# Trains\n\nOur trains are painted blue, and in winter they are heated all night long.")
    plain = [hit.title for hit in search("lost suitcase", AnonymousUser()).hits]
    assert plain == ["Suitcase", "Trains"]
    settings.RERANK_TIMEOUT_MS = 30_000
    settings.RERANK_BASE_URL = service(as_sglang)
    forget_backends()
    hits = search("lost suitcase", AnonymousUser()).hits
    assert [hit.title for hit in hits] == ["Trains", "Suitcase"]
    assert all(hit.rerank_score is not None for hit in hits)
    measured = search("lost suitcase", AnonymousUser(), options=SearchOptions(Lanes.DENSE)).hits
    assert all(hit.rerank_score is None for hit in measured)
    settings.RERANK_BASE_URL = "http://127.0.0.1:1/v1"
    forget_backends()
    assert [hit.title for hit in search("lost suitcase", AnonymousUser()).hits] == plain
