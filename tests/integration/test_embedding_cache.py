"""Vectors of texts that were embedded before, and what waits while the service is out."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from django.test import Client
from django.utils import timezone

from searchapp.backends import ModelChangedError, configured_embedder
from searchapp.embedding import PROBE_TEXTS, Embedder
from searchapp.models import Collection, Document, EmbeddingCacheEntry, ModelFingerprint, ServiceOutage
from searchapp.services import embedding_cache, indexing, outages
from searchapp.services.fingerprints import distrust_fingerprints
from tests.factories import index
from tests.integration.conftest import forget_backends

TEXT = "# Lost luggage\n\nReport a lost suitcase at the counter within two days."


@contextmanager
def serving(seed: int, weights: list[int] | None = None) -> Iterator[tuple[str, list[str]]]:
    """Run a service whose vectors are drawn from the text and its weights, and note what it embeds.

    A list of weights may be changed while it runs.
    """
    weights = weights or [seed]
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            texts = body.get("input", [])
            is_embedding = self.path == "/v1/embeddings"
            asked.extend(texts)
            content = json.dumps(
                {"data": [{"index": row, "embedding": self.vector(text)} for row, text in enumerate(texts)]}
            ).encode()
            self.send_response(400 if any("refuse me" in text for text in texts) else 200 if is_embedding else 404)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def vector(self, text: str) -> list[float]:
            return np.random.default_rng([*weights, *text.encode()]).normal(size=16).tolist()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def fresh(site: None) -> Iterator[None]:
    distrust_fingerprints()
    yield
    distrust_fingerprints()


def test_embed_documents_text_seen_before_is_not_sent_again() -> None:
    with serving(1) as (url, asked):
        embedder = Embedder(url, "qwen3")
        first, _ = embedding_cache.embed_documents(embedder, ["one", "two", "one"])
        asked.clear()
        second, _ = embedding_cache.embed_documents(embedder, ["three", "two", "one"])
    assert asked == ["three", PROBE_TEXTS[-1]]
    np.testing.assert_allclose(second[[2, 1]], first[[0, 1]], atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(second, axis=1), 1.0, atol=1e-6)


def test_embed_documents_other_weights_behind_the_name_take_nothing_from_the_cache() -> None:
    with serving(1) as (url, _asked):
        old, _ = embedding_cache.embed_documents(Embedder(url, "qwen3"), ["one"])
    distrust_fingerprints()
    with serving(2) as (url, asked):
        new, _ = embedding_cache.embed_documents(Embedder(url, "qwen3"), ["one"])
    assert "one" in asked
    assert float(old[0] @ new[0]) < 0.9
    assert ModelFingerprint.objects.count() == 2


def test_embed_documents_weights_that_change_without_a_pause_are_noticed_at_once() -> None:
    with serving(1, weights := [1]) as (url, _asked):
        embedder = Embedder(url, "qwen3")
        embedding_cache.embed_documents(embedder, ["one"])
        weights[0] = 2
        with pytest.raises(ModelChangedError):
            embedding_cache.embed_documents(embedder, ["two"])
        assert EmbeddingCacheEntry.objects.count() == 1


def test_embed_documents_refused_text_is_not_kept_and_its_neighbours_are() -> None:
    with serving(1) as (url, asked):
        embedder = Embedder(url, "qwen3")
        _, errors = embedding_cache.embed_documents(embedder, ["one", "refuse me", "two"])
        assert list(errors) == [1]
        asked.clear()
        _, errors = embedding_cache.embed_documents(embedder, ["one", "refuse me", "two"])
    assert list(errors) == [1]
    assert not {"one", "two"} & set(asked)


def test_embed_documents_without_room_keeps_nothing(settings) -> None:
    settings.EMBEDDING_CACHE_BYTES = 0
    embedding_cache.embed_documents(configured_embedder(), ["one"])
    assert not EmbeddingCacheEntry.objects.exists()


def test_prune_deletes_what_was_unused_for_longest(settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_cache, "PRUNE_INTERVAL_S", -1.0)
    now = timezone.now()
    for number in range(5):
        EmbeddingCacheEntry.objects.create(
            key=str(number), vector=b"x" * 100, last_used_at=now - timedelta(days=number)
        )
    settings.EMBEDDING_CACHE_BYTES = 2 * (100 + embedding_cache.ENTRY_OVERHEAD_BYTES)
    assert embedding_cache.prune() == 3
    assert set(EmbeddingCacheEntry.objects.values_list("pk", flat=True)) == {"0", "1"}
    assert embedding_cache.prune() == 0


def test_index_document_again_embeds_nothing_anew(collection: Collection, settings) -> None:
    with serving(1) as (url, asked):
        settings.EMBEDDING_BASE_URL = url
        settings.EMBEDDING_MODEL = "qwen3-seeded"
        forget_backends()
        document = index(collection, TEXT)
        assert document.status == Document.Status.READY
        asked.clear()
        Document.objects.update(status=Document.Status.QUEUED)
        indexing.index_document(document.pk)
        document.refresh_from_db()
    assert document.status == Document.Status.READY
    assert not any("suitcase at the counter" in text for text in asked)


def test_index_document_passage_that_is_refused_is_named(collection: Collection, settings) -> None:
    with serving(1) as (url, _asked):
        settings.EMBEDDING_BASE_URL = url
        settings.EMBEDDING_MODEL = "qwen3-seeded"
        forget_backends()
        document = index(collection, "# Good\n\nA passage of good words.\n\n# Bad\n\nPlease refuse me as you can.")
    assert (document.status, document.error_code) == (Document.Status.FAILED, "embedding_refused")
    assert "passage 2, under 'Bad'" in document.error_detail


def test_outage_is_shown_holds_messages_back_and_ends_by_itself(
    collection: Collection, settings, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = settings.EMBEDDING_BASE_URL
    settings.EMBEDDING_BASE_URL = "http://127.0.0.1:9/v1"
    forget_backends()
    document = index(collection, TEXT)
    since = ServiceOutage.objects.get().since
    index(collection, f"{TEXT} Or not.")
    assert ServiceOutage.objects.get().since == since
    Document.objects.update(next_attempt_at=None)
    assert indexing.take_due() == []
    page = client.get("/").content.decode()
    assert "2 documents are waiting." in page
    assert "The embedding service does not answer since" in page

    outages.try_again()  # not yet due
    assert ServiceOutage.objects.get().tries == 0
    ServiceOutage.objects.update(next_try_at=timezone.now())
    outages.try_again()
    assert ServiceOutage.objects.get().tries == 1

    settings.EMBEDDING_BASE_URL = address
    forget_backends()
    Document.objects.update(next_attempt_at=timezone.now() + timedelta(hours=1))
    ServiceOutage.objects.update(next_try_at=timezone.now())
    outages.try_again()
    assert not ServiceOutage.objects.exists()
    assert document.pk in indexing.take_due()
    assert "data-outage" not in client.get("/").content.decode()
