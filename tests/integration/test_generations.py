"""Changing the model under a full index: nothing is lost, no search fails, and there is a way back."""

import itertools
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, connection
from django.utils import timezone
from numpy.typing import NDArray
from pytest_django import Settings
from qdrant_client import QdrantClient

from searchapp.backends import ModelChangedError, get_index
from searchapp.models import (
    Chunk,
    Collection,
    Document,
    EmbeddingCacheEntry,
    GenerationDocument,
    IndexGeneration,
    RecentQuery,
)
from searchapp.services import comparing, documents, generations, history, indexing, reindexing
from searchapp.services.evaluating import load_set
from searchapp.services.generations import GenerationError
from searchapp.services.reindexing import Outcome
from searchapp.services.searching import search
from tests.factories import index, live_index, upload
from tests.integration.conftest import forget_backends
from tests.models import Model, built_in, rotated, serving, worthless
from tests.site import ROOT, START_TIMEOUT_S

Status = IndexGeneration.Status
SUBJECTS = ("luggage", "breakfast", "tickets", "bicycles", "pets", "windows", "heating", "sleep")


@pytest.fixture
def library(collection: Collection) -> Collection:
    for subject in SUBJECTS[:2]:
        index(collection, f"# All about {subject}\n\nWe tell you everything about {subject} on the train.")
    rows = "".join(f"Who looks after {subject}?,The clerk of {subject} at desk {subject}.\n" for subject in SUBJECTS)
    index(collection, f"question,answer\n{rows}", name="faq.csv")
    return collection


@pytest.fixture
def new_model(settings: Settings) -> Iterator[Model]:
    """Serve another model that is as good, and name it as the next."""
    with serving(rotated(1)) as model:
        settings.NEXT_EMBEDDING_BASE_URL, settings.NEXT_EMBEDDING_MODEL = model.url, "rotated"
        yield model


@pytest.fixture
def bad_model(settings: Settings) -> Iterator[Model]:
    with serving(worthless) as model:
        settings.NEXT_EMBEDDING_BASE_URL, settings.NEXT_EMBEDDING_MODEL = model.url, "worthless"
        yield model


def store() -> QdrantClient:
    headers = {"api-key": django_settings.QDRANT_API_KEY}
    return QdrantClient(url=django_settings.QDRANT_URL, headers=headers, check_compatibility=False)


def point_ids(generation: IndexGeneration) -> set[uuid.UUID]:
    points, _next = store().scroll(generation.collection, limit=10_000, with_payload=False)
    return {uuid.UUID(str(point.id)) for point in points}


def is_exact(generation: IndexGeneration) -> bool:
    """Return whether a generation holds exactly the passages of the documents that are live."""
    rows = Chunk.objects.filter(chunking=generation.chunking).values_list("pk", flat=True)
    return point_ids(generation) == set(rows) and bool(rows)


def built(*, rate: int = 0) -> IndexGeneration:
    generation = generations.start(rate=rate)
    assert reindexing.catch_up(generation.pk) is Outcome.COMPLETE
    generation.refresh_from_db()
    return generation


def switched() -> IndexGeneration:
    generation = built()
    comparing.make_report(generation)
    generation.refresh_from_db()
    comparing.switch(generation)
    generation.refresh_from_db()
    return generation


def first_hit(question: str) -> str:
    result = search(question, AnonymousUser(), is_highlighted=False)
    assert not result.degraded
    return result.hits[0].text


def test_first_document_makes_the_first_generation_live(collection: Collection) -> None:
    assert generations.live_generation() is None
    index(collection, "# Lost luggage\n\nReport it at the counter.")
    live = generations.live_generation()
    assert live is not None
    assert (live.status, live.model) == (Status.LIVE, django_settings.EMBEDDING_MODEL)
    assert is_exact(live)


def test_two_live_generations_are_refused_by_the_database(library: Collection) -> None:
    live = IndexGeneration.objects.get()
    live.pk, live.collection = None, "other"
    with pytest.raises(IntegrityError):
        live.save(force_insert=True)


