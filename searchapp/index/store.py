"""One Qdrant collection that holds every passage of the site, in the vectors of one model."""

import http
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from searchapp.errors import PermanentError, ServiceUnavailableError

DENSE = "dense"
# Qdrant's advice: 64 to 256 points a request; small ones let searches of the embedded engine in between.
UPSERT_BATCH_POINTS = 64


class VectorStoreUnavailableError(ServiceUnavailableError):
    """Raise when the vector store does not answer, or answers that it cannot serve now."""


class VectorStoreRefusedError(PermanentError):
    """Raise when the vector store refuses a request: a wrong key, a wrong dimension."""


@dataclass(frozen=True, slots=True)
class Point:
    """Name one passage and what searches may filter it by. Its vector travels beside it.

    ``run`` tells which run of indexing the document wrote the point.
    """

    id: uuid.UUID
    document_id: uuid.UUID
    collection_id: int
    language: str
    run: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """Name a passage that the index found; only a live row makes it a hit.

    ``score`` is the cosine similarity in [-1, 1].
    """

    id: uuid.UUID
    score: float


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

    def ensure(self, dimensions: int) -> None:
        """Create the collection with its payload indexes unless it stands.

        Raises:
            VectorStoreRefusedError: it stands with vectors of another length.
        """
        with _wrapped():
            if self._client.collection_exists(self.name):
                found = self._dimensions()
                if found != dimensions:
                    raise VectorStoreRefusedError(
                        "index_dimensions", f"{self.name} holds vectors of {found}, the model gives {dimensions}"
                    )
                return
            try:
                self._client.create_collection(
                    self.name,
                    vectors_config={DENSE: models.VectorParams(size=dimensions, distance=models.Distance.COSINE)},
                )
            except UnexpectedResponse as exc:
                # Another worker may have been quicker; anything else comes again below.
                if exc.status_code not in (http.HTTPStatus.CONFLICT, http.HTTPStatus.BAD_REQUEST):
                    raise
            for field, schema in (
                (
                    "collection_id",
                    models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True),
                ),
                ("document_id", models.PayloadSchemaType.KEYWORD),
                ("language", models.PayloadSchemaType.KEYWORD),
                ("run", models.PayloadSchemaType.INTEGER),
            ):
                self._client.create_payload_index(self.name, field, field_schema=schema, wait=True)

    def upsert(self, points: Sequence[Point], vectors: NDArray[np.float32]) -> None:
        """Store points, replacing those of the same id.

        Args:
            points: n of them.
            vectors: ``(n, dimensions)`` float32, unit L2 norm.
        """
        with _wrapped():
            for start in range(0, len(points), UPSERT_BATCH_POINTS):
                batch = points[start : start + UPSERT_BATCH_POINTS]
                self._client.upsert(
                    self.name,
                    points=[
                        models.PointStruct(id=str(point.id), vector={DENSE: vector.tolist()}, payload=_payload(point))
                        for point, vector in zip(batch, vectors[start:], strict=False)
                    ],
                    wait=True,
                )

    def query(
        self,
        vector: NDArray[np.float32],
        *,
        collection_ids: Collection[int],
        languages: Collection[str] = (),
        limit: int,
    ) -> list[Candidate]:
        """Return the nearest points of the given collections, best first.

        Args:
            vector: ``(dimensions,)`` float32, unit L2 norm.
            collection_ids: what the viewer may see; empty finds nothing.
            languages: only passages in these; empty means any.
            limit: how many at the most.
        """
        if not collection_ids:
            return []
        must: list[models.Condition] = [_any_of("collection_id", [str(item) for item in sorted(collection_ids)])]
        if languages:
            must.append(_any_of("language", sorted(languages)))
        with _wrapped():
            try:
                response = self._client.query_points(
                    self.name,
                    query=vector.tolist(),
                    using=DENSE,
                    query_filter=models.Filter(must=must),
                    limit=limit,
                    with_payload=False,
                )
            except UnexpectedResponse as exc:
                if exc.status_code == http.HTTPStatus.NOT_FOUND:
                    return []  # nothing has been indexed yet
                raise
        return [Candidate(uuid.UUID(str(found.id)), float(found.score)) for found in response.points]

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

    def drop(self) -> None:
        """Delete the whole collection; doing it twice is no error."""
        with _wrapped():
            self._client.delete_collection(self.name)

    def _dimensions(self) -> int:
        vectors = self._client.get_collection(self.name).config.params.vectors
        params = vectors.get(DENSE) if isinstance(vectors, dict) else None
        return params.size if params else 0


def _payload(point: Point) -> dict[str, str | int]:
    return {
        "document_id": str(point.document_id),
        "collection_id": str(point.collection_id),
        "language": point.language,
        "run": point.run,
    }


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
    except (ResponseHandlingException, ApiException) as exc:
        raise VectorStoreUnavailableError("vector_store_unreachable", str(exc)) from exc
