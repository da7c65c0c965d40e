"""Plain text: a paragraph ends at a blank line; lines stay as their author broke them."""

import re

from searchapp.parsing._blocks import BlockList
from searchapp.parsing._document import BlockKind, ParsedDocument
from searchapp.parsing._text import clean

_BLANK_LINES = re.compile(r"\n[ \t\u3000]*(?:\n[ \t\u3000]*)+")


def read_text(text: str) -> ParsedDocument:
    found = BlockList()
    for paragraph in _BLANK_LINES.split(clean(text)):
        found.add(BlockKind.TEXT, paragraph.strip())
    return ParsedDocument("", tuple(found.blocks))
