"""The vector index: points in, nearest points out. The only room that knows Qdrant."""

from searchapp.index.store import (
    Candidate,
    Point,
    VectorIndex,
    VectorStoreRefusedError,
    VectorStoreUnavailableError,
)

__all__ = ["Candidate", "Point", "VectorIndex", "VectorStoreRefusedError", "VectorStoreUnavailableError"]
