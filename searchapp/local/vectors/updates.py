"""Read write requests into the engine's operations.

Every function checks the whole request before it returns the first operation: the engine stores the
good points of a batch even when it refuses another one of them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import qdrant_edge as edge

from .errors import RequestError
from .fields import Fields, built, read_list, read_point_id
from .filters import read_filter, read_optional_filter
from .schema import Schema

# An engine call holds the interpreter; with so many points it takes about 3 ms, so a search that
# arrives during a large upsert waits no longer than that.
_BATCH_POINTS = 64

_UPDATE_MODES = {
    "upsert": edge.UpdateMode.Upsert,
    "insert_only": edge.UpdateMode.InsertOnly,
    "update_only": edge.UpdateMode.UpdateOnly,
}


def read_upsert(body: object, schema: Schema) -> list[edge.UpdateOperation]:
    """Read points to store, as a list or as parallel columns.

    Raises:
        RequestError: any point has a wrong id, payload, vector name, dimension or number.
    """
    with Fields(body, "points") as fields:
        columns = fields.optional("batch", dict)
        items = fields.required("points", list) if columns is None else _read_columns(columns)
        condition = read_optional_filter(fields.optional("update_filter", dict))
        mode = fields.choice("update_mode", _UPDATE_MODES)
    points = [_read_point(item, schema) for item in items]
    return [
        edge.UpdateOperation.upsert_points(points[start : start + _BATCH_POINTS], condition, mode)
        for start in range(0, len(points), _BATCH_POINTS)
    ]


def read_delete(body: object, _schema: Schema) -> list[edge.UpdateOperation]:
    """Read which points to delete."""
    with Fields(body, "points selector") as fields:
        select = _read_selection(fields)
    return [select(edge.UpdateOperation.delete_points, edge.UpdateOperation.delete_points_by_filter)]


def read_set_payload(body: object, _schema: Schema) -> list[edge.UpdateOperation]:
    """Read payload members to add to points."""
    set_by_ids, set_by_filter = edge.UpdateOperation.set_payload, edge.UpdateOperation.set_payload_by_filter
    return _read_payload(body, set_by_ids, set_by_filter)


def read_overwrite_payload(body: object, _schema: Schema) -> list[edge.UpdateOperation]:
    """Read the payload that replaces the one of points."""
    return _read_payload(body, edge.UpdateOperation.overwrite_payload, edge.UpdateOperation.overwrite_payload_by_filter)


def read_delete_payload(body: object, _schema: Schema) -> list[edge.UpdateOperation]:
    """Read payload members to remove from points."""
    with Fields(body, "payload keys") as fields:
        keys = fields.required("keys", list)
        select = _read_selection(fields)
    delete_by_ids = edge.UpdateOperation.delete_payload
    return [select(delete_by_ids, edge.UpdateOperation.delete_payload_by_filter, keys)]


def read_clear_payload(body: object, _schema: Schema) -> list[edge.UpdateOperation]:
    """Read which points lose their whole payload."""
    with Fields(body, "points selector") as fields:
        select = _read_selection(fields)
    return [select(edge.UpdateOperation.clear_payload, edge.UpdateOperation.clear_payload_by_filter)]


def _read_payload(
    body: object,
    by_ids: Callable[..., edge.UpdateOperation],
    by_filter: Callable[..., edge.UpdateOperation],
) -> list[edge.UpdateOperation]:
    with Fields(body, "payload") as fields:
        payload = fields.required("payload", dict)
        key = fields.optional("key", str)
        select = _read_selection(fields)
    return [select(by_ids, by_filter, payload, key)]


def _read_selection(fields: Fields) -> Callable[..., edge.UpdateOperation]:
    """Read ids or a filter; return what applies the fitting one of two constructors to them."""
    if ("points" in fields) == ("filter" in fields):
        raise RequestError("wrong_input", "Format error in JSON body: give either `points` or `filter`")
    if "points" in fields:
        ids = [read_point_id(item) for item in fields.required("points", list)]
        return lambda by_ids, _by_filter, *values: built(by_ids, ids, *values)
    chosen = read_filter(fields.required("filter", dict))
    return lambda _by_ids, by_filter, *values: built(by_filter, chosen, *values)


def _read_columns(body: dict[str, Any]) -> list[Any]:
    with Fields(body, "batch") as fields:
        ids = fields.required("ids", list)
        vectors = fields.required("vectors", object)
        payloads = fields.optional("payloads", list) or [None] * len(ids)
    if isinstance(vectors, dict):
        named = {name: read_list(column, "a column of vectors") for name, column in vectors.items()}
        columns = [len(column) for column in named.values()]
        rows: list[Any] = [
            {name: column[row] for name, column in named.items()} for row in range(min(columns, default=0))
        ]
    else:
        rows = read_list(vectors, "vectors")
        columns = [len(rows)]
    if {len(ids), len(payloads), *columns} != {len(ids)}:
        raise RequestError("wrong_input", "Wrong input: the columns of a batch differ in length")
    return [
        {"id": point_id, "vector": vector, "payload": payload}
        for point_id, vector, payload in zip(ids, rows, payloads, strict=True)
    ]


def _read_point(body: object, schema: Schema) -> edge.Point:
    with Fields(body, "point") as fields:
        point_id = read_point_id(fields.required("id", object))
        vector = fields.required("vector", object)
        payload = fields.optional("payload", dict)
    named = vector if isinstance(vector, dict) else {"": vector}
    vectors: dict[str, Any] = {name: _read_vector(name, value, schema) for name, value in named.items()}
    return built(edge.Point, point_id, vectors, payload)


def _read_vector(name: str, value: object, schema: Schema) -> list[float] | edge.SparseVector:
    if name in schema.dimensions:
        return _read_dense(value, schema.dimensions[name])
    if name in schema.sparse_names:
        return read_sparse(value)
    raise RequestError("wrong_input", f"Wrong input: Not existing vector name error: {name}")


def _read_dense(value: object, dimensions: int) -> list[float]:
    numbers = read_list(value, "a dense vector")
    if len(numbers) != dimensions:
        raise RequestError(
            "wrong_input",
            f"Wrong input: Vector dimension error: expected dim: {dimensions}, got {len(numbers)}",
        )
    _require_finite(numbers)
    return numbers


def read_sparse(value: object) -> edge.SparseVector:
    """Read a sparse vector.

    Raises:
        RequestError: indices repeat, or indices and values do not pair up.
    """
    with Fields(value, "sparse vector") as fields:
        indices, values = fields.required("indices", list), fields.required("values", list)
    sparse = built(edge.SparseVector, indices, values)
    if len(indices) != len(values) or len(set(indices)) != len(indices):
        raise RequestError(
            "wrong_input", "Validation error: indices of a sparse vector must be unique, one for each value"
        )
    _require_finite(values)
    return sparse


def _require_finite(numbers: list[Any]) -> None:
    """Refuse what the engine would store as NaN or infinity, and so poison every later score."""
    with np.errstate(over="ignore"):
        try:
            is_finite = bool(np.isfinite(np.asarray(numbers, dtype=np.float32)).all())
        except (TypeError, ValueError) as exc:
            raise RequestError("wrong_input", "Format error in JSON body: a vector holds numbers only") from exc
    if not is_finite:
        raise RequestError("wrong_input", "Wrong input: a vector holds a number beyond float32")
