"""End the parts when the supervisor is gone, however it went: even by SIGKILL.

A program of its own, with the standard library only. The supervisor holds the other end of standard
input and writes there, after each change, the process groups of all running parts as one line. The end
of the input means that the supervisor is gone. Groups, because a part has children of its own; and a
process instead of PR_SET_PDEATHSIG, because that reaches no grandchildren, fires when the thread that
started the part ends, cannot be set without running Python between fork and exec, and exists on Linux
only.
"""

import os
import signal
import sys
import time

GRACE_S = 2.0
POLL_S = 0.05


def main() -> None:
    # Whatever is meant to end the supervisor must not end its guardian first.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: list[int] = []
    for line in sys.stdin:
        groups = [int(word) for word in line.split()]
    groups = signalled(groups, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while groups and time.monotonic() < deadline:
        time.sleep(POLL_S)
        groups = signalled(groups, 0)
    signalled(groups, signal.SIGKILL)


def signalled(groups: list[int], number: int) -> list[int]:
    """Return the groups that were still there to be signalled."""
    there = []
    for group in groups:
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            continue
        there.append(group)
    return there


if __name__ == "__main__":
    main()
