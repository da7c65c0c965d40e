"""The caller's side of the sandbox; see `_nursery` for the processes behind it.

Every process of the site that parses has one nursery, started at its first file and shared by its threads.
It ends when the process that started it ends, however that happens, because its control socket closes.
"""

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import searchapp
from searchapp.parsing._document import (
    Block,
    BlockKind,
    FaqColumns,
    ParsedDocument,
    ParseError,
    ParseLimits,
    ParserUnavailableError,
)
from searchapp.parsing._kinds import detect_kind

# Hostile files are parsed there: it gets no variable that could hold a secret.
_PASSED_VARIABLES = ("PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH")
# One thread and one arena per worker: address space is limited, and workers run side by side anyway.
_NURSERY_VARIABLES = {
    "PYTHONUTF8": "1",
    "LC_ALL": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",
    "RAYON_NUM_THREADS": "1",
    "TOKIO_WORKER_THREADS": "1",
}
# The guard kills at the limit; this much later the caller stops believing in the guard.
_GUARD_GRACE_S = 10
_RECEIVE_BYTES = 1 << 20
# A character takes at most 4 bytes in UTF-8; the rest is room for heading paths and punctuation.
_MAX_BYTES_PER_CHARACTER = 6


def parse(
    path: Path,
    *,
    source_name: str,
    limits: ParseLimits | None = None,
    faq_columns: FaqColumns | None = None,
) -> ParsedDocument:
    """Parse a file in a child process and give its blocks. Threads may call it at the same time.

    Args:
        path: where the bytes are.
        source_name: the name it was uploaded under, for its extension.
        limits: what the file may cost; the defaults of `ParseLimits` where None.
        faq_columns: for CSV files whose headers are not recognised.

    Raises:
        ParseError: the file cannot be read; see its codes.
        ParserUnavailableError: the processes, not the file, are at fault; calling again may help.
        OSError: the file cannot be opened.
    """
    limits = limits or ParseLimits()
    request = {
        "path": str(path.absolute()),
        "kind": detect_kind(path, source_name),
        "timeout_s": limits.timeout_s,
        "max_memory_bytes": limits.max_memory_bytes,
        "max_characters": limits.max_characters,
        "faq_columns": None if faq_columns is None else [faq_columns.question, faq_columns.answer],
    }
    with _nursery.open_job() as job:
        answer, _, verdict = _exchange(job, request, limits).rpartition(b"\n")
    return _read_answer(answer, json.loads(verdict), limits)


class _Nursery:
    """The nursery process of this process, started when first needed and again when it was lost."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None

    def open_job(self) -> socket.socket:
        """Have a guard forked and give the socket to talk to it."""
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            try:
                self._send(theirs)
            except (OSError, subprocess.SubprocessError):  # lost, e.g. to the out-of-memory killer
                self.forget()
                try:
                    self._send(theirs)
                except (OSError, subprocess.SubprocessError) as exc:
                    ours.close()
                    raise ParserUnavailableError("parser_unavailable", str(exc)) from exc
        return ours

    def forget(self) -> None:
        """Leave the nursery to its other holders; without any it ends."""
        if self._control is not None:
            self._control.close()
            self._control = None

    def reset(self) -> None:
        """Start afresh in a forked child, where the lock may be held by a thread that is no more."""
        self._lock = threading.Lock()
        self.forget()

    def _send(self, job: socket.socket) -> None:
        if self._control is None:
            self._control = _start_nursery()
        socket.send_fds(self._control, [b"j"], [job.fileno()])


def _start_nursery() -> socket.socket:
    ours, theirs = socket.socketpair()
    environment = {name: os.environ[name] for name in _PASSED_VARIABLES if name in os.environ}
    with theirs:
        # It detaches itself at once, so that nobody has to wait for it at the end.
        subprocess.run(
            [sys.executable, "-m", "searchapp.parsing._nursery", str(theirs.fileno())],
            cwd=Path(searchapp.__file__).parents[1],
            env=environment | _NURSERY_VARIABLES,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            check=True,
        )
    return ours


def _exchange(job: socket.socket, request: dict[str, Any], limits: ParseLimits) -> bytes:
    """Send the request; give the answer of the worker and, on its last line, the verdict of the guard."""
    deadline = time.monotonic() + limits.timeout_s + _GUARD_GRACE_S
    received = bytearray()
    try:
        job.sendall(json.dumps(request).encode() + b"\n")
        while True:
            job.settimeout(max(0.001, deadline - time.monotonic()))
            data = job.recv(_RECEIVE_BYTES)
            if not data:
                break
            received += data
            if len(received) > limits.max_characters * _MAX_BYTES_PER_CHARACTER:
                raise ParseError("too_much_text", f"more than {len(received)} bytes")
    except OSError as exc:
        raise ParserUnavailableError("parser_unavailable", str(exc)) from exc
    if not received.endswith(b"}"):
        raise ParserUnavailableError("parser_unavailable", "the guard was killed")
    return bytes(received)


def _read_answer(answer: bytes, verdict: dict[str, Any], limits: ParseLimits) -> ParsedDocument:
    if verdict["is_timeout"]:
        raise ParseError("parse_timeout", f"{limits.timeout_s} s")
    if verdict["exit_code"] != 0:
        is_memory = verdict["is_memory"]
        raise ParseError("parse_memory" if is_memory else "file_broken", f"exit code {verdict['exit_code']}")
    content: dict[str, Any] = json.loads(answer)
    if "code" in content:
        raise ParseError(content["code"], content["detail"], tuple(content["headers"]))
    return ParsedDocument(content["title"], tuple(_blocks(content["blocks"])))


def _blocks(rows: list[list[Any]]) -> Iterator[Block]:
    path: tuple[str, ...] = ()
    for kind, text, new_path, page, question in rows:
        path = path if new_path is None else tuple(new_path)
        yield Block(BlockKind(kind), text, path, page, question)


_nursery = _Nursery()
atexit.register(_nursery.forget)
# A forked child starts its own: sharing would tie the life of the nursery to both.
os.register_at_fork(after_in_child=_nursery.reset)