def test_index_of_an_earlier_release_is_adopted_not_rebuilt(library: Collection) -> None:
    before = point_ids(generations.live_or_first())
    IndexGeneration.objects.all().delete()
    forget_backends()
    assert first_hit("Who looks after pets?") == "The clerk of pets at desk pets."
    assert indexing.repair_index() == 0
    live = generations.live_or_first()
    assert point_ids(live) == before
    assert generations.progress_of(live).is_complete


def test_build_new_model_holds_every_passage_while_the_live_one_answers(library: Collection, new_model: Model) -> None:
    live = generations.live_or_first()
    generation = built()
    assert (generation.status, generation.model) == (Status.BUILT, "rotated")
    assert is_exact(generation)
    assert generations.live_or_first().pk == live.pk
    assert first_hit("Who looks after pets?") == "The clerk of pets at desk pets."


def test_build_without_any_change_is_refused(library: Collection) -> None:
    with pytest.raises(GenerationError) as caught:
        generations.start()
    assert caught.value.code == "generation_same"


def test_build_beside_another_is_refused(library: Collection, new_model: Model) -> None:
    generations.start()
    with pytest.raises(GenerationError) as caught:
        generations.start()
    assert caught.value.code == "generation_under_way"


def test_report_same_quality_lets_the_switch_through_and_the_alias_follows(
    library: Collection, new_model: Model
) -> None:
    generation = switched()
    assert generation.status == Status.LIVE
    assert generation.report["lanes"]["dense"]["overall"]["questions"] > len(SUBJECTS)
    assert generation.report["all"]["hybrid"]["agreement"] > 0.9
    assert comparing.regressions(generation.report) == []
    assert IndexGeneration.objects.get(status=Status.RETIRED).prune_at > timezone.now()
    aliases = {item.alias_name: item.collection_name for item in store().get_aliases().aliases}
    assert aliases == {generations.LIVE_ALIAS: generation.collection}
    assert first_hit("Who looks after pets?") == "The clerk of pets at desk pets."


def test_switch_without_a_report_is_refused(library: Collection, new_model: Model) -> None:
    with pytest.raises(GenerationError) as caught:
        comparing.switch(built())
    assert caught.value.code == "generation_no_report"


def test_switch_to_a_worthless_model_is_refused_unless_a_person_says_so(library: Collection, bad_model: Model) -> None:
    generation = built()
    report = comparing.make_report(generation)
    assert report is not None
    assert report["lanes"]["dense"]["overall"]["high"] < 0
    assert report["worst"][0]["lost"] > 0.5
    generation.refresh_from_db()
    with pytest.raises(GenerationError) as caught:
        comparing.switch(generation)
    assert caught.value.code == "generation_regression"
    assert generations.live_or_first().model == django_settings.EMBEDDING_MODEL
    comparing.switch(generation, accepts_regression=True)
    assert generations.live_or_first().model == "worthless"


def test_report_asks_the_questions_of_late_too(library: Collection, new_model: Model) -> None:
    for number in range(3):
        history.note_query(f"Wer kümmert sich um {SUBJECTS[number]}?", "de")
    history.flush()
    report = comparing.make_report(built())
    assert report is not None
    assert report["recent"]["hybrid"]["questions"] == 3
    assert report["recent"]["dense"]["agreement"] == 1


def test_regressions_nothing_known_answers_without_anything_in_common_are_one() -> None:
    alike = {"questions": comparing.MIN_UNLABELLED, "agreement": 0.1, "overlap": 0.1}
    report = {"known": 0, "lanes": {}, "recent": {"dense": alike}, "all": {"hybrid": alike}}
    assert comparing.regressions(report) == ["agreement"]
    assert comparing.regressions(report | {"recent": {"dense": alike | {"agreement": 0.5}}}) == []


