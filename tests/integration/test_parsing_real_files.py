"""Parse the collected real files that ISOGLOSS_SHARED names: each gives text or says why not."""

import csv
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from searchapp.parsing import SUPPORTED_EXTENSIONS, BlockKind, ParsedDocument, ParseError, parse

SHARED = os.environ.get("ISOGLOSS_SHARED", "")
pytestmark = pytest.mark.skipif(not SHARED, reason="ISOGLOSS_SHARED names no folder with real files")
FILES = Path(SHARED) / "data" / "files"
KB = Path(SHARED) / "data" / "kb-real"

SCRIPTS = {
    "zh": r"[\u4e00-\u9fff]",
    "ja": r"[\u3040-\u30ff\u4e00-\u9fff]",
    "ko": r"[\uac00-\ud7af]",
    "ru": r"[\u0400-\u04ff]",
    "ar": r"[\u0600-\u06ff]",
}
RADICALS_AND_FORMS = re.compile(r"[\u2f00-\u2fdf\uf900-\ufaff\ufb00-\ufb06\ufe70-\ufefc]")
MARKUP = re.compile(r"</?(div|span|br|script|style)\b|\]\(http|^#{1,6} ", re.M)
# Word documents and PDFs that hold pictures or drawings only, or no content at all.
WITHOUT_TEXT = {
    "pdfjs__PDFBOX-4352-0.pdf",
    "pdfjs__empty.pdf",
    "pdfjs__empty_protected.pdf",
    "pdfjs__operator_list_cycle.pdf",
    "pdfjs__poppler-85140-0.pdf",
    "pdfjs__two_pages.pdf",
    "tika__testPDF_malformedXFA.pdf",
    "tika__testWORD_charts.docx",
}


def outcome(path: Path) -> str:
    """Give ``text`` or the code of the error."""
    try:
        return "text" if parse(path, source_name=path.name).blocks else "nothing"
    except ParseError as exc:
        return exc.code


@pytest.fixture(scope="module")
def outcomes() -> dict[Path, str]:
    paths = [
        path
        for path in sorted(FILES.rglob("*.*"))
        if path.is_file() and path.parent != FILES and "expected" not in path.parts
    ]
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(paths, pool.map(outcome, paths), strict=True))


def test_real_files_of_other_types_are_unsupported(outcomes: dict[Path, str]) -> None:
    others = {path: code for path, code in outcomes.items() if path.suffix not in SUPPORTED_EXTENSIONS}
    assert others
    assert set(others.values()) == {"unsupported_type"}


def test_real_files_that_are_sound_give_text(outcomes: dict[Path, str]) -> None:
    sound = {
        path.name: code
        for path, code in outcomes.items()
        if path.suffix in SUPPORTED_EXTENSIONS
        and path.suffix != ".csv"
        and not re.search(r"/(broken|encrypted|scanned)/", path.as_posix())
    }
    assert {name for name, code in sound.items() if code != "text"} == WITHOUT_TEXT & set(sound)


def test_real_files_that_are_no_faq_ask_for_columns(outcomes: dict[Path, str]) -> None:
    assert {code for path, code in outcomes.items() if path.suffix == ".csv"} == {"faq_columns_needed"}


def test_real_files_encrypted_or_scanned_say_so(outcomes: dict[Path, str]) -> None:
    codes = {path.name: code for path, code in outcomes.items()}
    for name in ("docling__2206.01062_pg3.pdf", "pdfjs__bug1782186.pdf", "tika__testPassword4Spaces.pdf"):
        assert codes[name] == "file_encrypted", name
    for name in ("markitdown__pdf_scanned_minimal.pdf", "docling__ocr_test_rotated_90.pdf"):
        assert codes[name] == "no_text", name


def test_real_files_broken_end_with_text_or_reason(outcomes: dict[Path, str]) -> None:
    broken = {
        code for path, code in outcomes.items() if "/broken/" in path.as_posix() and path.suffix in SUPPORTED_EXTENSIONS
    }
    assert broken == {"text", "no_text", "file_broken"}


def test_real_knowledge_base_parses_with_titles_and_scripts() -> None:
    with (KB / "documents.tsv").open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))

    def one(row: dict[str, str]) -> ParsedDocument:
        path = KB / "files" / row["file"]
        return parse(path, source_name=path.name)

    with ThreadPoolExecutor(2) as pool:
        documents = list(pool.map(one, rows))
    for row, document in zip(rows, documents, strict=True):
        text = "\n".join(f"{block.question}\n{block.text}" for block in document.blocks)
        if row["file"].endswith(".csv"):
            assert all(block.kind is BlockKind.FAQ and block.question for block in document.blocks), row
        else:
            assert document.title.split() == row["title"].split(), row
            assert all(block.heading_path for block in document.blocks[1:]), row
        script = SCRIPTS.get(row["lang"], r"[A-Za-z\u00c0-\u024f]")
        assert len(re.findall(script, text)) > 0.4 * len(re.findall(r"\w", text)), row
        assert not RADICALS_AND_FORMS.search(text), row
        prose = "\n".join(block.text for block in document.blocks if block.kind is BlockKind.TEXT)
        assert not MARKUP.search(prose), row
