"""One Qdrant collection that holds every passage of the site, in the vectors of one model."""

import http
import json
import time
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qdrant_client import QdrantClient, models
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from searchapp.errors import PermanentError, ServiceUnavailableError
from searchapp.index.lexical import document_vector, query_vector, term_share

JsonObject = dict[str, Any]

DENSE = "dense"
LEXICAL = "lexical"
# Part of the name of a collection: one made with other vectors or payload is another.
SCHEMA_VERSION = 3
PAYLOAD_INDEXES: dict[str, models.PayloadSchemaType | models.KeywordIndexParams] = {
    "collection_id": models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True),
    "document_id": models.PayloadSchemaType.KEYWORD,
    "language": models.PayloadSchemaType.KEYWORD,
    "kind": models.PayloadSchemaType.KEYWORD,
    "uploaded_at": models.PayloadSchemaType.INTEGER,
    "tags": models.PayloadSchemaType.KEYWORD,
    "run": models.PayloadSchemaType.INTEGER,
}
# The size of the index goes into the scores as a logarithm: in one of so many points a minute's growth does not
# matter, in a smaller one that of a shorter time.
COUNT_LIFETIME_S = 60.0
LARGE_INDEX_POINTS = 1_000
# Qdrant's advice: 64 to 256 points a request; small ones let searches of the embedded engine in between.
UPSERT_BATCH_POINTS = 64
RETRIEVE_BATCH_POINTS = 256
_LANGUAGE_ALONE = '["language"]'


class VectorStoreUnavailableError(ServiceUnavailableError):
    """Raise when the vector store does not answer, or answers that it cannot serve now."""


class VectorStoreRefusedError(PermanentError):
    """Raise when the vector store refuses a request: a wrong key, a wrong dimension."""


@dataclass(frozen=True, slots=True)
class Point:
    """Name one passage and what searches may filter it by. Its vector travels beside it.

    ``kind`` is the type of the file; ``uploaded_at`` when it came, in seconds since 1970, UTC; ``tags`` the keys of
    the tags of the document.
    ``run`` tells which run of indexing the document wrote the point; ``text`` is what lexical search
    finds it by, and is not stored.
    """

    id: uuid.UUID
    document_id: uuid.UUID
    collection_id: int
    language: str
    run: int
    text: str
    kind: str = ""
    uploaded_at: int = 0
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """Name a passage that the index found; only a live row makes it a hit.

    ``similarity`` is the cosine similarity to the question in [-1, 1], ``term_share`` about how much of
    the question's words it holds, rare ones counting more, in [0, 1]. ``language`` is its own, or one of the
    group of languages that it was found in.
    """

    id: uuid.UUID
    similarity: float
    term_share: float
    language: str


@dataclass(frozen=True, slots=True)
class _Lane:
    """A search: by what measure, where its scores go, in which pool, and the language of all in it if known."""

    measure: str
    scores: dict[str, float]
    pool: JsonObject
    language: str = ""


