"""The parsing room: kinds, formats, and the processes that hostile files run in."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from searchapp.parsing import (
    Block,
    BlockKind,
    FaqColumns,
    ParsedDocument,
    ParseError,
    ParseLimits,
    detect_kind,
    parse,
)
from tests.unit.parsing_files import make_docx, make_pdf, make_zip

ROOT = Path(__file__).resolve().parents[2]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4
# The parser of HTML needs time in the square of the depth, as the standard makes it: minutes for this.
SLOW_HTML = "<div>" * 300_000 + "x"

Parse = Callable[..., ParsedDocument]


@pytest.fixture
def parse_bytes(tmp_path: Path) -> Parse:
    def parse_one(name: str, content: bytes | str, **options: object) -> ParsedDocument:
        path = tmp_path / "upload"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return parse(path, source_name=name, **options)  # type: ignore[arg-type]

    return parse_one


def code_of(parse_bytes: Parse, name: str, content: bytes | str, **options: object) -> str:
    with pytest.raises(ParseError) as caught:
        parse_bytes(name, content, **options)
    return caught.value.code


def texts(document: ParsedDocument) -> list[str]:
    return [block.text for block in document.blocks]


# --- kinds


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.MD", b"# x", "markdown"),
        ("a.txt", b"# x", "text"),
        ("a.csv", b"q,a", "csv"),
        ("a.tsv", b"q\ta", "csv"),
        ("a.html", b"just words", "html"),
        ("a.txt", b"<!-- c --><!DOCTYPE html><p>x", "html"),
        ("a.md", b'<?xml version="1.0"?>\n<html lang="en">', "html"),
        ("a.txt", "日本語".encode("utf-16"), "text"),
        ("README", b"words", "text"),
        ("report", b"%PDF-1.7", "pdf"),
        ("a.pdf", b"\n\n%PDF-1.7", "pdf"),
        ("a.docx", make_docx([("", "x")]), "docx"),
    ],
)
def test_detect_kind_of_readable_file_tells_kind(tmp_path: Path, name: str, content: bytes, kind: str) -> None:
    path = tmp_path / "upload"
    path.write_bytes(content)
    assert detect_kind(path, name) == kind


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.txt", b"", "empty_file"),
        ("a.pdf", b" \n\n ", "empty_file"),
        ("a.xlsx", b"PK\x03\x04", "unsupported_type"),
        ("a.md", b"%PDF-1.7", "type_mismatch"),
        ("a.txt", PNG, "type_mismatch"),
        ("a.csv", os.urandom(4096), "type_mismatch"),
        ("photo", PNG, "unsupported_type"),
        ("a.pdf", b"<html><body>404</body></html>", "type_mismatch"),
        ("a.docx", b"plain words", "type_mismatch"),
        ("a.docx", make_zip({"xl/workbook.xml": "x"}), "type_mismatch"),
        ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "type_mismatch"),
        (
            "a.docx",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
            "file_encrypted",
        ),
    ],
)
def test_detect_kind_of_wrong_file_is_error(tmp_path: Path, name: str, content: bytes, code: str) -> None:
    path = tmp_path / "upload"
    path.write_bytes(content)
    with pytest.raises(ParseError) as caught:
        detect_kind(path, name)
    assert caught.value.code == code


def test_parse_error_when_pickled_keeps_headers() -> None:
    error = pickle.loads(pickle.dumps(ParseError("faq_columns_needed", "2 columns", ("a", "b"))))  # noqa: S301
    assert (error.code, error.detail, error.headers) == ("faq_columns_needed", "2 columns", ("a", "b"))


# --- Markdown

MARKDOWN = """\
---
title: Getting started
tags: [a]
---
# Install {#install}

