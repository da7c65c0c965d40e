"""The client of a reranking service, in the two shapes that are in use.

SGLang answers ``POST /v1/rerank`` with a bare list of ``{"index", "score"}``; Cohere, Jina, vLLM and others
with ``{"results": [{"index", "relevance_score"}]}``. The request is the same.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

import httpx2

from searchapp.errors import TransientError

# Searches of one process that wait for the service at once; the others go on without it.
MAX_AT_ONCE = 8


class RerankFailedError(TransientError):
    """Raise when there are no scores: no answer in time, a refusal, or an answer that cannot be right."""


class Reranker:
    """Score passages against a question with one model. Thread-safe."""

    def __init__(self, base_url: str, model: str, *, api_key: str = "EMPTY") -> None:
        """Remember where the service is; nothing is sent yet.

        Args:
            base_url: address of the service; ``/rerank`` is below it.
            model: name under which the service serves the model.
            api_key: key of the service; any text where it wants none.
        """
        self._url = f"{base_url.rstrip('/')}/rerank"
        self._model = model
        self._client = httpx2.Client(headers={"Authorization": f"Bearer {api_key or 'EMPTY'}"})
        self._pool = ThreadPoolExecutor(MAX_AT_ONCE, thread_name_prefix="rerank")

    def scores(self, query: str, passages: Sequence[str], *, budget_s: float) -> list[float]:
        """Return the score of each passage, greater for better ones; the scale is the model's own.

        Args:
            query: the question.
            passages: what to score, at least one.
            budget_s: longest time this call takes, connecting and reading included.

        Raises:
            RerankFailedError: there are no scores.
        """
        # The timeouts of httpx2 hold for each step of a request; only another thread can hold for all of it.
        waiting = self._pool.submit(self._ask, query, list(passages), budget_s)
        try:
            return waiting.result(timeout=budget_s)
        except FutureTimeoutError as exc:
            waiting.cancel()
            raise RerankFailedError("rerank_timeout", f"no answer within {budget_s} s") from exc

    def _ask(self, query: str, passages: list[str], budget_s: float) -> list[float]:
        body = {"model": self._model, "query": query, "documents": passages, "top_n": len(passages)}
        try:
            response = self._client.post(self._url, json=body, timeout=budget_s)
            response.raise_for_status()
            answer = response.json()
        except (httpx2.HTTPError, ValueError) as exc:
            raise RerankFailedError("rerank_failed", str(exc)) from exc
        return _read(answer, len(passages))


def _read(answer: Any, count: int) -> list[float]:
    try:
        items = answer["results"] if isinstance(answer, dict) else answer
        scores = {int(item["index"]): float(item.get("relevance_score", item.get("score"))) for item in items}
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise RerankFailedError("rerank_answer_invalid", f"{type(exc).__name__} {exc}") from exc
    if sorted(scores) != list(range(count)):
        raise RerankFailedError("rerank_answer_invalid", f"scores of {len(scores)} of {count} passages")
    return [scores[position] for position in range(count)]
