"""Parts of a piece of work and their times."""

import pytest

from searchapp.stopwatch import part, parts_timed


class Clock:
    """Time that passes only where a test says so."""

    def __init__(self) -> None:
        self.now_ms = 0

    def __call__(self) -> float:
        return self.now_ms / 1000


def test_parts_nested_count_for_themselves_alone() -> None:
    clock = Clock()

    @part("outer")
    def work() -> None:
        clock.now_ms += 1
        with part("inner"):
            clock.now_ms += 20
        with part("inner"):
            clock.now_ms += 300
        clock.now_ms += 4000

    with parts_timed(clock) as parts:
        work()
        clock.now_ms += 50_000
    assert parts == pytest.approx({"inner": 320, "outer": 4001})


def test_part_that_fails_is_counted_and_lets_the_error_out() -> None:
    clock = Clock()

    @part("broken")
    def fail() -> None:
        clock.now_ms += 5
        raise ValueError("broken")

    with parts_timed(clock) as parts, part("whole"):
        with pytest.raises(ValueError, match="broken"):
            fail()
        clock.now_ms += 1
    assert parts == pytest.approx({"broken": 5, "whole": 1})


def test_part_that_nobody_collects_is_not_kept() -> None:
    clock = Clock()
    with part("alone"):
        clock.now_ms += 1
    with parts_timed(clock) as parts:
        clock.now_ms += 1
    assert parts == {}
