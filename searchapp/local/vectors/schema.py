"""What a collection is made of: its vectors, its stored settings, its payload indexes."""

from dataclasses import dataclass
from typing import Any

import qdrant_edge as edge

from .errors import RequestError, UnsupportedError
from .fields import Fields, built

# Exact search needs 19 ms over 100 thousand vectors of 1024 numbers, while building an HNSW graph would
# hold the process for minutes: no segment ever reaches this many kilobytes, so that none is built.
INDEXING_THRESHOLD_KB = 100_000_000

# Qdrant's own bound (its OpenAPI document, `VectorParams.size`).
_MAX_DIMENSIONS = 65_536

_DISTANCES = {
    "Cosine": edge.Distance.Cosine,
    "Euclid": edge.Distance.Euclid,
    "Dot": edge.Distance.Dot,
    "Manhattan": edge.Distance.Manhattan,
}
_DATATYPES = {
    "float32": edge.VectorStorageDatatype.Float32,
    "float16": edge.VectorStorageDatatype.Float16,
}
_TOKENIZERS = {
    "prefix": edge.TokenizerType.Prefix,
    "whitespace": edge.TokenizerType.Whitespace,
    "word": edge.TokenizerType.Word,
    "multilingual": edge.TokenizerType.Multilingual,
}


@dataclass(frozen=True, slots=True)
class _IndexKind:
    schema_type: edge.PayloadSchemaType
    params: Any
    options: dict[str, type]


_ON_DISK: dict[str, type] = {"on_disk": bool, "enable_hnsw": bool}
_INDEX_KINDS = {
    "keyword": _IndexKind(
        edge.PayloadSchemaType.Keyword,
        edge.KeywordIndexParams,
        {"is_tenant": bool, "prefix": bool, **_ON_DISK},
    ),
    "integer": _IndexKind(
        edge.PayloadSchemaType.Integer,
        edge.IntegerIndexParams,
        {"lookup": bool, "range": bool, "is_principal": bool, **_ON_DISK},
    ),
    "float": _IndexKind(edge.PayloadSchemaType.Float, edge.FloatIndexParams, {"is_principal": bool, **_ON_DISK}),
    "bool": _IndexKind(edge.PayloadSchemaType.Bool, edge.BoolIndexParams, _ON_DISK),
    "datetime": _IndexKind(
        edge.PayloadSchemaType.Datetime, edge.DatetimeIndexParams, {"is_principal": bool, **_ON_DISK}
    ),
    "uuid": _IndexKind(edge.PayloadSchemaType.Uuid, edge.UuidIndexParams, {"is_tenant": bool, **_ON_DISK}),
    "text": _IndexKind(
        edge.PayloadSchemaType.Text,
        edge.TextIndexParams,
        {
            "min_token_len": int,
            "max_token_len": int,
            "lowercase": bool,
            "ascii_folding": bool,
            "phrase_matching": bool,
            **_ON_DISK,
        },
    ),
}


@dataclass(frozen=True, slots=True)
class Schema:
    """The vectors of a collection and its settings.

    Args:
        dimensions: size of each named dense vector; the unnamed vector has the name "".
        sparse_names: names of the sparse vectors.
        config: the engine's settings.
        settings: the body of the create request, kept to open the collection again and to describe it.
    """

    dimensions: dict[str, int]
    sparse_names: frozenset[str]
    config: edge.EdgeConfig
    settings: dict[str, Any]

    def describe(self) -> dict[str, Any]:
        """Return ``config`` of a collection's description.

        ``hnsw_config.m`` is 0, Qdrant's way to say that search is exact; the flush interval is 0 because
        every write that is waited for is flushed before it is acknowledged.
        """
        return {
            "params": {
                "vectors": self.settings.get("vectors") or {},
                "sparse_vectors": self.settings.get("sparse_vectors"),
                "shard_number": 1,
                "replication_factor": 1,
                "write_consistency_factor": 1,
                "on_disk_payload": self.settings.get("on_disk_payload", True),
            },
            "hnsw_config": {"m": 0, "ef_construct": 0, "full_scan_threshold": INDEXING_THRESHOLD_KB},
            "optimizer_config": {
                "default_segment_number": 0,
                "indexing_threshold": INDEXING_THRESHOLD_KB,
                "flush_interval_sec": 0,
            },
            "metadata": self.settings.get("metadata"),
        }


