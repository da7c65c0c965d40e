"""Ask labelled questions, through the ordinary search."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from searchapp.models import Collection
from searchapp.ranking import Weights
from searchapp.services import searching
from searchapp.services.evaluating.bases import Base, Progress, index_settings, indexed
from searchapp.services.evaluating.runs import RANKED_KEPT, Ranking, Run, Setting
from searchapp.services.evaluating.sets import (
    EvaluationError,
    EvaluationSet,
    Question,
    Unit,
    document_key,
    row_key,
    sha256_of,
)
from searchapp.services.searching import Hit, SearchOptions

# Ten documents are scored; a document may fill three places of a result, the rows of a FAQ file more.
PASSAGES_OF_TEXTS = 30
PASSAGES_OF_FILES = 100

Ask = Callable[[str, Sequence[str]], Sequence[Hit]]
"""Answer a text with hits, best first, in the given languages alone; in all of them if there are none."""

IdsOf = Callable[[Hit], Sequence[str]]
"""Return the ids in the set of the document that a hit is of."""


def evaluate(
    evaluation_set: EvaluationSet,
    *,
    options: SearchOptions = searching.PRODUCT_OPTIONS,
    has_headings: bool = True,
    keep: str = "",
    limit_queries: int | None = None,
    progress: Progress,
) -> Run:
    """Index a set into a collection of its own and ask its questions.

    Args:
        evaluation_set: what to index and ask.
        options: which parts of the search take part.
        has_headings: whether passages know the headings above them.
        keep: name to keep the collection under, as `searchapp.services.evaluating.bases.indexed` has it.
        limit_queries: ask only so many questions, spread evenly over the set.
        progress: called with the step, what is done, and of how many.

    Raises:
        EvaluationError: a document could not be indexed, or another evaluation uses what is kept.
        Errors of `searchapp.services.searching.search`.
    """
    with indexed(evaluation_set, keep=keep, has_headings=has_headings, progress=progress) as base:
        questions = [
            replace(question, relevant={item: base.languages[item] for item in question.relevant})
            for question in evaluation_set.questions
        ]
        is_files = any(item.path for item in evaluation_set.items)
        return run_questions(
            _spread(questions, limit_queries),
            ask_collections(
                [base.collection], limit=PASSAGES_OF_FILES if is_files else PASSAGES_OF_TEXTS, options=options
            ),
            name=evaluation_set.name,
            sha256=evaluation_set.sha256,
            run_settings=current_settings(options, has_headings=has_headings),
            ids_of=_ids_in(base),
            progress=progress,
        )


def evaluate_collections(
    evaluation_set: EvaluationSet,
    collections: Sequence[Collection],
    *,
    options: SearchOptions = searching.PRODUCT_OPTIONS,
    limit_queries: int | None = None,
    progress: Progress,
) -> Run:
    """Ask questions about documents that stand in collections of the site.

    Raises:
        Errors of `searchapp.services.searching.search`.
    """
    return run_questions(
        _spread(evaluation_set.questions, limit_queries),
        ask_collections(collections, limit=PASSAGES_OF_FILES, options=options),
        name=evaluation_set.name,
        sha256=evaluation_set.sha256,
        run_settings=current_settings(options, has_headings=True),
        progress=progress,
    )


def run_questions(
    questions: Sequence[Question],
    ask: Ask,
    *,
    name: str = "questions",
    sha256: str = "",
    run_settings: Mapping[str, Setting] | None = None,
    ids_of: IdsOf | None = None,
    progress: Progress | None = None,
) -> Run:
    """Ask every question over all languages, and once for each language that an answer exists in.

    Args:
        questions: each with its answers; those without any are left out.
        ask: the search to measure.
        name: of the set.
        sha256: of the set, made from the questions where it is left out.
        run_settings: what the run is to be told apart by.
        ids_of: the ids of a hit's document; by default ``collection/file name``, as `mine` gives them.
        progress: called with the step, what is done, and of how many.

    Raises:
        Whatever `ask` raises.
    """
    started = time.monotonic()
    created_at = timezone.now().isoformat(timespec="seconds")
    asked = [question for question in questions if question.relevant]
    rankings: list[Ranking] = []
    for done, question in enumerate(asked, start=1):
        pools = (None, *sorted(set(question.relevant.values())))
        rankings += [_ask(question, pool, ask, ids_of or _ids_by_name) for pool in pools]
        if progress:
            progress("asking", done, len(asked))
    return Run(
        name,
        sha256 or sha256_of(questions),
        dict(run_settings or {}),
        created_at,
        time.monotonic() - started,
        tuple(rankings),
    )


def ask_collections(collections: Sequence[Collection], *, limit: int, options: SearchOptions) -> Ask:
    """Return the ordinary search in some collections, as an administrator sees them."""
    viewer = User(username="evaluation", is_active=True, is_superuser=True)
    slugs = [collection.slug for collection in collections]

    def ask(text: str, languages: Sequence[str]) -> Sequence[Hit]:
        result = searching.search(
            text[: settings.MAX_QUERY_CHARACTERS],
            viewer,
            collections=slugs,
            languages=languages,
            limit=limit,
            is_highlighted=False,
            options=options,
        )
        if result.degraded:
            raise EvaluationError("search_degraded", f"words alone answered: {result.degraded}")
        return result.hits

    return ask


def current_settings(options: SearchOptions, *, has_headings: bool) -> dict[str, Setting]:
    """Return all settings that the order of hits depends on."""
    return {
        **index_settings(has_headings=has_headings),
        "lanes": str(options.lanes),
        "is_balanced": options.is_balanced,
        **{f"weight_{name}": value for name, value in asdict(Weights()).items()},
    }


def _ask(question: Question, language: str | None, ask: Ask, ids_of: IdsOf) -> Ranking:
    started = time.monotonic()
    hits = ask(question.text, [language] if language else [])
    took_ms = (time.monotonic() - started) * 1000
    best: dict[str, float] = {}
    for hit in hits:
        for item in _ids_in_unit(hit, question.unit, ids_of):
            best.setdefault(item, hit.score)
    rows = [(item, hit.question) for hit in hits if hit.question for item in ids_of(hit)] if question.rows else []
    kept = list(best)[:RANKED_KEPT]
    return Ranking(
        question=question,
        language=language,
        ranked=tuple(kept),
        scores=tuple(best[item] for item in kept),
        first_language=hits[0].language if hits else "",
        row_rank=next((rank for rank, row in enumerate(rows) if row in question.rows), None),
        took_ms=took_ms,
    )


def _ids_in_unit(hit: Hit, unit: Unit, ids_of: IdsOf) -> Sequence[str]:
    if unit is Unit.PASSAGE:
        return [str(hit.chunk_id)]
    if unit is Unit.ROW and hit.question:
        return [row_key(document, hit.question) for document in ids_of(hit)]
    return ids_of(hit)


def _ids_by_name(hit: Hit) -> Sequence[str]:
    return [document_key(hit.collection_slug, hit.source_name)]


def _ids_in(base: Base) -> IdsOf:
    return lambda hit: base.ids[hit.document_id]


def _spread(questions: Sequence[Question], limit: int | None) -> list[Question]:
    """Return so many of the questions, spread evenly."""
    answered = [question for question in questions if question.relevant]
    if limit is None or limit >= len(answered):
        return answered
    return [answered[index * len(answered) // limit] for index in range(limit)]
