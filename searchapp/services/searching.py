"""The way of a question to ranked passages.

clean -> find its language -> embed with the instruction
-> points that the viewer may see: nearest in its own language, nearest in all others, sharing its words
-> join to live rows -> keep one document from filling the page -> find the part that answers
"""

import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Collection as AbstractCollection
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from searchapp.backends import get_embedder, get_index
from searchapp.embedding import EmbeddingBusyError, EmbeddingRefusedError, EmbeddingUnavailableError
from searchapp.errors import PermanentError
from searchapp.index import Candidate
from searchapp.language import clean_text, detect, sentences
from searchapp.models import Chunk
from searchapp.ranking import best_span, limit_per_group, relevance
from searchapp.services.collections import Viewer, visible_to

logger = logging.getLogger(__name__)

# What is fetched beyond the wish, for hits that fall to the join or to the limit per document.
OVERFETCH = 3
PASSAGES_PER_DOCUMENT = 3
CHINESE = frozenset({"zh", "zh-Hant"})
# A passage shorter than this is shown whole anyway.
HIGHLIGHT_MIN_CHARACTERS = 60
HIGHLIGHT_MAX_SENTENCES = 200


class QueryRejectedError(PermanentError):
    """Raise for a question that cannot be asked: ``query_empty``, ``query_too_long``."""


class Lanes(StrEnum):
    """Say by what passages are found."""

    HYBRID = "hybrid"
    DENSE = "dense"
    LEXICAL = "lexical"


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """Which parts of the search take part. The site uses the defaults; measurements leave parts out.

    ``is_balanced``: whether the question's own language and all others are searched each on their own, and
    the advantage of the own one is taken off.
    """

    lanes: Lanes = Lanes.HYBRID
    is_balanced: bool = True


PRODUCT_OPTIONS = SearchOptions()


