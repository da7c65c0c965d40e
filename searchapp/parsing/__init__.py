"""Turn the bytes of an uploaded file into a `ParsedDocument`, in a child process that can be killed.

    parse ── _kinds    what the bytes are
          ── _sandbox  caller's side: hands the file to the nursery and waits for blocks
          ── _nursery  keeps the libraries loaded; forks a guard and a worker for every file
          ── _formats  in the worker: _markdown, _html, _docx, _pdf, _csv, _plain

HTML is the common form: Markdown and DOCX are rendered to it, and one walk over its tree makes blocks.
Which types are accepted and what happens to a file whose name and bytes disagree is told in `_kinds`.
"""

from searchapp.parsing._document import (
    Block,
    BlockKind,
    FaqColumns,
    ParsedDocument,
    ParseError,
    ParseLimits,
    ParserUnavailableError,
)
from searchapp.parsing._kinds import SUPPORTED_EXTENSIONS, detect_kind
from searchapp.parsing._sandbox import parse

__all__ = [
    "SUPPORTED_EXTENSIONS",
    "Block",
    "BlockKind",
    "FaqColumns",
    "ParseError",
    "ParseLimits",
    "ParsedDocument",
    "ParserUnavailableError",
    "detect_kind",
    "parse",
]
