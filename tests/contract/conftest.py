"""Servers for the contract tests, started as the processes they are in production."""

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from qdrant_client import QdrantClient, models

KEY = "contract-test-key"
START_TIMEOUT_S = 60
DIMENSIONS = 4


@dataclass(frozen=True, slots=True)
class Server:
    """A vector server that answers, and how to reach it."""

    url: str
    key: str
    is_local: bool

    def client(self) -> QdrantClient:
        # The key goes in as a header: as `api_key` the client warns about every plain-http address.
        return QdrantClient(url=self.url, headers={"api-key": self.key}, timeout=30)


class LocalProcess:
    """The local vector server as a process over a data folder; it can be killed and started again."""

    def __init__(self, data_dir: Path, *, log_file: Path) -> None:
        self.data_dir = data_dir
        self._log_file = log_file
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Server:
        with self._log_file.open("wb") as log:
            self._process = subprocess.Popen(command(self.data_dir), stderr=log, env=environment())
        port = self._wait_for_port()
        # The port is open before the line is written: a request sent now waits until it is answered.
        return Server(url=f"http://127.0.0.1:{port}", key=KEY, is_local=True)

    def end(self, number: signal.Signals) -> int:
        """Send a signal and return the exit code, negative for a death by signal."""
        assert self._process is not None
        self._process.send_signal(number)  # does nothing once the process has been waited for
        return self._process.wait(timeout=START_TIMEOUT_S)

    def _wait_for_port(self) -> int:
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            found = re.search(r"listening on http://127\.0\.0\.1:(\d+)", self._log_file.read_text())
            if found:
                return int(found[1])
            time.sleep(0.02)
        raise AssertionError(f"the vector server did not start:\n{self._log_file.read_text()}")


def command(data_dir: Path, port: int = 0) -> list[str]:
    program = [sys.executable, "-m", "searchapp.local.vectors"]
    return [*program, "--data-dir", str(data_dir), "--port", str(port)]


def environment() -> dict[str, str]:
    return {**os.environ, "QDRANT_API_KEY": KEY}


@pytest.fixture(scope="session", params=["local", pytest.param("live", marks=pytest.mark.live)])
def vector_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The local vector server, and the one named by QDRANT_URL if there is one."""
    if request.param == "live":
        url = os.environ.get("QDRANT_URL")
        if not url:
            pytest.skip("QDRANT_URL names no Qdrant server")
        yield Server(url=url, key=os.environ.get("QDRANT_API_KEY", ""), is_local=False)
        return
    folder = tmp_path_factory.mktemp("vectors")
    process = LocalProcess(folder / "data", log_file=folder / "log")
    yield process.start()
    process.end(signal.SIGTERM)


@pytest.fixture
def local_process(tmp_path: Path) -> Iterator[LocalProcess]:
    """A local vector server of the test's own, not started yet."""
    process = LocalProcess(tmp_path / "data", log_file=tmp_path / "log")
    yield process
    process.end(signal.SIGKILL)


@pytest.fixture(scope="session")
def client(vector_server: Server) -> Iterator[QdrantClient]:
    connection = vector_server.client()
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def rest(vector_server: Server) -> Iterator[httpx.Client]:
    """Plain HTTP with the key, for bodies that the client would not send."""
    with httpx.Client(base_url=vector_server.url, headers={"api-key": vector_server.key}) as connection:
        yield connection


@pytest.fixture
def collection(client: QdrantClient) -> Iterator[str]:
    """An empty collection with a dense and a sparse vector, deleted after the test."""
    name = f"contract-{uuid.uuid4()}"
    create_collection(client, name)
    yield name
    client.delete_collection(name)


def create_collection(client: QdrantClient, name: str) -> None:
    client.create_collection(
        name,
        vectors_config={"dense": models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE)},
        sparse_vectors_config={"lexical": models.SparseVectorParams(modifier=models.Modifier.IDF)},
    )
