"""FAQ sheets: CSV or TSV with one question and one answer per row."""

import csv
import io
import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence

from searchapp.parsing import _faq_headers
from searchapp.parsing._blocks import BlockList
from searchapp.parsing._document import BlockKind, FaqColumns, ParsedDocument, ParseError
from searchapp.parsing._text import clean

_DELIMITERS = ",;\t|"
_ROWS_TO_JUDGE = 50
_MAX_FIELD_CHARACTERS = 10_000_000
_MAX_HEADER_CHARACTERS = 60  # longer, a first row is no header but data
_NO_LETTER = re.compile(r"[\W_]+")


def read_csv(text: str, columns: FaqColumns | None) -> ParsedDocument:
    """Read a FAQ sheet; rows without an answer are skipped.

    Args:
        columns: which columns to read; None lets their headers decide.

    Raises:
        ParseError: ``faq_columns_needed`` with the headers to choose from, ``file_broken``.
    """
    try:
        rows = _rows(clean(text))
    except csv.Error as exc:
        raise ParseError("file_broken", str(exc)) from exc
    if not rows:
        raise ParseError("no_text")
    question, answer, similar, first_row = _columns(rows, columns)
    found = BlockList()
    for row in rows[first_row:]:
        cells = [row[index].strip() if index < len(row) else "" for index in (question, answer, *similar)]
        wordings = dict.fromkeys(wording for wording in (cells[0], *cells[2:]) if wording)
        if wordings:
            found.add(BlockKind.FAQ, cells[1], question="\n".join(wordings))
    return ParsedDocument("", tuple(found.blocks))


def _rows(text: str) -> list[list[str]]:
    csv.field_size_limit(_MAX_FIELD_CHARACTERS)
    delimiter = max(_DELIMITERS, key=lambda candidate: _consistency(text, candidate))
    return [row for row in _read(text, delimiter) if any(cell.strip() for cell in row)]


def _read(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)


def _consistency(text: str, delimiter: str) -> float:
    """Tell how many rows have as many cells as the first, if that is more than one."""
    rows = [row for row in itertools.islice(_read(text, delimiter), _ROWS_TO_JUDGE) if row]
    if not rows or len(rows[0]) < 2:
        return 0.0
    return sum(len(row) == len(rows[0]) for row in rows) / len(rows)


def _columns(rows: Sequence[Sequence[str]], chosen: FaqColumns | None) -> tuple[int, int, tuple[int, ...], int]:
    """Give the question column, the answer column, those of similar questions, and the first row of data."""
    header = [_key(cell) for cell in rows[0]]
    width = max(len(row) for row in rows)
    positions = [str(number) for number in range(1, width + 1)]
    if chosen is not None:
        names = (_key(chosen.question), _key(chosen.answer))
        for known, first_row in ((header, 1), (positions, 0)):
            if all(name in known for name in names):
                return known.index(names[0]), known.index(names[1]), (), first_row
    else:
        question = _find(header, _faq_headers.QUESTION, _faq_headers.QUESTION_WEAK)
        answer = _find(header, _faq_headers.ANSWER, _faq_headers.ANSWER_WEAK)
        if question is not None and answer is not None:
            similar_names = _keys(_faq_headers.SIMILAR_QUESTIONS)
            similar = tuple(index for index, name in enumerate(header) if name in similar_names)
            return question, answer, similar, 1
    headers = [cell.strip() for cell in rows[0]] if _is_header(rows[0]) else positions
    raise ParseError("faq_columns_needed", f"{len(headers)} columns", tuple(headers))


def _find(header: Sequence[str], *groups: str) -> int | None:
    for group in groups:
        names = _keys(group)
        for index, name in enumerate(header):
            if name in names:
                return index
    return None


def _keys(group: str) -> frozenset[str]:
    return frozenset(_key(name) for name in group.split())


def _key(name: str) -> str:
    return _NO_LETTER.sub("", unicodedata.normalize("NFKC", name).casefold())


def _is_header(row: Sequence[str]) -> bool:
    names = [cell.strip() for cell in row]
    is_distinct = all(names) and len(set(names)) == len(names)
    return is_distinct and all(
        len(name) <= _MAX_HEADER_CHARACTERS and not name.endswith(("?", "？", "؟", ".", "。", "!", "！"))
        for name in names
    )
