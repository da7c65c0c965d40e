"""Cutting a text that is longer than a model can read."""

import re
from collections.abc import Callable

# Where a text is best cut, best first: paragraphs, lines, sentences in any script, words.
_BORDERS = (
    re.compile(r"\n\s*\n"),
    re.compile(r"\n"),
    re.compile(r"[.!?…]\s|[。！？؟।॥။፧]"),
    re.compile(r"\s"),
)


def split_text(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Return the text in parts that fit, in order, cut at the best borders near the middle; nothing is left out.

    One character that does not fit is a part of its own.
    """
    if fits(text) or len(text) < 2:
        return [text]
    middle = _border(text)
    return [part for half in (text[:middle], text[middle:]) if half.strip() for part in split_text(half.strip(), fits)]


def _border(text: str) -> int:
    """Return the best place to cut in the middle half."""
    low, middle, high = len(text) // 4, len(text) // 2, -(-len(text) * 3 // 4)
    for pattern in _BORDERS:
        ends = [match.end() for match in pattern.finditer(text, low, high) if 0 < match.end() < len(text)]
        if ends:
            return min(ends, key=lambda end: abs(end - middle))
    return middle
