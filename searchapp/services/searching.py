"""The way of a question to ranked passages.

clean -> find its language -> which generation of the index answers -> embed with the instruction
-> points that the viewer may see: the nearest in each language on its own, and those that share its words
-> rank -> join to live rows -> keep one document from filling the page -> find the part that answers

Without the embedding service the words alone answer, and the result says so.
"""

import logging
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Collection as AbstractCollection
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from functools import cache

import numpy as np
from django.conf import settings
from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from numpy.typing import NDArray

from searchapp.backends import (
    ModelChangedError,
    configured_embedder,
    get_embedder,
    get_index,
    get_profile,
    get_reranker,
)
from searchapp.embedding import (
    TASKS,
    Embedder,
    EmbeddingBusyError,
    EmbeddingRefusedError,
    EmbeddingUnavailableError,
)
from searchapp.errors import IsoglossError, PermanentError
from searchapp.index import Candidate
from searchapp.language import SUPPORTED_LANGUAGES, UNDETERMINED, clean_text, detect, primary_language, sentences
from searchapp.models import Chunk, Document, IndexGeneration
from searchapp.ranking import (
    NOISE_RANKS,
    UNBALANCED,
    Evidence,
    Surroundings,
    Weights,
    best_span,
    first_of_equals,
    limit_per_group,
    relevances,
    surroundings,
)
from searchapp.reranking import RerankFailedError
from searchapp.services import generations, history, query_cache
from searchapp.services.collections import Viewer, visible_to
from searchapp.services.tags import tag_key, tag_names
from searchapp.stopwatch import part

logger = logging.getLogger(__name__)

# What is fetched beyond the wish, for hits that fall to the join or to the limit per document.
OVERFETCH = 3
PASSAGES_PER_DOCUMENT = 3
# The language of a shorter question is a guess: no one is told that the model does not know it.
SURE_LANGUAGE_CHARACTERS = 12
# What is read beyond the wish, for hits that turn out to be nearly the same as others.
FOLD_RESERVE = 10
# So many languages are searched each on their own, those with the most documents; the rest share one lane.
MAX_LANGUAGE_LANES = 12
# So long a site of so many documents believes to know which languages there are, a smaller one for less: a new one
# is found meanwhile in the lane that the rest share.
LANGUAGES_LIFETIME_S = 60.0
LARGE_SITE_DOCUMENTS = 1_000
# A passage shorter than this is shown whole anyway.
HIGHLIGHT_MIN_CHARACTERS = 60
HIGHLIGHT_MAX_SENTENCES = 200
# Rows are read of so many passages for each hit wanted, the best ones, and of more only where these do not suffice.
ROWS_PER_HIT = 3
# So many of the best passages go to a reranker; each costs it a run of its model.
RERANK_PASSAGES = 30


class QueryRejectedError(PermanentError):
    """Raise for a question that cannot be asked: ``query_empty``, ``query_too_long``."""


class Lanes(StrEnum):
    """Say by what passages are found."""

    HYBRID = "hybrid"
    DENSE = "dense"
    LEXICAL = "lexical"


class Mode(StrEnum):
    """Say what a person wants to see first."""

    BEST = "best"
    OWN_FIRST = "own-first"
    EACH_LANGUAGE = "each-language"


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """Which parts of the search take part. The site uses the defaults; measurements leave parts out.

    ``is_balanced``: whether each language is searched on its own, and its noise and the advantage of the
    question's own language are taken off.
    """

    lanes: Lanes = Lanes.HYBRID
    is_balanced: bool = True


PRODUCT_OPTIONS = SearchOptions()


