"""One collection: a folder with the engine's shard and the settings it was created with.

The settings file is written last and removed first, so a folder without it is a leftover of a creation
or deletion that did not finish.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import qdrant_edge as edge

from .errors import EngineError, NotFoundError, RequestError
from .fields import Fields, read_point_id
from .files import sync_folder, write_atomically
from .queries import (
    read_count,
    read_facet,
    read_payload_selector,
    read_query,
    read_query_batch,
    read_scroll,
    read_vector_selector,
)
from .responses import write_facet_value, write_point_id, write_record, write_scored
from .schema import Schema, describe_index, read_schema

_SETTINGS_FILE = "collection.json"
_SHARD_FOLDER = "shard"

_Result = TypeVar("_Result")


class VectorCollection:
    """Search and change the points of one collection; safe to use from many threads.

    The engine runs one call at a time (each holds the interpreter), which is all the locking there is:
    a request of several calls lets others run in between.

    Every method takes the parsed body of a REST request and returns the ``result`` of the answer.

    Raises:
        RequestError: every method, for a request that is wrong.
        UnsupportedError: every method, for a request that only a Qdrant server understands.
        EngineError: every method, when the collection is being closed or the disk fails.
    """

    def __init__(self, folder: Path, shard: edge.EdgeShard, schema: Schema) -> None:
        self._folder = folder
        self._shard = shard
        self.schema = schema

    @classmethod
    def create(cls, folder: Path, body: object) -> "VectorCollection":
        """Make a new, empty collection in ``folder``, over what an interrupted attempt left there."""
        schema = read_schema(body)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        shard = _call(edge.EdgeShard.create, str(folder / _SHARD_FOLDER), schema.config)
        _call(shard.flush)
        write_atomically(folder / _SETTINGS_FILE, json.dumps(schema.settings))
        return cls(folder, shard, schema)

    @classmethod
    def open(cls, folder: Path) -> "VectorCollection":
        """Open a collection that stands, with every write that was acknowledged."""
        schema = read_schema(json.loads((folder / _SETTINGS_FILE).read_text(encoding="utf-8")))
        shard = _call(edge.EdgeShard.load, str(folder / _SHARD_FOLDER), schema.config)
        return cls(folder, shard, schema)

    @staticmethod
    def is_complete(folder: Path) -> bool:
        """Tell a collection from a leftover."""
        return (folder / _SETTINGS_FILE).is_file()

    def close(self) -> None:
        """Write everything to disk and let go of the files; calling twice is safe."""
        try:
            _call(self._shard.flush)
        finally:
            self._shard.close()

    def delete(self) -> None:
        """Close the collection and remove its folder."""
        (self._folder / _SETTINGS_FILE).unlink()
        sync_folder(self._folder)
        self._shard.close()
        shutil.rmtree(self._folder)

    def update(self, operations: list[edge.UpdateOperation], *, is_waited_for: bool) -> dict[str, Any]:
        """Apply operations in order.

        Each is in the write-ahead log when its engine call returns, so the death of the process loses
        none; one that is waited for survives a power cut too.
        """
        for operation in operations:
            _call(self._shard.update, operation)
        if is_waited_for:
            _call(self._shard.flush)
        # Returns at once unless a fifth of the points is deleted; then it drops them, 1 s for 70 thousand.
        _call(self._shard.optimize)
        return {"operation_id": None, "status": "completed" if is_waited_for else "acknowledged"}

    def describe(self) -> dict[str, Any]:
        """Return status, counts, settings and payload indexes."""
        info = _call(self._shard.info)
        return {
            "status": "green",
            "optimizer_status": "ok",
            "points_count": info.points_count,
            "indexed_vectors_count": info.indexed_vectors_count,
            "segments_count": info.segments_count,
            "config": self.schema.describe(),
            "payload_schema": {name: describe_index(index) for name, index in info.payload_schema.items()},
        }

    def retrieve(self, body: object) -> list[dict[str, Any]]:
        """Return the points with the given ids that exist."""
        with Fields(body, "point request") as fields:
            ids = [read_point_id(item) for item in fields.required("ids", list)]
            with_payload = read_payload_selector(fields.optional("with_payload", object), default=True)
            with_vector = read_vector_selector(fields.optional("with_vector", object))
        return [write_record(record) for record in _call(self._shard.retrieve, ids, with_payload, with_vector)]

    def scroll(self, body: object) -> dict[str, Any]:
        """Return a page of points and where the next one begins."""
        records, next_offset = _call(self._shard.scroll, read_scroll(body))
        return {
            "points": [write_record(record) for record in records],
            "next_page_offset": None if next_offset is None else write_point_id(next_offset),
        }

    def count(self, body: object) -> dict[str, int]:
        """Return how many points match."""
        return {"count": _call(self._shard.count, read_count(body))}

    def query(self, body: object) -> dict[str, Any]:
        """Return the best points of one search."""
        points = _call(self._shard.query, read_query(body))
        return {"points": [write_scored(point) for point in points]}

    def query_batch(self, body: object) -> list[dict[str, Any]]:
        """Return the best points of several searches."""
        answers = _call(self._shard.query_batch, read_query_batch(body))
        return [{"points": [write_scored(point) for point in points]} for points in answers]

    def facet(self, body: object) -> dict[str, Any]:
        """Return the values of a payload member and how often each occurs."""
        hits = _call(self._shard.facet, read_facet(body)).hits
        return {"hits": [{"value": write_facet_value(hit.value), "count": hit.count} for hit in hits]}


def _call(method: Callable[..., _Result], *args: Any) -> _Result:
    """Call the engine, which raises plain exceptions that only their text tells apart."""
    try:
        return method(*args)
    except Exception as exc:
        message = str(exc)
        if message.startswith("Service runtime error"):
            raise EngineError("engine_failed", message) from exc
        if message.startswith("No point with id"):
            raise NotFoundError("point_not_found", f"Not found: {message}") from exc
        raise RequestError("wrong_input", f"Wrong input: {message}") from exc