class VectorIndex:
    """Store and find points. Thread-safe; every write is durable when it returns; repeating one is safe.

    Every method raises `VectorStoreUnavailableError` or `VectorStoreRefusedError`.
    """

    def __init__(self, url: str, name: str, *, api_key: str = "", timeout_s: int = 30) -> None:
        self.name = name
        self._client = QdrantClient(
            url=url,
            # As a header, since the client warns of every `api_key` on plain http, which is right within one machine;
            # `searchapp.checks` warns where it is not.
            headers={"api-key": api_key} if api_key else None,
            timeout=timeout_s,
            check_compatibility=False,
        )
        self._counted = 0
        self._counted_until = 0.0

    def ensure(self, dimensions: int) -> None:
        """Create the collection and its payload indexes, as far as they do not stand.

        Raises:
            VectorStoreRefusedError: it stands with vectors of another length.
        """
        with _wrapped():
            if not self._client.collection_exists(self.name):
                self._create(dimensions)
            info = self._client.get_collection(self.name)
            vectors = info.config.params.vectors
            params = vectors.get(DENSE) if isinstance(vectors, dict) else None
            if params is None or params.size != dimensions:
                found = params.size if params else "another kind"
                raise VectorStoreRefusedError(
                    "index_dimensions", f"{self.name} holds vectors of {found}, the model gives {dimensions}"
                )
            self._complete(info)

    def upsert(self, points: Sequence[Point], vectors: NDArray[np.float32]) -> None:
        """Store points, replacing those of the same id.

        Args:
            points: n of them.
            vectors: ``(n, dimensions)`` float32, unit L2 norm.
        """
        with _wrapped():
            for start in range(0, len(points), UPSERT_BATCH_POINTS):
                batch = points[start : start + UPSERT_BATCH_POINTS]
                structs = [
                    models.PointStruct(
                        id=str(point.id),
                        vector={DENSE: vector.tolist(), LEXICAL: document_vector(point.text, language=point.language)},
                        payload=_payload(point),
                    )
                    for point, vector in zip(batch, vectors[start:], strict=False)
                ]
                try:
                    self._client.upsert(self.name, points=structs, wait=True)
                except UnexpectedResponse as exc:
                    if exc.status_code == http.HTTPStatus.NOT_FOUND:
                        # Lost since `ensure`, which makes it anew the next time.
                        raise VectorStoreUnavailableError("vector_store_unavailable", f"{self.name} is gone") from exc
                    raise

    def query(
        self,
        vector: NDArray[np.float32] | None,
        text: str,
        *,
        collection_ids: Collection[int],
        text_language: str = "",
        languages: Collection[str] = (),
        kinds: Collection[str] = (),
        tags: Collection[str] = (),
        uploaded_since: int | None = None,
        apart: Sequence[Collection[str]] = (),
        limit: int,
    ) -> list[Candidate]:
        """Return the points of the given collections that are nearest in meaning or share the most words.

        Args:
            vector: the question, ``(dimensions,)`` float32, unit L2 norm; None finds by words alone, with similarity 0.
            text: the question's words; empty finds by meaning alone, with no share of words.
            collection_ids: what the viewer may see; empty finds nothing.
            text_language: the question's language, whose endings its words may have; empty where it is unknown.
            languages: only passages in these; empty means any.
            kinds: only passages of files of these types; empty means any.
            tags: only passages of documents with one of these, by key; empty means any.
            uploaded_since: only passages of files that came at this time or later, in seconds since 1970.
            apart: groups of languages. The nearest of each group, and the nearest of all other languages,
                are found each on their own, so that none crowds another out; empty means all together.
            limit: how many of each at the most.

        Returns:
            Candidates in no particular order, each with both measures.
        """
        lexical = query_vector(text, language=text_language)
        if not collection_ids or (vector is None and not lexical.indices):
            return []
        allowed = _allowed(collection_ids, languages, kinds, tags, uploaded_since)
        similarities: dict[str, float] = {}
        matches: dict[str, float] = {}
        lanes: list[_Lane] = []
        if vector is not None:
            near = _measure(vector.tolist(), DENSE)
            lanes += [_Lane(near, similarities, pool, language) for pool, language in _pools(allowed, apart)]
        if lexical.indices:
            alike = _measure({"indices": lexical.indices, "values": lexical.values}, LEXICAL)
            lanes.append(_Lane(alike, matches, {"must": allowed}))
        language_of: dict[str, str] = {}
        with _wrapped():
            try:
                for lane, points in zip(lanes, self._search(lanes, limit=limit), strict=True):
                    for point in points:
                        lane.scores[point["id"]] = point["score"]
                        language_of[point["id"]] = lane.language or (point["payload"] or {}).get("language", "")
                # The other measure of what only one found: of these points alone, which is much less than of all.
                missing = [
                    _Lane(lane.measure, lane.scores, {"must": [{"has_id": sorted(unmeasured)}]}, "known")
                    for lane in (lanes[0], lanes[-1])
                    if (unmeasured := language_of.keys() - lane.scores.keys())
                ]
                for lane, points in zip(missing, self._search(missing, limit=len(language_of)), strict=True):
                    lane.scores.update({point["id"]: point["score"] for point in points})
                point_count = self._point_count()
            except UnexpectedResponse as exc:
                if exc.status_code == http.HTTPStatus.NOT_FOUND:
                    return []  # nothing has been indexed yet
                raise
        term_count = len(lexical.indices)
        return [
            Candidate(
                uuid.UUID(point_id),
                similarities.get(point_id, 0.0),
                term_share(matches.get(point_id, 0.0), term_count=term_count, point_count=point_count),
                language,
            )
            for point_id, language in language_of.items()
        ]

    def vectors(self, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, NDArray[np.float32]]:
        """Return the stored vectors of those points that exist, each ``(dimensions,)`` float32, unit L2 norm."""
        found: dict[uuid.UUID, NDArray[np.float32]] = {}
        with _wrapped():
            for start in range(0, len(ids), RETRIEVE_BATCH_POINTS):
                batch = [str(item) for item in ids[start : start + RETRIEVE_BATCH_POINTS]]
                try:
                    records = self._client.retrieve(self.name, batch, with_payload=False, with_vectors=[DENSE])
                except UnexpectedResponse as exc:
                    if exc.status_code == http.HTTPStatus.NOT_FOUND:
                        return {}
                    raise
                for record in records:
                    if isinstance(record.vector, dict):
                        found[uuid.UUID(str(record.id))] = np.array(record.vector[DENSE], dtype=np.float32)
        return found

    def delete_document(
        self, document_id: uuid.UUID, *, up_to_run: int | None = None, keep_ids: Sequence[uuid.UUID] = ()
    ) -> None:
        """Delete the points of a document.

        Args:
            document_id: whose points.
            up_to_run: spare what later runs wrote; None spares nothing.
            keep_ids: spare these.
        """
        must: list[models.Condition] = [_any_of("document_id", [str(document_id)])]
        if up_to_run is not None:
            must.append(models.FieldCondition(key="run", range=models.Range(lte=up_to_run)))
        must_not: list[models.Condition] = []
        if keep_ids:
            must_not.append(models.HasIdCondition(has_id=[str(item) for item in keep_ids]))
        condition = models.Filter(must=must, must_not=must_not or None)
        with _wrapped():
            try:
                self._client.delete(self.name, points_selector=models.FilterSelector(filter=condition), wait=True)
            except UnexpectedResponse as exc:
                if exc.status_code != http.HTTPStatus.NOT_FOUND:
                    raise

    def set_tags(self, document_id: uuid.UUID, tags: Sequence[str]) -> None:
        """Give the points of a document these tags, by key, and no others; a collection that is gone is left alone."""
        condition = models.Filter(must=[_any_of("document_id", [str(document_id)])])
        with _wrapped():
            try:
                # A collection made before there were tags has no index for them.
                self._complete(self._client.get_collection(self.name))
                self._client.set_payload(self.name, payload={"tags": list(tags)}, points=condition, wait=True)
            except UnexpectedResponse as exc:
                if exc.status_code != http.HTTPStatus.NOT_FOUND:
                    raise

    def count(self, document_id: uuid.UUID | None = None) -> int:
        """Return the exact number of points, of one document or of all; 0 where nothing is indexed yet."""
        condition = models.Filter(must=[_any_of("document_id", [str(document_id)])]) if document_id else None
        with _wrapped():
            try:
                return self._client.count(self.name, count_filter=condition, exact=True).count
            except UnexpectedResponse as exc:
                if exc.status_code == http.HTTPStatus.NOT_FOUND:
                    return 0
                raise

    def point_alias(self, alias: str) -> None:
        """Let an alias name this collection from now on, in one step."""
        action = models.CreateAliasOperation(
            create_alias=models.CreateAlias(collection_name=self.name, alias_name=alias)
        )
        with _wrapped():
            self._client.update_collection_aliases([action])

    def dimensions(self) -> int:
        """Return the length of the vectors in the collection; 0 where nothing is indexed yet."""
        with _wrapped():
            if not self._client.collection_exists(self.name):
                return 0
            vectors = self._client.get_collection(self.name).config.params.vectors
        params = vectors.get(DENSE) if isinstance(vectors, dict) else None
        return params.size if params else 0

    def drop(self) -> None:
        """Delete the whole collection; doing it twice is no error."""
        with _wrapped():
            self._client.delete_collection(self.name)

    def _create(self, dimensions: int) -> None:
        try:
            self._client.create_collection(
                self.name,
                vectors_config={DENSE: models.VectorParams(size=dimensions, distance=models.Distance.COSINE)},
                sparse_vectors_config={LEXICAL: models.SparseVectorParams(modifier=models.Modifier.IDF)},
            )
        except UnexpectedResponse as exc:
            # Another worker may have been quicker; anything else comes again when the collection is looked at.
            if exc.status_code not in (http.HTTPStatus.CONFLICT, http.HTTPStatus.BAD_REQUEST):
                raise

    def _complete(self, info: models.CollectionInfo) -> None:
        """Create the payload indexes that the collection lacks; each is a write, also where it stands."""
        for field, schema in PAYLOAD_INDEXES.items():
            if field not in info.payload_schema:
                self._client.create_payload_index(self.name, field, field_schema=schema, wait=True)

    def _search(self, lanes: "Sequence[_Lane]", *, limit: int) -> list[list[JsonObject]]:
        """Return the points of each lane as the store writes them, with their language where it is not known.

        Not by `query_batch_points`: to copy and check some hundred objects takes it longer than the store searches.
        """
        if not lanes:
            return []
        searches = ",".join(
            f'{{{lane.measure},"filter":{json.dumps(lane.pool)},"limit":{limit},'
            f'"with_payload":{"false" if lane.language else _LANGUAGE_ALONE}}}'
            for lane in lanes
        )
        answer = self._client.http.client.request(
            type_=dict[str, Any],
            method="POST",
            url="/collections/{collection_name}/points/query/batch",
            path_params={"collection_name": self.name},
            headers={"Content-Type": "application/json"},
            content=f'{{"searches":[{searches}]}}',
        )
        return [found["points"] for found in answer["result"]]

    def _point_count(self) -> int:
        """Return about how many points there are, asked for once in a while."""
        now = time.monotonic()
        if now > self._counted_until:
            self._counted = self._client.count(self.name, exact=False).count
            self._counted_until = now + COUNT_LIFETIME_S * min(1.0, self._counted / LARGE_INDEX_POINTS)
        return self._counted


