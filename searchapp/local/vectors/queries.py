"""Read search requests into the engine's queries."""

from typing import Any

import qdrant_edge as edge

from .errors import RequestError, UnsupportedError
from .fields import Fields, built, read_list, read_point_id
from .filters import read_condition, read_optional_filter
from .updates import read_sparse

# Qdrant's defaults (its OpenAPI document: `QueryRequest.limit`, `Rrf.k`).
_LIMIT = 10
_RRF_K = 2

_DIRECTIONS = {"asc": edge.Direction.Asc, "desc": edge.Direction.Desc}
_UNARY = {
    "abs": edge.Expression.Abs,
    "acosh": edge.Expression.Acosh,
    "exp": edge.Expression.Exp,
    "ln": edge.Expression.Ln,
    "log10": edge.Expression.Log10,
    "neg": edge.Expression.Neg,
    "sqrt": edge.Expression.Sqrt,
}
_VARIADIC = {
    "max": edge.Expression.Max,
    "min": edge.Expression.Min,
    "mult": edge.Expression.Mult,
    "sum": edge.Expression.Sum,
}
_TEXTUAL = {"datetime": edge.Expression.Datetime, "datetime_key": edge.Expression.DatetimeKey}
_DECAYS = {
    "exp_decay": edge.DecayKind.Exp,
    "gauss_decay": edge.DecayKind.Gauss,
    "lin_decay": edge.DecayKind.Lin,
}


def read_query(body: object) -> edge.QueryRequest:
    """Read one search with its prefetches.

    Raises:
        RequestError: a part is malformed.
        UnsupportedError: a kind of query is not spoken here.
    """
    with Fields(body, "query request") as fields:
        return edge.QueryRequest(
            **_read_stage(fields),
            offset=fields.amount("offset", 0, at_least=0),
            with_payload=read_payload_selector(fields.optional("with_payload", object), default=False),
            with_vector=read_vector_selector(fields.optional("with_vector", object)),
        )


def read_query_batch(body: object) -> edge.QueryBatchRequest:
    """Read several searches."""
    with Fields(body, "query batch") as fields:
        return edge.QueryBatchRequest([read_query(item) for item in fields.required("searches", list)])


def read_scroll(body: object) -> edge.ScrollRequest:
    """Read a request for a page of points."""
    with Fields(body, "scroll request") as fields:
        offset = fields.optional("offset", object)
        order_by = fields.optional("order_by", object)
        return edge.ScrollRequest(
            offset=None if offset is None else read_point_id(offset),
            limit=fields.amount("limit", _LIMIT, at_least=1),
            filter=read_optional_filter(fields.optional("filter", dict)),
            with_payload=read_payload_selector(fields.optional("with_payload", object), default=True),
            with_vector=read_vector_selector(fields.optional("with_vector", object)),
            order_by=None if order_by is None else _read_order_by(order_by),
        )


def read_count(body: object) -> edge.CountRequest:
    """Read a request for the number of points."""
    with Fields(body, "count request") as fields:
        return edge.CountRequest(
            exact=fields.optional("exact", bool) is not False,
            filter=read_optional_filter(fields.optional("filter", dict)),
        )


def read_facet(body: object) -> edge.FacetRequest:
    """Read a request for the values of a payload member and how often each occurs."""
    with Fields(body, "facet request") as fields:
        return built(
            edge.FacetRequest,
            fields.required("key", str),
            limit=fields.amount("limit", _LIMIT, at_least=1),
            exact=bool(fields.optional("exact", bool)),
            filter=read_optional_filter(fields.optional("filter", dict)),
        )


def read_payload_selector(body: object, *, default: bool) -> Any:
    """Read which payload members to return: all, none, the named ones, or all but the named ones."""
    if body is None:
        return default
    if isinstance(body, bool):
        return body
    if isinstance(body, list):
        return built(edge.PayloadSelector.Include, body)
    with Fields(body, "with_payload") as fields:
        if "exclude" in fields:
            return built(edge.PayloadSelector.Exclude, fields.required("exclude", list))
        return built(edge.PayloadSelector.Include, fields.required("include", list))


def read_vector_selector(body: object) -> bool | list[str]:
    """Read which vectors to return: all, none, or the named ones."""
    if body is None or isinstance(body, bool):
        return bool(body)
    names = read_list(body, "with_vector")
    if not all(isinstance(name, str) for name in names):
        raise RequestError("wrong_input", "Format error in JSON body: with_vector must hold names")
    return names


def _read_stage(fields: Fields) -> dict[str, Any]:
    """Read what a search and a prefetch have in common."""
    prefetch = fields.optional("prefetch", object) or []
    query, using = fields.optional("query", object), fields.optional("using", str)
    params = fields.optional("params", dict)
    return {
        "limit": fields.amount("limit", _LIMIT, at_least=1),
        "prefetches": [_read_prefetch(item) for item in (prefetch if isinstance(prefetch, list) else [prefetch])],
        "query": None if query is None else _read_scoring(query, using),
        "filter": read_optional_filter(fields.optional("filter", dict)),
        "score_threshold": fields.optional("score_threshold", float),
        "params": None if params is None else _read_params(params),
    }


def _read_prefetch(body: object) -> edge.Prefetch:
    with Fields(body, "prefetch") as fields:
        return edge.Prefetch(**_read_stage(fields))


