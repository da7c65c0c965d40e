"""Embedding models that run on a CPU without torch, behind one door: ``load_model``."""

from searchapp.local.embeddings.models.base import (
    EmbeddingModel,
    Encoded,
    ModelError,
    TextTooLongError,
    unit_rows,
)
from searchapp.local.embeddings.models.hub import find_model
from searchapp.local.embeddings.models.loading import load_model

__all__ = [
    "EmbeddingModel",
    "Encoded",
    "ModelError",
    "TextTooLongError",
    "find_model",
    "load_model",
    "unit_rows",
]
