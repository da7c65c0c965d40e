"""`manage.py serve` as real processes: what starts, what stays, what is left behind."""

import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest

from searchapp.env import read_env_file
from searchapp.local.supervising import ServeError, listen, plan_servers
from tests.site import ROOT, START_TIMEOUT_S, Site, eventually, serve_command, site_environment

pytestmark = pytest.mark.slow

REFUSE_TIMEOUT_S = 30


def _refusal(data_dir: Path, *arguments: str) -> str:
    """Return what a start that must fail says."""
    ended = subprocess.run(
        serve_command(*arguments),
        env=site_environment(data_dir),
        capture_output=True,
        text=True,
        timeout=REFUSE_TIMEOUT_S,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    return ended.stderr


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


def test_serve_variable_of_the_wrong_type_is_refused(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "http")

    assert _refusal(data_dir) == "PORT takes a whole number, found 'http'\n"


def test_create_api_token_without_a_database_says_what_to_do(data_dir: Path) -> None:
    ended = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "create_api_token", "admin"],
        env=site_environment(data_dir / "missing"),
        capture_output=True,
        text=True,
        timeout=REFUSE_TIMEOUT_S,
        check=False,
    )

    assert ended.returncode == 1
    assert "set DATA_DIR to the same folder" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("question", ["x" * 10_000, "字" * 10_000])
def test_serve_question_much_too_long_is_refused_by_the_search_page(site: Site, question: str) -> None:
    assert site.status(f"/?q={quote(question)}") == 400


@pytest.mark.parametrize("words", ["redis-server", "searchapp.local.vectors", "searchapp.local.embeddings", "gunicorn"])
def test_serve_killed_part_comes_back_at_the_same_place(site: Site, words: str) -> None:
    before = site.part(words)
    addresses = read_env_file(site.data_dir / "embedded.env")

    before.kill()

    def is_back() -> bool:
        now = site.part(words)
        return now is not None and now.pid != before.pid

    assert eventually(is_back, within_s=START_TIMEOUT_S)
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
        env=site_environment(stopped_site.data_dir),
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
