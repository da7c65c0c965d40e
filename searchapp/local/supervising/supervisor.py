"""Run programs, restart those that die, stop all of them in order."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from searchapp.local.supervising.log import Log

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 10.0
# A part that ran this long was well: when it dies, the delays begin anew.
STEADY_AFTER_S = 30.0
POLL_S = 0.05
SAY_WAITING_EVERY_S = 10.0
# What has not ended by then is killed, so that everything is gone within 5 s.
STOP_WITHIN_S = 3.5
# Of that, each later stage is left at least this much.
STAGE_RESERVE_S = 1.0
# Death is certain after SIGKILL; this only bounds the wait for the kernel.
KILL_WITHIN_S = 1.0
# A program begins when the guardian knows its group: were this process killed before that, `read` finds
# the end of the pipe and nothing is left behind. The shell becomes the program, under the same number.
_GATE = ("/bin/sh", "-c", 'read -r _ && exec "$@" </dev/null', "sh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Describe one program.

    Attributes:
        name: shown before each line of its log.
        command: program and arguments. Never a secret: every user of the machine can read them.
        environment: what is added to this process's environment.
        answers: whether it serves now; asked again and again until it does.
        descriptors: open files that it inherits.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    answers: Callable[[], bool] = lambda: True
    descriptors: tuple[int, ...] = ()


class Supervisor:
    """Run parts in stages; leaving the context stops all, the last stage first.

    Args:
        log: receives what the parts print and what happens to them.
        folder: working directory of the parts.
        held: descriptors that must stay open until the last part has ended, even when this process is
            killed: the lock of the data folder.
    """

    def __init__(self, log: Log, *, folder: Path, held: tuple[int, ...] = ()) -> None:
        self._log = log
        self._folder = folder
        self._groups = _Groups(held)
        self._stages: list[list[_Runner]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    def start(self, parts: Sequence[Part]) -> None:
        """Start the parts of one stage, all at once; each is restarted whenever it ends."""
        self._start(parts, is_lasting=True)

    def run(self, part: Part) -> int:
        """Run a program to its end and return its exit code, negative for a signal."""
        (runner,) = self._start([part], is_lasting=False)
        runner.join()
        return runner.exit_code

    def wait(self, parts: Sequence[Part]) -> None:
        """Return when each part has answered.

        There is no limit: a large model takes minutes to load. Every few seconds the log names the part
        that is waited for, and what keeps it from answering stands in its own lines.
        """
        for part in parts:
            said_at = time.monotonic()
            while not part.answers():
                if time.monotonic() - said_at > SAY_WAITING_EVERY_S:
                    said_at = time.monotonic()
                    self._log.say(f"waiting for {part.name}")
                time.sleep(POLL_S)

    def _start(self, parts: Sequence[Part], *, is_lasting: bool) -> "list[_Runner]":
        runners = [
            _Runner(part, log=self._log, folder=self._folder, groups=self._groups, is_lasting=is_lasting)
            for part in parts
        ]
        self._stages.append(runners)
        for runner in runners:
            runner.start()
        return runners

    def _stop(self) -> None:
        deadline = time.monotonic() + STOP_WITHIN_S
        while self._stages:
            stage = self._stages.pop()
            stage_deadline = deadline - STAGE_RESERVE_S * len(self._stages)
            for runner in reversed(stage):
                runner.end()
            for runner in reversed(stage):
                runner.join(max(0.0, stage_deadline - time.monotonic()))
                if runner.is_alive():
                    self._log.say(f"{runner.part.name} did not stop by itself and is killed")
                    runner.kill()
            for runner in stage:
                runner.join(KILL_WITHIN_S)
        self._groups.close()


class _Runner(threading.Thread):
    """Run one part, again and again while it is lasting, until `end`."""

    def __init__(self, part: Part, *, log: Log, folder: Path, groups: "_Groups", is_lasting: bool) -> None:
        super().__init__(name=part.name, daemon=True)
        self.part = part
        self.exit_code = 0
        self._log = log
        self._folder = folder
        self._groups = groups
        self._is_lasting = is_lasting
        self._ending = threading.Event()
        # Held while a process is started, so that `end` finds either none or one it can signal.
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def run(self) -> None:
        delay_s = FIRST_DELAY_S
        while True:
            started_at = time.monotonic()
            how = self._run_once()
            if self._ending.is_set() or not self._is_lasting:
                return
            if time.monotonic() - started_at > STEADY_AFTER_S:
                delay_s = FIRST_DELAY_S
            self._log.say(f"{self.part.name} {how}; starting it again in {delay_s:g} s")
            if self._ending.wait(delay_s):
                return
            delay_s = min(2 * delay_s, LONGEST_DELAY_S)

    def end(self) -> None:
        """Ask the program to stop and start it no more."""
        with self._lock:
            self._ending.set()
            if self._process is not None:
                self._process.terminate()

    def kill(self) -> None:
        """Kill the program with all its children."""
        with self._lock:
            if self._process is not None:
                _kill_group(self._process.pid)

    def _run_once(self) -> str:
        """Run the program to its end and say how it ended."""
        with self._lock:
            if self._ending.is_set():
                return "was not started"
            try:
                process = subprocess.Popen(
                    [*_GATE, *self.part.command],
                    cwd=self._folder,
                    env=os.environ | self.part.environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    encoding="utf-8",
                    errors="replace",
                    pass_fds=self.part.descriptors,
                    # Its children end with it, and the Ctrl-C of a terminal reaches the supervisor only.
                    start_new_session=True,
                )
            except OSError as exc:  # neither memory nor a number for a process, or no shell
                self.exit_code = 126  # what a shell says of a program that cannot be begun
                return f"cannot be started ({exc.strerror})"
            self._groups.add(process.pid)
            self._process = process
            _open_gate(process)
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for above
        copier = threading.Thread(target=self._copy_lines, args=(process.stdout,), daemon=True)
        copier.start()
        self.exit_code = process.wait()
        with self._lock:
            self._process = None
            _kill_group(process.pid)
        self._groups.remove(process.pid)
        copier.join(KILL_WITHIN_S)
        if self.exit_code < 0:
            return f"was ended by {signal.Signals(-self.exit_code).name}"
        return f"ended with exit code {self.exit_code}"

    def _copy_lines(self, lines: IO[str]) -> None:
        with lines:
            for line in lines:
                if text := line.rstrip():
                    self._log.write(self.part.name, text)


class _Groups:
    """Tell the guardian process which groups to end should this process be killed."""

    def __init__(self, held: tuple[int, ...]) -> None:
        self._lock = threading.Lock()
        self._groups: set[int] = set()
        self._guardian = subprocess.Popen(
            # Neither the environment nor site packages: it is up in 20 ms and takes 10 MB.
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("guardian.py"))],
            stdin=subprocess.PIPE,
            text=True,
            pass_fds=held,
            start_new_session=True,
        )

    def add(self, group: int) -> None:
        with self._lock:
            self._groups.add(group)
            self._tell()

    def remove(self, group: int) -> None:
        with self._lock:
            self._groups.discard(group)
            self._tell()

    def close(self) -> None:
        self._guardian.communicate()

    def _tell(self) -> None:
        assert self._guardian.stdin is not None  # noqa: S101 - a pipe was asked for above
        try:
            print(*self._groups, file=self._guardian.stdin, flush=True)
        except BrokenPipeError:
            # Someone killed the guardian. The parts go on; only a SIGKILL of this process too would now
            # leave them behind.
            return


def _open_gate(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None  # noqa: S101 - a pipe was asked for
    with contextlib.suppress(BrokenPipeError), process.stdin as gate:
        print(file=gate)


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
