"""What every embedding model offers, and the errors it raises."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from searchapp.errors import PermanentError

FloatArray = NDArray[np.float32]


class ModelError(PermanentError):
    """Raise when a folder holds no model, a broken one, or one of a kind that is not supported."""


class TextTooLongError(PermanentError):
    """Raise when a text has more tokens than the model can read; nothing is ever cut silently."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """The vectors of some texts, in the order of the texts.

    Attributes:
        vectors: ``(n, dimensions) float32``, unit L2 norm, never NaN.
        token_counts: how many tokens the model read for each text, its end token included.
    """

    vectors: FloatArray
    token_counts: list[int]


class EmbeddingModel(Protocol):
    """A model held in memory. Its methods may be called from several threads at once."""

    @property
    def pooling(self) -> str:
        """How token vectors become one, in SGLang's words: ``mean`` or ``last``."""

    @property
    def dimensions(self) -> int:
        """Length of the vectors."""

    @property
    def max_tokens(self) -> int | None:
        """A text must have fewer tokens than this; None where any length can be read."""

    @property
    def takes_instructions(self) -> bool:
        """Whether the model was trained on queries that begin with ``Instruct: …``."""

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages it was trained on, as its configuration names them; empty where it names none."""

    @property
    def fingerprint(self) -> str:
        """Hexadecimal SHA-256 of weights, tokenizer and configuration."""

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Embed texts; what a text is batched with changes its vector by rounding errors only.

        Raises:
            TextTooLongError: a text has ``max_tokens`` tokens or more.
        """

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids that ``encode`` would read for each text."""


def unit_rows(vectors: FloatArray) -> FloatArray:
    """Scale each row of a ``(n, d) float32`` array to unit L2 norm; rows of zeros stay zeros, not NaN."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    units: FloatArray = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    return units