def _read_params(body: object) -> edge.SearchParams:
    with Fields(body, "params") as fields:
        quantization = fields.optional("quantization", dict)
        return edge.SearchParams(
            hnsw_ef=fields.optional("hnsw_ef", int),
            exact=bool(fields.optional("exact", bool)),
            indexed_only=bool(fields.optional("indexed_only", bool)),
            quantization=None if quantization is None else _read_quantization(quantization),
        )


def _read_quantization(body: object) -> edge.QuantizationSearchParams:
    with Fields(body, "quantization") as fields:
        return edge.QuantizationSearchParams(
            ignore=bool(fields.optional("ignore", bool)),
            rescore=fields.optional("rescore", bool),
            oversampling=fields.optional("oversampling", float),
        )


def _read_scoring(body: object, using: str | None) -> Any:
    if isinstance(body, list) or (isinstance(body, dict) and "indices" in body):
        return _read_nearest(body, using)
    if not isinstance(body, dict):
        raise UnsupportedError("unsupported", "Not supported by the local vector server: query by point id")
    with Fields(body, "query") as fields:
        if "nearest" in fields:
            return _read_nearest(fields.required("nearest", object), using)
        if "fusion" in fields:
            return fields.choice("fusion", {"rrf": _fusions().Rrf(k=_RRF_K), "dbsf": _fusions().Dbsf()})
        if "rrf" in fields:
            return _read_rrf(fields.required("rrf", dict))
        if "order_by" in fields:
            return _read_order_by(fields.required("order_by", object))
        if "sample" in fields:
            return fields.choice("sample", {"random": edge.Sample.Random})
        if "formula" in fields:
            formula = _read_expression(fields.required("formula", object))
            return built(edge.Formula, formula, fields.optional("defaults", dict) or {})
    raise RequestError("wrong_input", "Format error in JSON body: a query names no kind")


def _read_nearest(body: object, using: str | None) -> edge.Query:
    if isinstance(body, dict):
        return built(edge.Query.Nearest, read_sparse(body), using=using)
    return built(edge.Query.Nearest, read_list(body, "a query vector"), using=using)


def _fusions() -> Any:
    return edge.Fusion  # its two constructors are missing from the stubs of 0.9


def _read_rrf(body: object) -> Any:
    with Fields(body, "rrf") as fields:
        k, weights = fields.amount("k", _RRF_K, at_least=1), fields.optional("weights", list)
    return built(_fusions().Rrf, k=k, weights=weights)


def _read_order_by(body: object) -> edge.OrderBy:
    if isinstance(body, str):
        return built(edge.OrderBy, body)
    with Fields(body, "order_by") as fields:
        return built(
            edge.OrderBy,
            fields.required("key", str),
            direction=fields.choice("direction", _DIRECTIONS),
            start_from=fields.optional("start_from", object),  # type: ignore[arg-type] # the engine checks it
        )


def _read_expression(body: object) -> edge.Expression:
    if isinstance(body, str):
        return built(edge.Expression.Variable, body)
    if not isinstance(body, dict):
        return built(edge.Expression.Constant, body)  # type: ignore[arg-type] # the engine checks it
    name = next(iter(body), "")
    if name in _OPERATORS:
        with Fields(body, "expression") as fields:
            return _OPERATORS[name](fields.required(name, object), name)
    if name == "geo_distance":
        raise UnsupportedError("unsupported", "Not supported by the local vector server: `geo_distance`")
    return built(edge.Expression.Condition, read_condition(body))


def _read_unary(body: object, name: str) -> edge.Expression:
    return _UNARY[name](_read_expression(body))


def _read_variadic(body: object, name: str) -> edge.Expression:
    return built(_VARIADIC[name], [_read_expression(item) for item in read_list(body, name)])


def _read_textual(body: object, name: str) -> edge.Expression:
    return built(_TEXTUAL[name], body)  # type: ignore[arg-type] # the engine checks it


def _read_division(body: object, name: str) -> edge.Expression:
    with Fields(body, name) as fields:
        left, right = fields.required("left", object), fields.required("right", object)
        by_zero_default = fields.optional("by_zero_default", float)
    return edge.Expression.Div(_read_expression(left), _read_expression(right), by_zero_default)


def _read_power(body: object, name: str) -> edge.Expression:
    with Fields(body, name) as fields:
        base, exponent = fields.required("base", object), fields.required("exponent", object)
    return edge.Expression.Pow(_read_expression(base), _read_expression(exponent))


def _read_decay(body: object, name: str) -> edge.Expression:
    with Fields(body, name) as fields:
        x, target = fields.required("x", object), fields.optional("target", object)
        midpoint, scale = fields.optional("midpoint", float), fields.optional("scale", float)
    return built(
        edge.Expression.Decay,
        _DECAYS[name],
        _read_expression(x),
        None if target is None else _read_expression(target),
        midpoint,
        scale,
    )


_OPERATORS = {
    **dict.fromkeys(_UNARY, _read_unary),
    **dict.fromkeys(_VARIADIC, _read_variadic),
    **dict.fromkeys(_TEXTUAL, _read_textual),
    **dict.fromkeys(_DECAYS, _read_decay),
    "div": _read_division,
    "pow": _read_power,
}