@dataclass(frozen=True, slots=True)
class _Filters:
    """What passages may be found in, beside their collection; what is empty asks for nothing."""

    languages: tuple[str, ...]
    kinds: tuple[str, ...]
    tags: tuple[str, ...]
    uploaded_since: date | None

    @property
    def first_second(self) -> int | None:
        """Return when the first day begins in the site's time zone, in seconds since 1970."""
        if self.uploaded_since is None:
            return None
        midnight = datetime.combine(self.uploaded_since, datetime.min.time())
        return int(timezone.make_aware(midnight).timestamp())


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another document that says the same as a hit: in another language, or nearly word for word."""

    document_id: uuid.UUID
    title: str
    language: str
    ordinal: int


@dataclass(frozen=True, slots=True)
class Hit:
    """One passage that answers, with all that is needed to show it.

    ``score`` is what hits are ranked by (`searchapp.ranking.relevances`), ``evidence`` what it is made of; those with a
    ``rerank_score`` are ranked by that and come first;
    ``highlight`` the span in ``text`` that answers best.
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
    evidence: Evidence
    tags: tuple[str, ...] = ()
    highlight: tuple[int, int] | None = None
    elsewhere: tuple[Elsewhere, ...] = ()
    rerank_score: float | None = None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The ranked hits of one question.

    ``is_answered`` tells whether one of the best hits is a good answer, as far as that is known for the
    model; ``degraded`` is the error code of the embedding service where words alone answered, else empty.
    ``is_language_known`` is false where the model was not trained on the question's language, so that answers in
    other words may be missing.
    """

    query: str
    query_language: str
    took_ms: int
    hits: tuple[Hit, ...]
    is_answered: bool
    degraded: str
    is_language_known: bool = True


def search(
    query: str,
    viewer: Viewer,
    *,
    collections: AbstractCollection[str] = (),
    languages: AbstractCollection[str] = (),
    kinds: AbstractCollection[str] = (),
    tags: AbstractCollection[str] = (),
    uploaded_since: date | None = None,
    limit: int = 10,
    mode: Mode = Mode.BEST,
    is_folded: bool = False,
    is_highlighted: bool = True,
    options: SearchOptions = PRODUCT_OPTIONS,
    generation: IndexGeneration | None = None,
) -> SearchResult:
    """Find the passages that answer a question, whatever language they are in.

    Args:
        query: the question, in any language.
        viewer: only what this person may see is found.
        collections: slugs to search in; empty means all that the viewer may see.
        languages: passages in these languages only; empty means any.
        kinds: passages of these types of files only (`Document.kind`); empty means any.
        tags: passages of documents with one of these tags only, however they are written; empty means any.
        uploaded_since: passages of files uploaded on this day or later only.
        limit: number of hits wanted, cut to 1..100.
        mode: the best answers in whatever language, those in the question's language first, or the best of
            each language.
        is_folded: whether what says the same is one hit: other languages of a text, and texts that are nearly
            the same. The hit names the others.
        is_highlighted: whether to look for the answering sentence of each hit.
        options: which parts of the search take part.
        generation: which generation of the index answers; None means the live one. All of an answer comes from one,
            also while another goes live.

    Raises:
        QueryRejectedError: the question is empty or too long.
        EmbeddingUnavailableError, EmbeddingBusyError, EmbeddingRefusedError: the embedding service, where the
            options want vectors alone. Otherwise words alone answer.
        ModelChangedError: no service has the model of the index; likewise.
        VectorStoreUnavailableError, VectorStoreRefusedError: the vector store.
        PermanentError: the vector store is not configured.
    """
    started = time.monotonic()
    if len(query) > settings.MAX_QUERY_CHARACTERS:
        raise QueryRejectedError("query_too_long", f"{len(query)} characters")
    with part("clean"):
        text = clean_text(query)
    if not text:
        raise QueryRejectedError("query_empty")
    limit = max(1, min(limit, settings.MAX_SEARCH_LIMIT))
    targets = _by_instruction(viewer, collections)
    answering = generation or generations.live_row() or generations.adopted()
    embedder, vectors, degraded = _embed(answering, text, targets, options.lanes)
    with part("detect"):
        query_language = detect(text, languages=settings.SITE_LANGUAGES or None)
    question = _Question(
        text=text,
        words="" if options.lanes is Lanes.DENSE else text,
        vectors=vectors,
        language=query_language,
        is_balanced=options.is_balanced and bool(vectors),
        is_reranked=options == PRODUCT_OPTIONS,
    )
    hits: list[Hit] = []
    is_answered = not vectors
    if answering is None:
        generations.ask_vector_store()  # that nothing is found is only true if there is something that could be asked
    else:
        filters = _Filters(tuple(languages), tuple(kinds), tuple(map(tag_key, tags)), uploaded_since)
        hits, around = _find(answering, question, targets, filters=filters, mode=mode, is_folded=is_folded, limit=limit)
        best_first = sorted(hits, key=lambda hit: -hit.score)
        best = [(hit.evidence, hit.score) for hit in best_first]
        is_answered = not vectors or get_profile(answering).has_answer(
            best, around, language=primary_language(query_language)
        )
    if is_highlighted and vectors and embedder is not None:
        hits = _highlight(embedder, hits, vectors)
    took_ms = round((time.monotonic() - started) * 1000)
    logger.info("search", extra={"hits": len(hits), "language": query_language, "took_ms": took_ms})
    return SearchResult(
        text,
        query_language,
        took_ms,
        tuple(hits),
        is_answered,
        degraded,
        is_language_known=embedder is None or _knows(embedder, text, query_language),
    )


@dataclass(frozen=True, slots=True)
class MarkedPassage:
    """A passage with the span in its ``text`` that answers best, None where that is not known."""

    chunk_id: uuid.UUID
    text: str
    highlight: tuple[int, int] | None


def mark_passages(query: str, viewer: Viewer, chunk_ids: Sequence[uuid.UUID]) -> list[MarkedPassage]:
    """Find the sentence that answers in each passage, for hits that are shown already.

    Args:
        query: the question, as it was searched for.
        viewer: passages that this person may not see are left out.
        chunk_ids: of passages, as hits name them.

    Returns:
        The passages that have a row, unmarked where the embedding service does not answer in time.
    """
    text = clean_text(query[: settings.MAX_QUERY_CHARACTERS])
    answering = generations.live_row()
    if not text or answering is None:
        return []
    embedder, vectors, _degraded = _embed(answering, text, _by_instruction(viewer, ()), Lanes.HYBRID)
    if embedder is None or not vectors:
        return []
    rows = Chunk.objects.filter(document__collection__in=visible_to(viewer), pk__in=list(chunk_ids)).order_by()
    texts = dict(rows.values_list("pk", "text"))
    spans = _spans(embedder, list(texts.values()), next(iter(vectors.values())))
    return [MarkedPassage(pk, passage, span) for (pk, passage), span in zip(texts.items(), spans, strict=True)]


def keep_query(result: SearchResult, collections: AbstractCollection[str] = ()) -> None:
    """Keep a question that was answered, to ask it again of a new index; costs the answer nothing."""
    history.note_query(result.query, result.query_language, collections=list(collections))


def _knows(embedder: Embedder, text: str, language: str) -> bool:
    """Return whether a model was trained on a question's language, as far as its service tells."""
    if not embedder.languages or language == UNDETERMINED or len(text) < SURE_LANGUAGE_CHARACTERS:
        return True
    return primary_language(language) in map(primary_language, embedder.languages)


