"""One log for all parts: each line begins with the name of the part that wrote it."""

import threading
import time
import zlib
from typing import TextIO

NAME_WIDTH = 10
# ANSI foreground colours that read on light and on dark: red is left for errors.
COLOURS = (32, 33, 34, 35, 36)


class Log:
    """Write lines of many threads to one stream, in colour where a person looks on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_coloured = stream.isatty()
        self._lock = threading.Lock()

    def write(self, name: str, text: str) -> None:
        """Write one line; a stream that nobody reads any more loses it, and the parts go on."""
        label = f"{name:<{NAME_WIDTH}}|"
        if self._is_coloured:
            label = f"\x1b[{COLOURS[zlib.crc32(name.encode()) % len(COLOURS)]}m{label}\x1b[0m"
        with self._lock:
            try:
                self._stream.write(f"{label} {text}\n")
                self._stream.flush()
            except OSError:
                # The terminal was closed or the reader of the pipe has gone.
                return

    def say(self, text: str) -> None:
        """Write a line of the supervisor's own."""
        self.write("serve", f"{time.strftime('%H:%M:%S')} {text}")
