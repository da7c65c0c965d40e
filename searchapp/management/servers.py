"""The local servers for a command that needs them while the site does not run."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from searchapp.local.supervising import Log, ServeError, Supervisor, claim_data_folder, plan_servers


@contextmanager
def servers_running() -> Iterator[bool]:
    """Start the servers that no address is set for, unless the running site has them, and stop them after.

    Yields:
        Whether the site runs: not where servers had to be started.

    Raises:
        CommandError: they cannot be started.
    """
    with ExitStack() as stack:
        is_running = True
        try:
            parts_lock = stack.enter_context(claim_data_folder(settings.DATA_DIR))
        except ServeError as exc:
            if exc.code != "data_dir_in_use":
                raise CommandError(exc.detail) from exc
        else:
            is_running = not _start_servers(stack, parts_lock)
        yield is_running


def _start_servers(stack: ExitStack, parts_lock: int) -> bool:
    """Start them and return whether there were any to start."""
    try:
        servers = plan_servers(settings.DATA_DIR, given=settings.GIVEN_ENVIRONMENT)
    except ServeError as exc:
        raise CommandError(exc.detail) from exc
    for name, value in servers.environment.items():
        setattr(settings, name, value)
    supervisor = stack.enter_context(Supervisor(Log(sys.stderr), folder=settings.BASE_DIR, held=(parts_lock,)))
    supervisor.start(servers.parts)
    call_command("migrate", interactive=False, verbosity=0)
    supervisor.wait(servers.parts)
    return bool(servers.parts)