@part("access")
def _by_instruction(viewer: Viewer, slugs: AbstractCollection[str]) -> dict[str, list[int]]:
    """Return the ids of the collections to search, by the instruction that questions to them take."""
    rows = visible_to(viewer)
    if slugs:
        rows = rows.filter(slug__in=list(slugs))
    targets: dict[str, list[int]] = defaultdict(list)
    for pk, task, instruction in rows.values_list("pk", "task", "instruction"):
        targets[instruction or TASKS[task]].append(pk)
    return dict(targets)


@part("embed")
def _embed(
    answering: IndexGeneration | None, text: str, targets: dict[str, list[int]], lanes: Lanes
) -> tuple[Embedder | None, dict[str, NDArray[np.float32]], str]:
    """Return the question's vector for each instruction and who made it, or neither and the reason."""
    if lanes is Lanes.LEXICAL:
        return None, {}, ""
    try:
        if answering is not None and answering.error_code == "index_model_drifted":
            raise ModelChangedError(answering.error_code, f"other weights answer to {answering.model}")
        embedder = get_embedder(answering) if answering is not None else configured_embedder()
        vectors = query_cache.embed_query(embedder, text, instructions=list(targets))
        if answering is not None:
            generations.check_seen_weights(answering, embedder)
        return embedder, vectors, ""
    except IsoglossError as exc:
        if lanes is Lanes.DENSE:
            raise
        logger.warning("words alone answer a question: %s", exc)
        return None, {}, exc.code