def compared_report(scores: dict[str, list[tuple[float, float]]]) -> dict[str, Any]:
    """Return a report over pairs of languages whose questions had these scores before and after."""
    pairs = [{"asked": name, "found": "en", **comparing._difference(rows)} for name, rows in scores.items()]
    every = [row for rows in scores.values() for row in rows]
    alike = {"questions": len(every), "agreement": 0.9, "overlap": 0.9}
    lanes = {"dense": {"overall": comparing._difference(every), "pairs": pairs}}
    return {"known": len(every), "lanes": lanes, "recent": {"dense": alike}, "all": {"hybrid": alike}}


def equal_scores(seed: int, questions: int = 25) -> list[tuple[float, float]]:
    drawn = np.random.default_rng(seed).choice([0.0, 0.5, 1.0], size=(questions, 2), p=[0.2, 0.2, 0.6])
    return [(float(before), float(after)) for before, after in drawn]


def test_regressions_two_equal_models_over_many_pairs_have_none() -> None:
    report = compared_report({f"x{number}": equal_scores(number) for number in range(100)})
    by_chance = [row for row in report["lanes"]["dense"]["pairs"] if row["high"] < 0]
    assert by_chance  # each of which would have refused an equal model
    assert comparing.regressions(report) == []


def test_regressions_one_clear_loss_among_many_pairs_is_found() -> None:
    scores = {f"x{number}": equal_scores(number) for number in range(100)}
    scores["x42"] = [(1.0, 0.0) if number % 5 else (0.5, 0.5) for number in range(25)]
    assert comparing.regressions(compared_report(scores)) == ["dense x42-en"]


def test_regressions_report_of_an_earlier_version_is_judged_by_its_intervals() -> None:
    report = compared_report({"de": [(1.0, 0.0)] * 15 + [(0.0, 0.5)] * 10})
    for row in (report["lanes"]["dense"]["overall"], *report["lanes"]["dense"]["pairs"]):
        del row["chance"]
    assert comparing.regressions(report) == ["dense", "dense de-en"]


def test_report_asks_the_questions_of_an_evaluation_set_and_leaves_nothing_behind(
    library: Collection, bad_model: Model, tmp_path: Path
) -> None:
    folder = tmp_path / "museum"
    (folder / "files").mkdir(parents=True)
    rows = []
    # enough different answers for more than chance
    for subject, place in itertools.product(SUBJECTS, ("museum", "harbour", "forest")):
        name = f"{place}-{subject}"
        (folder / "files" / f"{name}.md").write_text(f"# Rules\n\nThe {place} shows {subject} of old times.")
        rows.append({"id": name, "lang": "en", "text": f"{place} {subject}", "relevant": [f"{name}.md"]})
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, rows)))
    generation = built()
    report = comparing.make_report(generation, sets=[load_set(folder)])
    assert report is not None
    (part,) = report["sets"]
    assert (part["name"], part["questions"]) == ("museum", len(rows))
    overall = part["lanes"]["dense"]["overall"]
    assert overall["before"] > 0.7 > overall["after"]
    assert "museum dense" in comparing.regressions(report)
    assert list(Collection.objects.all()) == [library]
    assert is_exact(generation)


def test_regressions_nothing_asked_wants_a_yes_too() -> None:
    none = {"questions": 0, "agreement": None, "overlap": None}
    report = {"known": 0, "lanes": {}, "recent": {"dense": none}, "all": {"hybrid": none}}
    assert comparing.regressions(report) == ["unmeasured"]


def test_switch_missing_points_in_the_new_collection_is_refused(library: Collection, new_model: Model) -> None:
    generation = built()
    comparing.make_report(generation)
    generation.refresh_from_db()
    get_index(generation).delete_document(Document.objects.first().pk)
    with pytest.raises(GenerationError) as caught:
        comparing.switch(generation)
    assert caught.value.code == "generation_incomplete"


