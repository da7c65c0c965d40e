"""How long the parts of one piece of work took.

Code names its parts where they are; nothing is measured unless somebody up the stack collects them.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Watch:
    """``within_ms`` is the time of the parts that ended inside the one that is under way."""

    clock: Callable[[], float]
    parts: dict[str, float] = field(default_factory=dict)
    within_ms: float = 0.0


_watch: ContextVar[_Watch | None] = ContextVar("stopwatch", default=None)


@contextmanager
def parts_timed(clock: Callable[[], float] = time.perf_counter) -> Iterator[dict[str, float]]:
    """Collect the milliseconds that each `part` within the block takes, by name.

    A part within another counts for itself alone, so the sum is the time of the outermost ones. Other
    threads are not seen.

    Args:
        clock: what tells the seconds; ``time.thread_time`` leaves out all waiting.
    """
    watch = _Watch(clock)
    token = _watch.set(watch)
    try:
        yield watch.parts
    finally:
        _watch.reset(token)


@contextmanager
def part(name: str) -> Iterator[None]:
    """Name the time that the block takes. Also a decorator: ``@part("join")``."""
    watch = _watch.get()
    if watch is None:
        yield
        return
    before_ms, watch.within_ms = watch.within_ms, 0.0
    started = watch.clock()
    try:
        yield
    finally:
        took_ms = (watch.clock() - started) * 1000
        watch.parts[name] = watch.parts.get(name, 0.0) + took_ms - watch.within_ms
        watch.within_ms = before_ms + took_ms
