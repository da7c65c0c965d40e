"""The vector index where the store answers with something else than points."""

import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

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
