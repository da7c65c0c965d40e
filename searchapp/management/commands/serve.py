"""``manage.py serve``: the whole site on one machine, from nothing, with one command."""

import gc
import hashlib
import os
import secrets
import signal
import sys
from argparse import ArgumentParser
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connections

from searchapp.local.supervising import (
    Log,
    ServeError,
    Supervisor,
    WebAddress,
    claim_data_folder,
    listen,
    plan_examination,
    plan_seed,
    plan_servers,
    plan_site,
    write_private,
)

ADMIN_NAME = "admin"
PASSWORD_BYTES = 12
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Command(BaseCommand):
    help = "Start all parts of the site, restart those that die, and stop all with Ctrl-C."
    # The addresses that the checks look for are written by this command; each part checks when it starts.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for all")
        parser.add_argument("--port", type=int, default=settings.PORT, help="port of the site; 0 takes a free one")
        parser.add_argument("--data-dir", type=Path, default=settings.DATA_DIR, help="folder for all that is written")
        parser.add_argument("--no-demo", action="store_true", help="do not load the demo on the first start")

    def handle(self, *, host: str, port: int, data_dir: Path, no_demo: bool, **_options: Any) -> None:
        data_dir = data_dir.expanduser().absolute()
        if data_dir != settings.DATA_DIR:
            # The settings were read for another folder: once more, for this one.
            os.environ["DATA_DIR"] = str(data_dir)
            os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606 - the same program
        for number in STOP_SIGNALS:
            signal.signal(number, _leave)
        try:
            with claim_data_folder(data_dir) as parts_lock, listen(host, port=port) as listener:
                address = WebAddress(host, listener.getsockname()[1])
                _serve(address, descriptor=listener.fileno(), parts_lock=parts_lock, has_demo=not no_demo)
        except ServeError as exc:
            sys.exit(exc.detail)


def _serve(address: WebAddress, *, descriptor: int, parts_lock: int, has_demo: bool) -> None:
    log = Log(sys.stderr)
    os.environ["DATA_DIR"] = str(settings.DATA_DIR)
    given = settings.GIVEN_ENVIRONMENT
    servers = plan_servers(settings.DATA_DIR, given=given)
    write_private(
        settings.EMBEDDED_ENV_FILE,
        "# Written by each start of the site, for all its commands. What you set yourself wins.\n"
        + "".join(f"{name}={value}\n" for name, value in servers.environment.items()),
    )
    site = plan_site(
        address,
        descriptor=descriptor,
        allowed_hosts=_allowed_hosts(address, has_given="ALLOWED_HOSTS" in given, log=log),
        web_threads=settings.WEB_THREADS,
        worker_threads=settings.WORKER_THREADS,
    )
    with Supervisor(log, folder=settings.BASE_DIR, held=(parts_lock,)) as supervisor:
        try:
            log.say(f"starting on the data folder {settings.DATA_DIR}")
            supervisor.start(servers.parts)
            login = _prepare_database(log, has_demo=has_demo)
            _collect_static_files(log)
            # The worker would complain and pause if its broker came up later than itself.
            supervisor.wait([part for part in servers.parts if part.name == "redis"])
            supervisor.start(site)
            supervisor.wait([*servers.parts, *site])
            print(f"Ready: {address.url}  login: {login}", flush=True)
            if has_demo and _demo_mark().exists():
                if supervisor.run(plan_seed()) == 0:
                    _demo_mark().unlink()
                else:
                    log.say("the demo could not be loaded; the next start tries again")
            # After the Ready line, so that a service which does not answer holds nothing up.
            supervisor.run(plan_examination())
            signal.pause()
        finally:
            for number in STOP_SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            log.say("stopping")
            gc.freeze()  # as in searchapp.celery: the process ends sooner


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _allowed_hosts(address: WebAddress, *, has_given: bool, log: Log) -> list[str]:
    if not address.is_wildcard:
        return [*settings.ALLOWED_HOSTS, address.host]
    if has_given:
        return list(settings.ALLOWED_HOSTS)
    log.say("listening on all addresses and answering to any host name; set ALLOWED_HOSTS to those you use")
    return ["*"]


def _prepare_database(log: Log, *, has_demo: bool) -> str:
    """Bring the database up to date, with an administrator in a new one; return what to log in with."""
    log.say("preparing the database")
    try:
        call_command("migrate", interactive=False, verbosity=0)
        return _administrator(has_demo=has_demo)
    except DatabaseError as exc:
        raise ServeError("database_unusable", f"The database cannot be used: {str(exc).strip()}") from exc
    finally:
        connections.close_all()


def _administrator(*, has_demo: bool) -> str:
    users = get_user_model()._default_manager
    password_file = settings.DATA_DIR / "admin-password.txt"
    if not users.exists():
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        write_private(password_file, f"{password}\n")
        if has_demo:
            # Before the user, whose absence is what makes a start the first.
            _demo_mark().touch()
        users.create_superuser(ADMIN_NAME, password=password)
    elif password_file.exists():
        password = password_file.read_text(encoding="utf-8").strip()
    else:
        return f"{ADMIN_NAME} / (your password)"
    admin = users.filter(username=ADMIN_NAME).first()
    if admin is None or not admin.check_password(password):
        return f"{ADMIN_NAME} / (your password)"
    return f"{ADMIN_NAME} / {password}"


def _demo_mark() -> Path:
    return settings.DATA_DIR / "demo-wanted"


def _collect_static_files(log: Log) -> None:
    """Collect and compress the static files, which takes seconds, only after one has changed."""
    state = hashlib.sha256()
    for finder in get_finders():
        for path, storage in sorted(finder.list([]), key=lambda found: found[0]):
            status = Path(storage.path(path)).stat()
            state.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    stamp = settings.DATA_DIR / "static.stamp"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == state.hexdigest():
        return
    log.say("collecting static files")
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    stamp.write_text(state.hexdigest(), encoding="utf-8")
