"""What goes into chunking and what comes out."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

_BLOCK_SEPARATOR = "\n\n"
_ANSWER_SEPARATOR = "\n"


class Block(Protocol):
    """One piece of a document that belongs together.

    ``kind`` is "heading", "text", "code", "table" (one line per row) or "faq" (``text`` is the answer).
    ``heading_path`` names the headings above it, outermost first; a heading is not above itself.
    """

    @property
    def kind(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def heading_path(self) -> tuple[str, ...]: ...
    @property
    def page(self) -> int | None: ...
    @property
    def question(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Passage:
    """Hold a piece of a document that is found as one.

    Attributes:
        ordinal: position in the document, from 0.
        text: exactly ``document_text(blocks)[start:end]``; for a FAQ row, (a part of) the answer.
        question: of a FAQ row, else empty.
        heading_path: the headings above all of the passage, outermost first.
        page: of the first character, from 1; None where the format has no pages.
        start: offset of the first character in the document text.
        end: offset after the last character.
        language: code of ``language.SUPPORTED_LANGUAGES``, or "und".
        token_count: of ``text``, by the caller's count.
    """

    ordinal: int
    text: str
    question: str
    heading_path: tuple[str, ...]
    page: int | None
    start: int
    end: int
    language: str
    token_count: int


def document_text(blocks: Iterable[Block]) -> str:
    """Join blocks with blank lines; a FAQ row is its question, a line break and its answer."""
    return _BLOCK_SEPARATOR.join(_lead(block) + block.text for block in blocks)


def text_offsets(blocks: Sequence[Block]) -> Iterator[int]:
    """Yield where the ``text`` of each block starts in the document text."""
    position = 0
    for block in blocks:
        position += len(_lead(block))
        yield position
        position += len(block.text) + len(_BLOCK_SEPARATOR)


def _lead(block: Block) -> str:
    return block.question + _ANSWER_SEPARATOR if block.question else ""