Run the *installer* from [our site](https://example.org). <!-- draft -->
{{< note >}}Needs **Python**.{{< /note >}}

- first
- second
  1. deep

```sh
pip install {{< keep >}}
```

## Tables

| Name | Size |
|------|------|
| `a`  | 1    |
| b    |      |

![A diagram](d.png) and a note[^1].

[^1]: The note.
"""


def test_markdown_gives_plain_blocks_under_headings(parse_bytes: Parse) -> None:
    document = parse_bytes("a.md", MARKDOWN)
    tables = ("Install", "Tables")
    assert document == ParsedDocument(
        "Getting started",
        (
            Block(BlockKind.HEADING, "Install", ()),
            Block(BlockKind.TEXT, "Run the installer from our site. Needs Python.", ("Install",)),
            Block(BlockKind.TEXT, "- first\n- second\n  1. deep", ("Install",)),
            Block(BlockKind.CODE, "pip install {{< keep >}}", ("Install",)),
            Block(BlockKind.HEADING, "Tables", ("Install",)),
            Block(BlockKind.TABLE, "Name: a; Size: 1\nName: b", tables),
            Block(BlockKind.TEXT, "A diagram and a note.", tables),
            Block(BlockKind.TEXT, "1. The note.", tables),
        ),
    )


def test_markdown_heading_of_same_level_replaces_path(parse_bytes: Parse) -> None:
    document = parse_bytes("a.md", "# A\n\n### B\n\nb\n\n## C\n\nc\n\n# D\n\nd")
    paths = {block.text: block.heading_path for block in document.blocks if block.kind is BlockKind.TEXT}
    assert paths == {"b": ("A", "B"), "c": ("A", "C"), "d": ("D",)}


def test_markdown_with_toml_front_matter_takes_title(parse_bytes: Parse) -> None:
    document = parse_bytes("a.md", '+++\ntitle = "Von hier"\n+++\n\nText')
    assert (document.title, texts(document)) == ("Von hier", ["Text"])


def test_markdown_starting_with_thematic_break_keeps_text(parse_bytes: Parse) -> None:
    assert "Words: are" in "".join(texts(parse_bytes("a.md", "---\n\nWords: are: kept\n\n---\n\nMore")))


def test_markdown_lines_of_chinese_join_without_space(parse_bytes: Parse) -> None:
    assert texts(parse_bytes("a.md", "今天天气很好，\n我们去公园。\nGreat\nday")) == [
        "今天天气很好，我们去公园。 Great day"
    ]


# --- HTML


def test_html_page_gives_main_part_only(parse_bytes: Parse) -> None:
    page = """<!doctype html><title>Site - Page</title><nav>Menu</nav><header><a>Logo</a></header>
    <main><h1>Page <a class=headerlink>¶</a></h1><script>x()</script><p>One<br>two</p>
    <p hidden>secret</p><aside>Hint</aside></main><footer>Imprint</footer>"""
    document = parse_bytes("a.html", page)
    assert document.title == "Page"
    assert texts(document) == ["Page", "One\ntwo", "Hint"]


def test_html_without_h1_takes_title_element(parse_bytes: Parse) -> None:
    assert parse_bytes("a.html", "<title>Only &amp; here</title><h2>x</h2><p>y").title == "Only & here"


def test_html_table_with_spans_repeats_cell_of_several_rows(parse_bytes: Parse) -> None:
    page = "<table><tr><th>Team<th>Name<th>Age</tr><tr><td rowspan=2>Red<td>Ann<td>7</tr><tr><td>Bo<td>8</table>"
    assert texts(parse_bytes("a.html", page)) == ["Team: Red; Name: Ann; Age: 7\nTeam: Red; Name: Bo; Age: 8"]


def test_html_layout_table_is_read_as_text(parse_bytes: Parse) -> None:
    document = parse_bytes("a.html", "<table><tr><td><h2>Head</h2><p>Body</p></td></tr></table>")
    assert [block.kind for block in document.blocks] == [BlockKind.HEADING, BlockKind.TEXT]


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        ("gb2312", "gb18030", "汉语言文字镕"),  # 镕 is not in GB 2312, but in what pages so labelled hold
        ("windows-1251", "cp1251", "Русский язык и литература"),
        ("euc-jp", "euc_jp", "日本語の文章を書きます"),
    ],
)
def test_html_with_declared_encoding_is_read_right(parse_bytes: Parse, label: str, codec: str, text: str) -> None:
    page = f'<html><head><meta charset="{label}"></head><body><p>{text}</p></body></html>'
    assert texts(parse_bytes("a.html", page.encode(codec))) == [text]


# --- plain text


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("utf-8-sig", "Ein Text über Bäume."),
        ("utf-16", "Ein Text über Bäume."),
        ("gb18030", "知识库可以跨语言搜索，用户上传文档后即可提问。"),
        ("big5", "知識庫可以跨語言搜尋，使用者上傳文件後即可提問。"),
        ("shift_jis", "ナレッジベースは言語を越えて検索できます。"),
        ("euc_kr", "지식 베이스는 언어를 넘어 검색할 수 있습니다."),
        ("cp1251", "База знаний ищет ответы на разных языках."),
        ("cp1252", "La base de connaissances répond à toutes les questions posées par les élèves."),
    ],
)
def test_text_in_any_encoding_is_read_right(parse_bytes: Parse, codec: str, text: str) -> None:
    assert texts(parse_bytes("a.txt", text.encode(codec))) == [text]


def test_text_in_utf_8_with_damaged_byte_stays_utf_8(parse_bytes: Parse) -> None:
    content = "Die Bäume blühen über den Wäldern, schöne grüne Blätter fallen später.".encode() + b"\xff"
    assert "Bäume blühen" in texts(parse_bytes("a.txt", content))[0]


def test_text_is_nfc_without_control_characters(parse_bytes: Parse) -> None:
    assert texts(parse_bytes("a.txt", "cafe\u0301\x07 \ufeffau lait\r\n\r\nzwei")) == ["café au lait", "zwei"]


def test_text_of_marks_only_is_no_text(parse_bytes: Parse) -> None:
    assert code_of(parse_bytes, "a.txt", "*** --- ***\n\n...") == "no_text"


# --- DOCX


def test_docx_gives_headings_table_and_literal_marks(parse_bytes: Parse) -> None:
    content = make_docx(
        [("Heading1", "手册"), ("", "2*3*4 and a_b_c and <tag>"), ("Heading2", "Sub"), ("", "# no heading")],
        table=[["Name", "Size"], ["x", "1"]],
    )
    document = parse_bytes("a.docx", content)
    assert document.title == "手册"
    assert [(block.text, block.heading_path) for block in document.blocks] == [
        ("手册", ()),
        ("2*3*4 and a_b_c and <tag>", ("手册",)),
        ("Sub", ("手册",)),
        ("# no heading", ("手册", "Sub")),
        ("Name: x; Size: 1", ("手册", "Sub")),
    ]


@pytest.mark.parametrize(
    "content",
    [
        make_docx([("", "x" * 1000)])[:300],
        make_zip({"[Content_Types].xml": "x", "word/document.xml": "<w:document>" + "A" * 120_000_000}),
        make_zip({"[Content_Types].xml": "x", "word/document.xml": "no markup"}),
    ],
    ids=["truncated", "bomb", "no-xml"],
)
def test_docx_broken_or_bomb_is_error(parse_bytes: Parse, content: bytes) -> None:
    assert code_of(parse_bytes, "a.docx", content) in {"file_broken", "no_text"}


# --- PDF

PROSE = [
    (11, "A paragraph whose lines are wrapped by the lay-"),
    (11, "out engine is joined to one line again, and the"),
    (11, "hyphen goes."),
]


@pytest.fixture(params=["poppler", "pdfium"])
def pdf_engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have the PDF read in this process, with and without poppler on the path."""
    engine: str = request.param
    if engine == "poppler" and shutil.which("pdftotext") is None:
        pytest.skip("poppler is not installed")
    if engine == "pdfium":
        monkeypatch.setenv("PATH", "")
    return engine


def read_pdf(tmp_path: Path, content: bytes) -> ParsedDocument:
    from searchapp.parsing._formats import read

    path = tmp_path / "a.pdf"
    path.write_bytes(content)
    return read(path, "pdf", max_characters=10**6, faq_columns=None)


def test_pdf_joins_lines_and_counts_pages(tmp_path: Path, pdf_engine: str) -> None:
    document = read_pdf(tmp_path, make_pdf([PROSE, [(11, "Second page.")]], title="Manual"))
    joined = (
        "A paragraph whose lines are wrapped by the layout engine is joined to one line again, and the hyphen goes."
    )
    assert document.title == "Manual"
    assert [(block.text, block.page) for block in document.blocks] == [(joined, 1), ("Second page.", 2)]


def test_pdf_letters_hidden_in_other_forms_are_letters(tmp_path: Path, pdf_engine: str) -> None:
    document = read_pdf(tmp_path, make_pdf([[(11, "第⼀⾏的文字在这里结束"), (11, "然后继续ﬁn到下一行")]]))
    assert texts(document) == ["第一行的文字在这里结束然后继续fin到下一行"]


@pytest.mark.parametrize("content", [make_pdf([PROSE], is_encrypted=True)])
def test_pdf_encrypted_is_error(tmp_path: Path, pdf_engine: str, content: bytes) -> None:
    with pytest.raises(ParseError, match="file_encrypted"):
        read_pdf(tmp_path, content)


def test_pdf_broken_is_error(tmp_path: Path, pdf_engine: str) -> None:
    with pytest.raises(ParseError, match="file_broken"):
        read_pdf(tmp_path, b"%PDF-1.7\nnothing here")


def test_pdf_without_text_is_no_text(parse_bytes: Parse) -> None:
    assert code_of(parse_bytes, "scan.pdf", make_pdf([[]])) == "no_text"


@pytest.mark.parametrize("pdf_engine", ["poppler"], indirect=True)
def test_pdf_larger_lines_are_headings(tmp_path: Path, pdf_engine: str) -> None:
    gap = (11.0, "")
    pages = [[(24, "Manual"), gap, *PROSE, gap, (15, "Setup"), gap, *PROSE], [gap, *PROSE]]
    document = read_pdf(tmp_path, make_pdf(pages))
    assert document.title == "Manual"
    assert [(b.text, b.heading_path) for b in document.blocks if b.kind is BlockKind.HEADING] == [
        ("Manual", ()),
        ("Setup", ("Manual",)),
    ]
    assert document.blocks[-1].heading_path == ("Manual", "Setup")


@pytest.mark.parametrize("pdf_engine", ["poppler"], indirect=True)
def test_pdf_repeated_header_and_page_number_are_dropped(tmp_path: Path, pdf_engine: str) -> None:
    gap = (40.0, "")
    pages = [
        [(11, "ACME Handbook"), gap, (11, f"Chapter about {name}."), gap, (11, f"Page {number} of 3")]
        for number, name in enumerate(("cats", "dogs", "owls"), start=1)
    ]
    document = read_pdf(tmp_path, make_pdf(pages))
    assert texts(document) == ["Chapter about cats.", "Chapter about dogs.", "Chapter about owls."]


# --- FAQ sheets


@pytest.mark.parametrize(
    "header",
    [
        "Question,Answer",
        "Q;A",
        "问题\t答案",
        "常見問題,回覆",
        "質問,回答",
        "질문,답변",
        "Frage;Antwort",
        "Pregunta;Respuesta",
        "Вопрос;Ответ",
        "السؤال,الإجابة",
        "प्रश्न,उत्तर",
        "Câu hỏi,Câu trả lời",
        "คำถาม,คำตอบ",
        "Soru;Yanıt",
        "שאלה,תשובה",
        "title|content",
    ],
)
def test_csv_with_known_header_gives_faq(parse_bytes: Parse, header: str) -> None:
    delimiter = next(mark for mark in "\t|;," if mark in header)
    content = f'{header}\nHow?{delimiter}"Like ""this"",\nor that."\nWhy?{delimiter}\n'
    document = parse_bytes("a.csv", content.encode("utf-8-sig"))
    assert document.blocks == (Block(BlockKind.FAQ, 'Like "this",\nor that.', (), question="How?"),)


def test_csv_with_several_candidates_prefers_plain_names(parse_bytes: Parse) -> None:
    document = parse_bytes("a.csv", "Title,Answer,Question,相似问题\nt,a,q,q2\n")
    assert document.blocks == (Block(BlockKind.FAQ, "a", (), question="q\nq2"),)


def test_csv_with_unknown_header_asks_for_columns(parse_bytes: Parse) -> None:
    content = "id,ask,tell\n1,How?,So."
    with pytest.raises(ParseError) as caught:
        parse_bytes("a.csv", content)
    assert (caught.value.code, caught.value.headers) == ("faq_columns_needed", ("id", "ask", "tell"))
    document = parse_bytes("a.csv", content, faq_columns=FaqColumns("ask", "tell"))
    assert document.blocks == (Block(BlockKind.FAQ, "So.", (), question="How?"),)


def test_csv_without_header_numbers_its_columns(parse_bytes: Parse) -> None:
    content = "How do I log in?,With your e-mail.\nHow do I pay?,By card.\n"
    with pytest.raises(ParseError) as caught:
        parse_bytes("a.csv", content)
    assert caught.value.headers == ("1", "2")
    document = parse_bytes("a.csv", content, faq_columns=FaqColumns("1", "2"))
    assert [block.question for block in document.blocks] == ["How do I log in?", "How do I pay?"]


# --- the processes


def test_parse_in_many_threads_gives_each_its_document(tmp_path: Path) -> None:
    def one(number: int) -> str:
        path = tmp_path / f"{number}.txt"
        path.write_text(f"file {number}")
        return parse(path, source_name=path.name).blocks[0].text

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(40))) == [f"file {number}" for number in range(40)]