@dataclass(frozen=True, slots=True)
class _Question:
    """A question as the index takes it: its words, its vector for each instruction, none where words answer alone."""

    text: str
    words: str
    vectors: dict[str, NDArray[np.float32]]
    language: str
    is_balanced: bool
    is_reranked: bool

    @property
    def own_languages(self) -> frozenset[str]:
        """Return the languages that it counts as its own."""
        return _alike(self.language)


@dataclass(frozen=True, slots=True)
class _Scored:
    """A passage as the index found it, with what it is ranked by."""

    chunk_id: uuid.UUID
    evidence: Evidence
    score: float


@dataclass(frozen=True, slots=True)
class _Ranked:
    """A live passage in its place, before all that is shown of it is read."""

    chunk_id: uuid.UUID
    document_id: uuid.UUID
    is_faq: bool
    twins: uuid.UUID | None
    evidence: Evidence
    score: float
    rerank_score: float | None = None


@part("group")
def _find(
    generation: IndexGeneration,
    question: _Question,
    targets: dict[str, list[int]],
    *,
    filters: _Filters,
    mode: Mode,
    is_folded: bool,
    limit: int,
) -> tuple[list[Hit], Surroundings]:
    """Return the live hits in the order of the mode, and what else was found.

    A document that is replaced between the index's answer and the join leaves a candidate without a
    row; its new passages are then in the index, so asking once more finds them.
    """
    apart = _languages_apart(question, filters.languages) if question.is_balanced else []
    live = Chunk.objects.filter(
        document__collection__in=[pk for ids in targets.values() for pk in ids], chunking=generation.chunking
    )
    index, weights = get_index(generation), get_profile(generation).weights if question.is_balanced else UNBALANCED
    hits: list[Hit] = []
    for _attempt in range(2):
        candidates: list[Candidate] = []
        for instruction, collection_ids in targets.items():
            with part("index"):
                candidates += index.query(
                    question.vectors.get(instruction),
                    question.words,
                    collection_ids=collection_ids,
                    text_language=question.language,
                    languages=filters.languages,
                    kinds=filters.kinds,
                    tags=filters.tags,
                    uploaded_since=filters.first_second,
                    apart=apart,
                    limit=max(limit * OVERFETCH, NOISE_RANKS.stop),
                )
        wanted = limit + (FOLD_RESERVE if is_folded else 0)
        ordered, around = _rank(candidates, question, weights)
        shown, is_whole = _choose(ordered, live, question, mode=mode, is_folded=is_folded, wanted=wanted)
        hits = _read(shown, live)
        if is_whole and len(hits) == len(shown):
            break
    if is_folded:
        hits = _with_twins(_without_duplicates(hits)[:limit], shown, live)
    return hits, around


_languages_known: tuple[float, list[str]] = (0.0, [])


@part("languages")
def _languages_apart(question: _Question, wanted: AbstractCollection[str]) -> list[frozenset[str]]:
    """Return the languages to search each on their own: the question's, and those with the most documents."""
    global _languages_known
    until, known = _languages_known
    if time.monotonic() > until:
        rows = Document.objects.filter(live_version__isnull=False).order_by()
        counts = Counter(dict(rows.values_list("language").annotate(number=Count("pk"))))
        known = [language for language, _number in counts.most_common()]
        lifetime_s = LANGUAGES_LIFETIME_S * min(1.0, counts.total() / LARGE_SITE_DOCUMENTS)
        _languages_known = (time.monotonic() + lifetime_s, known)
    groups = [question.own_languages, *(_alike(code) for code in known)]
    return [group for group in dict.fromkeys(groups) if not wanted or group & set(wanted)][:MAX_LANGUAGE_LANES]


