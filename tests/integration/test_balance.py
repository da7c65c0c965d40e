"""Thousands of passages in one language beside the answers in another, on real texts."""

from pathlib import Path

import pytest

from benchmarks.calibrate_ranking import FLOODS, flooded, load, measure, ranked, recall_10, report
from searchapp.local.embeddings.models import load_model
from searchapp.local.supervising.parts import SHIPPED_MODEL
from searchapp.ranking import Weights

MOST_LOST = 0.02
OWN_FIRST = (0.45, 0.62)
PAIRS = 6
QUESTIONS = 200


@pytest.mark.slow
def test_relevance_thousands_of_passages_in_another_language_push_no_answer_out(shared_dir: Path) -> None:
    model = load_model(SHIPPED_MODEL)

    def embed(texts: list[str]):
        return model.encode(texts).vectors

    folder = shared_dir / "data" / "eval"
    xquad, k8s = (load(folder / name, embed, embed) for name in ("xquad", "k8s-docs"))
    falls = {}
    for own, other in FLOODS:
        if k8s.languages.count(other) > 1_000:
            alone, both = flooded(xquad, k8s, base_language=own, flood_language=other, limit=QUESTIONS)
            falls[own, other] = recall_10(alone, ranked(alone, Weights())) - recall_10(both, ranked(both, Weights()))
    assert sum(fall < MOST_LOST for fall in falls.values()) >= PAIRS, falls
    parallel = measure(xquad, limit=5 * QUESTIONS)
    assert OWN_FIRST[0] <= report(parallel, ranked(parallel, Weights()))["own first"] <= OWN_FIRST[1]
