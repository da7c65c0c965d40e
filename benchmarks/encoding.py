"""Measure how fast the local server's static model encodes, beside model2vec with the same files.

    .venv/bin/uv venv --python 3.11 /tmp/encoding && .venv/bin/uv pip install --python /tmp/encoding/bin/python \
        --link-mode copy --group encoding
    RAYON_NUM_THREADS=1 OMP_NUM_THREADS=1 /tmp/encoding/bin/python -m benchmarks.encoding demo

Both encode the same texts in turns: the questions of a set one at a time, as a search does, and its
passages in batches, as indexing does; the variables keep both on one core. They must agree on every vector.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from model2vec import StaticModel as Model2Vec
from numpy.typing import NDArray

from searchapp.local.embeddings.models.static import StaticModel

SHIPPED = Path("searchapp/local/data/multilingual-static")
PASSAGE_CHARACTERS = 500
BATCH = 64
SEARCHES = 200
PASSAGES = 2000

Encode = Callable[[Sequence[str]], NDArray[np.float32]]


def read_texts(folder: Path) -> tuple[list[str], list[str]]:
    """Return the questions of a set and the passages of its text files."""
    questions = [json.loads(line)["text"] for line in (folder / "queries.jsonl").open(encoding="utf-8")]
    texts = [
        file.read_text(encoding="utf-8")
        for file in sorted((folder / "files").rglob("*"))
        if file.suffix in {".md", ".txt", ".csv"}
    ]
    passages = [t[i : i + PASSAGE_CHARACTERS] for t in texts for i in range(0, len(t), PASSAGE_CHARACTERS)]
    return _repeated(questions, SEARCHES), _repeated(passages, PASSAGES)


def _repeated(texts: Sequence[str], count: int) -> list[str]:
    return [texts[index % len(texts)] for index in range(count)]


def rate(encode: Encode, texts: Sequence[str], batch: int) -> float:
    """Return texts a second."""
    started = time.perf_counter()
    for start in range(0, len(texts), batch):
        encode(texts[start : start + batch])
    return len(texts) / (time.perf_counter() - started)


def main() -> None:
    """Print texts a second of both, and the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", type=Path, help="folder with queries.jsonl and files/")
    parser.add_argument("--model", type=Path, default=SHIPPED, help="folder of the model (%(default)s)")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    config = json.loads((options.model / "config.json").read_text(encoding="utf-8"))
    ours, theirs = StaticModel(options.model, config), Model2Vec.from_pretrained(str(options.model))
    encoders: dict[str, Encode] = {
        "ours": lambda texts: ours.encode(texts).vectors,
        "model2vec": lambda texts: theirs.encode(list(texts), max_length=None),
    }
    questions, passages = read_texts(options.set)
    difference = np.abs(encoders["ours"](passages) - encoders["model2vec"](passages)).max()
    print(f"largest difference of a number in {len(passages)} vectors: {difference:.1e}")
    for label, texts, batch in (("questions, one at a time", questions, 1), ("passages in batches", passages, BATCH)):
        rates: dict[str, list[float]] = {name: [] for name in encoders}
        for _ in range(options.rounds):
            for name, encode in encoders.items():
                rates[name].append(rate(encode, texts, batch))
        medians = {name: statistics.median(values) for name, values in rates.items()}
        shown = ", ".join(f"{name} {median:,.0f}/s" for name, median in medians.items())
        print(f"{label}: {shown}; ours / model2vec {medians['ours'] / medians['model2vec']:.2f}")


if __name__ == "__main__":
    main()
