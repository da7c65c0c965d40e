"""Find passages that are nearly the same text."""

from collections.abc import Sequence

# Share of the pieces of both that two texts have in common. Two answers that differ in one number of a sentence of
# usual length share less.
NEARLY_THE_SAME = 0.9
PIECE_CHARACTERS = 5


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


def _pieces(text: str) -> set[str]:
    plain = " ".join(text.casefold().split())
    count = max(1, len(plain) - PIECE_CHARACTERS + 1)
    return {plain[start : start + PIECE_CHARACTERS] for start in range(count)}


def _resemblance(first: set[str], second: set[str]) -> float:
    if min(len(first), len(second)) < NEARLY_THE_SAME * max(len(first), len(second)):
        return 0.0
    return len(first & second) / len(first | second)
