"""Read a REST filter into the engine's filter."""

from typing import Any

import numpy as np
import qdrant_edge as edge

from .errors import RequestError
from .fields import Fields, built, read_list, read_point_id


def _match_value(value: Any) -> edge.MatchValue:
    # The engine would take Python's bool, which is an int, for the number 1; it knows numpy's as a bool.
    return edge.MatchValue(np.bool_(value) if isinstance(value, bool) else value)  # type: ignore[arg-type]


_MATCHES: dict[str, Any] = {
    "value": _match_value,
    "text": edge.MatchText,
    "text_any": edge.MatchTextAny,
    "phrase": edge.MatchPhrase,
    "prefix": edge.MatchPrefix,
    "substring": edge.MatchSubstring,
    "any": edge.MatchAny,
    "except": edge.MatchExcept,
}
_BOUNDS = ("gt", "gte", "lt", "lte")


def read_filter(body: object) -> edge.Filter:
    """Read a filter with its nested clauses.

    Raises:
        RequestError: a condition is malformed.
        UnsupportedError: a kind of condition is not spoken here.
    """
    with Fields(body, "filter") as fields:
        clauses = {name: _read_clause(fields.optional(name, object)) for name in ("must", "should", "must_not")}
        min_should = fields.optional("min_should", dict)
    return edge.Filter(**clauses, min_should=None if min_should is None else _read_min_should(min_should))


def read_optional_filter(body: object) -> edge.Filter | None:
    """Read a filter where none means every point."""
    return None if body is None else read_filter(body)


def read_condition(body: object) -> Any:
    """Read one condition; which kind it is shows in the member that names it."""
    if not isinstance(body, dict):
        raise RequestError("wrong_input", "Format error in JSON body: a condition must be an object")
    if "key" in body:
        return _read_field_condition(body)
    kind = next((name for name in _CONDITIONS if name in body), None)
    if kind is None:
        return read_filter(body)
    with Fields(body, "condition") as fields:
        return _CONDITIONS[kind](fields.required(kind, object))


def _read_clause(body: object) -> list[Any] | None:
    if body is None:
        return None
    return [read_condition(item) for item in (body if isinstance(body, list) else [body])]


def _read_min_should(body: object) -> edge.MinShould:
    with Fields(body, "min_should") as fields:
        conditions = fields.required("conditions", list)
        min_count = fields.amount("min_count", 0, at_least=0)
    return edge.MinShould([read_condition(item) for item in conditions], min_count)


def _read_field_condition(body: object) -> edge.FieldCondition:
    with Fields(body, "field condition") as fields:
        key = fields.required("key", str)
        tests: dict[str, Any] = {}
        if "match" in fields:
            tests["match"] = _read_match(fields.required("match", dict))
        if "range" in fields:
            tests["range"] = _read_range(fields.required("range", dict))
        if "values_count" in fields:
            tests["values_count"] = _read_values_count(fields.required("values_count", dict))
        for name in ("is_empty", "is_null"):
            if name in fields:
                tests[name] = fields.required(name, bool)
    if not tests:
        raise RequestError("wrong_input", f"Validation error: the condition on `{key}` tests nothing")
    return built(edge.FieldCondition, key, **tests)


def _read_match(body: object) -> Any:
    with Fields(body, "match") as fields:
        found = [(factory, fields.required(name, object)) for name, factory in _MATCHES.items() if name in fields]
    if len(found) != 1:
        raise RequestError("wrong_input", "Format error in JSON body: a match has exactly one kind")
    factory, value = found[0]
    return built(factory, value)


def _read_range(body: object) -> edge.RangeFloat | edge.RangeDateTime:
    with Fields(body, "range") as fields:
        if any(isinstance(value, str) for value in (body.values() if isinstance(body, dict) else ())):
            return built(edge.RangeDateTime, **{name: fields.optional(name, str) for name in _BOUNDS})
        return built(edge.RangeFloat, **{name: fields.optional(name, float) for name in _BOUNDS})


def _read_values_count(body: object) -> edge.ValuesCount:
    with Fields(body, "values_count") as fields:
        return built(edge.ValuesCount, **{name: fields.optional(name, int) for name in _BOUNDS})


def _read_key(body: object) -> str:
    with Fields(body, "condition") as fields:
        return fields.required("key", str)


def _read_has_vector(body: object) -> edge.HasVectorCondition:
    return built(edge.HasVectorCondition, body)  # type: ignore[arg-type] # the engine checks it


def _read_nested(body: object) -> edge.NestedCondition:
    with Fields(body, "nested") as fields:
        key, inner = fields.required("key", str), fields.required("filter", dict)
    return built(edge.NestedCondition, key, read_filter(inner))


_CONDITIONS: dict[str, Any] = {
    "has_id": lambda body: edge.HasIdCondition({read_point_id(item) for item in read_list(body, "has_id")}),
    "has_vector": _read_has_vector,
    "is_empty": lambda body: built(edge.IsEmptyCondition, _read_key(body)),
    "is_null": lambda body: built(edge.IsNullCondition, _read_key(body)),
    "nested": _read_nested,
}
