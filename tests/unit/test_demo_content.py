"""The demo is shown to visitors and measures relevance: its labels must be true and its rules must hold."""

import csv
import json
import re
import runpy
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

DEMO = Path(__file__).parents[2] / "demo"
FILES = DEMO / "files"
FILE_NAME = re.compile(r"(?P<topic>[a-z-]+)\.(?P<language>[a-z]{2})\.(md|txt|html|pdf|docx|csv)")
BINARY_SUFFIXES = {".pdf", ".docx"}
KINDS = {"help", "faq", "policy", "code", "troubleshooting"}


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_rows(path: Path) -> list[list[str]]:
    """Return the header and the rows of an FAQ file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def name_of(path: Path) -> str:
    return path.relative_to(FILES).as_posix()


def topic_and_language(name: str) -> tuple[str, str]:
    """Split ``help-centre/pets.es.md`` into ``help-centre/pets`` and ``es``."""
    folder, _, file_name = name.partition("/")
    match = FILE_NAME.fullmatch(file_name)
    assert match, f"{name} is not named <topic>.<language>.<format>"
    return f"{folder}/{match['topic']}", match["language"]


COLLECTIONS: list[dict[str, str]] = json.loads((DEMO / "collections.json").read_text(encoding="utf-8"))
QUERIES = read_json_lines(DEMO / "queries.jsonl")
UNANSWERABLE = read_json_lines(DEMO / "unanswerable.jsonl")
NAMES = sorted(name_of(path) for path in FILES.rglob("*") if path.is_file())
DOCUMENTS = [name for name in NAMES if not name.endswith(".csv")]
FAQS = [name for name in NAMES if name.endswith(".csv")]
CHINESE_AND_JAPANESE_TEXTS = sorted(
    path for path in DEMO.rglob("*.*.*") if {".zh", ".ja"} & set(path.suffixes) and path.suffix not in BINARY_SUFFIXES
)
LANGUAGES_OF_TOPIC: dict[str, set[str]] = defaultdict(set)
FILES_OF_TOPIC: dict[str, set[str]] = defaultdict(set)
for _name in NAMES:
    _topic, _language = topic_and_language(_name)
    LANGUAGES_OF_TOPIC[_topic].add(_language)
    FILES_OF_TOPIC[_topic].add(_name)
LANGUAGES = set().union(*LANGUAGES_OF_TOPIC.values())


def test_collections_folders_hold_all_files() -> None:
    held = {
        name_of(path)
        for collection in COLLECTIONS
        for path in (DEMO / collection["folder"]).rglob("*")
        if path.is_file()
    }
    assert held == set(NAMES)


def test_collections_fields_are_complete_and_slugs_unique() -> None:
    fields = {"slug", "name", "description", "instruction", "visibility", "folder"}
    assert all(set(collection) == fields and all(collection.values()) for collection in COLLECTIONS)
    assert len({collection["slug"] for collection in COLLECTIONS}) == len(COLLECTIONS)


def test_collections_visibility_hides_only_the_staff_handbook() -> None:
    assert {collection["slug"]: collection["visibility"] for collection in COLLECTIONS} == {
        "help-centre": "public",
        "faq": "public",
        "staff-handbook": "signed_in",
    }


def test_content_counts_are_worth_a_demo() -> None:
    faq_rows = sum(len(read_rows(FILES / name)) - 1 for name in FAQS)
    assert len(DOCUMENTS) >= 44
    assert len(DOCUMENTS) + faq_rows >= 66
    assert len(LANGUAGES) >= 12
    assert {"zh", "ja", "ar", "hi"} <= LANGUAGES


def test_content_formats_cover_every_format_the_parser_reads() -> None:
    assert {Path(name).suffix for name in NAMES} == {".md", ".txt", ".html", ".pdf", ".docx", ".csv"}


def test_demo_folder_stays_small() -> None:
    assert sum(path.stat().st_size for path in DEMO.rglob("*") if path.is_file()) < 1_500_000


def test_topics_languages_are_few() -> None:
    assert {topic: languages for topic, languages in LANGUAGES_OF_TOPIC.items() if len(languages) > 4} == {}


def test_documents_texts_are_all_different() -> None:
    contents = Counter((FILES / name).read_bytes() for name in NAMES)
    assert max(contents.values()) == 1


@pytest.mark.parametrize("name", [name for name in NAMES if Path(name).suffix not in BINARY_SUFFIXES])
def test_text_file_is_clean_utf8(name: str) -> None:
    text = (FILES / name).read_bytes().decode("utf-8")
    assert "\ufffd" not in text
    assert not text.startswith("\ufeff")


@pytest.mark.parametrize("path", CHINESE_AND_JAPANESE_TEXTS, ids=lambda path: path.name)
def test_chinese_and_japanese_text_uses_full_width_punctuation(path: Path) -> None:
    cells = [cell for row in read_rows(path) for cell in row] if path.suffix == ".csv" else [path.read_text("utf-8")]
    assert [re.findall(r"[\u3040-\u30ff\u4e00-\u9fff][,;:?!(]", cell) for cell in cells] == [[]] * len(cells)


@pytest.mark.parametrize("name", FAQS)
def test_faq_rows_have_a_unique_question_and_an_answer(name: str) -> None:
    rows = read_rows(FILES / name)
    questions = [row[0] for row in rows]
    assert len(rows) - 1 >= 10
    assert all(len(row) == 2 and all(cell.strip() for cell in row) for row in rows)
    assert len(set(questions)) == len(questions)


def test_word_files_are_those_of_their_sources() -> None:
    build = runpy.run_path(str(DEMO / "build_files.py"))
    for name in build["WORD_FILES"]:
        source = DEMO / "sources" / Path(name).with_suffix(".md").name
        assert (FILES / name).read_bytes() == build["word_file"](source.read_text(encoding="utf-8"))


def test_built_files_are_all_binary_files() -> None:
    build = runpy.run_path(str(DEMO / "build_files.py"))
    built = {*build["WORD_FILES"], *build["PDF_FILES"]}
    assert built == {name for name in NAMES if Path(name).suffix in BINARY_SUFFIXES}


def test_queries_counts_languages_and_kinds_are_many() -> None:
    assert len(QUERIES) >= 60
    assert len({query["lang"] for query in QUERIES}) >= 12
    assert {query["kind"] for query in QUERIES} == KINDS


def test_queries_ids_and_texts_are_unique() -> None:
    for field in ("id", "text"):
        values = [query[field] for query in QUERIES + UNANSWERABLE]
        assert len(set(values)) == len(values)


def test_queries_reach_every_document() -> None:
    assert {name for query in QUERIES for name in query["relevant"]} == set(NAMES)


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query["id"])
def test_query_labels_are_all_files_of_one_topic(query: dict[str, Any]) -> None:
    topics = {topic_and_language(name)[0] for name in query["relevant"]}
    assert len(topics) == 1
    assert set(query["relevant"]) == FILES_OF_TOPIC[topics.pop()]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query["id"])
def test_query_language_is_none_of_its_topic(query: dict[str, Any]) -> None:
    topic, _ = topic_and_language(query["relevant"][0])
    assert query["lang"] in LANGUAGES
    assert query["lang"] not in LANGUAGES_OF_TOPIC[topic]


@pytest.mark.parametrize("query", [query for query in QUERIES if query["kind"] == "faq"], ids=lambda query: query["id"])
def test_faq_query_row_exists(query: dict[str, Any]) -> None:
    assert list(query["relevant_rows"]) == query["relevant"]
    for name, question in query["relevant_rows"].items():
        assert question in {row[0] for row in read_rows(FILES / name)[1:]}


def test_only_faq_queries_have_rows() -> None:
    assert {query["kind"] for query in QUERIES if "relevant_rows" in query} == {"faq"}
    assert {query["kind"] for query in QUERIES if set(query["relevant"]) & set(FAQS)} == {"faq"}


def test_unanswerable_questions_have_no_labels() -> None:
    assert len(UNANSWERABLE) == 12
    assert all(set(question) == {"id", "lang", "text"} for question in UNANSWERABLE)
