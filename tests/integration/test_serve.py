"""`manage.py serve` as real processes: what starts, what stays, what is left behind."""

import http.client
import os
import re
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from searchapp.env import read_env_file
from searchapp.local.supervising import ServeError, listen, plan_servers

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
READY = re.compile(r"Ready: http://127\.0\.0\.1:(?P<port>\d+)/  login: admin / (?P<password>\S.*)\n")
START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 5
REFUSE_TIMEOUT_S = 30


class Site:
    """A running `manage.py serve` on a free port."""

    answers_any_name = False

    def __init__(self, data_dir: Path, *arguments: str) -> None:
        self.data_dir = data_dir
        self.errors = data_dir.with_name(f"{data_dir.name}.log")
        with self.errors.open("a") as errors:
            self.process = subprocess.Popen(
                _command("--port", "0", "--no-demo", *arguments),
                env=_environment(data_dir),
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


def _command(*arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "manage.py"), "serve", *arguments]


def _environment(data_dir: Path) -> dict[str, str]:
    # The services of whoever runs the tests are not for these sites.
    named = {"REDIS_URL", "QDRANT_URL", "EMBEDDING_BASE_URL", "DATABASE_URL", "ALLOWED_HOSTS"}
    return {name: value for name, value in os.environ.items() if name not in named} | {"DATA_DIR": str(data_dir)}


def _refusal(data_dir: Path, *arguments: str) -> str:
    """Return what a start that must fail says."""
    ended = subprocess.run(
        _command(*arguments),
        env=_environment(data_dir),
        capture_output=True,
        text=True,
        timeout=REFUSE_TIMEOUT_S,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    return ended.stderr


def _eventually(condition: Callable[[], bool], *, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site") / "data")
    yield site
    site.end()


@pytest.fixture(scope="module")
def stopped_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site that ran, on all addresses, and was stopped; a test may run another on its folder."""
    site = Site(tmp_path_factory.mktemp("stopped") / "data", "--host", "0.0.0.0")  # noqa: S104 - asked for
    site.answers_any_name = site.status(host="search.example.org") == 200
    site.end()
    return site


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def test_serve_first_start_answers_and_keeps_secrets_private(site: Site) -> None:
    assert site.status() == 200
    secret_files = [site.data_dir / name for name in ("embedded.env", "kept.env", "admin-password.txt")]
    assert [stat.S_IMODE(file.stat().st_mode) for file in secret_files] == [0o600] * 3


def test_serve_second_copy_on_the_folder_is_refused(site: Site) -> None:
    refusal = _refusal(site.data_dir, "--port", "0")

    assert refusal == f"Another copy already runs on the data folder {site.data_dir}.\n"
    assert site.status() == 200


def test_serve_taken_port_is_refused(site: Site, data_dir: Path) -> None:
    refusal = _refusal(data_dir, "--port", str(site.port))

    assert refusal == f"The site cannot listen on 127.0.0.1 port {site.port}: Address already in use.\n"


def test_serve_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "data"

    refusal = _refusal(tmp_path, "--port", "0", "--data-dir", str(folder))

    assert refusal == f"The data folder {folder} cannot be written: Not a directory.\n"


@pytest.mark.parametrize("words", ["redis-server", "searchapp.local.vectors", "searchapp.local.embeddings", "gunicorn"])
def test_serve_killed_part_comes_back_at_the_same_place(site: Site, words: str) -> None:
    before = site.part(words)
    addresses = read_env_file(site.data_dir / "embedded.env")

    before.kill()

    def is_back() -> bool:
        now = site.part(words)
        return now is not None and now.pid != before.pid

    assert _eventually(is_back, within_s=START_TIMEOUT_S)
    assert site.status() == 200
    assert read_env_file(site.data_dir / "embedded.env") == addresses


def test_serve_on_all_addresses_answers_to_any_name(stopped_site: Site) -> None:
    assert stopped_site.answers_any_name


def test_serve_sigterm_leaves_no_process(stopped_site: Site) -> None:
    assert stopped_site.process.returncode == 0
    assert stopped_site.processes() == []


def test_serve_killed_supervisor_leaves_no_process_and_starts_again(stopped_site: Site) -> None:
    killed = Site(stopped_site.data_dir)
    killed.process.kill()
    killed.process.wait()
    killed.process.stdout.close()

    # At once: the new copy waits until the parts of the killed one have ended.
    again = Site(stopped_site.data_dir)
    try:
        started_at = psutil.Process(again.process.pid).create_time()
        assert [process for process in again.processes() if process.create_time() < started_at] == []
        assert again.password == stopped_site.password
    finally:
        again.end()
    assert again.processes() == []


def test_serve_changed_password_is_not_shown(stopped_site: Site) -> None:
    change = "from django.contrib.auth.models import User; u = User.objects.get(); u.set_password('x'); u.save()"
    subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "shell", "--command", change],
        env=_environment(stopped_site.data_dir),
        check=True,
        capture_output=True,
        timeout=REFUSE_TIMEOUT_S,
    )

    site = Site(stopped_site.data_dir)
    site.end()

    assert site.password == "(your password)"


@pytest.mark.parametrize(
    ("variable", "part", "absent"),
    [
        ("REDIS_URL", "redis", {"REDIS_URL"}),
        ("QDRANT_URL", "vectors", {"QDRANT_URL", "QDRANT_API_KEY"}),
        (
            "EMBEDDING_BASE_URL",
            "embeddings",
            {"EMBEDDING_BASE_URL", "EMBEDDING_API_KEY", "EMBEDDING_MODEL"},
        ),
    ],
)
def test_plan_servers_address_given_leaves_out_that_part_only(
    data_dir: Path, variable: str, part: str, absent: set[str]
) -> None:
    everything = plan_servers(data_dir, given={})

    planned = plan_servers(data_dir, given={variable: "http://elsewhere"})

    assert {one.name for one in everything.parts} - {one.name for one in planned.parts} == {part}
    assert planned.environment == {name: value for name, value in everything.environment.items() if name not in absent}


def test_plan_servers_key_given_is_used_and_not_repeated(data_dir: Path) -> None:
    planned = plan_servers(data_dir, given={"QDRANT_API_KEY": "mine"})

    (vectors,) = [part for part in planned.parts if part.name == "vectors"]
    assert vectors.environment["QDRANT_API_KEY"] == "mine"
    assert "QDRANT_API_KEY" not in planned.environment


def test_plan_servers_port_taken_meanwhile_is_replaced_for_good(data_dir: Path) -> None:
    before = plan_servers(data_dir, given={}).environment
    with listen("127.0.0.1", port=int(before["QDRANT_URL"].rpartition(":")[2])):
        after = plan_servers(data_dir, given={}).environment

    assert {name for name in before if before[name] != after[name]} == {"QDRANT_URL"}
    assert plan_servers(data_dir, given={}).environment == after


def test_plan_servers_folder_too_long_for_a_socket_uses_a_private_short_one(tmp_path: Path) -> None:
    data_dir = tmp_path / ("long" * 30)
    data_dir.mkdir()

    address = Path(plan_servers(data_dir, given={}).environment["REDIS_URL"].removeprefix("unix://"))

    assert len(str(address)) < 100
    assert stat.S_IMODE(address.parent.stat().st_mode) == 0o700
    assert plan_servers(data_dir, given={}).environment["REDIS_URL"] == f"unix://{address}"
    address.parent.rmdir()


def test_listen_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ServeError) as refused:
        listen("192.0.2.1", port=0)

    assert refused.value.detail.startswith("The site cannot listen on 192.0.2.1 port 0")
