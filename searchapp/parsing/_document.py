"""What parsing takes and gives: plain values that every other room may hold."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, SupportsIndex

from searchapp.errors import PermanentError, TransientError


class BlockKind(StrEnum):
    HEADING = "heading"
    TEXT = "text"
    CODE = "code"
    TABLE = "table"
    FAQ = "faq"


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of a document that belongs together: a paragraph, a list, a table, a question.

    Attributes:
        text: plain readable text in NFC; one line per row for a table, the answer for a FAQ row.
        heading_path: the headings above this block, outermost first; a heading is not above itself.
        page: 1-based; only PDFs have pages.
        question: FAQ rows only. Similar wordings of the question follow on lines of their own.
    """

    kind: BlockKind
    text: str
    heading_path: tuple[str, ...]
    page: int | None = None
    question: str = ""


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A document as its blocks in reading order; ``title`` is empty where the file names none."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """What one file may cost.

    Attributes:
        timeout_s: wall-clock time, and also CPU time, of the whole parse.
        max_memory_bytes: address space of the worker, of which the loaded libraries take about 0.2 GB.
        max_characters: size of the result. Each block counts for a fixed overhead besides its text,
            so that millions of tiny blocks cannot fill the caller's memory.
    """

    timeout_s: float = 120
    max_memory_bytes: int = 2 * 1024**3
    max_characters: int = 20_000_000


@dataclass(frozen=True, slots=True)
class FaqColumns:
    """The header names of the columns to read; ``"1"``, ``"2"`` … name columns of a file without header."""

    question: str
    answer: str


class ParseError(PermanentError):
    """Say why a file cannot be read.

    Codes: ``empty_file``, ``unsupported_type``, ``type_mismatch``, ``file_broken``, ``file_encrypted``,
    ``no_text``, ``parse_timeout``, ``parse_memory``, ``too_much_text``, ``faq_columns_needed``.

    Args:
        headers: for ``faq_columns_needed``, the column names to choose `FaqColumns` from.
    """

    def __init__(self, code: str, detail: str = "", headers: tuple[str, ...] = ()) -> None:
        super().__init__(code, detail)
        self.headers = headers

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return type(self), (self.code, self.detail, self.headers)


class ParserUnavailableError(TransientError):
    """Say that the parsing processes, not the file, are at fault; code ``parser_unavailable``."""
