"""Run the local vector server: ``python -m searchapp.local.vectors --data-dir DIR --port N``."""

import argparse
import logging
import os
import sys
from pathlib import Path

from searchapp.local.http import PortError, listen, serve, stop_on_sigterm
from searchapp.log import LineFormatter

from .app import create_app
from .errors import DataDirError
from .store import VectorStore


def main() -> int:
    """Serve until a stop signal; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m searchapp.local.vectors",
        description="Speak the part of Qdrant's REST API that the application uses, on 127.0.0.1. "
        "The key that clients must send is read from QDRANT_API_KEY.",
    )
    parser.add_argument("--data-dir", type=Path, required=True, help="folder of the vectors")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1; 0 takes a free one")
    arguments = parser.parse_args()
    key = os.environ.get("QDRANT_API_KEY")
    if not key:
        parser.error("set QDRANT_API_KEY to the key that clients must send")

    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    stop_on_sigterm()
    try:
        with VectorStore(arguments.data_dir) as store, listen(arguments.port) as listener:
            serve(create_app(store, key=key), listener)
    except (DataDirError, PortError) as exc:
        sys.stderr.write(f"{exc.detail}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