def test_switch_and_rollback_under_load_no_search_fails_and_none_mixes_generations(
    library: Collection, new_model: Model
) -> None:
    generation = built()
    comparing.make_report(generation)
    generation.refresh_from_db()
    stop = threading.Event()
    answers: list[tuple[str, int]] = []
    errors: list[Exception] = []

    def ask(number: int) -> None:
        subject = SUBJECTS[number]
        try:
            while not stop.is_set():
                result = search(f"Who looks after {subject}?", AnonymousUser(), is_highlighted=False)
                answers.append((result.hits[0].text, len(result.hits)))
                assert not result.degraded
                assert result.hits[0].text == f"The clerk of {subject} at desk {subject}."
                # The vectors of one model say nothing to the other: a mixture has no such likeness.
                assert result.hits[0].evidence.similarity > 0.5
        except Exception as exc:  # noqa: BLE001 - whatever it is, the test shows it
            errors.append(exc)
        finally:
            connection.close()

    def count(more: int) -> None:
        wanted = len(answers) + more
        while len(answers) < wanted and not errors:
            time.sleep(0.01)

    askers = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for asker in askers:
        asker.start()
    try:
        count(10)
        comparing.switch(generation)
        count(10)
        generations.roll_back()
        count(10)
    finally:
        stop.set()
        for asker in askers:
            asker.join()
    assert errors == []
    assert len(answers) >= 30


def test_rollback_former_index_answers_with_what_came_since(library: Collection, new_model: Model) -> None:
    switched()
    index(library, "# Umbrellas\n\nUmbrellas are lent at the counter.")
    asked_before = new_model.texts
    former = generations.roll_back()
    assert former.model == django_settings.EMBEDDING_MODEL
    assert is_exact(former)
    assert first_hit("Where are umbrellas lent?") == "Umbrellas are lent at the counter."
    assert new_model.texts == asked_before


def test_rollback_without_a_former_index_is_refused(library: Collection) -> None:
    with pytest.raises(GenerationError) as caught:
        generations.roll_back()
    assert caught.value.code == "generation_no_former"


def test_documents_added_replaced_and_deleted_during_a_build_are_right_in_both(
    library: Collection, new_model: Model
) -> None:
    index(library, "# Hats\n\nHats hang by the door.", name="hats.md")
    goes = index(library, "# Shoes\n\nShoes are polished at night.")
    generation = generations.start(rate=0)
    new_model.hold(after=2)
    builder = threading.Thread(target=lambda: (reindexing.catch_up(generation.pk), connection.close()))
    builder.start()
    try:
        assert new_model.is_held.wait(START_TIMEOUT_S)
        # What happens to documents happens while one is under way.
        new_model.hold_at = 0
        index(library, "# Coats\n\nCoats are kept in lockers.")
        index(library, "# Hats\n\nHats now lie on the shelf.", name="hats.md")
        documents.delete_documents(Document.objects.filter(pk=goes.pk))
    finally:
        new_model.release.set()
        builder.join()
    assert reindexing.catch_up(generation.pk) in {Outcome.COMPLETE, Outcome.STOPPED}
    generation.refresh_from_db()
    indexing.settle_sweeps()
    assert generation.status == Status.BUILT
    for row in (generations.live_or_first(), generation):
        assert is_exact(row)


def test_document_whose_chunks_change_while_it_is_brought_over_is_brought_over_again(
    collection: Collection, new_model: Model, settings: Settings
) -> None:
    index(collection, "# Hats\n\nHats hang by the door.", name="hats.md")
    generation = generations.start()
    new_model.hold(after=1)  # the probe; then the passages of the first version
    builder = threading.Thread(target=lambda: (reindexing.catch_up(generation.pk), connection.close()))
    builder.start()
    try:
        assert new_model.is_held.wait(START_TIMEOUT_S)
        settings.NEXT_EMBEDDING_BASE_URL = "http://127.0.0.1:9/v1"
        forget_backends()
        document = index(collection, "# Hats\n\nHats now lie on the shelf.", name="hats.md")
        assert document.status == Document.Status.READY
        settings.NEXT_EMBEDDING_BASE_URL = new_model.url
    finally:
        new_model.release.set()
        builder.join()
    assert reindexing.catch_up(generation.pk) in {Outcome.COMPLETE, Outcome.STOPPED}
    Document.objects.get(pk=document.pk)
    indexing.order_sweep(document.pk)
    indexing.settle_sweeps()
    assert is_exact(generation)


