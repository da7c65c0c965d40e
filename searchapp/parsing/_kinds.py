"""Which of the six kinds a file is, from its bytes first.

The extension must be a known one. Where it and the bytes disagree:

* a web page named ``.txt`` or ``.md`` is read as HTML, which is what its author would expect;
* a Markdown, text or CSV file cannot be told apart by its bytes: the extension decides;
* everything else (a PDF named ``.md``, an image named ``.txt``, a spreadsheet named ``.docx``) is a
  ``type_mismatch``: guessing would hide a mistake from the person who uploads.

A file without extension is a PDF, DOCX, HTML or text by its bytes.
"""

import mmap
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from searchapp.parsing._document import ParseError
from searchapp.parsing._encoding import decode

SUPPORTED_EXTENSIONS: Mapping[str, str] = MappingProxyType(
    {
        ".md": "markdown",
        ".markdown": "markdown",
        ".txt": "text",
        ".text": "text",
        ".html": "html",
        ".htm": "html",
        ".xhtml": "html",
        ".pdf": "pdf",
        ".docx": "docx",
        ".csv": "csv",
        ".tsv": "csv",
    }
)

_SAMPLE_BYTES = 64 * 1024
_PDF_HEADER_BYTES = 1024  # ISO 32000, annex H: readers accept the header within the first 1024 bytes
_ZIP = b"PK\x03\x04"
_ZIP_DIRECTORY_END = b"PK\x05\x06"
_WORD_PART = b"word/document"  # member names stand uncompressed in a zip
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_ENCRYPTED_STREAM = "EncryptedPackage".encode("utf-16-le")  # MS-OFFCRYPTO 2.3.4
_HTML_START = re.compile(r"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|html[\s>])", re.I | re.S)


def detect_kind(path: Path, source_name: str) -> str:
    """Tell the kind of a file: ``markdown``, ``text``, ``html``, ``pdf``, ``docx`` or ``csv``.

    Reads the beginning of the file, and for zip archives looks for one name in it.

    Args:
        path: where the bytes are.
        source_name: the name it was uploaded under; only its extension matters.

    Raises:
        ParseError: ``empty_file``, ``unsupported_type``, ``type_mismatch``, or ``file_encrypted`` for
            a password-protected Office file.
        OSError: the file cannot be opened.
    """
    extension = Path(source_name).suffix.lower()
    if extension and extension not in SUPPORTED_EXTENSIONS:
        raise ParseError("unsupported_type", f"extension {extension}")
    with path.open("rb") as file:
        head = file.read(_SAMPLE_BYTES)
        if not head.strip():
            raise ParseError("empty_file")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            found = _kind_of_bytes(head, data)
    if not extension and found not in SUPPORTED_EXTENSIONS.values():
        raise ParseError("unsupported_type", f"no extension, content {found}")
    expected = SUPPORTED_EXTENSIONS.get(extension, found)
    if expected == found or (expected in {"markdown", "csv", "html"} and found == "text"):
        return expected
    if found == "html" and expected in {"text", "markdown"}:
        return found
    raise ParseError("type_mismatch", f"extension {extension}, content {found}")


def _kind_of_bytes(head: bytes, data: mmap.mmap) -> str:
    if b"%PDF-" in head[:_PDF_HEADER_BYTES]:
        return "pdf"
    if head.startswith(_ZIP):
        # A truncated archive has lost its directory: let the reader call it broken.
        is_word = data.find(_WORD_PART) >= 0 or data.rfind(_ZIP_DIRECTORY_END) < 0
        return "docx" if is_word else "zip"
    if head.startswith(_OLE):
        if data.find(_OLE_ENCRYPTED_STREAM) >= 0:
            raise ParseError("file_encrypted", "Office file with a password")
        return "ole"
    text = decode(head)
    if text is None:
        return "binary"
    return "html" if _HTML_START.match(text) else "text"
