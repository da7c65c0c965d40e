"""Split the time of a search by part, beside the bare floor: embed and one vector query by a minimal client.

All are asked question by question in turn, so whatever else the machine does falls on all alike. The time
of the processor, as far as this thread used it, is given beside the time that passed: a busy machine adds to
the one and hardly to the other.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import openai
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.test import Client
from qdrant_client import QdrantClient

from searchapp.backends import get_embedder, get_index
from searchapp.services import searching
from searchapp.stopwatch import parts_timed

WARM_UP = 5
LIMIT = 10
# What waits for another service on behalf of the question; the rest is the site's own.
SERVICES = ("embed", "index", "embed-sentences")

Times = dict[str, list[float]]


def measure(questions: Sequence[str]) -> Times:
    """Return the milliseconds of every part for each question.

    Questions must be distinct: the embedder remembers them.
    """
    floor = _Floor()
    page = Client(headers={"host": "localhost", "hx-request": "true"})
    times: Times = defaultdict(list)
    for number, question in enumerate(questions):
        took: dict[str, float] = {}
        runs: list[Callable[[], None]] = [
            partial(_ask_floor, floor, question, took),
            partial(_ask_service, question, took),
        ]
        for run in runs if number % 2 else reversed(runs):
            run()
        # After the service, which leaves the question's vector remembered: only what the page adds is looked at.
        response = page.get("/", {"q": question})
        if response.status_code != 200:
            raise RuntimeError(f"the page answered {response.status_code}")
        took["page"] = _server_timing(response["Server-Timing"])["page"]
        took["own"] = took["service"] - sum(took.get(f"service: {name}", 0.0) for name in SERVICES) + took["page"]
        took["over floor"] = took["service"] + took["page"] - took["floor"]
        if number >= WARM_UP:
            for name, value in took.items():
                times[name].append(value)
    return times


def print_times(times: Times) -> None:
    """Print median and 95th percentile of every part."""
    whole = float(np.median(times["service"]) + np.median(times["page"]))
    print(f"{'ms':<28}{'p50':>8}{'p95':>8}{'share':>8}")
    for name, values in times.items():
        p50, p95 = np.percentile(values, [50, 95])
        print(f"{name:<28}{p50:>8.1f}{p95:>8.1f}{p50 / whole:>8.0%}")
    print(f"service and page against the floor: {whole / float(np.median(times['floor'])):.1f} times, at the median")


class _Floor:
    """The least that finds anything: the vector of the question, and its nearest points."""

    def __init__(self) -> None:
        self._embeddings = openai.OpenAI(
            base_url=settings.EMBEDDING_BASE_URL, api_key=settings.EMBEDDING_API_KEY or "EMPTY"
        )
        headers = {"api-key": settings.QDRANT_API_KEY} if settings.QDRANT_API_KEY else None
        self._points = QdrantClient(url=settings.QDRANT_URL, headers=headers, timeout=60, check_compatibility=False)
        self._name = get_index().name
        self._model = get_embedder().model

    def embed(self, question: str) -> list[float]:
        return self._embeddings.embeddings.create(model=self._model, input=question).data[0].embedding

    def nearest(self, vector: list[float]) -> None:
        found = self._points.query_points(self._name, query=vector, using="dense", limit=LIMIT, with_payload=True)
        if len(found.points) != LIMIT:
            raise RuntimeError(f"the floor found {len(found.points)} points")


def _ask_floor(floor: _Floor, question: str, took: dict[str, float]) -> None:
    started, cpu_started = time.perf_counter(), time.thread_time()
    vector = floor.embed(question)
    embedded = time.perf_counter()
    floor.nearest(vector)
    ended = time.perf_counter()
    took["floor"] = (ended - started) * 1000
    took["floor: processor"] = (time.thread_time() - cpu_started) * 1000
    took["floor: embed"] = (embedded - started) * 1000
    took["floor: nearest"] = (ended - embedded) * 1000


def _ask_service(question: str, took: dict[str, float]) -> None:
    started, cpu_started = time.perf_counter(), time.thread_time()
    with parts_timed() as parts:
        result = searching.search(question, AnonymousUser(), limit=LIMIT)
    took["service"] = (time.perf_counter() - started) * 1000
    took["service: processor"] = (time.thread_time() - cpu_started) * 1000
    if not result.hits:
        raise RuntimeError("the service found nothing")
    took |= {f"service: {name}": took_ms for name, took_ms in parts.items()}


def _server_timing(header: str) -> dict[str, float]:
    entries = (entry.partition(";dur=") for entry in header.split(", "))
    return {name: float(took_ms) for name, _, took_ms in entries}