@cache
def _alike(language: str) -> frozenset[str]:
    """Return the languages that count as one with this: both ways to write Chinese do."""
    return frozenset(
        code for code in (language, *SUPPORTED_LANGUAGES) if primary_language(code) == primary_language(language)
    )


@part("rank")
def _rank(candidates: Sequence[Candidate], question: _Question, weights: Weights) -> tuple[list[_Scored], Surroundings]:
    """Return the candidates, best first, and what they say of each other."""
    evidence = [
        Evidence(
            candidate.similarity,
            candidate.term_share,
            primary_language(candidate.language),
            candidate.language in question.own_languages,
        )
        for candidate in candidates
    ]
    scores = relevances(evidence, weights)
    found = [
        _Scored(candidate.id, passage, score)
        for candidate, passage, score in zip(candidates, evidence, scores, strict=True)
    ]
    return sorted(found, key=lambda passage: -passage.score), surroundings(evidence, scores)


def _choose(
    ordered: Sequence[_Scored],
    live: QuerySet[Chunk],
    question: _Question,
    *,
    mode: Mode,
    is_folded: bool,
    wanted: int,
) -> tuple[list[_Ranked], bool]:
    """Return the passages to show, in the order of the mode, and whether all that were looked at have a row.

    They are those that come of all rows, without all being read: most candidates only tell how near a language is.
    """
    # The other orders, and a reranker, may bring any passage to the front.
    is_all_read = mode is not Mode.BEST or (question.is_reranked and get_reranker() is not None)
    first = len(ordered) if is_all_read else wanted * ROWS_PER_HIT
    while True:
        best = ordered[:first]
        # In place of a passage may stand its version in the question's language, which may be further down.
        versions = [passage for passage in ordered[first:] if passage.evidence.is_own_language] if is_folded else []
        ranked = _join([*best, *versions], live)
        arranged = _arrange(_rerank(ranked, live, question), mode, is_folded=is_folded)
        sure = {passage.chunk_id for passage in best}
        if first >= len(ordered) or sum(passage.chunk_id in sure for passage in arranged) >= wanted:
            return arranged[:wanted], len(ranked) == len(best) + len(versions)
        first *= ROWS_PER_HIT


@part("join")
def _join(scored: Sequence[_Scored], live: QuerySet[Chunk]) -> list[_Ranked]:
    """Return those passages that have a row."""
    fields = ("pk", "document_id", "is_faq", "twins", "document__twins")
    rows = live.filter(pk__in=[passage.chunk_id for passage in scored]).order_by()
    by_id = {row[0]: row[1:] for row in rows.annotate(is_faq=~Q(question="")).values_list(*fields)}
    ranked: list[_Ranked] = []
    for passage in scored:
        if passage.chunk_id in by_id:
            document_id, is_faq, row_twins, document_twins = by_id[passage.chunk_id]
            twins = row_twins if is_faq else document_twins
            ranked.append(_Ranked(passage.chunk_id, document_id, is_faq, twins, passage.evidence, passage.score))
    return ranked


@part("rerank")
def _rerank(ranked: list[_Ranked], live: QuerySet[Chunk], question: _Question) -> list[_Ranked]:
    """Return the passages with the first ones in the order of the reranker; as they are without its answer in time."""
    reranker = get_reranker() if question.is_reranked else None
    if reranker is None or not ranked:
        return ranked
    chunks = live.in_bulk([passage.chunk_id for passage in ranked[:RERANK_PASSAGES]])
    first = [passage for passage in ranked[:RERANK_PASSAGES] if passage.chunk_id in chunks]
    texts = [_whole_text(chunks[passage.chunk_id]) for passage in first]
    try:
        scores = reranker.scores(question.text, texts, budget_s=settings.RERANK_TIMEOUT_MS / 1000)
    except RerankFailedError as exc:
        logger.warning("hits stay in their order: %s", exc)
        return ranked
    judged = [replace(passage, rerank_score=score) for passage, score in zip(first, scores, strict=True)]
    judged.sort(key=lambda passage: -(passage.rerank_score or 0.0))
    return judged + ranked[RERANK_PASSAGES:]


