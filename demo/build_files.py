"""Make the binary documents of the demo from `demo/sources`, so that they can be changed like text.

    python demo/build_files.py

writes the DOCX files from Markdown and prints the PDF files from HTML with headless Chromium. The Markdown
is the small part of the language that the sources use: headings, paragraphs, lists and tables.
"""

import io
import re
import shutil
import subprocess
import zipfile
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

DEMO = Path(__file__).parent
SOURCES = DEMO / "sources"
WORD_FILES = ("staff-handbook/boarding-procedure.en.docx", "staff-handbook/double-booking.zh.docx")
PDF_FILES = ("help-centre/lounge.ja.pdf", "help-centre/cabin-panel.zh.pdf")

_TABLE_RULE = re.compile(r"\|[-|]+\|")
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MIME = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_HEADER = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'

# The parts every Word file must have: ECMA-376 part 1, section 11.3 (WordprocessingML) and part 2 (packaging).
_CONTENT_TYPES = f"""{_HEADER}
<Types xmlns="{_PACKAGE}/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Override PartName="/word/document.xml" ContentType="{_MIME}.document.main+xml"/>
<Override PartName="/word/styles.xml" ContentType="{_MIME}.styles+xml"/>
</Types>"""
_PACKAGE_RELATIONS = f"""{_HEADER}
<Relationships xmlns="{_PACKAGE}/relationships">
<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="word/document.xml"/>
</Relationships>"""
_DOCUMENT_RELATIONS = f"""{_HEADER}
<Relationships xmlns="{_PACKAGE}/relationships">
<Relationship Id="rId1" Type="{_OFFICE}/styles" Target="styles.xml"/>
</Relationships>"""


def word_file(markdown: str) -> bytes:
    """Return a DOCX file of the text; the same text always gives the same bytes."""
    parts = {
        "[Content_Types].xml": _CONTENT_TYPES,
        "_rels/.rels": _PACKAGE_RELATIONS,
        "word/_rels/document.xml.rels": _DOCUMENT_RELATIONS,
        "word/styles.xml": _styles(),
        "word/document.xml": _document(markdown),
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in parts.items():
            # ZipInfo without a date means 1980 and no compression: nothing depends on the day or the zlib.
            archive.writestr(zipfile.ZipInfo(name), text)
    return file.getvalue()


def _styles() -> str:
    headings = "".join(
        f'<w:style w:type="paragraph" w:styleId="Heading{level}"><w:name w:val="heading {level}"/>'
        f'<w:pPr><w:outlineLvl w:val="{level - 1}"/></w:pPr>'
        f'<w:rPr><w:b/><w:sz w:val="{40 - 6 * level}"/></w:rPr></w:style>'
        for level in (1, 2, 3)
    )
    return f'{_HEADER}\n<w:styles xmlns:w="{_WORD}">{headings}</w:styles>'


def _document(markdown: str) -> str:
    lines = [line for line in markdown.splitlines() if line and not _TABLE_RULE.fullmatch(line)]
    body = []
    for is_table, group in groupby(lines, key=lambda line: line.startswith("|")):
        if is_table:
            rows = "".join(_row(line) for line in group)
            body.append(f"<w:tbl><w:tblPr/><w:tblGrid/>{rows}</w:tbl>")
        else:
            body.extend(_paragraph(line) for line in group)
    return f'{_HEADER}\n<w:document xmlns:w="{_WORD}"><w:body>{"".join(body)}</w:body></w:document>'


def _row(line: str) -> str:
    cells = (cell.strip() for cell in line.strip("|").split("|"))
    return f"<w:tr>{''.join(f'<w:tc>{_run(cell)}</w:tc>' for cell in cells)}</w:tr>"


def _paragraph(line: str) -> str:
    marks, _, text = line.partition(" ")
    if marks and set(marks) == {"#"}:
        return _run(text, style=f"Heading{len(marks)}")
    return _run(line.replace("- ", "• ", 1) if marks == "-" else line)


def _run(text: str, *, style: str = "") -> str:
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f'<w:p>{properties}<w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p>'


def print_pdf(source: Path, target: Path) -> None:
    """Print an HTML file as PDF with the Chromium of the machine.

    Raises:
        FileNotFoundError: no Chromium is installed.
        subprocess.CalledProcessError: Chromium could not print the page.
    """
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise FileNotFoundError("chromium")
    # No sandbox: the pages are our own, and Chromium refuses to start with one as root or in most containers.
    options = ["--headless", "--no-sandbox", "--no-pdf-header-footer", f"--print-to-pdf={target}"]
    subprocess.run([browser, *options, source.as_uri()], check=True, capture_output=True, timeout=120)


def main() -> None:
    for name in WORD_FILES:
        target = DEMO / "files" / name
        target.write_bytes(word_file((SOURCES / target.with_suffix(".md").name).read_text(encoding="utf-8")))
    for name in PDF_FILES:
        target = DEMO / "files" / name
        print_pdf(SOURCES / target.with_suffix(".html").name, target)


if __name__ == "__main__":
    main()
