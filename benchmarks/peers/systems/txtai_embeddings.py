"""txtai: `Embeddings` with content, over paragraphs; its own index (Faiss and SQLite), vectors from the server."""

from collections.abc import Iterator, Sequence

import numpy as np
import openai
from txtai.embeddings import Embeddings
from txtai.pipeline import Segmentation

from benchmarks.peers.systems.base import BATCH_TEXTS, Document, Services

# How many nearest passages are looked through for the language asked for; txtai filters after its search.
CANDIDATES_PER_HIT = 20


class Txtai:
    """``is_hybrid`` adds its BM25 index, as the option of that name does."""

    def __init__(self, services: Services, *, is_hybrid: bool) -> None:
        self._client = openai.OpenAI(base_url=services.embedding_url, api_key=services.embedding_key)
        self._model = services.embedding_model

        def transform(texts: list[str]) -> np.ndarray:
            return self._embed(texts)

        options = {"hybrid": True} if is_hybrid else {}
        self._embeddings = Embeddings({"method": "external", "transform": transform, "content": True, **options})

    def index(self, documents: Sequence[Document]) -> None:
        self._embeddings.index(self._paragraphs(documents))

    def search(self, question: str, *, language: str | None, limit: int) -> list[str]:
        if language is None:
            found = self._embeddings.search(
                "select name, score from txtai where similar(:question)", limit, parameters={"question": question}
            )
        else:
            found = self._embeddings.search(
                f"select name, score from txtai where similar(:question, {limit * CANDIDATES_PER_HIT}) "  # noqa: S608
                "and language = :language",
                limit,
                parameters={"question": question, "language": language},
            )
        return [row["name"] for row in found]

    def _paragraphs(self, documents: Sequence[Document]) -> Iterator[dict[str, str]]:
        segment = Segmentation(paragraphs=True)
        for document in documents:
            for paragraph in segment(document.text):
                yield {"text": paragraph, "name": document.id, "language": document.language}

    def _embed(self, texts: list[str]) -> np.ndarray:
        rows: list[list[float]] = []
        for start in range(0, len(texts), BATCH_TEXTS):
            batch = [text or "-" for text in texts[start : start + BATCH_TEXTS]]
            answer = self._client.embeddings.create(model=self._model, input=batch)
            rows += [item.embedding for item in answer.data]
        return np.array(rows, dtype=np.float32)
