"""Texts in, unit vectors out, through any service that speaks the OpenAI embeddings API.

Documents and queries have one entry point each, so the instruction, which belongs to queries alone,
can be neither forgotten nor added twice.
"""

from searchapp.embedding.client import (
    DEFAULT_INSTRUCTION,
    Embedder,
    EmbeddingBusyError,
    EmbeddingRefusedError,
    EmbeddingUnavailableError,
    blend,
    format_query,
)
from searchapp.embedding.tokens import estimate_tokens

__all__ = [
    "DEFAULT_INSTRUCTION",
    "Embedder",
    "EmbeddingBusyError",
    "EmbeddingRefusedError",
    "EmbeddingUnavailableError",
    "blend",
    "estimate_tokens",
    "format_query",
]
