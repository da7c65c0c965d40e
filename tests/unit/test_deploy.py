"""What `docker-compose.yml` and `deploy/` say, held against the code that they start."""

import functools
import http.client
import http.server
import importlib.metadata
import json
import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from django.conf import settings as django_settings
from django.core.management import get_commands

from searchapp import settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
NGINX = ROOT / "deploy" / "nginx"

APP_SERVICES = {"migrate", "web", "worker", "beat"}
SGLANG_SERVICES = {"sglang-gpu", "sglang-cpu"}
SECRETS = {"SECRET_KEY", "POSTGRES_PASSWORD", "QDRANT_API_KEY", "EMBEDDING_API_KEY"}
# The image sets the folder, the host the port; containers have no local models and never debug.
NOT_PASSED_ON = {"DATA_DIR", "PORT", "LOCAL_EMBEDDING_MODEL", "DEBUG"}
COMMAND_TIMEOUT_S = 60
START_TIMEOUT_S = 20
MIB = 1024 * 1024

# One level of nesting, as Compose has it: ${NAME:+${NAME-},more}
INTERPOLATION = re.compile(r"\$\{(?P<name>\w+)(?:(?P<operator>:?[-?+])(?P<operand>(?:\$\{[^{}]*\}|[^{}])*))?\}")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))
    return document


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = compose["services"]
    return found


@pytest.fixture(scope="module")
def interpolations() -> list[re.Match[str]]:
    return list(INTERPOLATION.finditer(COMPOSE_FILE.read_text(encoding="utf-8")))


def words(command: str | list[str]) -> list[str]:
    """Return the command as the container gets it: defaults for the optional variables, names for the secrets."""
    if isinstance(command, str):
        return shlex.split(interpolated(command))
    return [interpolated(part) for part in command]


def interpolated(text: str) -> str:
    return INTERPOLATION.sub(lambda match: match["operand"] if match["operator"] == ":-" else match["name"], text)


def instructions(name: str) -> list[str]:
    """Return the arguments of each such instruction of the Dockerfile, in order."""
    text = re.sub(r"\\\n\s*", " ", DOCKERFILE.read_text(encoding="utf-8"))
    return re.findall(rf"^{name} (.+)$", text, re.MULTILINE)


# Services


def test_compose_profiles_choose_where_the_model_runs_and_nothing_else(services: dict[str, Any]) -> None:
    profiles = {name: service["profiles"] for name, service in services.items() if "profiles" in service}
    assert profiles == {"sglang-gpu": ["gpu"], "sglang-cpu": ["cpu"]}
    assert services.keys() == APP_SERVICES | {"postgres", "redis", "qdrant"} | SGLANG_SERVICES


def test_compose_services_that_stay_have_health_check_restart_and_rotated_log(services: dict[str, Any]) -> None:
    for name in services.keys() - {"migrate"}:
        assert services[name]["healthcheck"]["test"], name
        assert services[name]["restart"] == ("always" if name in SGLANG_SERVICES else "unless-stopped"), name
        assert services[name]["logging"] == {"driver": "local"}, name
    assert services["migrate"]["restart"] == "no"


def test_compose_publishes_the_web_only_and_only_on_this_machine(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"web": [f"127.0.0.1:${{PORT:-{settings.PORT}}}:8000"]}
    assert "--bind=0.0.0.0:8000" in services["web"]["command"]