def test_new_service_down_documents_become_ready_and_are_caught_up_with(library: Collection, new_model: Model) -> None:
    generation = built()
    new_model.is_down = True
    forget_backends()
    document = index(library, "# Umbrellas\n\nUmbrellas are lent at the counter.")
    assert document.status == Document.Status.READY
    assert not generations.progress_of(generation).is_complete
    assert reindexing.catch_up(generation.pk) is Outcome.WAITING
    with pytest.raises(GenerationError):
        generations.switch(generation)
    new_model.is_down = False
    assert reindexing.catch_up(generation.pk) is Outcome.COMPLETE
    assert is_exact(generation)


def test_dimension_change_is_cut_in_the_client_and_goes_live(library: Collection, settings: Settings) -> None:
    live = generations.live_or_first()
    settings.EMBEDDING_DIMENSIONS = 64
    assert [(item.what, item.wanted) for item in generations.differences(live)] == [("dimensions", "64")]
    index(library, "# Umbrellas\n\nUmbrellas are lent at the counter.")
    assert is_exact(live)
    generation = built()
    assert generation.dimensions == 64
    assert is_exact(generation)
    comparing.make_report(generation)
    generation.refresh_from_db()
    comparing.switch(generation, accepts_regression=True)
    assert first_hit("Who looks after pets?") == "The clerk of pets at desk pets."


def test_chunk_length_change_reads_documents_anew_and_counts_follow(collection: Collection, settings: Settings) -> None:
    text = "\n\n".join(f"Sentence about matter {number} of the railway, told at some length." for number in range(30))
    document = index(collection, text)
    former_count = document.passage_count
    settings.CHUNK_TOKENS = 32
    later = index(collection, text + "\n\nOne more.")
    assert later.passage_count < 2 * former_count
    generation = switched_anyway()
    document.refresh_from_db()
    assert document.passage_count > former_count
    assert is_exact(generation)
    assert generations.live_chunks(document.chunks.all()).count() == document.passage_count
    assert indexing.repair_index() == 0
    generations.roll_back()
    document.refresh_from_db()
    assert document.passage_count == former_count


def switched_anyway() -> IndexGeneration:
    generation = built()
    comparing.make_report(generation)
    generation.refresh_from_db()
    comparing.switch(generation, accepts_regression=True)
    return generation


def test_pause_and_resume_stop_and_go_on(library: Collection, new_model: Model) -> None:
    generation = generations.start()
    generations.pause(generation)
    assert reindexing.catch_up(generation.pk) is Outcome.STOPPED
    index(library, "# Umbrellas\n\nUmbrellas are lent at the counter.")
    assert not get_index(generation).count()
    generations.resume(generation)
    assert reindexing.catch_up(generation.pk) is Outcome.COMPLETE
    assert is_exact(generation)


def test_cancel_takes_the_vectors_away(library: Collection, new_model: Model) -> None:
    generation = built()
    generations.cancel(generation)
    names = {found.name for found in store().get_collections().collections}
    assert names == {generations.live_or_first().collection}
    assert generations.candidate() is None


