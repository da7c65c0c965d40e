"""Whether a new generation of the index may go live: the same questions to it and to the live one, side by side.

Asked are questions whose answers are known because they were made from the documents (`evaluating.mine`: questions of
FAQ rows, headings, sentences, and where translations are found the same across languages), and the questions of late,
for which only the difference between the two can be seen. Each is asked as on the site, and once more by meaning alone,
where words in common cannot hide what the vectors do not find.
"""

import logging
import statistics
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Collection as Collection_
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone

from searchapp.backends import get_index
from searchapp.errors import ServiceUnavailableError
from searchapp.metrics import bootstrap_difference, chance_of_loss, holm, score_ranking
from searchapp.models import Collection, IndexGeneration
from searchapp.services import generations, history, searching
from searchapp.services.evaluating import Base, EvaluationSet, document_key, indexed, mine, row_key
from searchapp.services.generations import GenerationError
from searchapp.services.searching import Hit, Lanes, QueryRejectedError, SearchOptions, SearchResult

logger = logging.getLogger(__name__)

DEPTH = 10
MAX_KNOWN = 200
MAX_RECENT = 200
MAX_OF_SET = 400
# Languages of the answers in which a question is asked on their own, at the most.
MAX_ANSWER_LANGUAGES = 4
# From so many questions on, a pair of languages alone can keep a generation from going live.
MIN_PAIR_QUESTIONS = 20
# Of two equal models, so many are refused by chance at the most, however many pairs are compared.
FALSE_REFUSALS = 0.025
# Without known answers: two good models agree on the first passage for about half of the questions or more, a model
# that finds nothing agrees with a good one on hardly any.
MIN_UNLABELLED = 10
LEAST_AGREEMENT = 0.2
WORST_SHOWN = 12
HITS_SHOWN = 3
EXCERPT_CHARACTERS = 160
LEASE = timedelta(minutes=2)
OPTIONS = {
    Lanes.HYBRID: SearchOptions(),
    Lanes.DENSE: SearchOptions(lanes=Lanes.DENSE),
}

Say = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Question:
    """A question to both generations.

    ``relevant`` holds the answers with their languages, where they are known; ``set_name`` names the evaluation set
    that it is of, where it is of one.
    """

    text: str
    language: str
    relevant: dict[str, str]
    collections: tuple[str, ...]
    set_name: str = ""

    @property
    def answer_languages(self) -> list[str]:
        """Return the languages in which it is asked on their own: its own first, then a few others."""
        others = sorted({*self.relevant.values()} - {self.language})
        own = [self.language] if self.language in self.relevant.values() else []
        return [*own, *others][:MAX_ANSWER_LANGUAGES]


@dataclass(frozen=True, slots=True)
class Regression:
    """Something that a report finds clearly worse.

    Attributes:
        kind: ``unmeasured``, ``agreement``, ``overall`` or ``pair``.
        set_name: the evaluation set; empty for questions made from the documents.
        lane: by what passages were found.
        asked: language of the questions.
        found: language of the answers.
    """

    kind: str
    set_name: str = ""
    lane: str = ""
    asked: str = ""
    found: str = ""

    def __str__(self) -> str:
        """Return a code for logs and commands."""
        words = [self.set_name, self.lane, f"{self.asked}-{self.found}" if self.asked else ""]
        return " ".join(word for word in words if word) or self.kind


@dataclass(frozen=True, slots=True)
class _Answers:
    """What one generation answered to one question, by lane, in all languages and ("within") in each alone.

    ``chunking`` is how the generation cuts documents.
    """

    chunking: str
    results: dict[Lanes, SearchResult]
    within: dict[tuple[Lanes, str], SearchResult]

    def keys(self, lane: Lanes) -> list[str]:
        """Return the answers as far as generations with different cuts can have the same."""
        return _keys(self.results[lane], ())


