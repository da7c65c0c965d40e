"""The OpenAI embeddings API over a model that runs on this machine's CPU.

``python -m searchapp.local.embeddings --port N`` stands in for SGLang until ``EMBEDDING_BASE_URL`` names
a real one. It answers as SGLang and OpenAI do, so the application has one way of embedding texts.
"""

from searchapp.local.embeddings.app import create_app
from searchapp.local.embeddings.models import (
    EmbeddingModel,
    Encoded,
    ModelError,
    TextTooLongError,
    find_model,
    load_model,
)

__all__ = [
    "EmbeddingModel",
    "Encoded",
    "ModelError",
    "TextTooLongError",
    "create_app",
    "find_model",
    "load_model",
]
