"""The readers of translations in packages, and what makes groups of them."""

import gzip
import io
import json
import struct
import tarfile
from pathlib import Path

import pytest

pytest.importorskip("regex", reason="the training has requirements of its own, see training/README.md")

from training import catalogues
from training.gather import Package, Source, fold, gather
from training.texts import clean, is_in_script


@pytest.mark.parametrize(
    ("text", "mnemonics", "expected"),
    [
        ("Save <b>{name}</b> &amp; close", "", "Save & close"),
        ("%1$s was moved by %(user)s.", "", "was moved by."),
        ("{n, plural, one {# file} other {# files}} deleted", "", "# files deleted"),
        ("Save _As (~S)", "_~", "Save As"),
        ("保存(_S)", "_~", "保存"),
        ("file_name", "", "file_name"),
        ("a\u200fb\n c", "", "ab c"),
        ("word " * 300, "", ("word " * 199).strip()),
    ],
)
def test_clean_markup_and_placeholders_are_removed(text: str, mnemonics: str, expected: str) -> None:
    assert clean(text, mnemonics=mnemonics) == expected


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [("Файл", "uk", True), ("File", "uk", False), ("12 %", "en", False), ("是", "zh", True), ("ফাইল", "bn", True)],
)
def test_is_in_script_other_scripts_and_numbers_are_refused(text: str, language: str, expected: bool) -> None:
    assert is_in_script(text, language) is expected


def test_read_mozilla_fluent_takes_default_variant_and_attributes() -> None:
    content = b"""# comment
files = { $count ->
    [one] One file
   *[other] { $count } files
}
open = Open
    it in { -brand-short-name }
    .title = Open a file
    .accesskey = O
"""

    texts = catalogues.read_mozilla(content)

    assert {key: clean(text) for key, (text,) in texts.items()} == {
        "files": "files",
        "open": "Open it in Mozilla",
        "open.title": "Open a file",
    }


def test_read_pak_texts_are_read_by_id() -> None:
    texts = [b"Open", "Öffnen".encode()]
    start = 12 + 6 * 3
    table = struct.pack("<HIHIHI", 7, start, 9, start + len(texts[0]), 0, start + len(b"".join(texts)))
    content = struct.pack("<IIHH", 5, 1, 2, 0) + table + b"".join(texts)

    assert catalogues.read_pak(content) == {"7": ["Open"], "9": ["Öffnen"]}


def test_read_pak_other_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 4"):
        catalogues.read_pak(struct.pack("<IIHH", 4, 1, 0, 0))


def test_read_html_paragraphs_are_read_by_id_without_other_system() -> None:
    content = (
        b'<h1 id="hd_id1">Save</h1><p id="par_id2" class="x">Press '
        b'<span id="MAC1" class="MAC"><span>Command</span></span><span>Ctrl</span>.</p><p>menu</p>'
    )

    texts = catalogues.read_html(content)

    assert {key: clean(text) for key, (text,) in texts.items()} == {"hd_id1": "Save", "par_id2": "Press Ctrl."}


def test_read_pages_page_of_another_structure_shares_no_key() -> None:
    one = catalogues.read_pages(b"<h1>Title</h1><p>Text</p>")
    other = catalogues.read_pages(b"<h1>Titel</h1><p>Text</p><p>mehr</p>")

    assert list(one.values()) == [["Title"], ["Text"]]
    assert not one.keys() & other.keys()


def test_read_mediawiki_links_and_choices_are_resolved() -> None:
    content = json.dumps({"@metadata": {}, "a": "[[Help:X|Help]] for {{PLURAL:$1|page|pages}}"}).encode()

    assert catalogues.read_mediawiki(content) == {"a": ["Help for pages"]}


def test_read_dictionary_terms_are_first_and_numbered_lines() -> None:
    lines = [
        "labour /leibə/ <n>",
        "1. arbeid, werk",
        "2. moeite",
        '   "hard labour"',
        "kimo <n>",
        "",
        "floor (of a house)",
        "note",
    ]
    content = gzip.compress("\n".join(lines).encode())

    assert catalogues.read_dictionary(content) == {"labour": ["arbeid", "werk", "moeite"], "kimo": ["floor"]}


def test_fold_same_english_text_joins_languages_and_variants() -> None:
    groups = [{"en": ["Open"], "pl": ["Otwórz"]}, {"en": ["open"], "pl": ["Otwarte"], "nl": ["Openen"]}]

    assert fold(groups) == [{"en": ["Open"], "pl": ["Otwórz", "Otwarte"], "nl": ["Openen"]}]


def test_gather_texts_under_one_key_make_a_group(tmp_path: Path) -> None:
    package = Package("npm", "app", "1.0")
    (tmp_path / "npm").mkdir()
    with tarfile.open(tmp_path / "npm" / "app-1.0.tgz", "w:gz") as archive:
        for name, texts in {
            "en": {"a": "Open {file}", "b": "OK then", "c": "Only here"},
            "uk": {"a": "Відкрити {file}", "b": "OK then"},
            "pt_BR": {"a": "Abrir"},
            "xx": {"a": "Xxx"},
        }.items():
            content = json.dumps(texts).encode()
            member = tarfile.TarInfo(f"package/i18n/{name}.json")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    source = Source("app", [package], "MIT", r"i18n/(?P<lang>\w+)\.json$", catalogues.read_json)

    assert gather(source, tmp_path) == [{"en": ["Open"], "uk": ["Відкрити"], "pt": ["Abrir"]}]
