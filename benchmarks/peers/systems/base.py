"""What every system of the comparison does, and where its services are."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

# The embedding server takes batches, and every system sends them; how large is its own default where it has one.
BATCH_TEXTS = 64


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its text as read from the file, and the language that questions may ask for."""

    id: str
    language: str
    text: str


class System(Protocol):
    """A way to search documents, in its documented default set-up."""

    def index(self, documents: Sequence[Document]) -> None:
        """Take in all documents; called once."""

    def search(self, question: str, *, language: str | None, limit: int) -> list[str]:
        """Return the document of each of the best passages, best first; in one language, or in any for None."""


@dataclass(frozen=True, slots=True)
class Services:
    """The servers that all share, from the environment."""

    embedding_url: str
    embedding_key: str
    embedding_model: str
    dimensions: int
    qdrant_url: str
    qdrant_key: str
    collection: str

    @classmethod
    def from_environment(cls, collection: str) -> "Services":
        return cls(
            embedding_url=os.environ["EMBEDDING_BASE_URL"],
            embedding_key=os.environ["EMBEDDING_API_KEY"],
            embedding_model=os.environ["EMBEDDING_MODEL"],
            dimensions=int(os.environ["EMBEDDING_DIMENSIONS"]),
            qdrant_url=os.environ["QDRANT_URL"],
            qdrant_key=os.environ["QDRANT_API_KEY"],
            collection=collection,
        )
