"""The processes behind `_sandbox`: a nursery that forks one guard and one worker for every file.

    caller ──control socket──> nursery        has the parsing libraries loaded, so that a fork is all a file costs
       │                          └─ guard    waits for the worker, kills it at the limit, reports how it ended
       └──────job socket────────────  └─ worker   parses under resource limits, in a process group of its own

Nobody waits in vain: the nursery ends when the control socket closes, a guard kills its worker when the
job socket closes, and both sockets close when the caller dies, even by SIGKILL. A worker dies with its guard.

On the job socket the caller sends one line of JSON. The worker answers with a document or an error, and the
guard adds its verdict on a last line. JSON and not pickle: the answer comes from a process that read
hostile input.

This needs no main module of the caller, unlike multiprocessing, whose children would import manage.py or
celery again; and one process per file keeps the memory and the mistakes of one file away from the next.
"""

import contextlib
import ctypes
import gc
import json
import os
import resource
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from searchapp.parsing._document import Block, FaqColumns, ParsedDocument, ParseError

_FAILED = 1
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
# A worker that died with this share of its memory in use most likely died of it: libraries abort, crash
# or exit in their own ways when an allocation fails.
_OUT_OF_MEMORY_SHARE = 0.5
_KIB = 1024  # ru_maxrss is in KiB on Linux


def main() -> None:
    """Detach from the caller and serve until its control socket closes."""
    control = socket.socket(fileno=int(sys.argv[1]))
    if os.fork():
        os._exit(0)
    # Loaded here, once, after the caller was let go; every worker inherits it.
    import searchapp.parsing._formats  # noqa: F401

    gc.freeze()  # keeps the collector of the workers from copying the pages they share
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies: guards report to the caller, not to us
    while True:
        _, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not descriptors:
            return
        job = socket.socket(fileno=descriptors[0])
        if os.fork() == 0:
            control.close()
            _run_guard(job)
            os._exit(0)
        job.close()


def _run_guard(job: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with job.makefile("rb") as lines:
        line = lines.readline()
    if not line:
        return  # the caller died before it asked
    request: dict[str, Any] = json.loads(line)
    alive, held_by_worker = os.pipe()
    guard = os.getpid()
    worker = os.fork()
    if worker == 0:
        _die_with(guard)
        os.close(alive)
        _run_worker(job, request)
    os.close(held_by_worker)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.setpgid(worker, worker)  # as in the worker itself: whoever comes first
    # The pipe closes when the worker ends, the socket when the caller is gone.
    ended, _, _ = select.select([alive, job.fileno()], [], [], request["timeout_s"])
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(worker, signal.SIGKILL)  # also its pdftotext
    _, status, usage = os.wait4(worker, 0)
    exit_code = os.waitstatus_to_exitcode(status)
    is_large = usage.ru_maxrss * _KIB >= _OUT_OF_MEMORY_SHARE * request["max_memory_bytes"]
    verdict = {
        "exit_code": exit_code,
        "is_timeout": not ended or exit_code == -signal.SIGXCPU,
        "is_memory": is_large or exit_code == -signal.SIGKILL,  # only the kernel kills a worker unasked
    }
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        job.sendall(b"\n" + json.dumps(verdict).encode())


def _run_worker(job: socket.socket, request: dict[str, Any]) -> None:
    """Parse and answer; never returns."""
    exit_code = _FAILED
    try:
        os.setpgid(0, 0)
        _set_limits(request)
        _silence_libraries()
        job.sendall(json.dumps(_answer(request), ensure_ascii=False).encode("utf-8"))
        exit_code = 0
    finally:
        # Skips the clean-up of libraries, which is slow and may crash.
        os._exit(exit_code)


def _die_with(parent: int) -> None:
    """Have the kernel end this process when its parent ends; only Linux can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the call
            os._exit(_FAILED)


def _set_limits(request: dict[str, Any]) -> None:
    cpu_s = int(request["timeout_s"]) + 1
    for kind, limit in (
        (resource.RLIMIT_AS, request["max_memory_bytes"]),
        (resource.RLIMIT_CPU, cpu_s),  # in case the guard is killed
        (resource.RLIMIT_FSIZE, 0),  # parsing writes no files
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (allowed, allowed))


def _silence_libraries() -> None:
    """Keep what native libraries print about broken files out of the log."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, sys.stdout.fileno())
    os.dup2(nowhere, sys.stderr.fileno())


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    from searchapp.parsing._formats import read

    columns = request["faq_columns"]
    try:
        document = read(
            Path(request["path"]),
            request["kind"],
            max_characters=request["max_characters"],
            faq_columns=FaqColumns(*columns) if columns else None,
        )
    except ParseError as exc:
        return {"code": exc.code, "detail": exc.detail, "headers": exc.headers}
    except MemoryError:
        return {"code": "parse_memory", "detail": "MemoryError", "headers": ()}
    except Exception as exc:  # noqa: BLE001 - whatever a library raises on this file, the file is at fault
        return {"code": "file_broken", "detail": f"{type(exc).__name__}: {exc}", "headers": ()}
    return _document(document)


def _document(document: ParsedDocument) -> dict[str, Any]:
    rows: list[tuple[str, str, tuple[str, ...] | None, int | None, str]] = []
    path: tuple[str, ...] = ()
    for block in document.blocks:
        rows.append(_row(block, path))
        path = block.heading_path
    return {"title": document.title, "blocks": rows}


def _row(block: Block, path: tuple[str, ...]) -> tuple[str, str, tuple[str, ...] | None, int | None, str]:
    """Give a block as JSON; a path that did not change is left out, as most do not."""
    new_path = None if block.heading_path == path else block.heading_path
    return block.kind, block.text, new_path, block.page, block.question


if __name__ == "__main__":
    main()
