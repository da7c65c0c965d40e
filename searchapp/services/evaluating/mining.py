"""Make labelled questions out of what stands in a collection.

    faq        the question of a FAQ row; its row answers
    heading    a heading of a text; the document answers
    sentence   the first sentence of a passage of a text; the document answers
    fragment   some words from within a passage, only where there are too few of the others

In its own language each of these is easy, since its words stand in the text: it shows whether search finds
what is known to be there. Where a translation of the document or row is found, that answers as well, in its
language, and the question becomes one across languages that no word gives away.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Collection as AbstractCollection
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import numpy as np
import regex

from searchapp.backends import get_index
from searchapp.index import VectorIndex
from searchapp.language import clean_text, sentences
from searchapp.models import Chunk, Collection
from searchapp.ranking import find_twins
from searchapp.services import generations
from searchapp.services.evaluating.sets import (
    EvaluationError,
    EvaluationSet,
    Question,
    Unit,
    document_key,
    row_key,
    sha256_of,
    short_id,
)

DEFAULT_COUNT = 200
# A heading or sentence that stands in more places than this asks for none of them.
MAX_PLACES = 3
# What a heading or sentence has to say at least and at most, in characters; a Chinese, Japanese or Thai
# character counts three, since it says about as much as a syllable.
MIN_HEADING_WEIGHT = 9
MIN_SENTENCE_WEIGHT = 24
MAX_SENTENCE_CHARACTERS = 300
FRAGMENT_WORDS = 8
FRAGMENT_CHARACTERS = 16
DENSE_SCRIPT_WEIGHT = 3
NEGATIVES = 3
NEGATIVE_CANDIDATES = 30
# Beyond this many documents or rows of one language, translations are looked for among the first only.
MAX_TWIN_PLACES = 20_000
_DENSE_SCRIPT = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")


@dataclass(slots=True)
class _Place:
    """Something that answers: a document, or one row of a FAQ file."""

    key: str
    unit: Unit
    document_key: str
    language: str
    passages: list["_Passage"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Passage:
    id: UUID
    text: str
    headings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Draft:
    """A question in the making: the places that it was made from, and a passage of the first."""

    kind: str
    text: str
    places: tuple[str, ...]
    passage_id: UUID


def mine(collection_ids: AbstractCollection[int], *, seed: int = 0, count: int = DEFAULT_COUNT) -> list[Question]:
    """Make labelled questions about the live documents of collections.

    Kinds and languages take turns, those with a translation to find before the others. The same documents,
    model and seed give the same questions.

    Args:
        collection_ids: which collections.
        seed: another one chooses others.
        count: how many at the most. A base of 100 documents with a few sentences each has 200.

    Raises:
        VectorStoreUnavailableError, VectorStoreRefusedError: the vector store.
        PermanentError: it is not configured.
    """
    index = get_index(generations.live_or_first())
    places = _places(collection_ids)
    twins = _twins(list(places.values()), index)
    drafts = _chosen(places, twins, seed=seed, count=count)
    owners = {passage.id: place for place in places.values() for passage in place.passages}
    vectors = index.vectors([draft.passage_id for draft in drafts])
    questions = []
    for draft in drafts:
        first = places[draft.places[0]]
        answers = dict.fromkeys(draft.places)
        answers |= dict.fromkeys(twin for key in draft.places for twin in twins.get(key, ()))
        negatives: list[str] = []
        if (vector := vectors.get(draft.passage_id)) is not None:
            candidates = index.query(
                vector, "", collection_ids=collection_ids, languages=[first.language], limit=NEGATIVE_CANDIDATES
            )
            candidates.sort(key=lambda found: -found.similarity)
            near = [owners[found.id] for found in candidates if found.id in owners]
            others = dict.fromkeys(place.key for place in near if place.unit is first.unit and place.key not in answers)
            negatives = list(others)[:NEGATIVES]
        questions.append(
            Question(
                id=f"{draft.kind}-{short_id(draft.kind, first.language, draft.text)}",
                language=first.language,
                text=draft.text,
                relevant={key: places[key].language for key in answers},
                unit=first.unit,
                kind=draft.kind,
                negatives=tuple(negatives),
            )
        )
    return questions


def mined_set(collections: Sequence[Collection], *, seed: int = 0, count: int = DEFAULT_COUNT) -> EvaluationSet:
    """Return questions made from collections as a set.

    Raises:
        EvaluationError: nothing can be asked about them.
        As `mine`.
    """
    slugs = "-".join(sorted(collection.slug for collection in collections))
    questions = mine([collection.pk for collection in collections], seed=seed, count=count)
    if not questions:
        raise EvaluationError("set_unreadable", f"{slugs} holds no document that a question could be made from")
    return EvaluationSet(f"{slugs}-mined-{seed}", (), tuple(questions), sha256=sha256_of(questions))


def _places(collection_ids: AbstractCollection[int]) -> dict[str, _Place]:
    rows = generations.live_chunks(Chunk.objects.filter(document__collection__in=collection_ids)).order_by(
        "document__collection__slug", "document__source_name", "ordinal"
    )
    fields = (
        "pk",
        "text",
        "question",
        "heading_path",
        "language",
        "document__language",
        "document__source_name",
        "document__collection__slug",
    )
    places: dict[str, _Place] = {}
    for pk, text, question, headings, language, main_language, source_name, slug in rows.values_list(
        *fields
    ).iterator():
        document = document_key(slug, source_name)
        if question:
            place = _Place(row_key(document, question), Unit.ROW, document, language)
        else:
            place = _Place(document, Unit.DOCUMENT, document, main_language)
        place = places.setdefault(place.key, place)
        place.passages.append(_Passage(pk, text, tuple(headings)))
    return places


def _twins(places: Sequence[_Place], index: VectorIndex) -> dict[str, list[str]]:
    """Return the translations of each place that has any."""
    twins: dict[str, list[str]] = defaultdict(list)
    for unit in (Unit.DOCUMENT, Unit.ROW):
        chosen = _first_of_each_language(place for place in places if place.unit is unit)
        vectors = index.vectors([passage.id for place in chosen for passage in place.passages])
        chosen = [place for place in chosen if any(passage.id in vectors for passage in place.passages)]
        if not chosen:
            continue
        means = np.array(
            [
                np.mean([vectors[passage.id] for passage in place.passages if passage.id in vectors], axis=0)
                for place in chosen
            ],
            dtype=np.float32,
        )
        means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)
        for first, second in find_twins(means, [place.language for place in chosen]):
            twins[chosen[first].key].append(chosen[second].key)
            twins[chosen[second].key].append(chosen[first].key)
    return twins


def _first_of_each_language(places: Iterable[_Place]) -> list[_Place]:
    chosen: list[_Place] = []
    counts: dict[str, int] = defaultdict(int)
    for place in places:
        counts[place.language] += 1
        if counts[place.language] <= MAX_TWIN_PLACES:
            chosen.append(place)
    return chosen


def _chosen(places: dict[str, _Place], twins: dict[str, list[str]], *, seed: int, count: int) -> list[_Draft]:
    """Return the questions to ask, none of them twice."""
    chosen: dict[tuple[str, str], _Draft] = {}
    for make in (_drafts, _fragments):
        for draft in _take_turns(_merged(make(places.values()), places), places, twins, seed=seed):
            if len(chosen) == count:
                break
            chosen.setdefault((draft.text, places[draft.places[0]].language), draft)
    return list(chosen.values())


def _drafts(places: Iterable[_Place]) -> Iterator[_Draft]:
    for place in places:
        first = place.passages[0]
        if place.unit is Unit.ROW:
            question = clean_text(place.key.removeprefix(f"{place.document_key}#"))
            yield _Draft("faq", question, (place.key,), first.id)
        headings = {clean_text(title): passage.id for passage in reversed(place.passages) for title in passage.headings}
        for heading, passage_id in headings.items():
            if place.unit is Unit.DOCUMENT and _weight(heading) >= MIN_HEADING_WEIGHT:
                yield _Draft("heading", heading, (place.key,), passage_id)
        for passage in place.passages:
            found = [clean_text(passage.text[start:end]) for start, end in sentences(passage.text)]
            telling = [text for text in found if _weight(text) >= MIN_SENTENCE_WEIGHT]
            if telling and len(telling[0]) <= MAX_SENTENCE_CHARACTERS:
                yield _Draft("sentence", telling[0], (place.key,), passage.id)


def _fragments(places: Iterable[_Place]) -> Iterator[_Draft]:
    """Yield some words out of each half of each passage."""
    for place in places:
        for passage in place.passages:
            text = clean_text(passage.text)
            words, glue, length = text.split(), " ", FRAGMENT_WORDS
            if _weight(text) > 2 * len(text):
                words, glue, length = list(text), "", FRAGMENT_CHARACTERS
            half = len(words) // 2
            for part in (words[:half], words[half:]):
                start = max(0, (len(part) - length) // 2)
                if fragment := glue.join(part[start : start + length]).strip():
                    yield _Draft("fragment", fragment, (place.key,), passage.id)


def _merged(drafts: Iterable[_Draft], places: dict[str, _Place]) -> list[_Draft]:
    """Return each question once, with all that it was made from; what stands in too many places is left out."""
    merged: dict[tuple[str, Unit, str], _Draft] = {}
    for draft in drafts:
        key = (draft.kind, places[draft.places[0]].unit, draft.text)
        former = merged.setdefault(key, draft)
        if draft.places[0] not in former.places:
            merged[key] = replace(former, places=former.places + draft.places)
    return [draft for draft in merged.values() if len(draft.places) <= MAX_PLACES]


def _take_turns(
    drafts: Sequence[_Draft], places: dict[str, _Place], twins: dict[str, list[str]], *, seed: int
) -> list[_Draft]:
    """Return the questions in an order in which kinds, languages and places take turns."""
    languages: dict[tuple[str, str], list[_Draft]] = defaultdict(list)
    for draft in drafts:
        languages[draft.kind, places[draft.places[0]].language].append(draft)
    kinds: dict[str, list[tuple[int, str, _Draft]]] = defaultdict(list)
    for (kind, language), bucket in sorted(languages.items()):
        random.Random(f"{seed} {kind} {language}").shuffle(bucket)  # noqa: S311 - no secret
        asked: Counter[str] = Counter()
        order = []
        for draft in bucket:
            asked[draft.places[0]] += 1
            order.append((asked[draft.places[0]], draft.places[0] not in twins, draft))
        order.sort(key=lambda entry: entry[:2])
        kinds[kind] += [(turn, language, draft) for turn, (_nth, _has_no_twin, draft) in enumerate(order)]
    turns = [
        (turn, kind, draft)
        for kind, entries in kinds.items()
        for turn, (_turn, _language, draft) in enumerate(sorted(entries, key=lambda entry: entry[:2]))
    ]
    return [draft for _turn, _kind, draft in sorted(turns, key=lambda entry: entry[:2])]


def _weight(text: str) -> int:
    """Return the length of a text, where characters of scripts that say more with each count more."""
    return sum(DENSE_SCRIPT_WEIGHT if _DENSE_SCRIPT.match(char) else 1 for char in text)
