"""Choose the implementation a model folder needs."""

from pathlib import Path

from searchapp.local.embeddings.models.base import EmbeddingModel, ModelError
from searchapp.local.embeddings.models.files import read_config
from searchapp.local.embeddings.models.qwen3 import Qwen3Model
from searchapp.local.embeddings.models.static import StaticModel


def load_model(folder: Path) -> EmbeddingModel:
    """Load the model in a folder in Hugging Face's layout.

    The folder holds ``config.json``, ``tokenizer.json`` and one or more ``.safetensors`` files; the
    ``model_type`` in the configuration is ``model2vec`` (static vectors) or ``qwen3`` (Qwen3-Embedding).

    Raises:
        ModelError: a file is missing or broken, or the model is of another kind.
    """
    config = read_config(folder)
    match config.get("model_type"):
        case "model2vec":
            return StaticModel(folder, config)
        case "qwen3":
            return Qwen3Model(folder, config)
        case other:
            raise ModelError(
                "model_unsupported", f"{folder} holds a model of type {other!r}; model2vec and qwen3 can be run"
            )
