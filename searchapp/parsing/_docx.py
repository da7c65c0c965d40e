"""DOCX by way of the HTML that xberg makes of it.

Its Markdown is not used because it leaves asterisks of the text unescaped: ``2*3*4`` would lose them.
"""

import asyncio
import re
from html import unescape

import xberg

from searchapp.parsing._document import ParsedDocument, ParseError
from searchapp.parsing._html import read_html
from searchapp.parsing._markdown import render_inline
from searchapp.parsing._text import sensible_title

_MIME_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
# xberg writes Markdown into the cells of its HTML tables.
_CELL = re.compile(r"(<t[dh]>)(.*?)(</t[dh]>)", re.S)


def read_docx(data: bytes) -> ParsedDocument:
    """Read a Word document; the title is its first heading of level 1, else the one in its properties.

    Raises:
        ParseError: ``file_broken``. xberg also raises errors of its own, among others for zip bombs.
    """
    source = xberg.ExtractInput(kind=xberg.ExtractInputKind.BYTES, bytes=data, mime_type=_MIME_TYPE)
    config = xberg.ExtractionConfig(
        output_format="html",
        disable_ocr=True,
        use_cache=False,
        concurrency=xberg.ConcurrencyConfig(max_threads=1),
    )
    result = asyncio.run(xberg.extract(source, config))
    if not result.results:
        raise ParseError("file_broken", "; ".join(error.message for error in result.errors))
    extracted = result.results[0]
    html = _CELL.sub(lambda cell: f"{cell[1]}{render_inline(unescape(cell[2]))}{cell[3]}", extracted.content)
    document = read_html(html, find_main=False)
    return ParsedDocument(document.title or sensible_title(extracted.metadata.title or ""), document.blocks)