def _payload(point: Point) -> JsonObject:
    return {
        "document_id": str(point.document_id),
        "collection_id": str(point.collection_id),
        "language": point.language,
        "run": point.run,
        "kind": point.kind,
        "uploaded_at": point.uploaded_at,
        "tags": list(point.tags),
    }


def _allowed(
    collection_ids: Collection[int],
    languages: Collection[str],
    kinds: Collection[str],
    tags: Collection[str],
    uploaded_since: int | None,
) -> list[JsonObject]:
    """Return the conditions that all of a search has to meet."""
    allowed = [_is_any("collection_id", [str(item) for item in sorted(collection_ids)])]
    wanted = {"language": languages, "kind": kinds, "tags": tags}
    allowed += [_is_any(key, sorted(values)) for key, values in wanted.items() if values]
    if uploaded_since is not None:
        allowed.append({"key": "uploaded_at", "range": {"gte": uploaded_since}})
    return allowed


def _measure(query: object, using: str) -> str:
    """Return the members of a search that say how near points are to a question, written once for all lanes."""
    return f'"query":{json.dumps(query)},"using":"{using}"'


def _pools(allowed: list[JsonObject], apart: Sequence[Collection[str]]) -> list[tuple[JsonObject, str]]:
    """Return a filter for each group of languages with one of them, and one for all others."""
    groups = [(_is_any("language", sorted(group)), min(group)) for group in apart]
    rest: JsonObject = {"must": allowed}
    if groups:
        rest["must_not"] = [group for group, _language in groups]
    return [*(({"must": [*allowed, group]}, language) for group, language in groups), (rest, "")]