def _whole_text(chunk: Chunk) -> str:
    return "\n".join(part for part in (" › ".join(chunk.heading_path), chunk.question, chunk.text) if part)


def _arrange(ranked: list[_Ranked], mode: Mode, *, is_folded: bool) -> list[_Ranked]:
    """Return the passages in the order of a mode, without those that would only fill the page."""
    # The rows of a FAQ are answers of their own; the passages of a text are parts of one.
    kept = limit_per_group(
        ranked, lambda passage: None if passage.is_faq else passage.document_id, most=PASSAGES_PER_DOCUMENT
    )
    if mode is Mode.OWN_FIRST:
        kept.sort(key=lambda passage: not passage.evidence.is_own_language)
    if mode is Mode.EACH_LANGUAGE:
        return limit_per_group(kept, lambda passage: passage.evidence.language, most=1)
    return _fold_twins(kept) if is_folded else kept


def _fold_twins(ranked: list[_Ranked]) -> list[_Ranked]:
    """Return the passages with one version of each text, where the best of its versions stands.

    That is the version in the question's language if there is one, for that is what the person reads.
    """
    versions: dict[uuid.UUID, list[_Ranked]] = defaultdict(list)
    for passage in ranked:
        if passage.twins:
            versions[passage.twins].append(passage)
    shown = {
        twins: min(passages, key=lambda passage: not passage.evidence.is_own_language).document_id
        for twins, passages in versions.items()
    }
    folded: dict[uuid.UUID, _Ranked] = {}
    for passage in ranked:
        if passage.twins is None:
            folded.setdefault(passage.chunk_id, passage)
            continue
        same = [version for version in versions[passage.twins] if version.document_id == shown[passage.twins]]
        folded.setdefault(same[0].chunk_id, same[0])
        if passage.document_id == shown[passage.twins]:
            folded.setdefault(passage.chunk_id, passage)
    return list(folded.values())


def _without_duplicates(hits: list[Hit]) -> list[Hit]:
    """Return the hits without those of other documents that are nearly the same as one before, which names them."""
    firsts = first_of_equals([f"{hit.question}\n{hit.text}" for hit in hits])
    folded: dict[int, list[Elsewhere]] = defaultdict(list)
    for position, first in enumerate(firsts):
        if hits[first].document_id != hits[position].document_id:
            folded[first].append(_elsewhere(hits[position]))
    return [
        replace(hit, elsewhere=tuple(folded[position]))
        for position, hit in enumerate(hits)
        if firsts[position] == position or hits[firsts[position]].document_id == hit.document_id
    ]


def _elsewhere(hit: Hit) -> Elsewhere:
    return Elsewhere(hit.document_id, hit.title, hit.language, hit.ordinal)


def _with_twins(hits: list[Hit], ranked: Sequence[_Ranked], live: QuerySet[Chunk]) -> list[Hit]:
    """Name with each hit the documents that say the same in other languages."""
    twins_of = {passage.chunk_id: passage.twins for passage in ranked if passage.twins}
    names = {twins for hit in hits if (twins := twins_of.get(hit.chunk_id))}
    if not names:
        return hits
    # The first passage stands for a whole document.
    rows = live.filter(Q(twins__in=names) | Q(document__twins__in=names, question="", ordinal=0))
    found: dict[uuid.UUID, list[Elsewhere]] = defaultdict(list)
    fields = ("document_id", "document__title", "language", "ordinal", "twins", "document__twins")
    for document_id, title, language, ordinal, row_twins, document_twins in rows.order_by("language").values_list(
        *fields
    ):
        found[row_twins or document_twins].append(Elsewhere(document_id, title, language, ordinal))
    return [
        replace(
            hit,
            elsewhere=(
                *hit.elsewhere,
                *(
                    place
                    for place in found.get(twins, ())
                    if place.document_id not in {hit.document_id, *(other.document_id for other in hit.elsewhere)}
                ),
            ),
        )
        if (twins := twins_of.get(hit.chunk_id))
        else hit
        for hit in hits
    ]


