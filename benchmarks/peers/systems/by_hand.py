"""qdrant-client by hand: dense and BM25 vectors of fixed windows, fused by reciprocal ranks in the store.

What Qdrant's guide to hybrid queries shows; the terms are lower-case words, hashed.
"""

import hashlib
import re
import uuid
from collections import Counter
from collections.abc import Sequence

import openai
from qdrant_client import QdrantClient, models

from benchmarks.peers.systems.base import BATCH_TEXTS, Document, Services

WINDOW_CHARACTERS = 1_000
OVERLAP_CHARACTERS = 200
# The usual constants of BM25; the length of a window is what it is cut to.
K1 = 1.2
B = 0.75
WINDOW_TERMS = 160


class ByHand:
    def __init__(self, services: Services) -> None:
        self._openai = openai.OpenAI(base_url=services.embedding_url, api_key=services.embedding_key)
        self._qdrant = QdrantClient(url=services.qdrant_url, api_key=services.qdrant_key)
        self._services = services

    def index(self, documents: Sequence[Document]) -> None:
        name = self._services.collection
        self._qdrant.create_collection(
            name,
            vectors_config={
                "dense": models.VectorParams(size=self._services.dimensions, distance=models.Distance.COSINE)
            },
            sparse_vectors_config={"words": models.SparseVectorParams(modifier=models.Modifier.IDF)},
        )
        self._qdrant.create_payload_index(name, "language", field_schema=models.PayloadSchemaType.KEYWORD)
        windows = [(document, window) for document in documents for window in _windows(document.text)]
        for start in range(0, len(windows), BATCH_TEXTS):
            batch = windows[start : start + BATCH_TEXTS]
            points = [
                models.PointStruct(
                    id=str(uuid.uuid4()),
                    vector={"dense": dense, "words": _document_words(window)},
                    payload={"name": document.id, "language": document.language, "text": window},
                )
                for (document, window), dense in zip(batch, self._embed([window for _, window in batch]), strict=True)
            ]
            self._qdrant.upsert(name, points=points, wait=True)

    def search(self, question: str, *, language: str | None, limit: int) -> list[str]:
        condition = models.FieldCondition(key="language", match=models.MatchValue(value=language)) if language else None
        wanted = models.Filter(must=[condition]) if condition else None
        dense = self._embed([question])[0]
        words = sorted({_hashed(word) for word in _words(question)})
        prefetch = [models.Prefetch(query=dense, using="dense", filter=wanted, limit=limit)]
        if words:
            sparse = models.SparseVector(indices=words, values=[1.0] * len(words))
            prefetch.append(models.Prefetch(query=sparse, using="words", filter=wanted, limit=limit))
        found = self._qdrant.query_points(
            self._services.collection,
            prefetch=prefetch,
            query=models.FusionQuery(fusion=models.Fusion.RRF),
            limit=limit,
            with_payload=True,
        )
        return [str((point.payload or {})["name"]) for point in found.points]

    def _embed(self, texts: list[str]) -> list[list[float]]:
        answer = self._openai.embeddings.create(model=self._services.embedding_model, input=texts)
        return [item.embedding for item in answer.data]


def _windows(text: str) -> list[str]:
    step = WINDOW_CHARACTERS - OVERLAP_CHARACTERS
    windows = [text[start : start + WINDOW_CHARACTERS] for start in range(0, len(text), step)]
    return [window for window in windows if window.strip()]


def _document_words(text: str) -> models.SparseVector:
    counts = Counter(_words(text))
    length = 1 - B + B * counts.total() / WINDOW_TERMS
    weights: dict[int, float] = {}
    for word, count in counts.items():
        weights[_hashed(word)] = count * (K1 + 1) / (count + K1 * length)
    return models.SparseVector(indices=list(weights), values=list(weights.values()))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _hashed(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest(), "big")
