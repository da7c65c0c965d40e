"""Parts of a piece of work and their times."""

from collections.abc import Callable

import pytest

from searchapp import stopwatch
from searchapp.stopwatch import part, parts_timed


@pytest.fixture
def wait_ms(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function that lets time pass: nothing else does."""
    now_ms = 0

    def wait_ms(milliseconds: int) -> None:
        nonlocal now_ms
        now_ms += milliseconds

    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: now_ms / 1000)
    return wait_ms


def test_parts_nested_count_for_themselves_alone(wait_ms: Callable[[int], None]) -> None:
    @part("outer")
    def work() -> None:
        wait_ms(1)
        with part("inner"):
            wait_ms(20)
        with part("inner"):
            wait_ms(300)
        wait_ms(4000)

    with parts_timed() as parts:
        work()
        wait_ms(50_000)
    assert parts == pytest.approx({"inner": 320, "outer": 4001})


def test_part_that_fails_is_counted_and_lets_the_error_out(wait_ms: Callable[[int], None]) -> None:
    @part("broken")
    def fail() -> None:
        wait_ms(5)
        raise ValueError("broken")

    with parts_timed() as parts, part("whole"):
        with pytest.raises(ValueError, match="broken"):
            fail()
        wait_ms(1)
    assert parts == pytest.approx({"broken": 5, "whole": 1})


def test_part_that_nobody_collects_is_not_kept(wait_ms: Callable[[int], None]) -> None:
    with part("alone"):
        wait_ms(1)
    with parts_timed() as parts:
        wait_ms(1)
    assert parts == {}
