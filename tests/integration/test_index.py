"""The vector index where the store answers with something else than points."""

import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from pytest_django import Settings

from searchapp.index import Point, VectorIndex, VectorStoreUnavailableError
from tests.factories import live_index


@pytest.fixture
def busy_store() -> Iterator[str]:
    """Return the address of a store that is too busy, as Qdrant says it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(429)
            self.send_header("Retry-After", "3")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_count_store_that_asks_for_patience_is_unavailable(busy_store: str) -> None:
    with pytest.raises(VectorStoreUnavailableError) as caught:
        VectorIndex(busy_store, "index").count()
    assert caught.value.code == "vector_store_unavailable"


def test_upsert_collection_lost_in_the_meantime_is_to_be_tried_again(site: None) -> None:
    point = Point(id=uuid.uuid4(), document_id=uuid.uuid4(), collection_id=1, language="en", run=1, text="A text.")
    with pytest.raises(VectorStoreUnavailableError):
        live_index().upsert([point], np.ones((1, 4), dtype=np.float32))


def test_query_one_passage_in_a_hundred_allowed_finds_what_exact_search_finds(site: None, settings: Settings) -> None:
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(4_000, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    points = [
        Point(
            id=uuid.uuid4(),
            document_id=uuid.uuid4(),
            collection_id=number % 100,
            language="en",
            run=1,
            text="A text.",
        )
        for number in range(len(vectors))
    ]
    index = VectorIndex(settings.QDRANT_URL, "recall", api_key=settings.QDRANT_API_KEY)
    index.ensure(32)
    index.upsert(points, vectors)
    allowed = range(7, len(vectors), 100)
    found = 0
    for question in vectors[:20]:
        exact = sorted(allowed, key=lambda row: -float(vectors[row] @ question))[:10]
        answers = index.query(question, "", collection_ids=[7], limit=10)
        found += len({points[row].id for row in exact} & {candidate.id for candidate in answers})
    assert found >= 0.99 * 200


def test_query_points_that_one_lane_alone_finds_have_both_measures(site: None, settings: Settings) -> None:
    vectors = np.eye(3, 32, dtype=np.float32)
    question = (0.9 * vectors[0] + 0.436 * vectors[1]).astype(np.float32)
    texts = ["A suitcase on the train.", "A suitcase, a suitcase and a lounge.", "Nothing of it."]
    points = [
        Point(uuid.UUID(int=number + 1), uuid.uuid4(), 7, language, run=1, text=text)
        for number, (text, language) in enumerate(zip(texts, ("en", "de", "fr"), strict=True))
    ]
    index = VectorIndex(settings.QDRANT_URL, "measures", api_key=settings.QDRANT_API_KEY)
    index.ensure(32)
    index.upsert(points, vectors)
    found = {found.id.int: found for found in index.query(question, "lounge suitcase", collection_ids=[7], limit=1)}
    assert found.keys() == {1, 2}  # the first is nearest, the second has the most words
    assert found[1].similarity == pytest.approx(0.9, abs=1e-3)
    assert found[2].similarity == pytest.approx(0.436, abs=1e-3)
    assert 0 < found[1].term_share < found[2].term_share
    apart = index.query(question, "lounge suitcase", collection_ids=[7], apart=[{"en"}, {"de"}], limit=1)
    assert {(found.id.int, found.language) for found in apart} == {(1, "en"), (2, "de"), (3, "fr")}
