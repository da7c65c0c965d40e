"""What every server that speaks Qdrant's REST API must do for the application.

The same tests run against the local vector server and, when QDRANT_URL names one, a Qdrant server.
"""

import importlib.metadata
import math
import signal
import subprocess
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import numpy as np
import pytest
from qdrant_client import QdrantClient, models
from qdrant_client.common.version_check import is_compatible
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse
from qdrant_client.hybrid.fusion import distribution_based_score_fusion, reciprocal_rank_fusion

from .conftest import DIMENSIONS, LocalProcess, Server, command, create_collection, environment

UUIDS = [str(uuid.UUID(int=number)) for number in range(1, 4)]
VECTORS = {
    1: [1.0, 0.0, 0.0, 0.0],
    2: [0.8, 0.6, 0.0, 0.0],
    3: [0.0, 1.0, 0.0, 0.0],
    4: [0.0, 0.6, 0.8, 0.0],
    5: [-1.0, 0.0, 0.0, 0.0],
}
PAYLOADS: dict[int, dict[str, Any]] = {
    1: {"document": "a", "page": 1, "tags": ["red", "blue"], "day": "2026-01-01T00:00:00Z", "note": None},
    2: {"document": "a", "page": 2, "tags": ["red"], "day": "2026-02-01T00:00:00Z", "text": "green apples"},
    3: {"document": "b", "page": 3, "tags": [], "day": "2026-03-01T00:00:00Z", "text": "green pears"},
    4: {"document": "b", "page": 4, "is_public": True, "part": [{"kind": "table", "rows": 3}]},
    5: {"document": "c", "page": 5, "is_public": False, "part": [{"kind": "text", "rows": 9}]},
}
WEIGHTS = {1: {7: 1.0}, 2: {7: 1.0, 8: 2.0}, 3: {8: 1.0}, 4: {9: 1.0}, 5: {7: 0.5, 9: 1.0}}


def point(point_id: int | str, vector: list[float], **payload: Any) -> models.PointStruct:
    return models.PointStruct(id=point_id, vector={"dense": vector}, payload=payload)


def fill(client: QdrantClient, name: str) -> None:
    points = [
        models.PointStruct(
            id=number,
            vector={
                "dense": VECTORS[number],
                "lexical": models.SparseVector(indices=list(WEIGHTS[number]), values=list(WEIGHTS[number].values())),
            },
            payload=PAYLOADS[number],
        )
        for number in VECTORS
    ]
    client.upsert(name, points)


@pytest.fixture
def filled(client: QdrantClient, collection: str) -> str:
    """The test's own collection, with five points."""
    fill(client, collection)
    return collection


@pytest.fixture(scope="module", params=["unindexed", "indexed"])
def shelves(request: pytest.FixtureRequest, client: QdrantClient) -> Iterator[str]:
    """Two collections with the same five points, for tests that only read; one has payload indexes."""
    name = f"contract-{uuid.uuid4()}"
    create_collection(client, name)
    fill(client, name)
    if request.param == "indexed":
        client.create_payload_index(name, "document", models.PayloadSchemaType.KEYWORD)
        client.create_payload_index(name, "page", models.PayloadSchemaType.INTEGER)
        client.create_payload_index(name, "text", models.PayloadSchemaType.TEXT)
        client.create_payload_index(name, "day", models.PayloadSchemaType.DATETIME)
        client.create_payload_index(name, "is_public", models.PayloadSchemaType.BOOL)
    yield name
    client.delete_collection(name)


@pytest.fixture(scope="module")
def shelf(client: QdrantClient) -> Iterator[str]:
    """One collection with five points, for tests that only read."""
    name = f"contract-{uuid.uuid4()}"
    create_collection(client, name)
    fill(client, name)
    client.create_payload_index(name, "document", models.PayloadSchemaType.KEYWORD)
    yield name
    client.delete_collection(name)


def ids(points: list[Any]) -> list[int | str]:
    return [found.id for found in points]


def field(key: str, **test: Any) -> models.FieldCondition:
    return models.FieldCondition(key=key, **test)


def status_of(error: pytest.ExceptionInfo[UnexpectedResponse]) -> int | None:
    return error.value.status_code


# --- the server ---------------------------------------------------------------------------------------


def test_version_of_server_suits_client(client: QdrantClient) -> None:
    assert is_compatible(importlib.metadata.version("qdrant-client"), client.info().version)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_without_key_answers(vector_server: Server, path: str) -> None:
    assert httpx.get(vector_server.url + path).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"api-key": "wrong"}, {"authorization": "Bearer wrong"}])
def test_request_without_right_key_is_refused(vector_server: Server, headers: dict[str, str]) -> None:
    if not vector_server.key:
        pytest.skip("the server named by QDRANT_URL has no key")
    assert httpx.get(f"{vector_server.url}/collections", headers=headers).status_code in (401, 403)


