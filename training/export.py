"""Write a model as the product reads it: model2vec's layout, int8 rows, and a row and a weight for each token."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save
from tokenizers import Tokenizer

from training.model import TokenVectors
from training.recipe import LANGUAGES

# model2vec cuts a text at this many tokens; a sum has no limit.
_NO_LIMIT = 1_000_000
_INT8_MAX = 127


def export(folder: Path, *, vectors: TokenVectors, tokenizer: Tokenizer) -> None:
    """Write ``config.json``, ``model.safetensors`` and ``tokenizer.json``; each replaces an older one whole.

    Args:
        folder: made if missing.
        vectors: of weight zero for tokens that say nothing.
        tokenizer: its vocabulary numbers the tokens.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scales = np.abs(vectors.rows).max(axis=1) / _INT8_MAX
    rows = np.divide(vectors.rows, scales[:, None], out=np.zeros_like(vectors.rows), where=scales[:, None] > 0)
    tensors = {
        "embeddings": np.rint(rows).astype(np.int8),
        "mapping": vectors.row_of_token,
        "weights": (scales[vectors.row_of_token] * vectors.weights).astype(np.float32),
    }
    config = {
        "model_type": "model2vec",
        "architectures": ["StaticModel"],
        "tokenizer_name": "local",
        "normalize": True,
        "hidden_dim": vectors.rows.shape[1],
        "seq_length": _NO_LIMIT,
        "language": list(LANGUAGES),
    }
    (folder / "model.safetensors.new").write_bytes(save(tensors))
    tokenizer.save(str(folder / "tokenizer.json.new"), pretty=False)
    (folder / "config.json.new").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        (folder / f"{name}.new").replace(folder / name)