def test_parse_of_slow_file_ends_at_timeout(parse_bytes: Parse) -> None:
    assert code_of(parse_bytes, "a.html", SLOW_HTML, limits=ParseLimits(timeout_s=1)) == "parse_timeout"


def test_parse_of_huge_content_ends_at_memory(parse_bytes: Parse) -> None:
    rows = "<tr><td>x</td></tr>" * 1000
    bomb = f"<table><tr><td rowspan=1000>{'y' * 2_000_000}</td></tr>{rows}</table>"
    limits = ParseLimits(max_memory_bytes=700 * 1024**2)
    assert code_of(parse_bytes, "a.html", bomb, limits=limits) == "parse_memory"


def test_parse_of_too_much_text_is_error(parse_bytes: Parse) -> None:
    assert code_of(parse_bytes, "a.txt", "word " * 1000, limits=ParseLimits(max_characters=4000)) == "too_much_text"


def test_parse_of_missing_file_is_callers_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        parse(tmp_path / "missing.txt", source_name="missing.txt")


def test_parse_in_forked_child_works(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("words")
    parse(path, source_name="a.txt")
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if parse(path, source_name="a.txt").blocks else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert parse(path, source_name="a.txt").blocks[0].text == "words"


# A program whose parsing processes can be found by its TMPDIR, which they inherit.
CALLER = """
import json, sys
from pathlib import Path
from searchapp.parsing import parse
for line in sys.stdin:
    try:
        answer = parse(Path(line.strip()), source_name="a.html").blocks[0].text
    except Exception as exc:
        answer = f"{type(exc).__name__} {exc.code}"
    print(json.dumps(answer), flush=True)
"""


class Caller:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        environment = {**os.environ, "TMPDIR": str(folder), "SECRET_KEY": "do-not-tell"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", CALLER],
            cwd=ROOT,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def ask(self, name: str, content: str) -> None:
        (self.folder / name).write_text(content)
        assert self.process.stdin is not None
        self.process.stdin.write(f"{self.folder / name}\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        assert self.process.stdout is not None
        return str(json.loads(self.process.stdout.readline()))

    def helpers(self) -> list[int]:
        """Give the ids of the living nursery, guards and workers."""
        marker = f"TMPDIR={self.folder}\0".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if marker in (entry / "environ").read_bytes() and int(entry.name) != self.process.pid:
                    found.append(int(entry.name))
            except OSError:
                continue  # ended meanwhile
        return found

    def worker(self) -> int:
        """Wait for the process that leads a group of its own, below a guard and a nursery; give its id."""
        return wait_for(self._find_worker)

    def _find_worker(self) -> int:
        helpers = self.helpers()
        for pid in helpers:
            try:
                guard = parent_of(pid)
                if os.getpgid(pid) == pid and guard in helpers and parent_of(guard) in helpers:
                    return pid
            except OSError:
                continue  # ended meanwhile
        return 0


def parent_of(pid: int) -> int:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


def has_ended(pid: int) -> bool:
    """Tell whether a process has closed its sockets: as a zombie, or gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def wait_for(condition: Callable[[], int]) -> int:
    for _ in range(600):
        if value := condition():
            return value
        time.sleep(0.05)
    pytest.fail("nothing happened within 30 s")


@pytest.fixture
def caller(tmp_path: Path) -> Iterator[Caller]:
    if not Path("/proc/self/environ").exists():
        pytest.skip("needs /proc to find processes")
    caller = Caller(tmp_path)
    yield caller
    caller.process.kill()
    caller.process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("signal_number", "answer"),
    [(signal.SIGSEGV, "ParseError file_broken"), (signal.SIGKILL, "ParseError parse_memory")],
)
def test_parse_when_worker_crashes_is_parse_error(caller: Caller, signal_number: int, answer: str) -> None:
    caller.ask("slow.html", SLOW_HTML)
    os.kill(caller.worker(), signal_number)
    assert caller.answer() == answer


@pytest.mark.slow
def test_parse_when_guard_or_nursery_is_killed_recovers(caller: Caller) -> None:
    caller.ask("slow.html", SLOW_HTML)
    worker = caller.worker()
    guard = parent_of(worker)
    nursery = parent_of(guard)
    for helper in (nursery, guard):
        os.kill(helper, signal.SIGKILL)
        wait_for(lambda helper=helper: has_ended(helper))  # type: ignore[misc]
    assert caller.answer() == "ParserUnavailableError parser_unavailable"
    caller.ask("good.html", "<p>Good</p>")
    assert caller.answer() == "Good"
    wait_for(lambda: worker not in caller.helpers())


@pytest.mark.slow
def test_parse_when_caller_is_killed_leaves_no_process(caller: Caller) -> None:
    caller.ask("slow.html", SLOW_HTML)
    worker = caller.worker()
    assert b"do-not-tell" not in Path(f"/proc/{worker}/environ").read_bytes()
    assert len(caller.helpers()) == 3
    caller.process.kill()
    wait_for(lambda: not caller.helpers())