def test_request_with_bearer_key_is_answered(vector_server: Server) -> None:
    headers = {"authorization": f"Bearer {vector_server.key}"}
    assert httpx.get(f"{vector_server.url}/collections", headers=headers).status_code == 200


def test_json_that_is_none_is_refused(rest: httpx.Client, collection: str) -> None:
    answer = rest.post(
        f"/collections/{collection}/points/count",
        content=b'{"filter": ',
    )
    assert answer.status_code == 400
    assert answer.json()["status"]["error"]


# --- collections and aliases --------------------------------------------------------------------------


def test_collection_after_creation_describes_itself(client: QdrantClient, collection: str) -> None:
    info = client.get_collection(collection)
    assert info.points_count == 0
    assert info.status == models.CollectionStatus.GREEN
    vectors, sparse = info.config.params.vectors, info.config.params.sparse_vectors
    assert isinstance(vectors, dict)
    assert sparse is not None
    assert vectors["dense"].size == DIMENSIONS
    assert vectors["dense"].distance == models.Distance.COSINE
    assert sparse["lexical"].modifier == models.Modifier.IDF
    assert client.collection_exists(collection)
    assert collection in [found.name for found in client.get_collections().collections]


def test_collection_metadata_is_kept(client: QdrantClient) -> None:
    name = f"contract-{uuid.uuid4()}"
    client.create_collection(
        name,
        vectors_config=models.VectorParams(size=2, distance=models.Distance.DOT),
        metadata={"fingerprint": "m:2"},
    )
    try:
        assert client.get_collection(name).config.metadata == {"fingerprint": "m:2"}
    finally:
        client.delete_collection(name)


def test_collection_that_is_missing_is_not_found(client: QdrantClient) -> None:
    assert not client.collection_exists("missing")
    for call in (client.get_collection, client.count, client.scroll):
        with pytest.raises(UnexpectedResponse) as error:
            call("missing")
        assert status_of(error) == 404


def test_create_collection_twice_is_a_conflict(client: QdrantClient, collection: str) -> None:
    with pytest.raises(UnexpectedResponse) as error:
        create_collection(client, collection)
    assert status_of(error) == 409


@pytest.mark.parametrize("name", ["%2E%2E", "a%2Fb", "..%2F..%2Fescape", "a%5Cb", "a%3Ab", "a%00b", "x" * 300])
def test_create_collection_with_unsafe_name_is_refused(rest: httpx.Client, name: str) -> None:
    answer = rest.put(
        f"/collections/{name}",
        json={"vectors": {"size": 4, "distance": "Cosine"}},
    )
    assert answer.status_code >= 400
    assert answer.json()["status"]["error"]


def test_delete_collection_removes_it_and_its_aliases(client: QdrantClient) -> None:
    name, alias = f"contract-{uuid.uuid4()}", f"alias-{uuid.uuid4()}"
    create_collection(client, name)
    client.update_collection_aliases([alias_to(name, alias)])
    assert client.delete_collection(name)
    assert not client.collection_exists(name)
    assert alias not in [found.alias_name for found in client.get_aliases().aliases]
    assert not client.delete_collection(name)


def alias_to(name: str, alias: str) -> models.CreateAliasOperation:
    return models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=name, alias_name=alias))


def test_alias_stands_for_its_collection(client: QdrantClient, filled: str) -> None:
    alias = f"alias-{uuid.uuid4()}"
    client.update_collection_aliases([alias_to(filled, alias)])
    assert client.collection_exists(alias)
    assert client.get_collection(alias).points_count == 5
    assert client.count(alias).count == 5
    client.delete(alias, models.PointIdsList(points=[1]))
    assert ids(client.query_points(alias, query=VECTORS[1], using="dense", limit=1).points) == [2]
    assert [found.alias_name for found in client.get_collection_aliases(filled).aliases] == [alias]


def test_alias_switch_moves_it_in_one_request(client: QdrantClient, filled: str) -> None:
    other, alias = f"contract-{uuid.uuid4()}", f"alias-{uuid.uuid4()}"
    create_collection(client, other)
    try:
        client.update_collection_aliases([alias_to(filled, alias)])
        delete = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))
        client.update_collection_aliases([delete, alias_to(other, alias)])
        assert client.count(alias).count == 0
        assert client.get_collection_aliases(filled).aliases == []
    finally:
        client.delete_collection(other)


def test_alias_renamed_keeps_its_collection(client: QdrantClient, filled: str) -> None:
    old, new = f"alias-{uuid.uuid4()}", f"alias-{uuid.uuid4()}"
    client.update_collection_aliases([alias_to(filled, old)])
    rename = models.RenameAlias(old_alias_name=old, new_alias_name=new)
    client.update_collection_aliases([models.RenameAliasOperation(rename_alias=rename)])
    assert client.count(new).count == 5
    assert not client.collection_exists(old)


def test_alias_to_missing_collection_is_not_found(client: QdrantClient) -> None:
    with pytest.raises(UnexpectedResponse) as error:
        client.update_collection_aliases([alias_to("missing", f"alias-{uuid.uuid4()}")])
    assert status_of(error) == 404