@dataclass(frozen=True, slots=True)
class Hit:
    """One passage that answers, with all that is needed to show it.

    ``score`` is its `searchapp.ranking.relevance`; ``highlight`` the span in ``text`` that answers best.
    """

    chunk_id: uuid.UUID
    document_id: uuid.UUID
    title: str
    kind: str
    collection_slug: str
    collection_name: str
    source_name: str
    language: str
    question: str
    text: str
    heading_path: tuple[str, ...]
    page: int | None
    ordinal: int
    score: float
    highlight: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The ranked hits of one question."""

    query: str
    query_language: str
    took_ms: int
    hits: tuple[Hit, ...]


def search(
    query: str,
    viewer: Viewer,
    *,
    collections: AbstractCollection[str] = (),
    languages: AbstractCollection[str] = (),
    limit: int = 10,
    is_highlighted: bool = True,
    options: SearchOptions = PRODUCT_OPTIONS,
) -> SearchResult:
    """Find the passages that answer a question, whatever language they are in.

    Args:
        query: the question, in any language.
        viewer: only what this person may see is found.
        collections: slugs to search in; empty means all that the viewer may see.
        languages: passages in these languages only; empty means any.
        limit: number of hits wanted, cut to 1..100.
        is_highlighted: whether to look for the answering sentence of each hit.
        options: which parts of the search take part.

    Raises:
        QueryRejectedError: the question is empty or too long.
        EmbeddingUnavailableError, EmbeddingBusyError, EmbeddingRefusedError: the embedding service.
        VectorStoreUnavailableError, VectorStoreRefusedError: the vector store.
        PermanentError: one of the two is not configured.
    """
    started = time.monotonic()
    if len(query) > settings.MAX_QUERY_CHARACTERS:
        raise QueryRejectedError("query_too_long", f"{len(query)} characters")
    text = clean_text(query)
    if not text:
        raise QueryRejectedError("query_empty")
    limit = max(1, min(limit, settings.MAX_SEARCH_LIMIT))
    targets = _by_instruction(viewer, collections)
    vectors: dict[str, NDArray[np.float32]] = {}
    if options.lanes is not Lanes.LEXICAL:
        vectors = {instruction: get_embedder().embed_query(text, instruction=instruction) for instruction in targets}
    query_language = detect(text, languages=settings.SITE_LANGUAGES or None)
    # Who chose languages wants no balance between them.
    own = _own_languages(query_language) if options.is_balanced and not languages else frozenset()
    words = "" if options.lanes is Lanes.DENSE else text
    hits = _find(targets, vectors, words, own_languages=own, languages=languages, limit=limit)
    if is_highlighted and vectors:
        hits = _highlight(hits, vectors)
    took_ms = round((time.monotonic() - started) * 1000)
    logger.info("search", extra={"hits": len(hits), "language": query_language, "took_ms": took_ms})
    return SearchResult(text, query_language, took_ms, tuple(hits))


def _by_instruction(viewer: Viewer, slugs: AbstractCollection[str]) -> dict[str, list[int]]:
    """Return the ids of the collections to search, by the instruction that questions to them take."""
    rows = visible_to(viewer)
    if slugs:
        rows = rows.filter(slug__in=list(slugs))
    targets: dict[str, list[int]] = defaultdict(list)
    for pk, instruction in rows.values_list("pk", "instruction"):
        targets[instruction].append(pk)
    return dict(targets)


def _find(
    targets: dict[str, list[int]],
    vectors: dict[str, NDArray[np.float32]],
    words: str,
    *,
    own_languages: AbstractCollection[str],
    languages: AbstractCollection[str],
    limit: int,
) -> list[Hit]:
    """Return the live hits, best first.

    A document that is replaced between the index's answer and the join leaves a candidate without a
    row; its new passages are then in the index, so asking once more finds them.
    """
    hits: list[Hit] = []
    for _attempt in range(2):
        candidates: list[Candidate] = []
        for instruction, collection_ids in targets.items():
            candidates += get_index().query(
                vectors.get(instruction),
                words,
                collection_ids=collection_ids,
                languages=languages,
                balanced=own_languages,
                limit=limit * OVERFETCH,
            )
        hits = _join(candidates, [pk for ids in targets.values() for pk in ids], own_languages=own_languages)
        if len(hits) == len(candidates):
            break
    hits.sort(key=lambda hit: -hit.score)
    # The rows of a FAQ are answers of their own; the passages of a text are parts of one.
    grouped = limit_per_group(hits, lambda hit: None if hit.question else hit.document_id, most=PASSAGES_PER_DOCUMENT)
    return grouped[:limit]


def _own_languages(query_language: str) -> frozenset[str]:
    """Return the languages that a question counts as its own: both ways to write Chinese are one."""
    return CHINESE if query_language in CHINESE else frozenset({query_language})


def _join(
    candidates: Sequence[Candidate], collection_ids: Sequence[int], *, own_languages: AbstractCollection[str]
) -> list[Hit]:
    rows = Chunk.objects.filter(document__collection__in=collection_ids).select_related("document__collection")
    chunks = rows.in_bulk([candidate.id for candidate in candidates])
    return [
        Hit(
            chunk_id=chunk.pk,
            document_id=chunk.document_id,
            title=chunk.document.title,
            kind=chunk.document.kind,
            collection_slug=chunk.document.collection.slug,
            collection_name=chunk.document.collection.name,
            source_name=chunk.document.source_name,
            language=chunk.language,
            question=chunk.question,
            text=chunk.text,
            heading_path=tuple(chunk.heading_path),
            page=chunk.page,
            ordinal=chunk.ordinal,
            score=relevance(
                candidate.similarity, candidate.term_share, is_own_language=chunk.language in own_languages
            ),
        )
        for candidate in candidates
        if (chunk := chunks.get(candidate.id)) is not None
    ]


def _highlight(hits: list[Hit], vectors: dict[str, NDArray[np.float32]]) -> list[Hit]:
    """Mark the sentence of each long hit that is nearest to the question.

    An extra: it has a time of its own, and without an answer in that time the hits stay as they are.
    """
    if not settings.HIGHLIGHT_TIMEOUT_MS or not hits:
        return hits
    query = next(iter(vectors.values()))
    spans: list[list[tuple[int, int]]] = []
    texts: list[str] = []
    for hit in hits:
        found = sentences(hit.text) if len(hit.text) > HIGHLIGHT_MIN_CHARACTERS else []
        found = [(start, end) for start, end in found if clean_text(hit.text[start:end])]
        if len(found) < 2 or len(texts) + len(found) > HIGHLIGHT_MAX_SENTENCES:
            found = []
        spans.append(found)
        texts += [clean_text(hit.text[start:end]) for start, end in found]
    if not texts:
        return hits
    try:
        embedded = get_embedder().embed_documents(texts, timeout_s=settings.HIGHLIGHT_TIMEOUT_MS / 1000)
    except (EmbeddingUnavailableError, EmbeddingBusyError, EmbeddingRefusedError) as exc:
        logger.info("no highlights: %s", exc)
        return hits
    marked: list[Hit] = []
    position = 0
    for hit, found in zip(hits, spans, strict=True):
        rows = embedded[position : position + len(found)]
        position += len(found)
        marked.append(replace(hit, highlight=best_span(query, rows, found)) if found else hit)
    return marked
