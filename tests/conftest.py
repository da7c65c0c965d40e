"""Surround all tests with a data folder of their own and the real local servers.

Each test process, also each of several that pytest-xdist runs, has its own folder, ports and keys. They
are chosen here, before Django reads its settings; the servers start when a test first asks for them.
Tests empty the index and the broker, so Django never sees the services of a site that the environment or
a ``.env`` file may name: only the `live` contract tests look for those, in the environment. The one
exception is DATABASE_URL, since Django makes a test database of its own there.
"""

import atexit
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import django
import pytest

from searchapp.local.supervising import Log, Supervisor, plan_servers

ROOT = Path(__file__).resolve().parent.parent
DATA_DIR = Path(tempfile.mkdtemp(prefix="isogloss-tests-"))
atexit.register(shutil.rmtree, DATA_DIR, ignore_errors=True)
SERVERS = plan_servers(DATA_DIR, given={})
START_TIMEOUT_S = 120
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")


os.environ |= {"DATA_DIR": str(DATA_DIR), "DJANGO_SETTINGS_MODULE": "searchapp.settings"}
DATABASE = {"DATABASE_URL": os.environ.get("DATABASE_URL", f"sqlite:///{DATA_DIR / 'isogloss.sqlite3'}")}
with mock.patch.dict(os.environ, {**SERVERS.environment, **DATABASE}):
    django.setup()


@pytest.fixture(scope="session")
def local_servers() -> Iterator[None]:
    """Run the local servers that the settings name, until the end of the session."""
    from django.conf import settings

    if settings.DATA_DIR != DATA_DIR:
        raise pytest.UsageError(
            "Django's settings were loaded before tests/conftest.py: leave DJANGO_SETTINGS_MODULE unset, "
            "in the environment and in pyproject.toml."
        )
    log_file = DATA_DIR / "servers.log"
    with log_file.open("w", encoding="utf-8") as stream, Supervisor(Log(stream), folder=ROOT) as supervisor:
        supervisor.start(SERVERS.parts)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not all(part.answers() for part in SERVERS.parts):
            if time.monotonic() > deadline:
                pytest.fail(f"The local servers did not start:\n{log_file.read_text(encoding='utf-8')}")
            time.sleep(0.05)
        yield


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Return the folder with data that is kept outside the repository."""
    named = os.environ.get("ISOGLOSS_SHARED", "")
    if not named:
        pytest.skip("ISOGLOSS_SHARED does not name the folder of shared data")
    return Path(named)


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Return the browser that Playwright drives."""
    for name in CHROMIUM_NAMES:
        if found := shutil.which(name):
            return Path(found)
    pytest.skip("no Chromium is installed; script/setup --dev installs it on Debian")