# --- payload indexes ----------------------------------------------------------------------------------


def test_payload_index_of_each_type_is_described(client: QdrantClient, filled: str) -> None:
    tenant = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
    text = models.TextIndexParams(type=models.TextIndexType.TEXT, tokenizer=models.TokenizerType.MULTILINGUAL)
    client.create_payload_index(filled, "document", tenant)
    client.create_payload_index(filled, "page", models.PayloadSchemaType.INTEGER)
    client.create_payload_index(filled, "text", text)
    client.create_payload_index(filled, "day", models.PayloadSchemaType.DATETIME)
    client.create_payload_index(filled, "is_public", models.PayloadSchemaType.BOOL)
    schema = client.get_collection(filled).payload_schema
    assert {name: index.data_type.value for name, index in schema.items()} == {
        "document": "keyword",
        "page": "integer",
        "text": "text",
        "day": "datetime",
        "is_public": "bool",
    }
    assert schema["page"].points == 5
    assert getattr(schema["document"].params, "is_tenant", None) is True
    assert getattr(schema["text"].params, "tokenizer", None) == models.TokenizerType.MULTILINGUAL


def test_payload_index_deleted_is_gone(client: QdrantClient, collection: str) -> None:
    client.create_payload_index(collection, "page", models.PayloadSchemaType.INTEGER)
    client.delete_payload_index(collection, "page")
    assert client.get_collection(collection).payload_schema == {}


# --- writing points -----------------------------------------------------------------------------------


def test_upsert_then_retrieve_returns_equal_points(client: QdrantClient, collection: str) -> None:
    payload = {"s": "héllo 你好 🙂", "i": -(2**53), "f": 0.5, "b": True, "n": None, "l": [1, {"a": []}]}
    lexical = models.SparseVector(indices=[3, 4_000_000_000], values=[0.5, 2.0])
    vector: dict[str, Any] = {"dense": VECTORS[2], "lexical": lexical}
    written = [models.PointStruct(id=key, vector=vector, payload=payload) for key in (7, UUIDS[0])]
    result = client.upsert(collection, written, wait=True)
    assert result.status == models.UpdateStatus.COMPLETED
    records = client.retrieve(collection, [7, UUIDS[0], 99], with_vectors=True)
    assert {record.id for record in records} == {7, UUIDS[0]}
    for record in records:
        assert record.payload == payload
        assert isinstance(record.vector, dict)
        assert record.vector["dense"] == pytest.approx(VECTORS[2])
        assert record.vector["lexical"] == lexical


def test_upsert_of_columns_stores_each_row(client: QdrantClient, collection: str) -> None:
    columns = models.Batch(ids=[1, 2], vectors={"dense": [VECTORS[1], VECTORS[3]]}, payloads=[{"page": 1}, {"page": 2}])
    client.upsert(collection, columns)
    assert [record.payload for record in client.retrieve(collection, [1, 2])] == [{"page": 1}, {"page": 2}]


def test_upsert_of_known_id_replaces_the_point(client: QdrantClient, filled: str) -> None:
    client.upsert(filled, [point(1, VECTORS[3], page=9)])
    assert client.count(filled).count == 5
    assert client.retrieve(filled, [1])[0].payload == {"page": 9}


@pytest.mark.parametrize(
    "vector",
    [
        {"dense": [1.0, 0.0, 0.0]},
        {"other": [1.0, 0.0, 0.0, 0.0]},
        [1.0, 0.0, 0.0, 0.0],
        {"lexical": [1.0, 0.0, 0.0, 0.0]},
        {"lexical": {"indices": [1, 1], "values": [1.0, 1.0]}},
        {"lexical": {"indices": [1], "values": [1.0, 1.0]}},
        {"dense": [1.0, 0.0, 0.0, "0"]},
        {"dense": [[1.0, 0.0, 0.0, 0.0]]},
    ],
)
def test_upsert_with_one_wrong_vector_stores_nothing(
    rest: httpx.Client, client: QdrantClient, collection: str, vector: Any
) -> None:
    good = [{"id": number, "vector": {"dense": VECTORS[1]}} for number in range(100)]
    answer = rest.put(
        f"/collections/{collection}/points?wait=true",
        json={"points": [*good, {"id": 100, "vector": vector}]},
    )
    assert answer.status_code in (400, 422)
    assert answer.json()["status"]["error"]
    assert client.count(collection).count == 0


def test_upsert_with_wrong_dimension_says_which(client: QdrantClient, collection: str) -> None:
    with pytest.raises(UnexpectedResponse, match="expected dim: 4, got 3"):
        client.upsert(collection, [point(1, VECTORS[1]), point(2, [1.0, 0.0, 0.0])])


@pytest.mark.parametrize("point_id", [-1, "no-uuid", 1.5, True])
def test_upsert_with_wrong_id_is_refused(rest: httpx.Client, collection: str, point_id: Any) -> None:
    answer = rest.put(
        f"/collections/{collection}/points",
        json={"points": [{"id": point_id, "vector": {"dense": VECTORS[1]}}]},
    )
    assert answer.status_code in (400, 422)


