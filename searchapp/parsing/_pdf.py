"""PDF: text from poppler where it is installed and finds any, else from PDFium.

Poppler alone gets the order and spacing of Arabic, Thai, Hindi and Korean right; PDFium comes with pip and
tells reliably why a file cannot be opened. Headings are lines set clearly larger than the body, which only
poppler's layout mode reports. That mode reverses right-to-left lines, so text comes from the plain mode and
the two are matched by the letters of each line, whatever their order.
"""

import html
import re
import shutil
import subprocess
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import pypdfium2

from searchapp.parsing._blocks import MAX_HEADING_CHARACTERS, BlockList
from searchapp.parsing._document import BlockKind, ParsedDocument, ParseError
from searchapp.parsing._text import clean, first_word, fold, has_letters, sensible_title

# Forms that look like letters but are other code points: radicals (Chromium and macOS print them for whole
# Han characters), compatibility ideographs, Latin ligatures, Arabic and Hebrew presentation forms.
_COMPATIBILITY_FORMS = re.compile(
    r"[\u2e80-\u2fdf\uf900-\ufaff\ufb00-\ufb4f\ufb50-\ufdff\ufe70-\ufefc\U0002f800-\U0002fa1f]+"
)
_BIDI_MARKS = re.compile(r"[\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # poppler wraps right-to-left lines in them
# In a right-to-left line poppler keeps the spaces around an embedded left-to-right run where they are on
# screen: what stands left of the run comes after it when read.
_LTR_RUN = re.compile(r"\u202a( *)([^\u202c]*?)( *)\u202c")
_LINE = re.compile(
    r'<line xMin="([-\d.]+)" yMin="([-\d.]+)" xMax="([-\d.]+)" yMax="([-\d.]+)">|<word [^>]*>(.*)</word>'
)
_TITLE = re.compile(r"<title>(.*)</title>")
# Body and headings measured on the guides of opensource.guide printed by Chromium: h3 is 1.17 times the body.
_MIN_HEADING_RATIO = 1.12
_SAME_HEIGHT_RATIO = 1.05
_MAX_HEADING_SHARE = 0.3  # of all characters; above it the large lines are no headings
_MIN_PAGES_FOR_FURNITURE = 3
_MIN_FURNITURE_SHARE = 0.6  # of the pages that begin or end with the same line, numbers aside
_FULL_LINE = 0.8  # of the widest line, as letters are not all equally wide
_CLAUSE_ENDS = ".:;!?…"
_DIGITS = re.compile(r"\d+")
_BULLET = re.compile(r"([•‣◦▪●○■·*–—-]|\(?\d{1,3}[.)、])\s?")
_WORD_WITH_HYPHEN = re.compile(r"\w+-\w+")
_WORD_BEFORE_BREAK = re.compile(r"(\w+)[-\u2010\u00ad]$")
_WORD_AFTER_BREAK = re.compile(r"^(\w+)")


def read_pdf(path: Path) -> ParsedDocument:
    """Read a PDF; the title is the one of its metadata, else its first top heading.

    Raises:
        ParseError: ``file_encrypted`` where the empty password does not open it, or ``file_broken``.
    """
    pdftotext = shutil.which("pdftotext")
    pages = _poppler_pages(pdftotext, path) if pdftotext else []
    title = ""
    heights: dict[int, dict[str, float]] = {}
    if pdftotext and any(has_letters(page) for page in pages):
        title, heights = _poppler_layout(pdftotext, path)
    else:
        title, pages = _pdfium_pages(path)
    levels = _heading_levels(heights)
    found = BlockList()
    _add_pages(found, [_tidy(page) for page in pages], levels)
    headline = next((block.text for block in found.blocks if block.kind is BlockKind.HEADING), "")
    return ParsedDocument(sensible_title(title) or headline, tuple(found.blocks))


def _poppler_pages(pdftotext: str, path: Path) -> list[str]:
    """Give the text of each page, nothing where poppler cannot open the file."""
    result = subprocess.run([pdftotext, "-enc", "UTF-8", path, "-"], capture_output=True, check=False)
    return result.stdout.decode("utf-8", "replace").removesuffix("\f").split("\f")


def _poppler_layout(pdftotext: str, path: Path) -> tuple[str, dict[int, dict[str, float]]]:
    """Give the title of the metadata and, per page, the height in points of each line by its letters."""
    title = ""
    heights: dict[int, dict[str, float]] = defaultdict(dict)
    page = 0
    height = 0.0
    words: list[str] = []
    command = [pdftotext, "-enc", "UTF-8", "-bbox-layout", str(path), "-"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8", errors="replace"
    ) as process:
        for line in process.stdout or ():
            if "<page " in line:
                page += 1
            elif "</line>" in line:
                letters = _letters(html.unescape("".join(words)))
                heights[page][letters] = max(height, heights[page].get(letters, 0.0))
            elif match := _LINE.search(line):
                if match[5] is not None:
                    words.append(match[5])
                else:
                    words.clear()
                    x_min, y_min, x_max, y_max = (float(match[i]) for i in range(1, 5))
                    is_upright = x_max - x_min >= y_max - y_min
                    height = y_max - y_min if is_upright else 0.0
            elif not page and (match := _TITLE.search(line)):
                title = html.unescape(match[1])
    return title, heights


def _letters(line: str) -> str:
    return "".join(sorted(_BIDI_MARKS.sub("", "".join(line.split()))))


def _pdfium_pages(path: Path) -> tuple[str, list[str]]:
    try:
        with pypdfium2.PdfDocument(path) as document:
            title = document.get_metadata_value("Title")
            return title, [page.get_textpage().get_text_range() for page in document]
    except pypdfium2.PdfiumError as exc:
        is_encrypted = exc.err_code == pypdfium2.raw.FPDF_ERR_PASSWORD
        raise ParseError("file_encrypted" if is_encrypted else "file_broken", str(exc)) from exc


def _heading_levels(heights: Mapping[int, Mapping[str, float]]) -> dict[int, dict[str, int]]:
    """Give, per page, the level of each line that is larger than the body; 1 is the largest."""
    weights: Counter[float] = Counter()
    for lines in heights.values():
        for letters, height in lines.items():
            weights[height] += len(letters)
    total = sum(weights.values())
    below = 0
    body = 0.0
    for body in sorted(weights):
        below += weights[body]
        if below * 2 >= total:
            break
    large = sorted((height for height in weights if height >= body * _MIN_HEADING_RATIO), reverse=True)
    if sum(weights[height] for height in large) > _MAX_HEADING_SHARE * total:
        return {}
    levels: dict[float, int] = {}
    level = 0
    previous = 0.0
    for height in large:
        if not previous or previous / height > _SAME_HEIGHT_RATIO:
            level += 1
            previous = height
        levels[height] = level
    return {
        page: {letters: levels[height] for letters, height in lines.items() if height in levels}
        for page, lines in heights.items()
    }


def _tidy(page: str) -> str:
    page = _BIDI_MARKS.sub("", _LTR_RUN.sub(r"\3\2\1", clean(page)))
    return _COMPATIBILITY_FORMS.sub(lambda forms: unicodedata.normalize("NFKC", forms[0]), page)


def _add_pages(found: BlockList, pages: Sequence[str], levels: Mapping[int, Mapping[str, int]]) -> None:
    furniture = _furniture(pages)
    compounds = {word.casefold() for page in pages for word in _WORD_WITH_HYPHEN.findall(page)}
    for number, page in enumerate(pages, start=1):
        lines = [line.strip() for line in page.split("\n")]
        _drop_furniture(lines, furniture)
        tidy_levels = {_letters(_tidy(letters)): level for letters, level in levels.get(number, {}).items()}
        for level, text in _paragraphs(lines, tidy_levels, compounds):
            if level and len(text) <= MAX_HEADING_CHARACTERS:
                found.add_heading(text, level=level, page=number)
            else:
                found.add(BlockKind.TEXT, text, page=number)


def _furniture(pages: Sequence[str]) -> frozenset[str]:
    """Find running headers, footers and page numbers: first or last lines that most pages share."""
    if len(pages) < _MIN_PAGES_FOR_FURNITURE:
        return frozenset()
    edges: Counter[str] = Counter()
    for page in pages:
        lines = page.split() and [line for line in page.split("\n") if line.strip()]
        edges.update({_without_numbers(line) for line in (*lines[:1], *lines[-1:])})
    return frozenset(line for line, count in edges.items() if count >= _MIN_FURNITURE_SHARE * len(pages))


def _without_numbers(line: str) -> str:
    return _DIGITS.sub("#", fold(line))


def _drop_furniture(lines: list[str], furniture: frozenset[str]) -> None:
    filled = [index for index, line in enumerate(lines) if line]
    for index in {*filled[:1], *filled[-1:]}:
        if _without_numbers(lines[index]) in furniture:
            lines[index] = ""


def _paragraphs(lines: Sequence[str], levels: Mapping[str, int], compounds: set[str]) -> Iterator[tuple[int, str]]:
    """Give the paragraphs of a page with their heading level, 0 for body text."""
    gathered: list[str] = []
    gathered_level = 0
    for line in [*lines, ""]:
        level = levels.get(_letters(line), 0) if line else 0
        if gathered and (not line or level != gathered_level):
            yield gathered_level, _join(gathered, compounds, is_heading=gathered_level > 0)
            gathered.clear()
        if line:
            gathered.append(line)
            gathered_level = level


def _join(lines: Sequence[str], compounds: set[str], *, is_heading: bool) -> str:
    """Join the lines that were wrapped; keep the breaks that the author made.

    A break was a wrap if the next word would not have fitted on the line, judged by the widest line, or
    if the sentence goes on with a small letter.
    """
    widest = max(_width(line) for line in lines)
    parts = [lines[0]]
    for line, following in pairwise(lines):
        before, after = _WORD_BEFORE_BREAK.search(line), _WORD_AFTER_BREAK.search(following)
        is_full = _width(line) + 1 + _width(first_word(following)) >= _FULL_LINE * widest
        is_unfinished = following[0].islower() and line[-1] not in _CLAUSE_ENDS
        if before and after and after[1][0].islower():
            is_compound = line.endswith("-") and f"{before[1]}-{after[1]}".casefold() in compounds
            parts[-1] = (parts[-1] if is_compound else parts[-1][:-1]) + following
        elif is_heading or ((is_full or is_unfinished) and not _BULLET.match(following)):
            parts[-1] += "\n" + following
        else:
            parts.append(following)
    return "\n".join(fold(part) for part in parts)


def _width(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line)
