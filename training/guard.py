"""Keep evaluation texts out of the training: what a model has read tells nothing about it.

Two texts overlap if they share a shingle, a run of ten words, or of twenty characters in scripts written
without spaces; or if one that is too short for a shingle, but long enough to say something, is the other.

As a program, it writes a corpus without the groups that overlap:

    python -m training.guard --corpus corpus.jsonl.xz --eval-folder DIR --out clean.jsonl
"""

import argparse
import gzip
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pypdfium2 as pdfium
import regex

from training.corpus import Group, read_corpus
from training.errors import TrainingError

logger = logging.getLogger(__name__)

_WORDS_PER_SHINGLE = 10
_CHARACTERS_PER_SHINGLE = 20
# A text shorter than a shingle is compared as a whole if it has so many letters; shorter ones ("Delete
# file", "United Kingdom") are everybody's. The limits are those the corpus was first cleaned with.
_LETTERS_OF_A_SENTENCE = 15
_LETTERS_OF_A_SENTENCE_UNSPACED = 8

_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]")
_NOT_WORDS = regex.compile(r"[^\p{L}\p{M}\p{N}]+")
# A page is cut at its lines and sentences, and those are compared too.
_SENTENCE_ENDS = regex.compile(r"(?<=[.!?:;])\s+|[。！？；।؟\n]+")
_TEXT_SUFFIXES = {".md", ".txt", ".html", ".csv"}
_HTML_TAGS = regex.compile(r"<(?:style|script).*?</(?:style|script)>|<[^<>]*>", regex.DOTALL)
_ABOUT_THE_SET = {"README.md", "ATTRIBUTION.md"}
_JSON_TEXT_FIELDS = ("title", "text")


class Guard:
    """Hold the shingles of evaluation texts; see the module for what overlaps."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._shingles: set[str] = set()
        for text in texts:
            self._shingles.update(_shingles(text))
            for sentence in _SENTENCE_ENDS.split(text):
                self._shingles.update(_shingles(sentence))

    def overlaps(self, group: Group) -> bool:
        """Tell whether any text of a group overlaps with any evaluation text."""
        return any(
            not self._shingles.isdisjoint(_shingles(text)) for variants in group.texts.values() for text in variants
        )


def check_corpus(groups: Iterable[Group], folders: Sequence[Path]) -> None:
    """Refuse a corpus that holds evaluation texts.

    Args:
        groups: the training texts.
        folders: evaluation sets, see ``read_folder``.

    Raises:
        TrainingError: some group overlaps; the message counts them by source.
    """
    guard = Guard(text for folder in folders for text in read_folder(folder))
    found = Counter(group.source for group in groups if guard.overlaps(group))
    if found:
        counts = ", ".join(f"{source} {count}" for source, count in found.most_common())
        raise TrainingError(
            f"the corpus holds texts of the evaluation sets ({counts} groups); "
            "`python -m training.guard` writes one without them"
        )


def read_folder(folder: Path) -> Iterator[str]:
    """Yield every text of an evaluation folder: JSON lines (title and text), plain texts and PDF pages.

    Raises:
        TrainingError: the folder holds nothing that can be read.
    """
    is_empty = True
    for file in sorted(folder.rglob("*")):
        for text in read_document(file) if file.name not in _ABOUT_THE_SET else ():
            is_empty = False
            yield text
    if is_empty:
        raise TrainingError(f"no evaluation text in {folder}")


def read_document(file: Path) -> Iterator[str]:
    """Yield the texts of one file, nothing for a kind that holds none."""
    if file.name.endswith((".jsonl", ".jsonl.gz")):
        with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                yield from (row[name] for name in _JSON_TEXT_FIELDS if row.get(name))
    elif file.suffix in _TEXT_SUFFIXES:
        yield _HTML_TAGS.sub(" ", file.read_text(encoding="utf-8-sig"))
    elif file.suffix == ".pdf":
        with pdfium.PdfDocument(file) as pdf:
            yield from (page.get_textpage().get_text_range() for page in pdf)


def _shingles(text: str) -> Iterator[str]:
    words = _NOT_WORDS.sub(" ", text.casefold()).split()
    letters = "".join(words)
    if _UNSPACED.search(letters):
        units, length, least = list(letters), _CHARACTERS_PER_SHINGLE, _LETTERS_OF_A_SENTENCE_UNSPACED
    else:
        units, length, least = words, _WORDS_PER_SHINGLE, _LETTERS_OF_A_SENTENCE
    if len(units) >= length:
        for start in range(len(units) - length + 1):
            yield " ".join(units[start : start + length])
    elif len(letters) >= least:
        yield " ".join(units)


def main() -> None:
    """Write a corpus without the groups that overlap with evaluation sets."""
    parser = argparse.ArgumentParser(prog="training.guard", description=main.__doc__)
    parser.add_argument("--corpus", type=Path, action="append", required=True, help="corpus file; may be repeated")
    parser.add_argument("--eval-folder", type=Path, nargs="+", required=True, help="folders of evaluation sets")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines to write")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    guard = Guard(text for folder in options.eval_folder for text in read_folder(folder))
    left_out: Counter[str] = Counter()
    with options.out.open("w", encoding="utf-8") as out:
        for group in read_corpus(options.corpus):
            if guard.overlaps(group):
                left_out[group.source] += 1
            else:
                out.write(json.dumps({"s": group.source, "g": group.texts}, ensure_ascii=False) + "\n")
    logger.info("left out %d groups: %s", left_out.total(), dict(left_out.most_common()))


if __name__ == "__main__":
    main()