def test_upsert_with_condition_changes_matching_points_only(client: QdrantClient, filled: str) -> None:
    older = models.Filter(must=[field("page", range=models.Range(lt=2))])
    client.upsert(filled, [point(1, VECTORS[1], page=7), point(2, VECTORS[2], page=7)], update_filter=older)
    pages = {record.id: (record.payload or {})["page"] for record in client.retrieve(filled, [1, 2])}
    assert pages == {1: 7, 2: 2}


def test_delete_by_ids_removes_them(client: QdrantClient, filled: str) -> None:
    client.delete(filled, models.PointIdsList(points=[1, 2, 99]))
    assert ids(client.scroll(filled)[0]) == [3, 4, 5]


def test_delete_by_filter_removes_matches(client: QdrantClient, filled: str) -> None:
    stale = models.Filter(
        must=[field("document", match=models.MatchValue(value="a"))],
        must_not=[models.HasIdCondition(has_id=[2])],
    )
    client.delete(filled, models.FilterSelector(filter=stale))
    assert ids(client.scroll(filled)[0]) == [2, 3, 4, 5]


def test_delete_of_most_points_keeps_the_rest_searchable(client: QdrantClient, collection: str) -> None:
    count = 3000  # above the 1000 from which the engine drops deleted points
    client.upsert(collection, [point(number, VECTORS[number % 5 + 1], page=number) for number in range(count)])
    client.delete(collection, models.Filter(must=[field("page", range=models.Range(lt=count - 10))]))
    assert client.count(collection).count == 10
    found = client.query_points(collection, query=VECTORS[1], using="dense", limit=100).points
    assert sorted(ids(found)) == list(range(count - 10, count))


def test_payload_operations_change_what_they_name(client: QdrantClient, filled: str) -> None:
    client.set_payload(filled, {"lang": "de"}, points=[1])
    client.set_payload(filled, {"lang": "ja"}, points=models.Filter(must=[models.HasIdCondition(has_id=[2])]))
    client.overwrite_payload(filled, {"lang": "en"}, points=[3])
    client.delete_payload(filled, ["page", "part"], points=[4])
    client.clear_payload(filled, points_selector=models.PointIdsList(points=[5]))
    payloads = {record.id: record.payload for record in client.scroll(filled)[0]}
    assert payloads == {
        1: {**PAYLOADS[1], "lang": "de"},
        2: {**PAYLOADS[2], "lang": "ja"},
        3: {"lang": "en"},
        4: {"document": "b", "is_public": True},
        5: {},
    }


# --- reading points -----------------------------------------------------------------------------------


def test_scroll_in_pages_visits_each_point_once(client: QdrantClient, collection: str) -> None:
    keys: list[int | str] = [*range(8), *UUIDS]
    client.upsert(collection, [point(key, VECTORS[1]) for key in keys])
    seen: list[int | str] = []
    offset: Any = None
    while True:
        page, offset = client.scroll(collection, limit=4, offset=offset, with_payload=False)
        assert len(page) <= 4
        seen += ids(page)
        if offset is None:
            break
    assert len(seen) == len(keys)
    assert set(seen) == set(keys)


def test_scroll_ordered_by_indexed_number_follows_it(client: QdrantClient, filled: str) -> None:
    client.create_payload_index(filled, "page", models.PayloadSchemaType.INTEGER)
    order = models.OrderBy(key="page", direction=models.Direction.DESC)
    assert ids(client.scroll(filled, order_by=order, limit=3)[0]) == [5, 4, 3]


