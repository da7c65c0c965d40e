"""Our side of the comparison: the ordinary upload, indexing and search."""

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.db import connection

from searchapp.models import Document
from searchapp.parsing import ParseLimits, parse
from searchapp.services import collections, documents, indexing, searching
from searchapp.services.collections import CollectionSpec
from searchapp.services.evaluating import Item


class Ours:
    """A collection of its own; ``languages`` is filled by `index`."""

    def __init__(self, slug: str) -> None:
        self._collection = collections.create_collection(CollectionSpec(slug, slug), owner=None)
        self._viewer = User(username="benchmark", is_active=True, is_superuser=True)
        self._items = defaultdict[UUID, list[str]](list)
        self.languages: dict[str, str] = {}

    def index(self, items: Sequence[Item]) -> None:
        """Take in all documents and wait until they can be found.

        Raises:
            RuntimeError: one of them cannot be indexed.
        """
        for item in items:
            content = item.text.encode() if item.path is None else item.path.read_bytes()
            upload = documents.create_document(
                self._collection,
                ContentFile(content),
                source_name=item.source_name,
                declared_language=item.language,
            )
            self._items[upload.document.pk].append(item.id)
        with ThreadPoolExecutor(settings.WORKER_THREADS) as workers:
            list(workers.map(_index, self._items))
        declared = {item.id: item.language for item in items}
        rows = self._collection.documents.values_list("pk", "status", "language", "source_name", "error_code")
        for pk, status, language, source_name, error_code in rows:
            if status != Document.Status.READY:
                raise RuntimeError(f"{source_name} is {status} {error_code}")
            self.languages |= {item: declared[item] or language for item in self._items[pk]}

    def search(self, question: str, *, language: str | None, limit: int) -> list[str]:
        """Return the documents of the best passages, best first."""
        result = searching.search(
            question,
            self._viewer,
            collections=[self._collection.slug],
            languages=[language] if language else [],
            limit=limit,
            is_highlighted=False,
        )
        return [item for hit in result.hits for item in self._items[hit.document_id]]


def _index(document_id: UUID) -> None:
    try:
        indexing.index_document(document_id)
    finally:
        connection.close()


def plain_text(item: Item) -> str:
    """Return the text of a document as the site reads it from the file, which all peers are given."""
    if item.path is None:
        return item.text
    limits = ParseLimits(timeout_s=settings.PARSE_TIMEOUT_S, max_memory_bytes=settings.PARSE_MEMORY_BYTES)
    blocks = parse(Path(item.path), source_name=item.source_name, limits=limits).blocks
    return "\n\n".join("\n".join(filter(None, (block.question, block.text))) for block in blocks)
