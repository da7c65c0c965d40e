"""Measure models on evaluation sets: dense search alone, each language against each other.

As a program it prints models side by side:

    python -m training.evaluate --eval-folder DIR [DIR ...] --model FOLDER [FOLDER ...] [--dimensions 256 128]
"""

import argparse
import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import regex
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from training.errors import TrainingError
from training.guard import read_document
from training.teacher import FloatArray

# Sets whose titles are questions that a user would upload with the answers. Elsewhere a title would be a
# shortcut: in xquad it is the English article title in every language.
_SETS_WITH_TITLES = {"faq-bitcoin"}
_DEPTH = 10
# A longer document is cut at lines, and its best part counts; a passage of the product is about so long.
_PART_CHARACTERS = 2000
_PART_CHARACTERS_UNSPACED = 800
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]")
# Stands for the language of documents where all are searched at once.
ALL = "*"


@dataclass(frozen=True, slots=True)
class Query:
    """A query and the topics that answer it."""

    text: str
    language: str
    relevant: frozenset[str]


@dataclass(frozen=True, slots=True)
class Document:
    """One language version of a topic, as the parts that are searched."""

    topic: str
    language: str
    parts: list[str]


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """Queries and the documents to find."""

    name: str
    queries: list[Query]
    documents: list[Document]


@dataclass(frozen=True, slots=True)
class Score:
    """Means over the queries of one pair of languages, each in [0, 1], and how many they are."""

    recall_1: float
    recall_10: float
    ndcg_10: float
    queries: int


# Language of the query, language of the documents.
LanguagePair = tuple[str, str]
Scores = Mapping[LanguagePair, Score]


