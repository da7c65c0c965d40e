"""Start the embedding server: ``python -m searchapp.local.embeddings --port N [--model FOLDER_OR_HUB_NAME]``."""

import argparse
import logging
import os
import sys
from pathlib import Path

from searchapp.local.embeddings import ModelError, create_app, find_model, load_model
from searchapp.local.http import PortError, listen, serve
from searchapp.local.naming import served_name
from searchapp.log import LineFormatter

_DEFAULT_MODEL = Path(__file__).resolve().parent.parent / "data" / "multilingual-static"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m searchapp.local.embeddings", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument(
        "--model", default=str(_DEFAULT_MODEL), help="folder, or owner/name on a model hub (default: the built-in one)"
    )
    arguments = parser.parse_args()
    api_key = os.environ.get("EMBEDDING_API_KEY", "")
    if not api_key:
        parser.error("EMBEDDING_API_KEY is not set: without a key every program here could use the server")
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    try:
        model = load_model(find_model(arguments.model))
        app = create_app(model, name=served_name(arguments.model), api_key=api_key)
        # SIGTERM ends the program at once, in the middle of a batch: nothing is kept here, and clients ask again.
        with listen(arguments.port) as listener:
            serve(app, listener)
    except (ModelError, PortError) as exc:
        sys.exit(f"{parser.prog}: {exc}")


if __name__ == "__main__":
    main()
