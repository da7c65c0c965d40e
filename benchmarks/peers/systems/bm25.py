"""bm25s: whole documents, its tokenizer and English stop words."""

from collections.abc import Sequence

import bm25s
import numpy as np

from benchmarks.peers.systems.base import Document, Services


class Bm25:
    def __init__(self, _services: Services) -> None:
        self._retriever = bm25s.BM25()

    def index(self, documents: Sequence[Document]) -> None:
        self._ids = [document.id for document in documents]
        self._languages = np.array([document.language for document in documents])
        self._retriever.index(
            bm25s.tokenize([document.text for document in documents], show_progress=False), show_progress=False
        )

    def search(self, question: str, *, language: str | None, limit: int) -> list[str]:
        mask = (self._languages == language).astype(np.float32) if language else None
        tokens = bm25s.tokenize([question], show_progress=False)
        found, scores = self._retriever.retrieve(
            tokens, k=min(limit, len(self._ids)), weight_mask=mask, show_progress=False
        )
        return [self._ids[place] for place, score in zip(found[0], scores[0], strict=True) if score > 0]
