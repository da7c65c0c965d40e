"""One peer as a process: a request a line on standard input, an answer a line on standard output.

{"index": FILE}                                        FILE holds a document a line
{"question": TEXT, "language": CODE or null, "limit": N}
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.peers.systems.base import Document, Services, System


def _llamaindex(services: Services) -> System:
    from benchmarks.peers.systems.llamaindex import LlamaIndex

    return LlamaIndex(services)


def _haystack(services: Services) -> System:
    from benchmarks.peers.systems.haystack_pipeline import Haystack

    return Haystack(services)


def _txtai(services: Services) -> System:
    from benchmarks.peers.systems.txtai_embeddings import Txtai

    return Txtai(services, is_hybrid=False)


def _txtai_hybrid(services: Services) -> System:
    from benchmarks.peers.systems.txtai_embeddings import Txtai

    return Txtai(services, is_hybrid=True)


def _bm25(services: Services) -> System:
    from benchmarks.peers.systems.bm25 import Bm25

    return Bm25(services)


def _by_hand(services: Services) -> System:
    from benchmarks.peers.systems.by_hand import ByHand

    return ByHand(services)


# Each imports its library when it is asked for: one process, one peer.
PEERS: dict[str, Callable[[Services], System]] = {
    "llamaindex": _llamaindex,
    "haystack": _haystack,
    "txtai": _txtai,
    "txtai-hybrid": _txtai_hybrid,
    "bm25s": _bm25,
    "qdrant-rrf": _by_hand,
}


def main() -> None:
    # Libraries print what they like; the answers go where nothing else does.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    name, collection = sys.argv[1:]
    system = PEERS[name](Services.from_environment(collection))
    for line in sys.stdin:
        print(json.dumps(_answer(system, json.loads(line))), file=answers, flush=True)


def _answer(system: System, request: dict[str, Any]) -> dict[str, Any]:
    started = time.perf_counter()
    if "index" in request:
        lines = Path(request["index"]).read_text(encoding="utf-8").splitlines()
        system.index([Document(**json.loads(line)) for line in lines])
        found: list[str] = []
    else:
        found = system.search(request["question"], language=request["language"], limit=request["limit"])
    return {"found": found, "took_ms": (time.perf_counter() - started) * 1000}


if __name__ == "__main__":
    main()