CONDITIONS: list[tuple[models.Filter, set[int]]] = [
    (models.Filter(), {1, 2, 3, 4, 5}),
    (models.Filter(must=[field("document", match=models.MatchValue(value="a"))]), {1, 2}),
    (models.Filter(must=[field("page", match=models.MatchValue(value=3))]), {3}),
    (models.Filter(must=[field("is_public", match=models.MatchValue(value=True))]), {4}),
    (models.Filter(must=[field("is_public", match=models.MatchValue(value=False))]), {5}),
    (models.Filter(must=[field("document", match=models.MatchAny(any=["a", "c"]))]), {1, 2, 5}),
    (models.Filter(must=[field("document", match=models.MatchAny(any=[]))]), set()),
    (models.Filter(must=[field("page", match=models.MatchAny(any=[1, 5]))]), {1, 5}),
    (models.Filter(must=[field("document", match=models.MatchExcept(**{"except": ["a"]}))]), {3, 4, 5}),
    (models.Filter(must=[field("tags", match=models.MatchValue(value="red"))]), {1, 2}),
    (models.Filter(must=[field("text", match=models.MatchText(text="green"))]), {2, 3}),
    (models.Filter(must=[field("page", range=models.Range(gt=1, lte=3))]), {2, 3}),
    (models.Filter(must=[field("page", range=models.Range(gte=2, lt=2.5))]), {2}),
    (models.Filter(must=[field("day", range=models.DatetimeRange(gte=datetime(2026, 2, 1, tzinfo=UTC)))]), {2, 3}),
    (models.Filter(must=[field("tags", values_count=models.ValuesCount(gte=2))]), {1}),
    (models.Filter(must=[models.HasIdCondition(has_id=[2, 4, 99])]), {2, 4}),
    (models.Filter(must=[models.HasIdCondition(has_id=[])]), set()),
    (models.Filter(must=[models.IsEmptyCondition(is_empty=models.PayloadField(key="tags"))]), {3, 4, 5}),
    (models.Filter(must=[models.IsNullCondition(is_null=models.PayloadField(key="note"))]), {1}),
    (models.Filter(must=[models.HasVectorCondition(has_vector="dense")]), {1, 2, 3, 4, 5}),
    (models.Filter(must=[field("part[].kind", match=models.MatchValue(value="table"))]), {4}),
    (
        models.Filter(
            must=[
                models.NestedCondition(
                    nested=models.Nested(
                        key="part", filter=models.Filter(must=[field("rows", range=models.Range(gt=5))])
                    )
                )
            ]
        ),
        {5},
    ),
    (
        models.Filter(
            must=[
                models.Filter(
                    should=[
                        field("document", match=models.MatchValue(value="c")),
                        field("page", match=models.MatchValue(value=1)),
                    ]
                )
            ],
            must_not=[models.HasIdCondition(has_id=[5])],
        ),
        {1},
    ),
    (
        models.Filter(
            min_should=models.MinShould(
                conditions=[
                    field("document", match=models.MatchValue(value="a")),
                    field("page", range=models.Range(gte=2)),
                ],
                min_count=2,
            )
        ),
        {2},
    ),
]


@pytest.mark.parametrize(("chosen", "expected"), CONDITIONS)
def test_filter_matches_its_points_in_every_operation(
    client: QdrantClient, shelves: str, chosen: models.Filter, expected: set[int]
) -> None:
    assert client.count(shelves, count_filter=chosen).count == len(expected)
    assert set(ids(client.scroll(shelves, scroll_filter=chosen)[0])) == expected
    found = client.query_points(shelves, query=VECTORS[1], using="dense", query_filter=chosen).points
    assert set(ids(found)) == expected


def test_facet_counts_each_value(client: QdrantClient, shelf: str) -> None:
    hits = client.facet(shelf, "document", exact=True).hits
    assert {hit.value: hit.count for hit in hits} == {"a": 2, "b": 2, "c": 1}
    public = models.Filter(must=[field("is_public", match=models.MatchValue(value=True))])
    hits = client.facet(shelf, "document", facet_filter=public, exact=True).hits
    assert [(hit.value, hit.count) for hit in hits] == [("b", 1)]


def test_facet_of_member_without_index_is_refused(client: QdrantClient, shelf: str) -> None:
    with pytest.raises(UnexpectedResponse, match="page") as error:
        client.facet(shelf, "page")
    assert status_of(error) == 400


# --- searching ----------------------------------------------------------------------------------------


def test_dense_query_ranks_by_cosine(client: QdrantClient, shelf: str) -> None:
    query = np.array([2.0, 1.0, 0.25, 0.0])
    found = client.query_points(shelf, query=query.tolist(), using="dense").points
    cosine = {
        number: float(query @ vector / np.linalg.norm(query) / np.linalg.norm(vector))
        for number, vector in VECTORS.items()
    }
    assert ids(found) == sorted(cosine, key=lambda number: -cosine[number])
    assert [hit.score for hit in found] == pytest.approx([cosine[int(hit.id)] for hit in found], abs=1e-5)


def test_sparse_query_ranks_by_inverse_document_frequency(client: QdrantClient, shelf: str) -> None:
    query = models.SparseVector(indices=[7, 8, 12345], values=[1.0, 1.0, 1.0])
    found = client.query_points(shelf, query=query, using="lexical").points
    assert found[0].id == 2
    # Qdrant's documentation, "Inverse Document Frequency": ln((n - df + 0.5) / (df + 0.5) + 1)
    idf = {7: math.log((5 - 3 + 0.5) / (3 + 0.5) + 1), 8: math.log((5 - 2 + 0.5) / (2 + 0.5) + 1)}
    expected = {
        number: sum(weight * idf.get(term, 0.0) for term, weight in weights.items())
        for number, weights in WEIGHTS.items()
    }
    assert {hit.id: hit.score for hit in found} == pytest.approx(
        {number: score for number, score in expected.items() if score}, abs=1e-4
    )


DENSE_STAGE = models.Prefetch(query=VECTORS[1], using="dense", limit=2)
LEXICAL_STAGE = models.Prefetch(query=models.SparseVector(indices=[8], values=[1.0]), using="lexical", limit=2)