def test_prune_former_generation_goes_with_its_vectors_and_its_cut(collection: Collection, settings: Settings) -> None:
    index(collection, "\n\n".join(f"Sentence about matter {number} of the railway." for number in range(30)))
    former = generations.live_or_first()
    settings.CHUNK_TOKENS = 32
    live = switched_anyway()
    assert generations.prune() == 0
    IndexGeneration.objects.filter(pk=former.pk).update(prune_at=timezone.now() - timedelta(seconds=1))
    assert generations.prune() == 1
    assert {found.name for found in store().get_collections().collections} == {live.collection}
    assert set(Chunk.objects.values_list("chunking", flat=True)) == {"1:32"}
    IndexGeneration.objects.filter(pk=former.pk).update(prune_at=timezone.now())
    generations.prune()
    former.refresh_from_db()
    assert former.status == Status.DROPPED
    with pytest.raises(GenerationError):
        generations.roll_back()


def test_rate_spreads_the_passages_over_time(library: Collection, new_model: Model) -> None:
    generation = generations.start(rate=1_000)
    reindexing.catch_up(generation.pk)
    generation.refresh_from_db()
    passages = Chunk.objects.count()
    booked_s = (generation.throttled_until - generation.created_at).total_seconds()
    assert booked_s >= passages / 1_000


def test_model_name_changed_under_a_full_index_nothing_is_embedded_and_words_alone_answer(
    library: Collection, settings: Settings
) -> None:
    settings.EMBEDDING_MODEL = "another"
    result = search("Who looks after pets?", AnonymousUser())
    assert (result.degraded, result.hits[0].text) == ("index_model_changed", "The clerk of pets at desk pets.")
    document = index(library, "# Umbrellas\n\nUmbrellas are lent at the counter.")
    assert (document.status, document.error_code, document.attempts) == (
        Document.Status.QUEUED,
        "index_model_changed",
        0,
    )
    assert IndexGeneration.objects.count() == 1


def test_model_gone_for_good_the_new_one_is_built_and_takes_over_by_an_explicit_yes(
    library: Collection, settings: Settings
) -> None:
    with serving(rotated(4)) as model:
        name = settings.EMBEDDING_MODEL
        settings.EMBEDDING_BASE_URL, settings.EMBEDDING_MODEL = model.url, "rotated"
        generation = built()
        with pytest.raises(ModelChangedError):
            comparing.make_report(generation)
        with pytest.raises(GenerationError) as caught:
            comparing.switch(generation)
        assert caught.value.code == "generation_no_report"
        comparing.switch(generation, accepts_regression=True)
        assert first_hit("Who looks after pets?") == "The clerk of pets at desk pets."
        assert generations.live_or_first().model != name


def test_model_served_by_the_next_endpoint_search_goes_on(library: Collection, settings: Settings) -> None:
    settings.NEXT_EMBEDDING_BASE_URL, settings.NEXT_EMBEDDING_MODEL = (
        settings.EMBEDDING_BASE_URL,
        settings.EMBEDDING_MODEL,
    )
    with serving(rotated(2)) as model:
        settings.EMBEDDING_BASE_URL, settings.EMBEDDING_MODEL = model.url, "another"
        assert first_hit("Who looks after pets?") == "The clerk of pets at desk pets."


def test_other_weights_under_the_same_name_nothing_is_mixed_until_they_are_back(
    library: Collection, settings: Settings
) -> None:
    address = settings.EMBEDDING_BASE_URL
    live = generations.live_or_first()
    with serving(worthless) as model:
        settings.EMBEDDING_BASE_URL = model.url
        forget_backends()
        document = index(library, "# Umbrellas\n\nUmbrellas are lent at the counter.")
        assert (document.status, document.error_code) == (Document.Status.QUEUED, "index_model_drifted")
        assert is_exact(live)
        result = search("Who looks after pets?", AnonymousUser())
        assert (result.degraded, result.hits[0].text) == ("index_model_drifted", "The clerk of pets at desk pets.")
    settings.EMBEDDING_BASE_URL = address
    forget_backends()
    generations.watch_model()
    assert first_hit("Who looks after pets?") == "The clerk of pets at desk pets."


