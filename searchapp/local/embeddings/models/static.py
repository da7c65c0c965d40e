"""Static models in model2vec's layout: the vector of a text is the normalised sum of its tokens' vectors."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from searchapp.local.embeddings.models.base import Encoded, FloatArray, ModelError, unit_rows
from searchapp.local.embeddings.models.files import Tensor, fingerprint, languages, map_tensors, read_tokenizer

# Bounds for the memory of one call, whatever its number and length of texts: the tokenizer's own
# objects take about 100 bytes a token, and the token vectors of one block 4 MiB at 256 dimensions.
_TEXTS_PER_BATCH = 256
_TOKENS_PER_BLOCK = 4096


class StaticModel:
    """Sum token vectors; see ``EmbeddingModel`` for the interface.

    The vectors equal those of model2vec with ``max_length=None`` and ``normalize=True``. One thing is
    added: a text whose sum is zero, because the model knows none of its tokens (emoji, punctuation,
    scripts it was not trained on), has no direction there, and a zero vector would make clients refuse
    the whole batch. Such a text gets a vector made from its characters instead (``_character_vector``).
    """

    pooling = "mean"
    max_tokens = None
    takes_instructions = False

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        self.fingerprint = fingerprint(folder)
        self.languages = languages(config)
        self._tokenizer = read_tokenizer(folder)
        self._table, self._row_of_token, self._weights = _vectors(folder, self._tokenizer)
        self.dimensions = self._table.shape[1]

    def encode(self, texts: Sequence[str]) -> Encoded:
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        token_counts: list[int] = []
        for start in range(0, len(texts), _TEXTS_PER_BATCH):
            batch = texts[start : start + _TEXTS_PER_BATCH]
            ids = self.tokenize(batch)
            counts = [len(text_ids) for text_ids in ids]
            sums = self._sums(np.fromiter(chain.from_iterable(ids), np.intp, sum(counts)), np.array(counts))
            for index in np.flatnonzero(~sums.any(axis=1)).tolist():
                sums[index] = _character_vector(batch[index], self.dimensions)
            vectors[start : start + len(batch)] = unit_rows(sums)
            token_counts.extend(counts)
        return Encoded(vectors, token_counts)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def _sums(self, ids: NDArray[np.intp], counts: NDArray[np.intp]) -> FloatArray:
        """Sum the weighted vectors of the tokens of each text.

        Args:
            ids: the token ids of all texts, one text after the other.
            counts: number of tokens of each text, zero allowed.

        Returns:
            ``(len(counts), dimensions) float32``; zeros for a text without tokens.
        """
        sums = np.zeros((len(counts), self.dimensions), dtype=np.float32)
        filled = np.flatnonzero(counts)
        ends = np.cumsum(counts[filled])
        starts = ends - counts[filled]
        for begin in range(0, len(ids), _TOKENS_PER_BLOCK):
            block = ids[begin : begin + _TOKENS_PER_BLOCK]
            vectors = self._table.rows(self._row_of_token[block])
            vectors *= self._weights[block, None]
            # the texts with a token in this block; the first and the last may reach beyond it
            first = np.searchsorted(ends, begin, side="right")
            last = np.searchsorted(starts, begin + len(block), side="left")
            offsets = np.maximum(starts[first:last] - begin, 0)
            sums[filled[first:last]] += np.add.reduceat(vectors, offsets, axis=0)
        return sums


def _vectors(folder: Path, tokenizer: Tokenizer) -> tuple[Tensor, NDArray[np.intp], FloatArray]:
    """Return the table of vectors, and the row and the weight of each token.

    Tokens share rows if there is a ``mapping``, which model2vec calls vocabulary quantization.
    """
    tensors = map_tensors(folder)
    vocabulary = tokenizer.get_vocab_size()
    table, mapping, stored = tensors.get("embeddings"), tensors.get("mapping"), tensors.get("weights")
    row_of_token = np.arange(vocabulary) if mapping is None else mapping.stored.astype(np.intp)
    weights = np.ones(vocabulary, dtype=np.float32) if stored is None else stored.to_float32()
    if table is None or len(table.shape) != 2 or (mapping is None and table.shape[0] != vocabulary):
        found = "none" if table is None else str(table.shape)
        raise ModelError("model_broken", f"embeddings of shape {found} for {vocabulary} tokens in {folder}")
    if not len(row_of_token) == len(weights) == vocabulary:
        raise ModelError("model_broken", f"weights or mapping of another length than {vocabulary} tokens in {folder}")
    if row_of_token.min(initial=0) < 0 or row_of_token.max(initial=0) >= table.shape[0]:
        raise ModelError("model_broken", f"the mapping points outside of the embeddings in {folder}")
    unknown = _unknown_id(tokenizer)
    if unknown is not None:
        # model2vec takes unknown tokens out of a text; in a sum that is normalised, no weight is the same
        weights[unknown] = 0
    return table, row_of_token, weights


def _unknown_id(tokenizer: Tokenizer) -> int | None:
    """Return the id of the unknown token, which Unigram models give as a number and others as a word."""
    if hasattr(tokenizer.model, "unk_token"):
        word = tokenizer.model.unk_token
        return None if word is None else tokenizer.token_to_id(word)
    unknown: int | None = json.loads(tokenizer.to_str())["model"].get("unk_id")
    return unknown


def _character_vector(text: str, dimensions: int) -> FloatArray:
    """Add up one pseudo-random vector of +1 and -1 for each run of three characters of a text.

    Texts that share characters come out similar, equal ones equal, and all others, those the model
    knows included, nearly orthogonal (cosine about 0 +- 1/sqrt(dimensions)). So such a text is found by
    what it has in common with a query, and stays below every score that means something otherwise.

    Args:
        text: not blank.
        dimensions: length of the vector.

    Returns:
        ``(dimensions,) float32``, not normalised.
    """
    padded = f" {' '.join(text.casefold().split())} "
    trigrams = Counter(padded[start : start + 3] for start in range(len(padded) - 2))
    hashed = b"".join(hashlib.shake_128(trigram.encode()).digest(dimensions) for trigram in trigrams)
    signs = np.frombuffer(hashed, np.uint8).reshape(len(trigrams), dimensions) & 1
    counts = np.fromiter(trigrams.values(), np.float32, len(trigrams))
    return counts @ (signs.astype(np.float32) * 2 - 1)
