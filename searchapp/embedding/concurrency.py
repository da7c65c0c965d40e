"""How many requests are sent to the service at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

FIRST_LIMIT = 4
MOST_REQUESTS = 16
# Requests that wait at the service (Brakmo and Peterson, TCP Vegas, 1994): fewer leave it idle between two, more only
# wait there instead of here.
FEWEST_WAITING = 2.0
MOST_WAITING = 4.0
# The fastest answer seen is forgotten slowly, since the service may have become slower for good.
FORGETTING = 1.01


class Limiter:
    """Let through as many requests as keep the service busy, shared by all threads of a process.

    The number grows while answers come as fast as when the service was idle, stands while they wait
    there a little, and is halved when the service says that it is too busy. Thread-safe.
    """

    def __init__(self, *, most: int = MOST_REQUESTS) -> None:
        self._most = most
        self._limit = float(min(FIRST_LIMIT, most))
        self._under_way = 0
        self._was_busy = False
        self._fastest_s: dict[int, float] = {}
        self._condition = threading.Condition()

    @property
    def limit(self) -> int:
        """Return how many requests may be under way now."""
        return int(self._limit)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait for a place and hold it while the block runs."""
        with self._condition:
            self._condition.wait_for(lambda: self._under_way < self.limit)
            self._under_way += 1
        try:
            yield
        finally:
            with self._condition:
                self._under_way -= 1
                self._condition.notify_all()

    def note_answer(self, took_s: float, *, characters: int) -> None:
        """Learn from an answer. Only requests of about the same length are compared."""
        group = characters.bit_length()
        with self._condition:
            fastest_s = min(took_s, self._fastest_s.get(group, took_s) * FORGETTING)
            self._fastest_s[group] = fastest_s
            # Little's law: of those under way, the share of the time that an answer takes beyond the fastest waits.
            waiting = self._under_way * (1 - fastest_s / took_s) if took_s > 0 else 0.0
            if waiting < FEWEST_WAITING and self._under_way >= self.limit:
                self._limit = min(self._most, self._limit + (1 / self._limit if self._was_busy else 1.0))
                self._condition.notify_all()
            elif waiting > MOST_WAITING:
                self._limit = max(1.0, self._limit - 1 / self._limit)

    def note_busy(self) -> None:
        """Learn that the service turned a request away."""
        with self._condition:
            self._was_busy = True
            self._limit = max(1.0, self._limit / 2)