@part("join")
def _read(ranked: Sequence[_Ranked], live: QuerySet[Chunk]) -> list[Hit]:
    """Return the hits for what is still there of the passages."""
    rows = live.filter(pk__in=[passage.chunk_id for passage in ranked]).order_by()
    by_id = {row[0]: row[1:] for row in rows.values_list(*_SHOWN_FIELDS)}
    tags = tag_names({passage.document_id for passage in ranked})
    return [
        _hit(passage, tags.get(passage.document_id, ()), *by_id[passage.chunk_id])
        for passage in ranked
        if passage.chunk_id in by_id
    ]


# In the order in which `_hit` takes them.
_SHOWN_FIELDS = (
    "pk",
    "document__title",
    "document__kind",
    "document__collection__slug",
    "document__collection__name",
    "document__source_name",
    "language",
    "question",
    "text",
    "heading_path",
    "page",
    "ordinal",
)


def _hit(
    passage: _Ranked,
    tags: tuple[str, ...],
    title: str,
    kind: str,
    collection_slug: str,
    collection_name: str,
    source_name: str,
    language: str,
    question: str,
    text: str,
    heading_path: list[str],
    page: int | None,
    ordinal: int,
) -> Hit:
    return Hit(
        chunk_id=passage.chunk_id,
        document_id=passage.document_id,
        title=title,
        kind=kind,
        collection_slug=collection_slug,
        collection_name=collection_name,
        source_name=source_name,
        language=language,
        question=question,
        text=text,
        heading_path=tuple(heading_path),
        page=page,
        ordinal=ordinal,
        score=passage.score,
        evidence=passage.evidence,
        rerank_score=passage.rerank_score,
        tags=tags,
    )


@part("highlight")
def _highlight(embedder: Embedder, hits: list[Hit], vectors: dict[str, NDArray[np.float32]]) -> list[Hit]:
    """Mark the sentence of each long hit that is nearest to the question."""
    spans = _spans(embedder, [hit.text for hit in hits], next(iter(vectors.values())))
    return [replace(hit, highlight=span) for hit, span in zip(hits, spans, strict=True)]


def _spans(embedder: Embedder, passages: Sequence[str], query: NDArray[np.float32]) -> list[tuple[int, int] | None]:
    """Return the span of the sentence nearest to a question for each passage; None for a short one.

    An extra: it has a time of its own, and without an answer in that time there are none.

    Args:
        embedder: client of the service.
        passages: their texts.
        query: ``(dimensions,)`` float32, unit L2 norm.
    """
    nothing: list[tuple[int, int] | None] = [None] * len(passages)
    if not settings.HIGHLIGHT_TIMEOUT_MS:
        return nothing
    spans: list[list[tuple[int, int]]] = []
    texts: list[str] = []
    for passage in passages:
        found = sentences(passage) if len(passage) > HIGHLIGHT_MIN_CHARACTERS else []
        cleaned = [(span, text) for span in found if (text := clean_text(passage[slice(*span)]))]
        if len(cleaned) < 2 or len(texts) + len(cleaned) > HIGHLIGHT_MAX_SENTENCES:
            cleaned = []
        spans.append([span for span, _text in cleaned])
        texts += [text for _span, text in cleaned]
    if not texts:
        return nothing
    try:
        with part("embed-sentences"):
            embedded = embedder.embed_documents(texts, timeout_s=settings.HIGHLIGHT_TIMEOUT_MS / 1000)
    except (EmbeddingUnavailableError, EmbeddingBusyError, EmbeddingRefusedError) as exc:
        logger.info("no highlights: %s", exc)
        return nothing
    marked: list[tuple[int, int] | None] = []
    position = 0
    for found in spans:
        rows = embedded[position : position + len(found)]
        position += len(found)
        marked.append(best_span(query, rows, found) if found else None)
    return marked