class Encoder:
    """Encode with an exported model, as the product does."""

    def __init__(self, folder: Path, *, dimensions: int | None = None) -> None:
        """Load a model; ``dimensions`` cuts its vectors, None keeps them whole."""
        tensors = load_file(folder / "model.safetensors")
        self._table = tensors["embeddings"][:, :dimensions]
        self._weights = tensors["weights"]
        self._rows = tensors.get("mapping", np.arange(len(self._weights)))
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.languages = frozenset(json.loads((folder / "config.json").read_text(encoding="utf-8"))["language"])

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Return ``(len(texts), dimensions) float32``, unit L2 norm, zeros for a text without a known token."""
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        vectors = np.zeros((len(texts), self._table.shape[1]), dtype=np.float32)
        for row, encoding in zip(vectors, encodings, strict=True):
            row[:] = self._weights[encoding.ids] @ self._table[self._rows[encoding.ids]]
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        norms[norms == 0] = 1
        unit: FloatArray = vectors / norms
        return unit


def read_set(folder: Path) -> EvaluationSet:
    """Read an evaluation set: ``corpus.jsonl.gz`` and ``queries.jsonl.gz``, or ``queries.jsonl`` over ``files/``.

    Raises:
        TrainingError: the folder holds neither.
    """
    if (folder / "corpus.jsonl.gz").exists():
        has_titles = folder.name in _SETS_WITH_TITLES
        documents = [
            Document(row["pid"], row["lang"], _parts(f"{row['title']}\n{row['text']}" if has_titles else row["text"]))
            for row in _rows(folder / "corpus.jsonl.gz")
        ]
        queries = [
            Query(row["text"], row["lang"], frozenset(row["positives"]))
            for row in _rows(folder / "queries.jsonl.gz")
            if not row.get("same_as_en")  # a title left in English says nothing about the other language
        ]
        return EvaluationSet(folder.name, queries, documents)
    if (folder / "files").is_dir():
        files = sorted(file for file in (folder / "files").rglob("*") if file.is_file())
        documents = [
            Document(str(file.relative_to(folder / "files")), ALL, _parts("\n".join(read_document(file))))
            for file in files
        ]
        queries = [
            Query(row["text"], row["lang"], frozenset(row["relevant"])) for row in _rows(folder / "queries.jsonl")
        ]
        return EvaluationSet(folder.name, queries, documents)
    raise TrainingError(f"{folder} is no evaluation set")


def evaluate(encoder: Encoder, evaluation_set: EvaluationSet) -> Scores:
    """Rank the documents of every language for the queries of every language."""
    documents = sorted(evaluation_set.documents, key=lambda document: document.language)
    queries = evaluation_set.queries
    parts = encoder.encode([part for document in documents for part in document.parts])
    part_counts = [len(document.parts) for document in documents]
    similarities = encoder.encode([query.text for query in queries]) @ parts.T
    similarities = np.maximum.reduceat(similarities, np.cumsum([0, *part_counts[:-1]]), axis=1)

    places = defaultdict(list)
    for place, document in enumerate(documents):
        places[document.language].append(place)
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = defaultdict(list)
    for language, columns in places.items():
        topics = [documents[column].topic for column in columns]
        known = set(topics)
        ranked = np.argsort(-similarities[:, columns], axis=1, kind="stable")[:, :_DEPTH]
        for query, order in zip(queries, ranked.tolist(), strict=True):
            if relevant := query.relevant & known:
                found[query.language, language].append(_score([topics[place] for place in order], relevant))
    return {pair: Score(*np.mean(scores, axis=0).tolist(), len(scores)) for pair, scores in found.items()}


def cross_lingual(scores: Scores, languages: Iterable[str]) -> list[LanguagePair]:
    """Return the pairs of different languages, both among those given."""
    allowed = {*languages, ALL}
    return [(a, b) for a, b in scores if a != b and {a, b} <= allowed]


def mean_ndcg(scores: Scores, pairs: Sequence[LanguagePair], *, by_query: bool = False) -> float:
    """Return the mean nDCG@10, in [0, 1], of at least one pair: over pairs, or over the queries of all of them."""
    counts = [scores[pair].queries if by_query else 1 for pair in pairs]
    return float(np.average([scores[pair].ndcg_10 for pair in pairs], weights=counts))


def _score(ranked: Sequence[str], relevant: frozenset[str]) -> tuple[float, float, float]:
    gains = np.array([topic in relevant for topic in ranked], dtype=np.float64)
    discounts = 1 / np.log2(np.arange(2, _DEPTH + 2))
    ideal = discounts[: len(relevant)].sum()
    return float(gains[0]), float(gains.any()), float(gains @ discounts[: len(gains)] / ideal)


def _parts(text: str) -> list[str]:
    limit = _PART_CHARACTERS_UNSPACED if _UNSPACED.search(text) else _PART_CHARACTERS
    parts = [""]
    for line in text.splitlines():
        if parts[-1] and len(parts[-1]) + len(line) > limit:
            parts.append("")
        parts[-1] += f"{line}\n"
    return parts


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def main() -> None:
    """Print the scores of models side by side, in per cent of nDCG@10 (cross-lingual unless said otherwise)."""
    parser = argparse.ArgumentParser(prog="training.evaluate", description=main.__doc__)
    parser.add_argument("--eval-folder", type=Path, nargs="+", required=True, help="folders of evaluation sets")
    parser.add_argument("--model", type=Path, nargs="+", required=True, help="folders of exported models")
    parser.add_argument("--dimensions", type=int, nargs="+", default=[None], help="cut vectors to these lengths")
    options = parser.parse_args()
    encoders = {
        f"{folder}{f' {dimensions}' if dimensions else ''}": Encoder(folder, dimensions=dimensions)
        for folder in options.model
        for dimensions in options.dimensions
    }
    languages = frozenset.intersection(*(encoder.languages for encoder in encoders.values()))
    for evaluation_set in map(read_set, options.eval_folder):
        scores = {name: evaluate(encoder, evaluation_set) for name, encoder in encoders.items()}
        print("\t".join([evaluation_set.name, *scores]))
        for label, pairs, by_query in _rows_of_table(scores, languages):
            means = (mean_ndcg(of_model, pairs, by_query=by_query) for of_model in scores.values())
            print("\t".join([label, *(f"{100 * mean:.1f}" for mean in means)]))


def _rows_of_table(
    scores: Mapping[str, Scores], languages: frozenset[str]
) -> Iterator[tuple[str, list[LanguagePair], bool]]:
    """Yield rows as label, pairs, and whether each query counts alike instead of each pair."""
    of_any = next(iter(scores.values()))
    cross = cross_lingual(of_any, languages)
    rows = [
        ("cross", cross, False),
        ("cross, by query", cross, True),
        ("same", [(a, b) for a, b in of_any if a == b and a in languages], False),
        ("to English", [(a, b) for a, b in cross if b == "en"], False),
        ("other languages", [(a, b) for a, b in of_any if a != b and not {a, b} <= languages | {ALL}], False),
    ]
    rows += [(f"from {of}", [pair for pair in cross if pair[0] == of], False) for of in sorted(languages)]
    yield from (row for row in rows if row[1])


if __name__ == "__main__":
    main()
