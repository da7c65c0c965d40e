"""A whole site as `manage.py serve` runs it, for tests of its processes."""

import http.client
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
READY = re.compile(r"Ready: http://127\.0\.0\.1:(?P<port>\d+)/  login: admin / (?P<password>\S.*)\n")
START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 5


class Site:
    """A running `manage.py serve` on a free port."""

    answers_any_name = False

    def __init__(self, data_dir: Path, *arguments: str) -> None:
        self.data_dir = data_dir
        self.errors = data_dir.with_name(f"{data_dir.name}.log")
        with self.errors.open("a") as errors:
            self.process = subprocess.Popen(
                serve_command("--port", "0", "--no-demo", *arguments),
                env=site_environment(data_dir),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        # A start that hangs ends here, and the line read is then empty.
        watchdog = threading.Timer(START_TIMEOUT_S, self.process.kill)
        watchdog.start()
        line = self.process.stdout.readline()
        watchdog.cancel()
        ready = READY.fullmatch(line)
        assert ready, f"instead of the Ready line: {line!r}\n{self.errors.read_text()}"
        self.port = int(ready["port"])
        self.password = ready["password"]

    def status(self, path: str = "/healthz", *, host: str = "localhost") -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_TIMEOUT_S)
        try:
            connection.request("GET", path, headers={"Host": host})
            return connection.getresponse().status
        finally:
            connection.close()

    def processes(self) -> list[psutil.Process]:
        """Return all processes of the site that still run."""
        return [process for process in psutil.process_iter() if _runs_on(process, self.data_dir)]

    def part(self, words: str) -> psutil.Process | None:
        """Return the oldest process whose command line has these words."""
        found = [process for process in self.processes() if words in " ".join(process.cmdline())]
        return min(found, key=psutil.Process.create_time, default=None)

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(STOP_TIMEOUT_S)
        self.process.stdout.close()


def _runs_on(process: psutil.Process, data_dir: Path) -> bool:
    """Return whether the folder is named in the environment or, as redis overwrites its own, the command."""
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return process.environ().get("DATA_DIR") == str(data_dir) or str(data_dir) in " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def serve_command(*arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "manage.py"), "serve", *arguments]


def site_environment(data_dir: Path) -> dict[str, str]:
    # The services of whoever runs the tests are not for these sites.
    named = {"REDIS_URL", "QDRANT_URL", "EMBEDDING_BASE_URL", "DATABASE_URL", "ALLOWED_HOSTS"}
    return {name: value for name, value in os.environ.items() if name not in named} | {"DATA_DIR": str(data_dir)}


def eventually(condition: Callable[[], bool], *, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
