"""Texts in, unit vectors out, through any service that speaks the OpenAI embeddings API.

Documents and queries have one entry point each, so the instruction, which belongs to queries alone,
can be neither forgotten nor added twice.
"""

from searchapp.embedding.client import Embedder, blend, format_query
from searchapp.embedding.errors import (
    EmbeddingBusyError,
    EmbeddingItemError,
    EmbeddingRefusedError,
    EmbeddingUnavailableError,
)
from searchapp.embedding.presets import DEFAULT_INSTRUCTION, FAMILIES, TASKS, Frame, family_of, frame_of
from searchapp.embedding.probing import PROBE_TEXTS, SAME_MODEL_COSINE, is_same_model, probe
from searchapp.embedding.service import ServiceInfo, describe_service
from searchapp.embedding.tokens import estimate_tokens, most_tokens

__all__ = [
    "DEFAULT_INSTRUCTION",
    "FAMILIES",
    "PROBE_TEXTS",
    "SAME_MODEL_COSINE",
    "TASKS",
    "Embedder",
    "EmbeddingBusyError",
    "EmbeddingItemError",
    "EmbeddingRefusedError",
    "EmbeddingUnavailableError",
    "Frame",
    "ServiceInfo",
    "blend",
    "describe_service",
    "estimate_tokens",
    "family_of",
    "format_query",
    "frame_of",
    "is_same_model",
    "most_tokens",
    "probe",
]
