"""Find passages that are nearly the same text."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Share of the pieces of both that two texts have in common. Two answers that differ in one number of a sentence of
# usual length share less.
NEARLY_THE_SAME = 0.9
PIECE_CHARACTERS = 5
# Odd and large, so that pieces of different characters get different hashes: 2**64 divided by the golden ratio (Knuth,
# The Art of Computer Programming 3, 6.4).
HASH_FACTOR = np.uint64(0x9E3779B97F4A7C15)


def first_of_equals(texts: Sequence[str]) -> list[int]:
    """Return for each text the position of the first that is nearly the same: its own where there is none.

    Texts are compared by their overlapping pieces of five characters (shingles: Broder, On the Resemblance
    and Containment of Documents, 1997), case and white space aside.
    """
    pieces = [_pieces(text) for text in texts]
    first: list[int] = []
    for position, own in enumerate(pieces):
        first.append(
            next(
                (
                    earlier
                    for earlier in range(position)
                    if first[earlier] == earlier and _resemblance(own, pieces[earlier]) >= NEARLY_THE_SAME
                ),
                position,
            )
        )
    return first


def _pieces(text: str) -> NDArray[np.uint64]:
    """Return the distinct pieces of a text as sorted hashes: a polynomial of their characters, modulo 2**64."""
    plain = " ".join(text.casefold().split()).ljust(PIECE_CHARACTERS, "\0")
    characters = np.frombuffer(plain.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    count = len(characters) - PIECE_CHARACTERS + 1
    pieces = np.zeros(count, dtype=np.uint64)
    for start in range(PIECE_CHARACTERS):
        pieces = pieces * HASH_FACTOR + characters[start : start + count]
    pieces.sort()
    distinct: NDArray[np.uint64] = pieces[np.append(True, pieces[1:] != pieces[:-1])]
    return distinct


def _resemblance(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> float:
    if min(len(first), len(second)) < NEARLY_THE_SAME * max(len(first), len(second)):
        return 0.0
    both = np.concatenate((first, second))
    both.sort()
    shared = int(np.count_nonzero(both[1:] == both[:-1]))
    return shared / (len(both) - shared)