def test_other_weights_under_the_same_name_are_noticed_by_the_first_new_question(
    library: Collection, settings: Settings
) -> None:
    other = rotated(3)
    other(["made before somebody waits for it"])
    with serving(other) as model:
        settings.EMBEDDING_BASE_URL = model.url
        forget_backends()
        result = search("Who looks after pets?", AnonymousUser())
        assert (result.degraded, result.hits[0].text) == ("index_model_drifted", "The clerk of pets at desk pets.")
        assert generations.live_or_first().error_code == "index_model_drifted"


def test_watch_model_other_weights_are_noticed_though_the_former_were_seen_a_moment_ago(
    library: Collection, settings: Settings
) -> None:
    embed = [built_in]
    with serving(lambda texts: embed[0](texts)) as model:
        settings.EMBEDDING_BASE_URL = model.url
        forget_backends()
        generations.watch_model()
        embed[0] = rotated(3)
        with pytest.raises(ModelChangedError):
            generations.watch_model()


def test_other_weights_in_the_middle_of_a_document_none_of_their_vectors_answers(
    library: Collection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "WINDOW_PASSAGES", 1)
    other = rotated(3)
    sent: list[str] = []

    def embed(texts: list[str]) -> NDArray[np.float32]:
        sent.extend(texts)
        return other(texts) if any("Umbrellas are returned" in text for text in sent) else built_in(texts)

    live = generations.live_or_first()
    with serving(embed) as model:
        settings.EMBEDDING_BASE_URL = model.url
        forget_backends()
        document = index(library, "# Lent\n\nUmbrellas are lent.\n\n# Returned\n\nUmbrellas are returned.")
        assert (document.status, document.error_code) == (Document.Status.QUEUED, "index_model_drifted")
        assert is_exact(live)
        kept = EmbeddingCacheEntry.objects.count()
        index(library, "# Kept\n\nUmbrellas are kept for a year.")
        assert generations.live_or_first().error_code == "index_model_drifted"
        assert EmbeddingCacheEntry.objects.count() == kept


def test_moved_address_with_the_same_weights_is_no_change(library: Collection, settings: Settings) -> None:
    settings.EMBEDDING_BASE_URL = settings.EMBEDDING_BASE_URL.replace("127.0.0.1", "localhost")
    forget_backends()
    assert index(library, "# Umbrellas\n\nUmbrellas are lent.").status == Document.Status.READY
    with pytest.raises(GenerationError) as caught:
        generations.start()
    assert caught.value.code == "generation_same"


def test_same_name_other_weights_at_the_next_endpoint_each_generation_has_its_own(
    library: Collection, settings: Settings
) -> None:
    with serving(rotated(3)) as model:
        settings.NEXT_EMBEDDING_BASE_URL = model.url
        generation = switched()
        assert generation.model == settings.EMBEDDING_MODEL
        assert first_hit("Who looks after pets?") == "The clerk of pets at desk pets."
        generations.roll_back()
        assert first_hit("Who looks after pets?") == "The clerk of pets at desk pets."


def test_repair_index_hole_in_the_new_generation_is_filled_from_the_database(
    library: Collection, new_model: Model
) -> None:
    generation = built()
    hole = Document.objects.first()
    get_index(generation).delete_document(hole.pk)
    assert indexing.repair_index() == 1
    hole.refresh_from_db()
    assert hole.status == Document.Status.READY
    assert reindexing.take_due(is_thorough=True) == [generation.pk]
    assert reindexing.catch_up(generation.pk) is Outcome.COMPLETE
    assert is_exact(generation)


def test_take_due_one_worker_at_a_time_and_another_after_it_died(library: Collection, new_model: Model) -> None:
    generation = generations.start()
    assert reindexing.take_due() == [generation.pk]
    assert reindexing.take_due() == []
    IndexGeneration.objects.update(worker_until=timezone.now())
    assert reindexing.take_due() == [generation.pk]
    while reindexing.take_turn(generation.pk):
        pass
    generation.refresh_from_db()
    assert generation.status == Status.BUILT


