"""Fill a site with any number of passages: rows and points as indexing writes them, without its work.

The texts are real ones in turn; each vector is that of its text with noise, so that neighbours are as
near as they are in life but no two are the same. Ids count upwards: what was begun is gone on with.
"""

import hashlib
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
from django.db import transaction
from django.utils import timezone
from numpy.typing import NDArray
from qdrant_client import models

from searchapp.backends import get_index
from searchapp.index import Point, store
from searchapp.language import clean_text, detect
from searchapp.local.vectors.store import VectorStore
from searchapp.local.vectors.updates import read_upsert
from searchapp.models import Chunk, Collection, Document, GenerationDocument
from searchapp.services import evaluating, generations

MAX_CHARACTERS = 600
PASSAGES_PER_DOCUMENT = 20
COLLECTIONS = 10
# Length of the noise against that of the vector: copies of a text come to cosine 0.8 of each other.
NOISE = 0.5
BLOCK = 4_000  # whole documents
TEXT_SUFFIXES = {".md", ".txt"}
REPORT_S = 30.0


@dataclass(frozen=True, slots=True)
class BaseText:
    """A passage to make copies of."""

    text: str
    language: str


def base_texts(folder: Path) -> list[BaseText]:
    """Return the paragraphs of an evaluation set, small ones joined."""
    texts: list[BaseText] = []
    for item in evaluating.load_set(folder).items:
        if item.path is not None and item.path.suffix not in TEXT_SUFFIXES:
            continue
        text = item.text if item.path is None else item.path.read_text(encoding="utf-8")
        texts += [BaseText(part, item.language or detect(part)) for part in _pack(text)]
    return texts


def _pack(text: str) -> list[str]:
    parts: list[str] = []
    for paragraph in filter(None, map(clean_text, text.split("\n\n"))):
        for start in range(0, len(paragraph), MAX_CHARACTERS):
            piece = paragraph[start : start + MAX_CHARACTERS]
            if parts and len(parts[-1]) + len(piece) < MAX_CHARACTERS:
                parts[-1] += "\n" + piece
            else:
                parts.append(piece)
    return [part for part in parts if clean_text(part)]


def prepare(texts: Sequence[BaseText]) -> tuple[NDArray[np.float32], int]:
    """Make the index; return the vectors of the texts, ``(n, dimensions)`` float32, unit L2 norm, and what stands.

    An index of another schema or model is another one, so rows alone do not tell how far filling came.
    """
    vectors = generations.live_embedder().embed_documents([text.text for text in texts])
    get_index(generations.live_or_first()).ensure(vectors.shape[1])
    return vectors, min(Chunk.objects.count(), get_index(generations.live_or_first()).count())


@contextmanager
def vector_store_within(folder: Path) -> Iterator[None]:
    """Let the index write to the folder of the local vector server from this process, while that does not run.

    The same points by the same engine, without the requests, which take most of the time.
    """
    index = get_index(generations.live_or_first())
    client = index._client
    with VectorStore(folder) as vector_store:
        index._client = _LocalClient(vector_store)  # type: ignore[assignment]
        try:
            yield
        finally:
            index._client = client


class _LocalClient:
    """The one method of qdrant-client that filling needs."""

    def __init__(self, vector_store: VectorStore) -> None:
        self._store = vector_store

    def upsert(self, name: str, *, points: Sequence[models.PointStruct], **_options: object) -> None:
        collection = self._store.get(name)
        body = {"points": [_plain(point) for point in points]}
        collection.update(read_upsert(body, collection.schema), is_waited_for=False)


def _plain(point: models.PointStruct) -> dict[str, object]:
    vectors = {
        name: {"indices": value.indices, "values": value.values} if isinstance(value, models.SparseVector) else value
        for name, value in cast("dict[str, object]", point.vector).items()
    }
    return {"id": point.id, "vector": vectors, "payload": point.payload}


def fill(texts: Sequence[BaseText], vectors: NDArray[np.float32], *, standing: int, passage_count: int) -> None:
    """Add passages until there are so many; rows after points, so that a row says that its point is there."""
    collections = _collections()
    # The words of a text are counted once and not for every copy.
    store.document_vector = cache(store.document_vector)  # type: ignore[attr-defined]
    index = get_index(generations.live_or_first())
    started = reported = time.monotonic()
    first = done = standing // PASSAGES_PER_DOCUMENT * PASSAGES_PER_DOCUMENT
    while done < passage_count:
        numbers = range(done, min(done + BLOCK, passage_count))
        documents, chunks = _rows(numbers, texts, collections)
        collection_of = {document.pk: document.collection_id for document in documents}
        points = [
            Point(chunk.pk, chunk.document_id, collection_of[chunk.document_id], chunk.language, 1, chunk.text)
            for chunk in chunks
        ]
        index.upsert(points, _noisy(vectors[[number % len(texts) for number in numbers]], seed=done))
        with transaction.atomic():
            Document.objects.bulk_create(documents, ignore_conflicts=True, batch_size=500)
            live = generations.live_or_first()
            for chunk in chunks:
                chunk.chunking = live.chunking
            Chunk.objects.bulk_create(chunks, ignore_conflicts=True, batch_size=500)
            done_marks = [
                GenerationDocument(
                    generation=live, document=document, state="done", passage_count=document.passage_count
                )
                for document in documents
            ]
            GenerationDocument.objects.bulk_create(done_marks, ignore_conflicts=True, batch_size=500)
        done = numbers[-1] + 1
        if time.monotonic() - reported > REPORT_S or done == passage_count:
            reported = time.monotonic()
            print(f"filled {done} of {passage_count}, {(done - first) / (reported - started):.0f} a second", flush=True)


def _collections() -> list[Collection]:
    return [
        Collection.objects.get_or_create(slug=f"benchmark-{number}", defaults={"name": f"Benchmark {number}"})[0]
        for number in range(COLLECTIONS)
    ]


def _rows(
    numbers: range, texts: Sequence[BaseText], collections: Sequence[Collection]
) -> tuple[list[Document], list[Chunk]]:
    documents: dict[int, Document] = {}
    chunks: list[Chunk] = []
    for number in numbers:
        base = texts[number % len(texts)]
        place, ordinal = divmod(number, PASSAGES_PER_DOCUMENT)
        if place not in documents:
            documents[place] = Document(
                id=uuid.UUID(int=place + 1),
                collection=collections[place % COLLECTIONS],
                title=f"Document {place}",
                source_name=f"{place}.md",
                kind="markdown",
                size_bytes=0,
                content_sha256=hashlib.sha256(str(place).encode()).hexdigest(),
                status=Document.Status.READY,
                live_version=1,
                ready_at=timezone.now(),
                passage_count=PASSAGES_PER_DOCUMENT,
                language=base.language,
                run=1,
            )
        chunks.append(
            Chunk(
                id=uuid.UUID(int=number + 1),
                document_id=documents[place].pk,
                version=1,
                ordinal=ordinal,
                text=base.text,
                heading_path=[f"Document {place}", "Part"],
                start=ordinal * MAX_CHARACTERS,
                end=ordinal * MAX_CHARACTERS + len(base.text),
                language=base.language,
                token_count=len(base.text) // 4,
            )
        )
    return list(documents.values()), chunks


def _noisy(vectors: NDArray[np.float32], *, seed: int) -> NDArray[np.float32]:
    noise = np.random.default_rng(seed).standard_normal(vectors.shape, dtype=np.float32)
    noise *= NOISE / np.linalg.norm(noise, axis=1, keepdims=True)
    mixed = vectors + noise
    noisy: NDArray[np.float32] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    return noisy
