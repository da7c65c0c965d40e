"""From a path and a kind to the document: what runs inside the worker."""

from collections.abc import Callable, Mapping
from pathlib import Path

from searchapp.parsing._csv import read_csv
from searchapp.parsing._document import FaqColumns, ParsedDocument, ParseError
from searchapp.parsing._docx import read_docx
from searchapp.parsing._encoding import decode
from searchapp.parsing._html import read_html
from searchapp.parsing._markdown import read_markdown
from searchapp.parsing._pdf import read_pdf
from searchapp.parsing._plain import read_text
from searchapp.parsing._text import has_letters

# What a block costs the caller besides its characters: the object and its strings on 64-bit CPython.
_BLOCK_OVERHEAD_CHARACTERS = 200

_TEXT_READERS: Mapping[str, Callable[[str], ParsedDocument]] = {
    "markdown": read_markdown,
    "html": read_html,
    "text": read_text,
}


def read(path: Path, kind: str, *, max_characters: int, faq_columns: FaqColumns | None) -> ParsedDocument:
    """Read a file of a known kind.

    Raises:
        ParseError: any code but those of `detect_kind` and the limits of the process.
    """
    document = _read_kind(path, kind, faq_columns)
    if not any(has_letters(block.text) for block in document.blocks):
        raise ParseError("no_text")
    characters = sum(len(block.text) + len(block.question) + _BLOCK_OVERHEAD_CHARACTERS for block in document.blocks)
    if characters > max_characters:
        raise ParseError("too_much_text", f"{characters} characters in {len(document.blocks)} blocks")
    return document


def _read_kind(path: Path, kind: str, faq_columns: FaqColumns | None) -> ParsedDocument:
    if kind == "pdf":
        return read_pdf(path)
    data = path.read_bytes()
    if kind == "docx":
        return read_docx(data)
    text = decode(data)
    if text is None:
        raise ParseError("type_mismatch", "the beginning is text, the rest is not")
    if kind == "csv":
        return read_csv(text, faq_columns)
    return _TEXT_READERS[kind](text)