def stage_results(client: QdrantClient, name: str) -> list[list[models.ScoredPoint]]:
    stages = [DENSE_STAGE, LEXICAL_STAGE]
    return [client.query_points(name, query=stage.query, using=stage.using, limit=2).points for stage in stages]


@pytest.mark.parametrize(
    ("query", "k", "weights"),
    [
        (models.RrfQuery(rrf=models.Rrf(k=60, weights=[3.0, 1.0])), 60, [3.0, 1.0]),
        (models.RrfQuery(rrf=models.Rrf(k=60, weights=[1.0, 3.0])), 60, [1.0, 3.0]),
        (models.RrfQuery(rrf=models.Rrf()), 2, None),
        (models.FusionQuery(fusion=models.Fusion.RRF), 2, None),
    ],
)
def test_fusion_by_ranks_scores_as_the_client_does(
    client: QdrantClient, shelf: str, query: Any, k: int, weights: list[float] | None
) -> None:
    found = client.query_points(shelf, prefetch=[DENSE_STAGE, LEXICAL_STAGE], query=query).points
    expected = reciprocal_rank_fusion(stage_results(client, shelf), limit=10, ranking_constant_k=k, weights=weights)
    assert ids(found) == ids(expected)
    assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected], abs=1e-6)


def test_fusion_by_score_distribution_scores_as_the_client_does(client: QdrantClient, shelf: str) -> None:
    fusion = models.FusionQuery(fusion=models.Fusion.DBSF)
    found = client.query_points(shelf, prefetch=[DENSE_STAGE, LEXICAL_STAGE], query=fusion).points
    expected = distribution_based_score_fusion(stage_results(client, shelf), limit=10)
    assert {hit.id: hit.score for hit in found} == pytest.approx({hit.id: hit.score for hit in expected}, abs=1e-5)


def test_formula_boosts_by_payload(client: QdrantClient, shelf: str) -> None:
    boost = models.MultExpression(mult=[10.0, field("document", match=models.MatchValue(value="b"))])
    formula = models.FormulaQuery(formula=models.SumExpression(sum=["$score", boost]))
    found = client.query_points(shelf, prefetch=models.Prefetch(query=VECTORS[1], using="dense"), query=formula).points
    assert ids(found)[:2] in ([3, 4], [4, 3])
    assert found[0].score == pytest.approx(10.0, abs=1e-5)
    assert found[2].score == pytest.approx(1.0, abs=1e-5)


def test_formula_of_operators_is_calculated(client: QdrantClient, shelf: str) -> None:
    page = models.MaxExpression(max=["page", 2.0])
    half = models.DivExpression(div=models.DivParams(left=page, right=2.0))
    formula = models.FormulaQuery(
        formula=models.NegExpression(neg=models.PowExpression(pow=models.PowParams(base=half, exponent=2.0))),
        defaults={"page": 0.0},
    )
    stage = models.Prefetch(query=VECTORS[1], using="dense")
    found = client.query_points(shelf, prefetch=stage, query=formula).points
    assert {hit.id: hit.score for hit in found} == pytest.approx(
        {number: -((max(number, 2) / 2) ** 2) for number in VECTORS}
    )


def test_query_with_threshold_limit_and_offset_cuts(client: QdrantClient, shelf: str) -> None:
    def search(**options: Any) -> list[int | str]:
        return ids(client.query_points(shelf, query=VECTORS[1], using="dense", **options).points)

    assert search(score_threshold=0.5) == [1, 2]
    assert search(limit=2) == [1, 2]
    assert search(limit=1, offset=1) == [2]
    assert search(search_params=models.SearchParams(exact=True, hnsw_ef=128), limit=1) == [1]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (False, None),
        (True, PAYLOADS[2]),
        (["page"], {"page": 2}),
        (models.PayloadSelectorInclude(include=["page", "document"]), {"page": 2, "document": "a"}),
        (
            models.PayloadSelectorExclude(exclude=["page", "day", "text"]),
            {"document": "a", "tags": ["red"]},
        ),
    ],
)
def test_payload_selector_chooses_members(client: QdrantClient, shelf: str, selector: Any, expected: Any) -> None:
    chosen = models.Filter(must=[models.HasIdCondition(has_id=[2])])
    found = client.query_points(shelf, query=VECTORS[2], using="dense", query_filter=chosen, with_payload=selector)
    assert found.points[0].payload == expected
    assert (client.retrieve(shelf, [2], with_payload=selector)[0].payload or None) == expected


def test_vector_selector_returns_named_vectors_only(client: QdrantClient, shelf: str) -> None:
    found = client.query_points(shelf, query=VECTORS[1], using="dense", with_vectors=["lexical"]).points[0]
    assert found.vector == {"lexical": models.SparseVector(indices=[7], values=[1.0])}


