"""Measure how busy the embedding client keeps a service, beside a bare asyncio client with the same batches.

    .venv/bin/python benchmarks/throughput.py [--rounds 5]

A stand-in service in a process of its own answers each batch after a fixed time, so many at once as told; both
clients embed the same texts in turns, and both read every vector. See benchmarks/throughput/README.md.
"""

import argparse
import asyncio
import base64
import json
import multiprocessing
import statistics
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from searchapp.embedding import Embedder
from searchapp.embedding.client import MAX_BATCH_ITEMS
from searchapp.embedding.concurrency import MOST_REQUESTS

DIMENSIONS = 1024
# Answer after ms, batches at once, batches to embed.
CASES = [(5, 1, 200), (5, 4, 200), (50, 1, 60), (50, 4, 200), (500, 1, 12), (500, 4, 48)]
TARGET = 0.95


def serve(port: Connection, delay_s: float, at_once: int) -> None:
    """Answer every batch after a while with vectors of the right shape."""
    vector = base64.b64encode(np.ones(DIMENSIONS, dtype="<f4").tobytes()).decode()
    bodies: dict[int, bytes] = {}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            count = len(json.loads(await reader.readexactly(_content_length(head)))["input"])
            if count not in bodies:
                data = [{"object": "embedding", "index": row, "embedding": vector} for row in range(count)]
                bodies[count] = json.dumps({"object": "list", "data": data, "model": "m", "usage": {}}).encode()
            async with places:
                await asyncio.sleep(delay_s)
            body = bodies[count]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
            writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    places = asyncio.Semaphore(at_once)
    asyncio.run(main())


def bare(port: int, batches: list[list[str]]) -> float:
    """Embed the batches with nothing but asyncio streams, as many at once as ours may; return the seconds it took."""
    rows: list[np.ndarray | None] = [None] * len(batches)
    waiting = iter(enumerate(batches))

    async def work() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
        for number, batch in waiting:
            body = json.dumps({"model": "m", "input": batch, "encoding_format": "base64"}).encode()
            writer.write(b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body))
            writer.write(body)
            answer = json.loads(await reader.readexactly(_content_length(await reader.readuntil(b"\r\n\r\n"))))
            rows[number] = np.stack(
                [np.frombuffer(base64.b64decode(row["embedding"]), dtype="<f4") for row in answer["data"]]
            )
        writer.close()

    async def run() -> None:
        await asyncio.gather(*(work() for _connection in range(MOST_REQUESTS)))

    started = time.perf_counter()
    asyncio.run(run())
    np.concatenate([row for row in rows if row is not None])
    return time.perf_counter() - started


def _content_length(head: bytes) -> int:
    return next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))


def ours(embedder: Embedder, texts: list[str]) -> float:
    """Embed the texts with the site's client; return the seconds it took."""
    started = time.perf_counter()
    embedder.embed_documents(texts)
    return time.perf_counter() - started


def main() -> None:
    """Print one row for each case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print("| answer after | at once | floor, batches/s | bare, batches/s | ours, batches/s | ours / bare |")
    print("|---|---|---|---|---|---|")
    for delay_ms, at_once, count in CASES:
        receiver, sender = multiprocessing.Pipe(duplex=False)
        server = multiprocessing.Process(target=serve, args=(sender, delay_ms / 1000, at_once), daemon=True)
        server.start()
        port = receiver.recv()
        texts = [f"Passage {number} of a document about railways." for number in range(count * MAX_BATCH_ITEMS)]
        batches = [texts[start : start + MAX_BATCH_ITEMS] for start in range(0, len(texts), MAX_BATCH_ITEMS)]
        embedder = Embedder(f"http://127.0.0.1:{port}/v1", "m", family="none")
        bare(port, batches[:4])
        embedder.embed_documents(texts[: 4 * MAX_BATCH_ITEMS])
        pairs = [(bare(port, batches), ours(embedder, texts)) for _round in range(rounds)]
        server.terminate()
        server.join()
        ratio = statistics.median(theirs / own for theirs, own in pairs)
        theirs, own = (statistics.median(times) for times in zip(*pairs, strict=True))
        print(
            f"| {delay_ms} ms | {at_once} | {at_once * 1000 / delay_ms:.0f} | {count / theirs:.1f} | {count / own:.1f} "
            f"| {ratio:.3f}{'' if ratio >= TARGET else ' (below 0.95)'} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
