"""Qwen3-Embedding in numpy: the exact forward pass in float32, without torch.

Follows ``transformers.models.qwen3`` (checked against 5.23.0) and the model card of
Qwen3-Embedding-0.6B: decoder layers with a causal mask, the last token's state, L2 norm.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from searchapp.local.embeddings.models.base import (
    Encoded,
    FloatArray,
    ModelError,
    TextTooLongError,
    unit_rows,
)
from searchapp.local.embeddings.models.files import Tensor, fingerprint, languages, map_tensors, read_tokenizer

logger = logging.getLogger(__name__)

# Texts are packed end to end up to this many tokens: enough for matrix products to run at full speed,
# few enough that the largest intermediate array (tokens x 3072 for the 0.6B model) stays at 12 MiB.
_TOKENS_PER_BATCH = 1024
# Attention is computed for this many tokens of a text at a time, against all earlier ones, so that its
# memory grows with the length of a text and not with its square.
_ROWS_PER_BLOCK = 128
# What the end of a text is called by Qwen3-Embedding's own tokenizer.
_END_TOKEN = "<|endoftext|>"  # noqa: S105 - no password


@dataclass(frozen=True, slots=True)
class _Shape:
    """The numbers of a model's configuration that the forward pass needs."""

    layers: int
    heads: int
    kv_heads: int
    head_dimensions: int
    norm_epsilon: float
    rope_theta: float
    max_tokens: int

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Read ``config.json``.

        Raises:
            ModelError: the configuration lacks a value, or asks for what no Qwen3-Embedding model uses.
        """
        # transformers 5 writes rope_parameters, earlier versions rope_theta and rope_scaling
        rope = config.get("rope_parameters") or {"rope_theta": config.get("rope_theta")}
        unsupported = [
            name
            for name, is_asked_for in [
                ("rope_scaling", config.get("rope_scaling") or rope.get("rope_type", "default") != "default"),
                ("attention_bias", config.get("attention_bias")),
                ("use_sliding_window", config.get("use_sliding_window")),
                ("hidden_act", config.get("hidden_act", "silu") != "silu"),
            ]
            if is_asked_for
        ]
        if unsupported:
            raise ModelError("model_unsupported", f"config.json asks for {', '.join(unsupported)}")
        try:
            return cls(
                layers=config["num_hidden_layers"],
                heads=config["num_attention_heads"],
                kv_heads=config["num_key_value_heads"],
                head_dimensions=config["head_dim"],
                norm_epsilon=config["rms_norm_eps"],
                rope_theta=float(rope["rope_theta"]),
                max_tokens=config["max_position_embeddings"],
            )
        except (KeyError, TypeError) as exc:
            raise ModelError("model_broken", f"config.json lacks a value: {exc!r}") from exc


@dataclass(frozen=True, slots=True)
class _Layer:
    """The weights of one decoder layer; a matrix is ``(outputs, inputs)``, a norm ``(features,)``."""

    input_norm: FloatArray
    query: FloatArray
    key: FloatArray
    value: FloatArray
    query_norm: FloatArray
    key_norm: FloatArray
    attention_output: FloatArray
    feed_forward_norm: FloatArray
    gate: FloatArray
    up: FloatArray
    down: FloatArray


_LAYER_TENSORS = {
    "input_norm": "input_layernorm",
    "query": "self_attn.q_proj",
    "key": "self_attn.k_proj",
    "value": "self_attn.v_proj",
    "query_norm": "self_attn.q_norm",
    "key_norm": "self_attn.k_norm",
    "attention_output": "self_attn.o_proj",
    "feed_forward_norm": "post_attention_layernorm",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
}


class Qwen3Model:
    """Run a Qwen3-Embedding model on the CPU; see ``EmbeddingModel`` for the interface."""

    pooling = "last"
    takes_instructions = True

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        self._shape = _Shape.from_config(config)
        self._tokenizer = read_tokenizer(folder)
        self._end_ids = _missing_end_ids(self._tokenizer, config)
        tensors = map_tensors(folder)
        # written by Qwen3Model without a prefix, by Qwen3ForCausalLM with one
        prefix = "model." if "model.embed_tokens.weight" in tensors else ""
        try:
            # the largest array stays on disk: a text reads only the rows of its own tokens
            self._embeddings = tensors[f"{prefix}embed_tokens.weight"]
            final_norm = tensors[f"{prefix}norm.weight"]
            layers = [
                {field: tensors[f"{prefix}layers.{number}.{name}.weight"] for field, name in _LAYER_TENSORS.items()}
                for number in range(self._shape.layers)
            ]
        except KeyError as exc:
            raise ModelError("model_broken", f"the weights in {folder} lack {exc}") from exc
        if self._tokenizer.get_vocab_size() > self._embeddings.shape[0]:
            raise ModelError("model_broken", f"the tokenizer in {folder} has more tokens than the weights")
        _log_cost(self._embeddings, layers)
        self._final_norm = final_norm.to_float32()
        self._layers = [_Layer(**{field: tensor.to_float32() for field, tensor in layer.items()}) for layer in layers]
        self.dimensions = self._embeddings.shape[1]
        self.max_tokens = self._shape.max_tokens
        self.languages = languages(config)
        self.fingerprint = fingerprint(folder)

    def encode(self, texts: Sequence[str]) -> Encoded:
        ids = self.tokenize(texts)
        token_counts = [len(text_ids) for text_ids in ids]
        longest = max(token_counts, default=0)
        if longest >= self.max_tokens:
            raise TextTooLongError(
                "text_too_long",
                f"The input ({longest} tokens) is longer than the model's context length ({self.max_tokens} tokens).",
            )
        states = [self._last_states(batch) for batch in _batches(ids)]
        vectors = np.concatenate(states) if states else np.empty((0, self.dimensions), dtype=np.float32)
        return Encoded(unit_rows(vectors), token_counts)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=True)
        return [encoding.ids + self._end_ids for encoding in encodings]

    def _last_states(self, ids: Sequence[Sequence[int]]) -> FloatArray:
        """Run the model over texts packed end to end; no padding is computed, none can be seen.

        Args:
            ids: token ids of each text, none empty.

        Returns:
            ``(len(ids), dimensions) float32``: the final state of each text's last token.
        """
        counts = np.array([len(text_ids) for text_ids in ids])
        ends = np.cumsum(counts)
        spans = [slice(start, end) for start, end in zip(ends - counts, ends, strict=True)]
        rotation = self._rotation(np.concatenate([np.arange(count) for count in counts]))
        states = self._embeddings.rows(np.concatenate([np.array(text_ids) for text_ids in ids]))
        for layer in self._layers:
            states += self._attention(self._norm(states, layer.input_norm), layer, rotation, spans)
            states += _feed_forward(self._norm(states, layer.feed_forward_norm), layer)
        return self._norm(states[ends - 1], self._final_norm)

    def _attention(
        self,
        states: FloatArray,
        layer: _Layer,
        rotation: tuple[FloatArray, FloatArray],
        spans: Sequence[slice],
    ) -> FloatArray:
        """Let each token look at itself and the earlier tokens of its own text."""
        shape = self._shape
        query = (states @ layer.query.T).reshape(-1, shape.heads, shape.head_dimensions)
        key = (states @ layer.key.T).reshape(-1, shape.kv_heads, shape.head_dimensions)
        value = (states @ layer.value.T).reshape(-1, shape.kv_heads, shape.head_dimensions)
        query = _rotate(self._norm(query, layer.query_norm), rotation)
        query *= shape.head_dimensions**-0.5
        key = _rotate(self._norm(key, layer.key_norm), rotation)
        mixed = np.empty_like(query)
        for span in spans:
            mixed[span] = _causal_attention(query[span], key[span], value[span])
        return mixed.reshape(len(states), -1) @ layer.attention_output.T

    def _norm(self, states: FloatArray, weights: FloatArray) -> FloatArray:
        """Divide by the root of the mean square over the last axis, then scale (RMSNorm)."""
        mean_square = np.mean(np.square(states), axis=-1, keepdims=True)
        normed: FloatArray = states / np.sqrt(mean_square + np.float32(self._shape.norm_epsilon)) * weights
        return normed

    def _rotation(self, positions: NDArray[np.intp]) -> tuple[FloatArray, FloatArray]:
        """Return cosine and sine of the rotary position angles, each ``(tokens, 1, head_dimensions / 2)``."""
        exponents = np.arange(0, self._shape.head_dimensions, 2, dtype=np.float32) / np.float32(
            self._shape.head_dimensions
        )
        frequencies = 1 / np.float32(self._shape.rope_theta) ** exponents
        angles = positions.astype(np.float32)[:, None, None] * frequencies
        return np.cos(angles), np.sin(angles)


def _missing_end_ids(tokenizer: Tokenizer, config: Mapping[str, Any]) -> list[int]:
    """Return the end token to append to each text, or nothing where the tokenizer itself does.

    The vector is the state of that last token, so a text without it would get a wrong one.
    """
    if tokenizer.num_special_tokens_to_add(is_pair=False) > 0:
        return []
    end_id = tokenizer.token_to_id(_END_TOKEN)
    if end_id is None:
        end_id = config.get("eos_token_id")
    if not isinstance(end_id, int):
        raise ModelError(
            "model_broken", f"the tokenizer adds no end token, and neither {_END_TOKEN} nor eos_token_id names one"
        )
    return [end_id]


def _batches(ids: Sequence[list[int]]) -> Iterator[list[list[int]]]:
    """Cut texts into runs of at most ``_TOKENS_PER_BATCH`` tokens; a longer text is a run of its own."""
    batch: list[list[int]] = []
    tokens = 0
    for text_ids in ids:
        if batch and tokens + len(text_ids) > _TOKENS_PER_BATCH:
            yield batch
            batch, tokens = [], 0
        batch.append(text_ids)
        tokens += len(text_ids)
    if batch:
        yield batch


def _rotate(heads: FloatArray, rotation: tuple[FloatArray, FloatArray]) -> FloatArray:
    """Turn each pair (i, i + half) of a head's features by the angle of its position (RoPE)."""
    cosine, sine = rotation
    half = heads.shape[-1] // 2
    first, second = heads[..., :half], heads[..., half:]
    return np.concatenate([first * cosine - second * sine, second * cosine + first * sine], axis=-1)