def _is_any(key: str, values: Sequence[str]) -> JsonObject:
    return {"key": key, "match": {"any": list(values)}}


def _any_of(key: str, values: Sequence[str]) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchAny(any=list(values)))


@contextmanager
def _wrapped() -> Iterator[None]:
    try:
        yield
    except UnexpectedResponse as exc:
        detail = f"HTTP {exc.status_code}: {exc.content.decode('utf-8', 'replace')[:500]}"
        status = exc.status_code or 0
        if status in (http.HTTPStatus.TOO_MANY_REQUESTS, http.HTTPStatus.REQUEST_TIMEOUT) or status >= 500:
            raise VectorStoreUnavailableError("vector_store_unavailable", detail) from exc
        if status in (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN):
            raise VectorStoreRefusedError("vector_store_key_refused", detail) from exc
        raise VectorStoreRefusedError("vector_store_refused", detail) from exc
    except ResourceExhaustedResponse as exc:  # 429 with a Retry-After
        raise VectorStoreUnavailableError("vector_store_unavailable", str(exc)) from exc
    except (ResponseHandlingException, ApiException) as exc:
        raise VectorStoreUnavailableError("vector_store_unreachable", str(exc)) from exc
    except ValueError as exc:
        # Another program answers, or a proxy's page: what is asked meanwhile waits, as while nothing answers.
        raise VectorStoreUnavailableError("vector_store_refused", f"no answer of Qdrant's: {exc}") from exc