def test_compose_dependencies_wait_for_conditions_that_their_services_can_reach(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            is_one_shot = how["condition"] == "service_completed_successfully"
            assert is_one_shot == (needed == "migrate"), f"{name} on {needed}"
            assert is_one_shot or "healthcheck" in services[needed], f"{name} on {needed}"


def test_compose_volumes_are_all_declared_and_all_used(compose: dict[str, Any], services: dict[str, Any]) -> None:
    used = {volume.split(":")[0] for service in services.values() for volume in service["volumes"]}
    assert used == compose["volumes"].keys()


def test_compose_image_of_the_site_is_built_once_and_never_pulled(services: dict[str, Any]) -> None:
    assert {services[name]["image"] for name in APP_SERVICES} == {"isogloss"}
    assert {services[name]["pull_policy"] for name in APP_SERVICES} == {"never"}
    assert [name for name, service in services.items() if "build" in service] == ["migrate"]
    build = services["migrate"]["build"]
    assert ROOT / build["context"] / build["dockerfile"] == DOCKERFILE


def test_compose_qdrant_is_within_one_minor_version_of_its_client(services: dict[str, Any]) -> None:
    server = re.fullmatch(r"qdrant/qdrant:v(\d+)\.(\d+)\.\d+", services["qdrant"]["image"])
    assert server
    major, minor = importlib.metadata.version("qdrant-client").split(".")[:2]
    assert server[1] == major
    assert abs(int(server[2]) - int(minor)) <= 1


def test_compose_uploads_are_one_volume_where_the_settings_keep_them(services: dict[str, Any]) -> None:
    data_dir = PurePosixPath(dict(re.findall(r"(\w+)=(\S+)", " ".join(instructions("ENV"))))["DATA_DIR"])
    uploads = data_dir / django_settings.MEDIA_ROOT.relative_to(django_settings.DATA_DIR)
    for name in APP_SERVICES:
        assert services[name]["volumes"] == [f"files:{uploads}"], name


# Variables


def test_compose_variables_are_known_to_the_settings_or_its_own_group(
    services: dict[str, Any], interpolations: list[re.Match[str]]
) -> None:
    template = (ROOT / ".env.example").read_text(encoding="utf-8").partition("## Only for docker-compose.yml")[2]
    only_compose = set(re.findall(r"^#([A-Z_]+)=", template, re.MULTILINE))
    passed_on = {
        name
        for service in services.values()
        for name, value in service.get("environment", {}).items()
        if value is None  # taken from .env as it is
    }
    read = {match["name"] for match in interpolations} | passed_on
    assert read - settings.env.variables.keys() == only_compose


def test_compose_passes_every_variable_of_the_settings_on(services: dict[str, Any]) -> None:
    for name in APP_SERVICES:
        assert services[name]["environment"].keys() == settings.env.variables.keys() - NOT_PASSED_ON, name


def test_compose_defaults_are_those_of_the_settings(interpolations: list[re.Match[str]]) -> None:
    for match in interpolations:
        known = settings.env.variables.get(match["name"])
        if match["operator"] == ":-" and known and known.default:
            assert match["operand"] == known.default, match["name"]


def test_compose_secrets_are_required_wherever_they_are_read(interpolations: list[re.Match[str]]) -> None:
    required = {match["name"] for match in interpolations if match["operator"] == ":?"}
    optional = {match["name"] for match in interpolations if match["operator"] != ":?"}
    assert required == SECRETS
    assert not required & optional


def test_compose_keys_reach_both_sides(services: dict[str, Any]) -> None:
    site = services["web"]["environment"]
    assert services["qdrant"]["environment"]["QDRANT__SERVICE__API_KEY"] == site["QDRANT_API_KEY"]
    assert services["postgres"]["environment"]["POSTGRES_PASSWORD"] in site["DATABASE_URL"]
    for name in SGLANG_SERVICES:
        assert f"--api-key {site['EMBEDDING_API_KEY']}" in services[name]["command"]


def test_compose_addresses_name_services_that_listen_there(services: dict[str, Any]) -> None:
    site = services["web"]["environment"]
    assert interpolated(site["DATABASE_URL"]) == (
        f"postgres://{services['postgres']['environment']['POSTGRES_USER']}:POSTGRES_PASSWORD@postgres:5432"
        f"/{services['postgres']['environment']['POSTGRES_DB']}"
    )
    assert urlsplit(site["REDIS_URL"]).hostname in services
    assert urlsplit(site["QDRANT_URL"]).hostname in services
    embedding = urlsplit(interpolated(site["EMBEDDING_BASE_URL"]))
    assert embedding.path == "/v1"
    for name in SGLANG_SERVICES:
        assert services[name]["networks"]["default"]["aliases"] == [embedding.hostname]
        arguments = words(services[name]["command"])
        assert arguments[arguments.index("--port") + 1] == str(embedding.port)


# SGLang


def test_compose_sglang_serves_the_model_that_the_settings_name(services: dict[str, Any]) -> None:
    arguments = words(services["sglang-gpu"]["command"])
    assert arguments == [
        *("sglang", "serve", "--model-path", "Qwen/Qwen3-Embedding-0.6B", "--is-embedding"),
        *("--host", "0.0.0.0", "--port", "30000"),  # noqa: S104 - inside its container
        *("--served-model-name", settings.env.variables["EMBEDDING_MODEL"].default),
        *("--json-model-override-args", '{"is_matryoshka": true}', "--enable-metrics"),
        *("--api-key", "EMBEDDING_API_KEY"),
    ]


def test_compose_sglang_profiles_differ_by_the_device_only(services: dict[str, Any]) -> None:
    gpu, cpu = services["sglang-gpu"], services["sglang-cpu"]
    assert words(cpu["command"]) == [*words(gpu["command"]), "--device", "cpu"]
    assert cpu["environment"] == gpu["environment"] | {"SGLANG_USE_CPU_ENGINE": "1"}
    assert cpu["image"] == f"{gpu['image']}-xeon"
    assert gpu["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]


def test_compose_sglang_probe_asks_ready_and_waits_five_seconds(services: dict[str, Any]) -> None:
    for name in SGLANG_SERVICES:
        probe = services[name]["healthcheck"]
        assert probe["test"][-1].endswith(":30000/ready")
        assert int(probe["timeout"].removesuffix("s")) > int(probe["test"][probe["test"].index("--max-time") + 1]) >= 5


# Commands, run for real


def run_in_venv(command: list[str], *, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_TIMEOUT_S,
    )


def test_compose_web_command_loads_the_site(services: dict[str, Any], tmp_path: Path) -> None:
    program, *arguments = words(services["web"]["command"])
    result = run_in_venv([program, "--check-config", *arguments], environment={"DATA_DIR": str(tmp_path)})
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", ["worker", "beat"])
def test_compose_celery_commands_are_taken_by_celery(services: dict[str, Any], name: str, tmp_path: Path) -> None:
    # click refuses unknown options before it shows the help.
    result = run_in_venv([*words(services[name]["command"]), "--help"], environment={"DATA_DIR": str(tmp_path)})
    assert result.returncode == 0, result.stderr
    assert f"celery {name}" in result.stdout


def test_compose_worker_probe_without_a_worker_fails_and_says_so(
    services: dict[str, Any], local_servers: None, tmp_path: Path
) -> None:
    kind, probe = services["worker"]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    environment = {"DATA_DIR": str(tmp_path), "REDIS_URL": django_settings.REDIS_URL, "HOSTNAME": "nobody"}
    probe = probe.replace("$$", "$").replace("--timeout=10", "--timeout=1")
    result = run_in_venv(["sh", "-c", probe], environment=environment)
    assert result.returncode != 0
    assert "No nodes replied" in result.stderr


def test_compose_worker_takes_from_every_queue(services: dict[str, Any]) -> None:
    queues = {django_settings.CELERY_TASK_DEFAULT_QUEUE}
    queues |= {route["queue"] for route in django_settings.CELERY_TASK_ROUTES.values()}
    assert f"--queues={','.join(sorted(queues))}" in services["worker"]["command"]


def test_compose_migrate_runs_a_command_that_exists(services: dict[str, Any]) -> None:
    program, script, command, *_ = services["migrate"]["command"]
    assert program == "python"
    assert (ROOT / script).is_file()
    assert command in get_commands()


def test_compose_beat_probe_looks_for_the_file_that_the_settings_name(services: dict[str, Any]) -> None:
    schedule = Path(django_settings.CELERY_BEAT_SCHEDULE_FILENAME).relative_to(django_settings.DATA_DIR)
    assert f"find /data -maxdepth 1 -name '{schedule}*'" in services["beat"]["healthcheck"]["test"][-1]


@pytest.mark.parametrize(
    ("name", "port", "variable"), [("qdrant", 6333, "QDRANT_URL"), ("sglang-cpu", 30000, "EMBEDDING_BASE_URL")]
)
def test_compose_probe_of_a_server_that_answers_passes_and_of_a_closed_port_fails(
    services: dict[str, Any], local_servers: None, name: str, port: int, variable: str
) -> None:
    _, *probe = services[name]["healthcheck"]["test"]
    if not shutil.which(probe[0]):
        pytest.skip(f"there is no {probe[0]} here")
    url = urlsplit(getattr(django_settings, variable))
    if url.hostname != "127.0.0.1":
        pytest.skip(f"{variable} names a server that is not on this machine")
    answering = [
        word.replace(f"127.0.0.1:{port}", f"127.0.0.1:{url.port}").replace(f"/{port}", f"/{url.port}") for word in probe
    ]
    assert run_in_venv(answering, environment={}).returncode == 0
    closed = [word.replace(str(url.port), str(free_port())) for word in answering]
    assert run_in_venv(closed, environment={}).returncode != 0


def test_compose_file_is_taken_by_docker_compose_only_with_every_secret(tmp_path: Path) -> None:
    command = compose_command()
    env_file = tmp_path / "env"
    for missing in [None, *sorted(SECRETS)]:
        env_file.write_text("".join(f"{name}=x\n" for name in SECRETS - {missing}), encoding="utf-8")
        arguments = ["--file", str(COMPOSE_FILE), "--env-file", str(env_file), "--profile", "*", "config", "--quiet"]
        result = run_in_venv([*command, *arguments], environment={})
        if missing:
            assert result.returncode != 0
            assert missing in result.stderr
        else:
            assert (result.returncode, result.stderr) == (0, "")


def compose_command() -> list[str]:
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and run_in_venv([*command, "version"], environment={}).returncode == 0:
            return command
    pytest.skip("there is no docker compose here")


# The image


def test_image_runs_as_an_ordinary_user_from_the_first_file_it_writes() -> None:
    text = DOCKERFILE.read_text(encoding="utf-8")
    users = instructions("USER")
    assert users == ["isogloss"]
    assert text.index("useradd") < text.index("USER isogloss") < text.index("collectstatic")


def test_image_installs_what_the_lock_names_with_hashes_and_poppler() -> None:
    steps = " ".join(instructions("RUN"))
    assert "--require-hashes --requirement requirements.lock" in steps
    assert {"poppler-utils", "poppler-data"} <= set(steps.split())
    assert "collectstatic" in steps
    assert "collectstatic" in get_commands()


def test_image_has_a_python_that_the_project_supports() -> None:
    version = re.fullmatch(r"python:(\d+)\.(\d+)-slim", instructions("FROM")[0])
    assert version
    required = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    lowest, highest = re.findall(r"3\.(\d+)", required)
    assert version[1] == "3"
    assert int(lowest) <= int(version[2]) < int(highest)


def test_image_takes_in_only_what_dockerignore_names_and_that_exists() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    first, *others = [line for line in lines if line and not line.startswith("#")]
    assert first == "*"
    taken_in = [line.removeprefix("!") for line in others if line.startswith("!")]
    assert {"requirements.lock", "manage.py", "searchapp", "templates", "static"} <= set(taken_in)
    for name in taken_in:
        assert (ROOT / name).exists(), name


# nginx, run for real


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


class Echo(http.server.BaseHTTPRequestHandler):
    """Answer with what arrived: path, headers, length of the body."""

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        received = {"path": self.path, "headers": dict(self.headers), "length": len(self.rfile.read(length))}
        body = json.dumps(received).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep quiet."""


@contextmanager
def nginx_in_front_of_echo(folder: Path, configuration: str) -> Iterator[int]:
    """Run nginx with a file of ours, its ports, certificate and upstream replaced by some of this machine."""
    program = shutil.which("nginx")
    if not program or not shutil.which("openssl"):
        pytest.skip("nginx or openssl is not installed here")
    certificate, key = folder / "fullchain.pem", folder / "privkey.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    echo = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=echo.serve_forever, daemon=True).start()
    https_port = free_port()
    text = (NGINX / configuration).read_text(encoding="utf-8")
    text = re.sub(r"listen 80;", f"listen 127.0.0.1:{free_port()};", text)
    text = re.sub(r"listen 443 ssl;", f"listen 127.0.0.1:{https_port} ssl;", text)
    text = re.sub(r"/etc/letsencrypt/live/[^/]+", str(folder), text)
    text = re.sub(r"proxy_pass http://127\.0\.0\.1:\d+;", f"proxy_pass http://127.0.0.1:{echo.server_port};", text)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    main_file = folder / "nginx.conf"
    main_file.write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{temporary}{text}\n}}\n",
        encoding="utf-8",
    )
    process = subprocess.Popen([program, "-p", str(folder), "-c", str(main_file), "-e", str(folder / "error.log")])
    try:
        wait_until_open(https_port, is_running=lambda: process.poll() is None)
        yield https_port
    finally:
        process.terminate()
        process.wait(START_TIMEOUT_S)
        echo.shutdown()
        echo.server_close()


def wait_until_open(port: int, *, is_running: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while is_running() and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("nginx did not start")


def request(
    port: int, path: str, *, method: str = "GET", body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    """Return the status and, where the echo was reached, what it received."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=COMMAND_TIMEOUT_S)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        content = response.read()
        return response.status, json.loads(content) if response.status == 200 else {}
    finally:
        connection.close()


def test_nginx_in_front_of_the_site_replaces_the_protocol_that_the_browser_claims(tmp_path: Path) -> None:
    with nginx_in_front_of_echo(tmp_path, "isogloss.conf") as port:
        claimed = {"Host": "search.example.org", "X-Forwarded-Proto": "http", "X-Forwarded-For": "192.0.2.1"}
        status, received = request(port, "/collections/?q=%E4%BD%A0", headers=claimed)
    assert status == 200
    assert received["path"] == "/collections/?q=%E4%BD%A0"
    assert received["headers"]["Host"] == "search.example.org"
    assert received["headers"]["X-Forwarded-Proto"] == "https"
    assert received["headers"]["X-Forwarded-For"] == "127.0.0.1"


def test_nginx_in_front_of_the_site_lets_the_largest_file_through(tmp_path: Path) -> None:
    length = int(settings.env.variables["MAX_UPLOAD_MB"].default) * MIB + MIB
    with nginx_in_front_of_echo(tmp_path, "isogloss.conf") as port:
        assert request(port, "/", method="POST", body=bytes(length))[1]["length"] == length
        assert request(port, "/", method="POST", headers={"Content-Length": str(1024 * MIB)})[0] == 413


def test_nginx_in_front_of_the_site_lets_a_question_much_too_long_through(tmp_path: Path) -> None:
    path = f"/?q={'x' * 10_000}"
    with nginx_in_front_of_echo(tmp_path, "isogloss.conf") as port:
        assert request(port, path)[1]["path"] == path


def test_nginx_in_front_of_sglang_passes_only_what_the_site_asks_for(tmp_path: Path) -> None:
    with nginx_in_front_of_echo(tmp_path, "sglang.conf") as port:
        ask = functools.partial(request, port, headers={"Authorization": "Bearer key"})
        for path in ("/v1/embeddings", "/v1/models", "/ready"):
            assert ask(path)[1]["headers"]["Authorization"] == "Bearer key"
        batch = bytes(8 * MIB)
        assert ask("/v1/embeddings", method="POST", body=batch)[1]["length"] == len(batch)
        for path in ("/generate", "/v1/completions", "/server_info", "/v1/models/x", "/v1/embeddings/../../generate"):
            assert ask(path, method="POST", body=b"{}")[0] == 404, path