def _causal_attention(query: FloatArray, key: FloatArray, value: FloatArray) -> FloatArray:
    """Attend within one text, several query heads to each key head.

    Args:
        query: ``(tokens, heads, d)``, already scaled.
        key: ``(tokens, kv_heads, d)``.
        value: ``(tokens, kv_heads, d)``.

    Returns:
        ``(tokens, heads, d) float32``.
    """
    tokens, heads, dimensions = query.shape
    kv_heads = key.shape[1]
    grouped = query.reshape(tokens, kv_heads, heads // kv_heads, dimensions).transpose(1, 2, 0, 3)
    keys = key.transpose(1, 2, 0)[:, None]
    values = value.transpose(1, 0, 2)[:, None]
    mixed = np.empty_like(query)
    for start in range(0, tokens, _ROWS_PER_BLOCK):
        stop = min(start + _ROWS_PER_BLOCK, tokens)
        scores = grouped[:, :, start:stop] @ keys[..., :stop]
        is_later = np.triu(np.ones((stop - start, stop - start), dtype=bool), k=1)
        scores[..., start:][..., is_later] = -np.inf
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        block = scores @ values[:, :, :stop]
        mixed[start:stop] = block.transpose(2, 0, 1, 3).reshape(stop - start, heads, dimensions)
    return mixed


def _feed_forward(states: FloatArray, layer: _Layer) -> FloatArray:
    """Apply the gated feed-forward network (SwiGLU)."""
    gate = states @ layer.gate.T
    # silu(x) = x * sigmoid(x), and sigmoid(x) = (1 + tanh(x / 2)) / 2, which cannot overflow
    activated: FloatArray = gate * (np.float32(0.5) + np.float32(0.5) * np.tanh(gate * np.float32(0.5)))
    activated *= states @ layer.up.T
    output: FloatArray = activated @ layer.down.T
    return output


def _log_cost(embeddings: Tensor, layers: Sequence[Mapping[str, Tensor]]) -> None:
    """Say what the model will take before it takes it."""
    layer_weights = sum(tensor.stored.size for layer in layers for tensor in layer.values())
    # a token costs one multiplication and one addition for each weight of the layers
    passages_per_s = _operations_per_s() / (2 * layer_weights * 256)
    logger.info(
        "loading Qwen3: %.1f GB of memory for weights in float32 and %.1f GB mapped from disk; "
        "about %.2g passages of 256 tokens a second on this machine",
        layer_weights * 4 / 1e9,
        embeddings.stored.nbytes / 1e9,
        passages_per_s,
    )


def _operations_per_s() -> float:
    """Measure floating-point operations a second of a matrix product, for some milliseconds."""
    left, right = np.ones((256, 1024), dtype=np.float32), np.ones((1024, 1024), dtype=np.float32)
    durations_s = []
    for _ in range(3):
        started = time.perf_counter()
        left @ right
        durations_s.append(time.perf_counter() - started)
    return 2 * 256 * 1024 * 1024 / min(durations_s)
