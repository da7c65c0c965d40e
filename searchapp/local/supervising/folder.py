"""The data folder: one supervisor at a time, and files that only their owner can read."""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from searchapp.errors import PermanentError

# A killed supervisor that was just starting a program leaves its lock to the new process until that becomes
# the program: a few milliseconds, more on a busy machine.
SUPERVISOR_TIMEOUT_S = 3.0
# The guardian of a killed supervisor ends its parts within `guardian.GRACE_S`; several times that.
PARTS_TIMEOUT_S = 10.0
POLL_S = 0.05


class ServeError(PermanentError):
    """Say in one sentence, in `detail`, why the site cannot be started here."""


@contextmanager
def claim_data_folder(data_dir: Path) -> Iterator[int]:
    """Create the folder and hold it for this process alone.

    Two locks, both of which vanish with the processes that hold them, even killed ones. The first says
    that a supervisor runs. The second is also held by the guardian, for as long as parts of a killed
    supervisor are still ending: two redis servers on one file would ruin it.

    Yields:
        The descriptor of the second lock, for `Supervisor` to share with its guardian.

    Raises:
        ServeError: the folder cannot be written, or another copy runs on it.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        supervisor_lock = (data_dir / "serve.lock").open("w")
    except OSError as exc:
        raise ServeError(
            "data_dir_unwritable", f"The data folder {data_dir} cannot be written: {exc.strerror}."
        ) from exc
    with supervisor_lock, (data_dir / "parts.lock").open("w") as parts_lock:
        if not _lock(supervisor_lock, within_s=SUPERVISOR_TIMEOUT_S):
            raise ServeError("data_dir_in_use", f"Another copy already runs on the data folder {data_dir}.")
        if not _lock(parts_lock, within_s=PARTS_TIMEOUT_S):
            raise ServeError(
                "parts_in_use", f"Parts of an earlier run on the data folder {data_dir} have not ended yet."
            )
        yield parts_lock.fileno()


def write_private(path: Path, text: str) -> None:
    """Replace the file at once, readable by its owner only; a crash leaves the old or the new text."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _lock(file: IO[str], *, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        else:
            return True
