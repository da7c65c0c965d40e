"""The vector index: points in, nearest points out. The only room that knows Qdrant."""

from searchapp.index.store import (
    SCHEMA_VERSION,
    Candidate,
    Point,
    VectorIndex,
    VectorStoreRefusedError,
    VectorStoreUnavailableError,
)

__all__ = [
    "SCHEMA_VERSION",
    "Candidate",
    "Point",
    "VectorIndex",
    "VectorStoreRefusedError",
    "VectorStoreUnavailableError",
]