def test_query_batch_answers_as_single_queries_do(client: QdrantClient, shelf: str) -> None:
    requests = [
        models.QueryRequest(query=VECTORS[1], using="dense", limit=2),
        models.QueryRequest(
            prefetch=[DENSE_STAGE, LEXICAL_STAGE], query=models.RrfQuery(rrf=models.Rrf(k=60)), limit=3
        ),
    ]
    answers = client.query_batch_points(shelf, requests)
    assert ids(answers[0].points) == [1, 2]
    assert ids(answers[1].points)[0] == 2


@pytest.mark.parametrize(("query", "using"), [([1.0, 0.0], "dense"), (VECTORS[1], "other"), (VECTORS[1], None)])
def test_query_that_fits_no_vector_is_refused(
    client: QdrantClient, shelf: str, query: list[float], using: str | None
) -> None:
    with pytest.raises(UnexpectedResponse) as error:
        client.query_points(shelf, query=query, using=using)
    assert status_of(error) == 400


# --- many at once, and the end of the process ----------------------------------------------------------


def test_concurrent_writers_and_readers_see_whole_requests(vector_server: Server, collection: str) -> None:
    writers, rounds, size = 4, 5, 100

    def write(writer: int) -> None:
        client = vector_server.client()
        for turn in range(rounds):
            first = (writer * rounds + turn) * size
            client.upsert(
                collection, [point(first + number, VECTORS[number % 5 + 1], w=writer) for number in range(size)]
            )
            mine = models.Filter(must=[field("w", match=models.MatchValue(value=writer))])
            assert client.count(collection, count_filter=mine).count == (turn + 1) * size
        client.close()

    def read(_reader: int) -> None:
        client = vector_server.client()
        for _ in range(20):
            found = client.query_points(collection, query=VECTORS[1], using="dense", limit=5).points
            scores = [hit.score for hit in found]
            assert scores == sorted(scores, reverse=True)
        client.close()

    with ThreadPoolExecutor(2 * writers) as pool:
        for task in [*(pool.submit(write, n) for n in range(writers)), *(pool.submit(read, n) for n in range(4))]:
            task.result()
    client = vector_server.client()
    assert client.count(collection).count == writers * rounds * size
    client.close()


@pytest.mark.slow
def test_kill_during_upserts_loses_no_acknowledged_point(local_process: LocalProcess) -> None:
    server = local_process.start()
    client = server.client()
    create_collection(client, "kept")
    acknowledged: list[int] = []
    enough = threading.Event()

    def write() -> None:
        for first in range(0, 1_000_000, 50):
            try:
                client.upsert("kept", [point(first + number, VECTORS[1]) for number in range(50)], wait=True)
            except (ResponseHandlingException, UnexpectedResponse):
                return
            acknowledged.extend(range(first, first + 50))
            if first >= 500:
                enough.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert enough.wait(timeout=60)
    assert local_process.end(signal.SIGKILL) == -signal.SIGKILL
    writer.join()
    client.close()

    client = local_process.start().client()
    found = client.retrieve("kept", acknowledged, with_payload=False)
    assert len(found) == len(acknowledged)
    client.upsert("kept", [point(2_000_000, VECTORS[1])])
    assert client.count("kept").count >= len(acknowledged) + 1
    client.close()


@pytest.mark.slow
def test_stop_signal_ends_cleanly_and_keeps_everything(local_process: LocalProcess) -> None:
    client = local_process.start().client()
    create_collection(client, "kept")
    client.create_payload_index("kept", "page", models.PayloadSchemaType.INTEGER)
    client.upsert("kept", [point(1, VECTORS[1], page=1)], wait=False)
    client.update_collection_aliases([alias_to("kept", "current")])
    with pytest.raises(UnexpectedResponse):
        client.set_payload("kept", {"a": 1}, points=[404])  # what failed once must not stop the next start
    client.close()
    assert local_process.end(signal.SIGTERM) == 0

    client = local_process.start().client()
    assert client.count("current").count == 1
    assert client.get_collection("current").payload_schema["page"].points == 1
    client.close()


@pytest.mark.slow
def test_leftovers_of_unfinished_collections_are_cleaned_at_start(local_process: LocalProcess) -> None:
    client = local_process.start().client()
    create_collection(client, "half-deleted")
    create_collection(client, "kept")
    client.close()
    local_process.end(signal.SIGKILL)
    folder = local_process.data_dir / "collections"
    (folder / "half-deleted" / "collection.json").unlink()
    (folder / "half-made").mkdir()

    client = local_process.start().client()
    assert [found.name for found in client.get_collections().collections] == ["kept"]
    assert [path.name for path in folder.iterdir()] == ["kept"]
    create_collection(client, "half-deleted")
    client.close()


@pytest.mark.slow
def test_second_process_on_same_folder_is_refused(local_process: LocalProcess) -> None:
    server = local_process.start()
    second = subprocess.run(
        command(local_process.data_dir), env=environment(), capture_output=True, text=True, timeout=60
    )
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert "already uses the data folder" in second.stderr
    assert httpx.get(f"{server.url}/readyz").status_code == 200