def read_schema(body: object) -> Schema:
    """Read the body of a create request.

    Raises:
        RequestError: the body is malformed.
        UnsupportedError: it asks for what only a Qdrant server does: quantization, HNSW, shards.
    """
    with Fields(body, "collection") as fields:
        dense = _read_dense(fields.optional("vectors", dict) or {})
        sparse = _read_sparse(fields.optional("sparse_vectors", dict) or {})
        on_disk_payload = fields.optional("on_disk_payload", bool)
        fields.optional("metadata", dict)
        for name in ("shard_number", "replication_factor", "write_consistency_factor"):
            if fields.amount(name, 1, at_least=1) != 1:
                raise UnsupportedError(
                    "unsupported", f"Not supported by the local vector server: `{name}` above 1 in collection"
                )
    if not dense and not sparse:
        raise RequestError("wrong_input", "Validation error: a collection needs at least one vector")
    config = edge.EdgeConfig(
        vectors=dense,
        sparse_vectors=sparse,
        on_disk_payload=on_disk_payload,
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=INDEXING_THRESHOLD_KB),
    )
    return Schema(
        dimensions={name: params.size for name, params in dense.items()},
        sparse_names=frozenset(sparse),
        config=config,
        settings=dict(body) if isinstance(body, dict) else {},
    )


def read_index(body: object) -> edge.UpdateOperation:
    """Read a request for a payload index.

    Raises:
        RequestError: the body is malformed.
        UnsupportedError: the type or one of its options is not spoken here.
    """
    with Fields(body, "index") as fields:
        field_name = fields.required("field_name", str)
        schema = fields.required("field_schema", object)
    with Fields(schema if isinstance(schema, dict) else {"type": schema}, "field_schema") as fields:
        kind = fields.choice("type", _INDEX_KINDS)
        if kind is None:
            raise RequestError("wrong_input", "Format error in JSON body: field_schema misses `type`")
        options: dict[str, Any] = {name: fields.optional(name, type_) for name, type_ in kind.options.items()}
        if kind is _INDEX_KINDS["text"]:
            options["tokenizer"] = fields.choice("tokenizer", _TOKENIZERS)
    # Without options the plain type is asked for, so that the description shows no parameters either.
    is_plain = all(value is None for value in options.values())
    return built(
        edge.UpdateOperation.create_field_index,
        field_name,
        kind.schema_type if is_plain else kind.params(**options),
    )


def describe_index(index: "edge.PayloadIndexInfo") -> dict[str, Any]:
    """Return one entry of ``payload_schema``."""
    # The engine's enumerations compare but have no hash, so the table is searched, not reversed.
    name, kind = next(item for item in _INDEX_KINDS.items() if item[1].schema_type == index.data_type)
    given: Any = index.params
    params: dict[str, Any] | None = None
    if given is not None:
        options = {option: getattr(given, option) for option in kind.options}
        params = {"type": name, **{option: value for option, value in options.items() if value is not None}}
        if name == "text":
            params["tokenizer"] = next(key for key, known in _TOKENIZERS.items() if known == given.tokenizer)
    return {"data_type": name, "params": params, "points": index.points}


def _read_dense(body: dict[str, Any]) -> dict[str, edge.EdgeVectorParams]:
    is_unnamed = isinstance(body.get("size"), int)
    return {name: _read_vector(params) for name, params in ({"": body} if is_unnamed else body).items()}


def _read_vector(body: object) -> edge.EdgeVectorParams:
    with Fields(body, "vector") as fields:
        dimensions = fields.required("size", int)
        distance = fields.choice("distance", _DISTANCES)
        on_disk = fields.optional("on_disk", bool)
        datatype = fields.choice("datatype", _DATATYPES)
    if not 1 <= dimensions <= _MAX_DIMENSIONS or distance is None:
        raise RequestError(
            "wrong_input", f"Validation error: a vector needs a distance and a size of 1 to {_MAX_DIMENSIONS}"
        )
    return edge.EdgeVectorParams(size=dimensions, distance=distance, on_disk=on_disk, datatype=datatype)


def _read_sparse(body: dict[str, Any]) -> dict[str, edge.EdgeSparseVectorParams]:
    return {name: _read_sparse_vector(params) for name, params in body.items()}


def _read_sparse_vector(body: object) -> edge.EdgeSparseVectorParams:
    with Fields(body, "sparse vector") as fields:
        modifier = fields.choice("modifier", {"none": None, "idf": edge.Modifier.Idf})
        index = fields.optional("index", dict) or {}
    with Fields(index, "sparse vector index") as fields:
        return edge.EdgeSparseVectorParams(
            modifier=modifier,
            full_scan_threshold=fields.optional("full_scan_threshold", int),
            on_disk=fields.optional("on_disk", bool),
            datatype=fields.choice("datatype", _DATATYPES),
        )
