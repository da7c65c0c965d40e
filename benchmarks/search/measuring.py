"""Split the time of a search by part, beside the bare floor: embed and one vector query by a minimal client.

All are asked question by question in turn, so whatever else the machine does falls on all alike. Each question
is asked once more on the clock of the thread's own work, which a busy machine hardly adds to; its vector is then
remembered.
"""

import html
import re
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import openai
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.test import Client
from qdrant_client import QdrantClient

from searchapp.backends import get_index
from searchapp.services import generations, searching
from searchapp.stopwatch import part, parts_timed

WARM_UP = 5
LIMIT = 10
# What waits for another service on behalf of the question; the rest is the site's own.
SERVICES = ("embed", "index")

Times = dict[str, float]


@dataclass(frozen=True, slots=True)
class Measured:
    """Milliseconds of each part for each question: those that passed, and those that the thread worked."""

    passed: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    worked: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, passed: Times, worked: Times) -> None:
        """Add one question."""
        for row, times in ((self.passed, passed), (self.worked, worked)):
            for name, took_ms in times.items():
                row[name].append(took_ms)


def measure(questions: Sequence[str]) -> Measured:
    """Ask every question and return its times.

    Questions must be distinct: the embedder remembers them.
    """
    floor = _Floor()
    page = Client(headers={"host": "localhost", "hx-request": "true"})
    measured = Measured()
    for number, question in enumerate(questions):
        asked = [partial(_floor_parts, floor, question), partial(_parts, question)]
        first, second = asked if number % 2 else reversed(asked)
        passed = first(time.perf_counter) | second(time.perf_counter)
        worked = first(time.thread_time) | second(time.thread_time)
        started = time.thread_time()
        response = page.get("/", {"q": question})
        worked["page"] = (time.thread_time() - started) * 1000 - worked["service"]
        if response.status_code != 200:
            raise RuntimeError(f"the page answered {response.status_code}")
        passed["page"] = _server_timing(response["Server-Timing"])["page"]
        after = re.search(r'hx-get="(/highlights/[^"]+)"', response.text)
        if after is not None:
            marks = page.get(html.unescape(after[1]))
            passed["afterwards: highlights"] = sum(_server_timing(marks["Server-Timing"]).values())
        for times in (passed, worked):
            times["own"] = times["service"] - sum(times.get(f"- {name}", 0.0) for name in SERVICES) + times["page"]
        if number >= WARM_UP:
            measured.add(passed, worked)
    return measured


def print_times(measured: Measured) -> None:
    """Print median and 95th percentile of every part."""
    print(f"{'ms':<24}{'p50':>8}{'p95':>8}{'work p50':>10}")
    for name, values in measured.passed.items():
        p50, p95 = np.percentile(values, [50, 95])
        worked = f"{np.median(measured.worked[name]):>10.1f}" if name in measured.worked else ""
        print(f"{name:<24}{p50:>8.1f}{p95:>8.1f}{worked}")
    whole, floor = (float(np.median(measured.passed[name])) for name in ("service", "floor"))
    print(f"the service takes {whole / floor:.1f} times the floor, at the median")


class _Floor:
    """The least that finds anything: the vector of the question, and its nearest points."""

    def __init__(self) -> None:
        self._embeddings = openai.OpenAI(
            base_url=settings.EMBEDDING_BASE_URL, api_key=settings.EMBEDDING_API_KEY or "EMPTY"
        )
        headers = {"api-key": settings.QDRANT_API_KEY} if settings.QDRANT_API_KEY else None
        self._points = QdrantClient(url=settings.QDRANT_URL, headers=headers, timeout=60, check_compatibility=False)
        self._name = get_index(generations.live_or_first()).name
        self._model = generations.live_embedder().model

    def embed(self, question: str) -> list[float]:
        return self._embeddings.embeddings.create(model=self._model, input=question).data[0].embedding

    def nearest(self, vector: list[float]) -> None:
        found = self._points.query_points(self._name, query=vector, using="dense", limit=LIMIT, with_payload=True)
        if len(found.points) != LIMIT:
            raise RuntimeError(f"the floor found {len(found.points)} points")


def _floor_parts(floor: _Floor, question: str, clock: Callable[[], float]) -> Times:
    with parts_timed(clock) as parts:
        with part("- floor: embed"):
            vector = floor.embed(question)
        with part("- floor: nearest"):
            floor.nearest(vector)
    return {"floor": sum(parts.values()), **parts}


def _parts(question: str, clock: Callable[[], float]) -> Times:
    with parts_timed(clock) as parts, part("rest"):
        result = searching.search(question, AnonymousUser(), limit=LIMIT, is_folded=True, is_highlighted=False)
    if not result.hits:
        raise RuntimeError("the service found nothing")
    return {"service": sum(parts.values()), **{f"- {name}": took_ms for name, took_ms in parts.items()}}


def _server_timing(header: str) -> Times:
    entries = (entry.partition(";dur=") for entry in header.split(", "))
    return {name: float(took_ms) for name, _, took_ms in entries}
