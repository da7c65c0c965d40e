"""Write the engine's results as Qdrant's REST API shows them."""

from typing import Any
from uuid import UUID

import qdrant_edge as edge


def write_point_id(point_id: object) -> int | str:
    """Write a point id: a number stays a number, a UUID becomes its text."""
    return point_id if isinstance(point_id, int) else str(point_id)


def write_record(record: edge.Record) -> dict[str, Any]:
    """Write a stored point."""
    return _write_point(record)


def write_scored(point: edge.ScoredPoint) -> dict[str, Any]:
    """Write a point found by a search."""
    return {**_write_point(point), "version": point.version, "score": point.score}


def _write_point(point: edge.Record | edge.ScoredPoint) -> dict[str, Any]:
    body = {
        "id": write_point_id(point.id),
        "payload": point.payload,
        "vector": _write_vectors(point.vector),
    }
    if point.order_value is not None:
        body["order_value"] = point.order_value
    return body


def _write_vectors(vectors: Any) -> Any:
    if not isinstance(vectors, dict):
        return vectors
    return {name: _write_vector(vector) for name, vector in vectors.items()}


def _write_vector(vector: Any) -> Any:
    if isinstance(vector, edge.SparseVector):
        return {"indices": vector.indices, "values": vector.values}
    return vector


def write_facet_value(value: object) -> Any:
    """Write a facet value; UUIDs become text."""
    return str(value) if isinstance(value, UUID) else value