def make_report(
    generation: IndexGeneration,
    *,
    sets: Sequence[EvaluationSet] = (),
    say: Say = lambda _done, _total: None,
) -> dict[str, Any] | None:
    """Ask both generations, keep the report with the new one, and return it.

    Args:
        generation: complete, not live.
        sets: evaluation sets whose documents are indexed into both for as long as this takes, and whose questions are
            asked too.
        say: called with the number of questions asked and of all.

    Returns:
        What `gate` and the page read; None where someone else is making it at this moment.

    Raises:
        GenerationError: ``generation_not_built``.
        EvaluationError: a document of a set could not be indexed.
        Errors of `searchapp.services.searching.search`, but of single questions.
    """
    live = generations.live_generation()
    if live is None or generation.status != IndexGeneration.Status.BUILT:
        raise GenerationError("generation_not_built")
    lease = uuid.uuid4()
    if not _take_lease(generation, lease):
        return None

    def renew(_step: str = "", _done: int = 0, _total: int = 0) -> None:
        _renew_lease(generation, lease)

    try:
        generations.confirm_model(live)
        generations.confirm_model(generation)
        asked: list[tuple[Question, _Answers, _Answers]] = []
        viewer = User(username="comparison", is_active=True, is_superuser=True)
        questions = [*_known_questions(), *_recent_questions()]
        total = len(questions) + sum(min(MAX_OF_SET, len(item.questions)) for item in sets)

        def ask(questions: Sequence[Question], begun: int) -> None:
            for number, question in enumerate(questions, start=begun + 1):
                try:
                    # In turns, so that neither has the warmer caches.
                    sides = [live, generation] if number % 2 else [generation, live]
                    answers = {side.pk: _ask(question, side, viewer) for side in sides}
                except QueryRejectedError:
                    continue
                asked.append((question, answers[live.pk], answers[generation.pk]))
                renew()
                say(number, total)

        ask(questions, 0)
        begun = len(questions)
        # One after the other, and the site's own questions before: nobody's answers stand among those of another.
        for item in sets:
            with indexed(item, progress=renew) as base:
                questions = _questions_of(item, base)
                ask(questions, begun)
            begun += len(questions)
        report = _report(asked, live, generation)
        IndexGeneration.objects.filter(
            pk=generation.pk, report_lease=lease, status=IndexGeneration.Status.BUILT
        ).update(report=report)
    finally:
        IndexGeneration.objects.filter(pk=generation.pk, report_lease=lease).update(
            report_lease=None, report_lease_expires_at=None
        )
    logger.info("index generation compared", extra={"generation": generation.pk, "questions": len(asked)})
    return report


def report_due() -> list[int]:
    """Return the ids of complete generations that nobody has compared with the live one."""
    live = generations.live_generation()
    rows = IndexGeneration.objects.filter(status=IndexGeneration.Status.BUILT).filter(
        Q(report_lease=None) | Q(report_lease_expires_at__lte=timezone.now())
    )
    return [row.pk for row in rows if live is not None and not _is_current(row, live)]


def forget_report(generation: IndexGeneration) -> None:
    """Have a complete generation compared anew."""
    IndexGeneration.objects.filter(pk=generation.pk, status=IndexGeneration.Status.BUILT).update(report=None)


def regressions(report: dict[str, Any]) -> list[str]:
    """Return the codes of what a report finds clearly worse, as `find_regressions`."""
    return [str(item) for item in find_regressions(report)]


def find_regressions(report: dict[str, Any]) -> list[Regression]:
    """Return what a report finds clearly worse; nothing means that the generation may go live.

    Clearly worse is what is so by its interval, and by a test that is corrected for the number of comparisons (Holm
    1979, see `searchapp.metrics.holm`): among a hundred pairs of two equal models some intervals are below zero by
    chance. Where no question could be asked nothing is known, and that is named too.
    """
    found = [] if report["all"][Lanes.HYBRID]["questions"] else [Regression("unmeasured")]
    compared: dict[Regression, dict[str, Any]] = {}
    for source in ({"name": "", "lanes": report["lanes"]}, *report.get("sets", [])):
        for lane, part in source["lanes"].items():
            if part["overall"]:
                compared[Regression("overall", source["name"], lane)] = part["overall"]
            compared |= {
                Regression("pair", source["name"], lane, row["asked"], row["found"]): row
                for row in part["pairs"]
                if row["questions"] >= MIN_PAIR_QUESTIONS
            }
    # A report of an earlier version has no chances, and is judged by its intervals alone.
    is_no_chance = holm([row.get("chance", 0.0) for row in compared.values()], level=FALSE_REFUSALS)
    found += [
        item
        for (item, row), is_clear in zip(compared.items(), is_no_chance, strict=True)
        if is_clear and row["high"] < 0
    ]
    unlabelled = report["recent"][Lanes.DENSE]
    if not report["known"] and unlabelled["questions"] >= MIN_UNLABELLED and unlabelled["agreement"] < LEAST_AGREEMENT:
        found.append(Regression("agreement"))
    return found