@pytest.mark.slow
def test_start_on_taken_port_is_refused(local_process: LocalProcess, tmp_path: Any) -> None:
    port = httpx.URL(local_process.start().url).port
    assert port is not None
    second = subprocess.run(
        command(tmp_path / "other", port), env=environment(), capture_output=True, text=True, timeout=60
    )
    assert second.returncode == 1
    assert f"Port {port} on 127.0.0.1 cannot be opened" in second.stderr


def test_start_without_key_is_refused(tmp_path: Any) -> None:
    env = {name: value for name, value in environment().items() if name != "QDRANT_API_KEY"}
    program = subprocess.run(command(tmp_path), env=env, capture_output=True, text=True, timeout=60)
    assert program.returncode == 2
    assert "QDRANT_API_KEY" in program.stderr


# --- what only the local server refuses -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "named"),
    [
        ("POST", "points/query", {"query": 7}, "query by point id"),
        ("POST", "points/query", {"query": {"recommend": {"positive": [1]}}}, "`recommend`"),
        ("POST", "points/query", {"query": VECTORS[1], "lookup_from": {"collection": "x"}}, "`lookup_from`"),
        ("POST", "points/query", {"query": {"nearest": VECTORS[1], "mmr": {}}}, "`mmr`"),
        ("POST", "points/count", {"shard_key": "a"}, "`shard_key`"),
        ("POST", "points/count", {"filter": {"must": [{"key": "a", "geo_radius": {}}]}}, "`geo_radius`"),
        ("POST", "points/count", {"filter": {"may": []}}, "`may`"),
        ("POST", "points/query/groups", {}, "/points/query/groups"),
        ("PATCH", "", {}, "PATCH"),
        ("PUT", "index", {"field_name": "a", "field_schema": "geo"}, "`geo`"),
    ],
)
def test_request_not_spoken_is_refused_by_name(
    vector_server: Server, rest: httpx.Client, collection: str, method: str, path: str, body: Any, named: str
) -> None:
    if not vector_server.is_local:
        pytest.skip("a Qdrant server speaks all of it")
    answer = rest.request(method, f"/collections/{collection}/{path}".rstrip("/"), json=body)
    assert answer.status_code == 501
    assert named in answer.json()["status"]["error"]


def test_create_collection_with_quantization_is_refused_by_name(vector_server: Server, client: QdrantClient) -> None:
    if not vector_server.is_local:
        pytest.skip("a Qdrant server quantizes")
    scalar = models.ScalarQuantizationConfig(type=models.ScalarType.INT8)
    with pytest.raises(UnexpectedResponse, match="`quantization_config`") as error:
        client.create_collection(
            f"contract-{uuid.uuid4()}",
            vectors_config={"dense": models.VectorParams(size=4, distance=models.Distance.DOT)},
            quantization_config=models.ScalarQuantization(scalar=scalar),
        )
    assert status_of(error) == 501


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("points/count", {"filter": []}),
        ("points/count", {"filter": {"must": ["x"]}}),
        ("points/count", {"filter": {"must": [{"key": "a"}]}}),
        ("points/count", {"filter": {"must": [{"key": "a[", "match": {"value": 1}}]}}),
        ("points/count", {"filter": {"must": [{"key": "a", "match": {"value": 1.5}}]}}),
        ("points/count", {"filter": {"must": [{"key": "a", "match": {"value": 1, "text": "x"}}]}}),
        ("points/count", {"filter": {"must": [{"key": "a", "range": {"gte": "soon"}}]}}),
        ("points/scroll", {"limit": 0}),
        ("points/scroll", {"limit": "10"}),
        ("points/query", {"query": {"fusion": "rrf"}}),
        ("points/query", {"query": {}}),
        ("points/query", {"query": {"formula": {"sum": 1}}}),
        ("points/delete", {}),
        ("points", {"ids": "1"}),
    ],
)
def test_malformed_request_is_refused_with_a_sentence(
    rest: httpx.Client, collection: str, path: str, body: Any
) -> None:
    answer = rest.post(f"/collections/{collection}/{path}", json=body)
    assert answer.status_code in (400, 422)
    assert answer.json()["status"]["error"]


@pytest.mark.parametrize("number", ["NaN", "1e39", "1e999"])
def test_upsert_of_number_beyond_float32_is_refused(
    vector_server: Server, rest: httpx.Client, client: QdrantClient, collection: str, number: str
) -> None:
    if not vector_server.is_local:
        pytest.skip("Qdrant servers differ by version")
    answer = rest.put(
        f"/collections/{collection}/points",
        content=f'{{"points": [{{"id": 1, "vector": {{"dense": [1, 0, 0, {number}]}}}}]}}',
    )
    assert answer.status_code == 400
    assert client.count(collection).count == 0


def test_request_that_is_too_large_is_refused(rest: httpx.Client, collection: str) -> None:
    answer = rest.put(
        f"/collections/{collection}/points",
        content=b" " * (33 * 1024 * 1024),
    )
    assert answer.status_code == 413
