"""Read the files of a model folder: configuration, tokenizer, weights."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from searchapp.local.embeddings.models.base import FloatArray, ModelError

# safetensors names its types thus (https://github.com/huggingface/safetensors#format). numpy has no
# bfloat16, and the library's numpy side refuses it: its 16 bits are read as integers, widened below.
_NUMPY_TYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "I8": "i1", "I32": "<i4", "I64": "<i8"}


@dataclass(frozen=True, slots=True)
class Tensor:
    """One array of a weight file, mapped into memory and read when it is used."""

    stored: NDArray[Any]
    is_bfloat16: bool

    @property
    def shape(self) -> tuple[int, ...]:
        return self.stored.shape

    def rows(self, ids: NDArray[np.intp]) -> FloatArray:
        """Return the named rows as float32, exactly."""
        return self._as_float32(self.stored[ids])

    def to_float32(self) -> FloatArray:
        """Copy the whole array into memory as float32, exactly."""
        return self._as_float32(self.stored)

    def _as_float32(self, stored: NDArray[Any]) -> FloatArray:
        if self.is_bfloat16:
            # bfloat16 is the upper half of a float32
            return (stored.astype(np.uint32) << 16).view(np.float32)
        return np.array(stored, dtype=np.float32)


def read_config(folder: Path) -> dict[str, Any]:
    """Read ``config.json``.

    Raises:
        ModelError: there is no such file, or it holds something else than a JSON object.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_bytes())
    except OSError as exc:
        raise ModelError("model_missing", f"cannot read {path}: {exc.strerror}") from exc
    except ValueError as exc:
        raise ModelError("model_broken", f"{path} is not JSON: {exc}") from exc
    if not isinstance(config, dict):
        raise ModelError("model_broken", f"{path} does not hold a JSON object")
    return config


def languages(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the language codes of a configuration, which model cards write as one word or a list."""
    named = config.get("language", ())
    return (named,) if isinstance(named, str) else tuple(named)


def read_tokenizer(folder: Path) -> Tokenizer:
    """Read ``tokenizer.json``, without the padding and truncation it may ask for.

    Raises:
        ModelError: there is no such file, or it is no tokenizer.
    """
    path = folder / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_buffer(path.read_bytes())
    except OSError as exc:
        raise ModelError("model_missing", f"cannot read {path}: {exc.strerror}") from exc
    except ValueError as exc:
        raise ModelError("model_broken", f"{path} is no tokenizer: {exc}") from exc
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def map_tensors(folder: Path) -> Mapping[str, Tensor]:
    """Map the arrays of all ``*.safetensors`` files of a folder, be it one file or many shards.

    Raises:
        ModelError: there is no weight file, one is damaged, or it holds a type that is not supported.
    """
    paths = sorted(folder.glob("*.safetensors"))
    if not paths:
        raise ModelError("model_missing", f"{folder} holds no .safetensors file")
    tensors: dict[str, Tensor] = {}
    for path in paths:
        try:
            tensors.update(_map_file(path))
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise ModelError("model_broken", f"cannot read the weights in {path}: {exc!r}") from exc
    return tensors


def _map_file(path: Path) -> dict[str, Tensor]:
    with path.open("rb") as file:
        header_bytes = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(header_bytes))
    header.pop("__metadata__", None)
    data = np.memmap(path, mode="r", offset=8 + header_bytes)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        stored = data[begin:end].view(_NUMPY_TYPES[entry["dtype"]]).reshape(entry["shape"])
        tensors[name] = Tensor(stored, is_bfloat16=entry["dtype"] == "BF16")
    return tensors


def fingerprint(folder: Path) -> str:
    """Return the hexadecimal SHA-256 over the names and contents of all files that decide the vectors."""
    digest = hashlib.sha256()
    for path in sorted([folder / "config.json", folder / "tokenizer.json", *folder.glob("*.safetensors")]):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.name} {content}\n".encode())
    return digest.hexdigest()