def gate(generation: IndexGeneration, *, accepts_regression: bool = False) -> None:
    """Say whether a generation may go live.

    Args:
        generation: which.
        accepts_regression: whether a person has said yes to a clear regression, or, where the live generation cannot
            answer because its model is gone, to a switch without a report.

    Raises:
        GenerationError: ``generation_not_built``, ``generation_incomplete``, ``generation_no_report``,
            ``generation_regression``.
        ModelChangedError, EmbeddingUnavailableError, EmbeddingBusyError, EmbeddingRefusedError: its service.
        VectorStoreUnavailableError, VectorStoreRefusedError: the vector store.
    """
    live = generations.live_generation()
    if live is None or generation.status != IndexGeneration.Status.BUILT:
        raise GenerationError("generation_not_built")
    progress = generations.progress_of(generation)
    points, expected = get_index(generation).count(), generations.passages_noted(generation)
    if not progress.is_complete or points < expected:
        raise GenerationError("generation_incomplete", f"{points} points, {expected} passages")
    _examine(generation)
    if not _is_current(generation, live) or generation.report is None:
        if accepts_regression and generations.problem_of(live):
            return  # the live one cannot answer, so there is nothing to compare with
        raise GenerationError("generation_no_report")
    found = regressions(generation.report)
    if found and not accepts_regression:
        raise GenerationError("generation_regression", ", ".join(found))


def switch(generation: IndexGeneration, *, accepts_regression: bool = False) -> None:
    """Let a generation go live if `gate` lets it through.

    Raises:
        Errors of `gate` and of `searchapp.services.generations.switch`.
    """
    gate(generation, accepts_regression=accepts_regression)
    generations.switch(generation)


def _examine(generation: IndexGeneration) -> None:
    """Look at the service of a generation before it goes live."""
    generations.confirm_model(generation).check()


def _is_current(generation: IndexGeneration, live: IndexGeneration) -> bool:
    return generation.report is not None and generation.report["live"]["generation"] == live.pk


def _take_lease(generation: IndexGeneration, lease: uuid.UUID) -> bool:
    now = timezone.now()
    rows = IndexGeneration.objects.filter(Q(report_lease=None) | Q(report_lease_expires_at__lte=now), pk=generation.pk)
    return rows.update(report_lease=lease, report_lease_expires_at=now + LEASE) == 1


def _renew_lease(generation: IndexGeneration, lease: uuid.UUID) -> None:
    IndexGeneration.objects.filter(pk=generation.pk, report_lease=lease).update(
        report_lease_expires_at=timezone.now() + LEASE
    )


def _known_questions() -> list[Question]:
    """Make questions of which the answers are known from the documents, also in other languages.

    Raises:
        VectorStoreUnavailableError, VectorStoreRefusedError: the vector store.
    """
    # What an evaluation indexed for itself is nobody's question.
    collections = Collection.objects.filter(evaluation_base=None)
    return [
        Question(question.text, question.language, dict(question.relevant), ())
        for question in mine(list(collections.values_list("pk", flat=True)), count=MAX_KNOWN)
    ]


