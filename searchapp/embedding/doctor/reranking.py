"""Whether what is named as a reranker is one: asked by what its scores mean, never by a status.

SGLang answers 200 to ``/v1/rerank`` on an embedding server, with scores that mean nothing.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from searchapp.embedding.doctor import samples
from searchapp.embedding.doctor.connecting import check_model
from searchapp.embedding.doctor.examining import run_checks
from searchapp.embedding.doctor.report import Endpoint, Examination, Expectations
from searchapp.embedding.doctor.visit import StopError, Visit
from searchapp.embedding.doctor.wire import FaultError, Wire

CONSTANT_SPREAD = 1e-6
# Of six questions with four documents each; by chance five are right once in five thousand times.
RIGHT_CASES = 5
# Scores of one document in another place of the list.
SAME_SCORE = 0.02


def examine_reranker(endpoint: Endpoint) -> Examination:
    """Examine a reranker; whatever it does becomes a finding, never an error."""
    with Wire(endpoint) as wire:
        checks = {"connection": _check_connection, "model": _check_served, "scores": _check_scores}
        return run_checks(Visit(wire, Expectations()), checks)


def _check_connection(visit: Visit) -> None:
    query, documents = samples.RERANK_CASES[0]
    try:
        _scores(visit.wire, query, documents)
    except FaultError as exc:
        if exc.status in (400, 404, 405, 422, 501) and exc.finding.code in ("url_wrong_path", "request_refused"):
            visit.find("rerank_absent", exc.finding.evidence)
        else:
            visit.findings.append(exc.finding)
        raise StopError from exc
    visit.facts = visit.wire.facts()


def _check_served(visit: Visit) -> None:
    if visit.facts.info.get("is_generation") is not True:
        check_model(visit)


def _check_scores(visit: Visit) -> None:
    right = 0
    spreads, moves = [], []
    for turn, (query, documents) in enumerate(samples.RERANK_CASES):
        # The answer stands in another place each time: some "scores" only follow the order.
        order = [(number + turn) % len(documents) for number in range(len(documents))]
        scores = _scores(visit.wire, query, [documents[number] for number in order])
        placed = np.empty_like(scores)
        placed[order] = scores
        right += int(placed.argmax() == 0)
        spreads.append(float(scores.max() - scores.min()))
        if turn < 2:
            straight = _scores(visit.wire, query, documents)
            moves.append(float(np.abs(straight - placed).max()) / max(spreads[-1], CONSTANT_SPREAD))
    cases = len(samples.RERANK_CASES)
    visit.measurements["rerank_right"] = f"{right}/{cases}"
    if max(spreads) < CONSTANT_SPREAD:
        visit.find("rerank_constant", f"largest difference {max(spreads):.2g}")
    elif right < RIGHT_CASES:
        about = "; /model_info: is_generation is false" if visit.facts.info.get("is_generation") is False else ""
        visit.find("rerank_meaningless", f"{right} of {cases} answers put first{about}", right=right, cases=cases)
    elif max(moves) > SAME_SCORE:
        visit.find("rerank_order", f"scores moved by {max(moves):.3f} of their spread")


def _scores(wire: Wire, query: str, documents: Sequence[str]) -> NDArray[np.float64]:
    """Return the score of each document, in the order they were sent.

    Raises:
        FaultError: the service cannot be reached, refuses, or answers with no scores.
    """
    body = {"model": wire.endpoint.model, "query": query, "documents": list(documents)}
    answer = wire.post("/rerank", body)
    rows: Any = answer.get("results", answer.get("data")) if isinstance(answer, dict) else answer
    scores = np.full(len(documents), np.nan)
    try:
        for row in rows:
            score = row.get("relevance_score", row.get("score"))
            scores[row["index"]] = float(score)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError) as exc:
        raise wire.fault("answer_unreadable", f"{exc!r} in {answer!r}", status=200) from exc
    if not np.isfinite(scores).all():
        raise wire.fault("answer_unreadable", f"scores are missing in {answer!r}", status=200)
    return scores
