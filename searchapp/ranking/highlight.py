"""Find the part of a passage that answers a question, whatever language either is in."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def best_span(
    query: NDArray[np.float32], sentences: NDArray[np.float32], spans: Sequence[tuple[int, int]]
) -> tuple[int, int]:
    """Return the span of the sentence nearest to the question.

    Args:
        query: ``(dimensions,)`` float32, unit L2 norm.
        sentences: ``(n, dimensions)`` float32, unit L2 norm, n >= 1.
        spans: start and end of each sentence, n of them.
    """
    return spans[int(np.argmax(sentences @ query))]