def _questions_of(evaluation_set: EvaluationSet, base: Base) -> list[Question]:
    """Return the questions of a set that is indexed, spread evenly over it where it has many."""
    names = dict(base.collection.documents.values_list("pk", "source_name"))
    slug = base.collection.slug
    keys = {item: document_key(slug, names[pk]) for pk, items in base.ids.items() for item in items}
    answered = [question for question in evaluation_set.questions if question.relevant]
    count = min(len(answered), MAX_OF_SET)
    return [
        Question(
            question.text[: settings.MAX_QUERY_CHARACTERS],
            question.language,
            {keys[item]: base.languages[item] for item in question.relevant},
            (slug,),
            evaluation_set.name,
        )
        for question in (answered[number * len(answered) // count] for number in range(count))
    ]


def _recent_questions() -> list[Question]:
    return [Question(row.text, row.language, {}, tuple(row.collections)) for row in history.recent_queries(MAX_RECENT)]


def _ask(question: Question, generation: IndexGeneration, viewer: User) -> _Answers:
    def ask(options: SearchOptions, languages: Sequence[str]) -> SearchResult:
        result = searching.search(
            question.text,
            viewer,
            collections=question.collections,
            languages=languages,
            limit=DEPTH,
            is_highlighted=False,
            options=options,
            generation=generation,
        )
        if result.degraded:  # words alone say nothing about a model
            raise ServiceUnavailableError(result.degraded)
        return result

    return _Answers(
        generation.chunking,
        {lane: ask(options, ()) for lane, options in OPTIONS.items()},
        {
            (lane, language): ask(options, (language,))
            for lane, options in OPTIONS.items()
            for language in question.answer_languages
        },
    )


def _keys(result: SearchResult, relevant: Collection_[str]) -> list[str]:
    return list(dict.fromkeys(_key(hit, relevant) for hit in result.hits))


def _key(hit: Hit, relevant: Collection_[str]) -> str:
    """Return what two generations call the same answer: the row of a FAQ, else the document, however it is cut.

    Of a FAQ that answers as a whole any row is it.
    """
    document = document_key(hit.collection_slug, hit.source_name)
    return row_key(document, hit.question) if hit.question and document not in relevant else document


def _report(
    asked: Sequence[tuple[Question, _Answers, _Answers]], live: IndexGeneration, generation: IndexGeneration
) -> dict[str, Any]:
    known = [item for item in asked if item[0].relevant and not item[0].set_name]
    recent = [item for item in asked if not item[0].relevant]
    return {
        "made_at": timezone.now().isoformat(),
        "known": len(known),
        "lanes": {lane.value: _lane(known, lane) for lane in OPTIONS},
        "sets": [_set_part(asked, name) for name in dict.fromkeys(item[0].set_name for item in asked) if name],
        "recent": {lane.value: _agreement(recent, lane) for lane in OPTIONS},
        "all": {lane.value: _agreement(asked, lane) for lane in OPTIONS},
        "live": _side(live, [before for _question, before, _after in asked]),
        "new": _side(generation, [after for _question, _before, after in asked]),
        # Documents of a set are gone by the time that somebody would open one.
        "worst": _worst([item for item in asked if not item[0].set_name]),
    }


def _set_part(asked: Sequence[tuple[Question, _Answers, _Answers]], name: str) -> dict[str, Any]:
    known = [item for item in asked if item[0].set_name == name]
    return {
        "name": name,
        "questions": len(known),
        "lanes": {lane.value: _lane(known, lane) for lane in OPTIONS},
    }


def _lane(known: Sequence[tuple[Question, _Answers, _Answers]], lane: Lanes) -> dict[str, Any]:
    by_pair: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for question, before, after in known:
        for language in question.answer_languages:
            wanted = [key for key, spoken in question.relevant.items() if spoken == language]
            scores = [
                score_ranking(_keys(side.within[lane, language], wanted), wanted).ndcg_10 for side in (before, after)
            ]
            by_pair[question.language, language].append((scores[0], scores[1]))
    rows = [(_ndcg(question, before, lane), _ndcg(question, after, lane)) for question, before, after in known]
    return {
        "overall": _difference(rows) if rows else None,
        "pairs": [
            {"asked": asked, "found": found, **_difference(scores)}
            for (asked, found), scores in sorted(by_pair.items(), key=lambda item: (-len(item[1]), item[0]))
        ],
    }


def _difference(scores: Sequence[tuple[float, float]]) -> dict[str, Any]:
    before, after = [score for score, _other in scores], [score for _other, score in scores]
    return {
        "questions": len(scores),
        "before": statistics.fmean(before),
        "after": statistics.fmean(after),
        **asdict(bootstrap_difference(before, after)),
        "chance": chance_of_loss(before, after),
    }


def _agreement(asked: Sequence[tuple[Question, _Answers, _Answers]], lane: Lanes) -> dict[str, float | None]:
    """Return how alike the answers are: the same first hit, and the share of the first ten in common."""
    if not asked:
        return {"questions": 0, "agreement": None, "overlap": None}
    pairs = [_comparable(before, after, lane) for _question, before, after in asked]
    return {
        "questions": len(asked),
        "agreement": statistics.fmean(before[:1] == after[:1] for before, after in pairs),
        "overlap": statistics.fmean(_overlap(before, after) for before, after in pairs),
    }


def _comparable(before: _Answers, after: _Answers, lane: Lanes) -> tuple[list[str], list[str]]:
    """Return both rankings as passages where the two cut alike, else as documents and rows."""
    if before.chunking != after.chunking:
        return before.keys(lane), after.keys(lane)
    passages = [[str(hit.chunk_id) for hit in answers.results[lane].hits] for answers in (before, after)]
    return passages[0], passages[1]


def _overlap(before: Sequence[str], after: Sequence[str]) -> float:
    longest = max(len(before), len(after))
    return len({*before} & {*after}) / longest if longest else 1.0


def _ndcg(question: Question, answers: _Answers, lane: Lanes) -> float:
    return score_ranking(_keys(answers.results[lane], question.relevant), [*question.relevant]).ndcg_10


def _side(generation: IndexGeneration, answers: Iterable[_Answers]) -> dict[str, Any]:
    times = sorted(item.results[Lanes.HYBRID].took_ms for item in answers)
    points = get_index(generation).count()
    return {
        "generation": generation.pk,
        "model": generation.model,
        "dimensions": generation.dimensions,
        "points": points,
        "vector_bytes": points * generation.dimensions * 4,
        "took_ms_median": times[len(times) // 2] if times else None,
        "took_ms_95": times[min(len(times) - 1, len(times) * 95 // 100)] if times else None,
    }


def _worst(asked: Sequence[tuple[Question, _Answers, _Answers]]) -> list[dict[str, Any]]:
    """Return the questions that lost most: known answers by what they lost, then those whose answers changed most."""

    def loss(item: tuple[Question, _Answers, _Answers]) -> tuple[float, float]:
        question, before, after = item
        lost = 0.0
        if question.relevant:
            lost = max(_ndcg(question, before, lane) - _ndcg(question, after, lane) for lane in OPTIONS)
        return lost, 1 - _overlap(*_comparable(before, after, Lanes.HYBRID))

    ranked = sorted(((loss(item), item) for item in asked), key=lambda entry: entry[0], reverse=True)
    return [
        {
            "text": question.text,
            "asked": question.language,
            "lost": lost,
            "overlap": 1 - changed,
            "before": [_shown(hit, question) for hit in before.results[Lanes.HYBRID].hits[:HITS_SHOWN]],
            "after": [_shown(hit, question) for hit in after.results[Lanes.HYBRID].hits[:HITS_SHOWN]],
        }
        for (lost, changed), (question, before, after) in ranked[:WORST_SHOWN]
        if lost > 0 or changed > 0
    ]


def _shown(hit: Hit, question: Question) -> dict[str, Any]:
    return {
        "document": str(hit.document_id),
        "ordinal": hit.ordinal,
        "title": hit.question.partition("\n")[0] or hit.title,
        "text": hit.text[:EXCERPT_CHARACTERS],
        "language": hit.language,
        "is_right": _key(hit, question.relevant) in question.relevant,
    }