def test_take_turn_upload_waits_one_document_at_a_time_is_begun(library: Collection, new_model: Model) -> None:
    generation = generations.start()
    upload(library, "# Umbrellas\n\nUmbrellas are lent at the counter.")
    assert not reindexing.take_turn(generation.pk)
    assert GenerationDocument.objects.filter(generation=generation, state="done").count() == 1


def test_query_history_keeps_the_latest_and_none_when_told(site: None, settings: Settings) -> None:
    settings.QUERY_HISTORY = 3
    for number in range(6):
        history.note_query(f"question {number}", "en")
    history.flush()
    history.trim()
    assert [row.text for row in history.recent_queries(10)] == ["question 5", "question 4", "question 3"]
    assert RecentQuery.objects.count() == 3
    settings.QUERY_HISTORY = 0
    history.note_query("question 7", "en")
    history.flush()
    history.trim()
    assert not RecentQuery.objects.exists()


def reindex_command(*arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "manage.py"), "reindex", *arguments]


def command_environment(folder: object, **more: str) -> dict[str, str]:
    names = ("QDRANT_URL", "QDRANT_API_KEY", "EMBEDDING_BASE_URL", "EMBEDDING_API_KEY", "EMBEDDING_MODEL", "REDIS_URL")
    database = connection.settings_dict["NAME"]
    return {
        **os.environ,
        **{name: getattr(django_settings, name) for name in names},
        "DATABASE_URL": os.environ.get("DATABASE_URL") or f"sqlite:///{database}",
        "SECRET_KEY": "test",
        "DATA_DIR": str(folder),
        "WORKER_THREADS": "1",
        **more,
    }


@pytest.mark.slow
def test_command_killed_at_every_stage_ends_with_exactly_the_right_points(
    collection: Collection, new_model: Model, tmp_path
) -> None:
    for number in range(3):
        index(collection, "\n\n".join(f"Sentence about matter {n} of line {number}. " * 20 for n in range(90)))
    rows = "".join(f"Who looks after {subject}?,The clerk of {subject}.\n" for subject in SUBJECTS)
    index(collection, f"question,answer\n{rows}", name="faq.csv")
    environment = command_environment(tmp_path, NEXT_EMBEDDING_BASE_URL=new_model.url, NEXT_EMBEDDING_MODEL="rotated")
    # Probing before there is a row; probing again; in the first document; late in it; in the last.
    for after in (0, 1, 3, 2, 5):
        new_model.hold(after=after)
        process = subprocess.Popen(reindex_command(), env=environment, stderr=subprocess.DEVNULL)
        try:
            assert new_model.is_held.wait(START_TIMEOUT_S)
        finally:
            process.kill()
            process.wait()
        new_model.hold_at = 0
        new_model.release.set()
        # What time would do.
        GenerationDocument.objects.exclude(lease=None).update(lease_expires_at=timezone.now())
    finished = subprocess.run(reindex_command(), env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    generation = generations.candidate()
    assert generation is not None
    assert generation.status == Status.BUILT
    assert IndexGeneration.objects.count() == 2
    assert is_exact(generation)
    assert is_exact(generations.live_or_first())

    # Killed in the middle of the report: it is made anew, and the switch waits for it.
    new_model.hold(after=4)
    process = subprocess.Popen(reindex_command("--report"), env=environment, stderr=subprocess.DEVNULL)
    try:
        assert new_model.is_held.wait(START_TIMEOUT_S)
    finally:
        process.kill()
        process.wait()
        new_model.release.set()
    refused = subprocess.run(reindex_command("--switch"), env=environment, capture_output=True, text=True, check=False)
    assert "generation_no_report" in refused.stderr
    IndexGeneration.objects.exclude(report_lease=None).update(report_lease_expires_at=timezone.now())
    for arguments in (["--report"], ["--switch", "--accept-regression"], ["--rollback"]):
        done = subprocess.run(reindex_command(*arguments), env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert generations.live_or_first().model == django_settings.EMBEDDING_MODEL
    assert live_index().count() == Chunk.objects.count()
