"""Start the embedding server: ``python -m searchapp.local.embeddings --port N [--model FOLDER]``."""

import argparse
import logging
import os
import sys
from pathlib import Path

import uvicorn

from searchapp.local.embeddings import ModelError, create_app, load_model

_DEFAULT_MODEL = Path(__file__).resolve().parent.parent / "data" / "multilingual-static"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m searchapp.local.embeddings", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--model", type=Path, default=_DEFAULT_MODEL, help="folder (default: the built-in one)")
    arguments = parser.parse_args()
    api_key = os.environ.get("EMBEDDING_API_KEY", "")
    if not api_key:
        parser.error("EMBEDDING_API_KEY is not set: without a key every program here could use the server")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        model = load_model(arguments.model)
    except ModelError as exc:
        sys.exit(f"{parser.prog}: {exc}")
    uvicorn.run(
        create_app(model, name=arguments.model.resolve().name, api_key=api_key),
        host="127.0.0.1",
        port=arguments.port,
        log_config=None,
        access_log=False,
        lifespan="off",
        # a request still running when the server is stopped is lost, and its client asks again
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
