"""Measuring search: sets, their bases in the index, runs, and questions made from what is there."""

import gzip
import json
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from searchapp.models import Chunk, Collection, EvaluationBase, ModelFingerprint
from searchapp.services import evaluating, generations, reindexing
from searchapp.services.evaluating import EvaluationError, EvaluationSet, Question, Run, Unit
from searchapp.services.searching import Lanes, SearchOptions
from tests.factories import CollectionFactory, index, live_index

TEXTS = {
    "luggage": ("Report a lost suitcase at the counter.", "Melden Sie einen verlorenen Koffer am Schalter."),
    "breakfast": ("Breakfast is served in the dining car.", "Das Frühstück wird im Speisewagen serviert."),
    "ticket": ("You can return your ticket for free.", "Sie können Ihre Fahrkarte kostenlos zurückgeben."),
    "children": ("Children travel free with their parents.", "Kinder reisen mit ihren Eltern kostenlos."),
    "weather": ("In snow trains are often delayed.", "Bei Schnee haben Züge oft Verspätung."),
}
FAQ = {
    "faq.en.csv": "question,answer\nWhere is my suitcase?,At the counter.\nMay my dog come along?,With a ticket.\n",
    "faq.de.csv": 'Frage,Antwort\nWo ist mein Koffer?,Am Schalter.\nDarf mein Hund mitfahren?,"Ja, mit Fahrkarte."\n',
}
LEXICAL = SearchOptions(Lanes.LEXICAL, is_balanced=False)


def ignore_progress(step: str, done: int, total: int) -> None:
    """Show nothing."""


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Return a folder in the layout of texts: five in two languages, each asked for in both."""
    folder = tmp_path / "travel"
    folder.mkdir()
    versions = [(pid, lang, text) for pid, pair in TEXTS.items() for lang, text in zip(("en", "de"), pair, strict=True)]
    corpus = [{"id": f"{pid}:{lang}", "pid": pid, "lang": lang, "text": text} for pid, lang, text in versions]
    queries = [
        {"id": f"q-{pid}:{lang}", "lang": lang, "text": text, "positives": [pid]} for pid, lang, text in versions
    ]
    for name, rows in (("corpus", corpus), ("queries", queries)):
        with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as stream:
            stream.writelines(json.dumps(row) + "\n" for row in rows)
    return folder


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return a folder in the layout of files."""
    folder = tmp_path / "station"
    (folder / "files").mkdir(parents=True)
    for name, text in FAQ.items():
        (folder / "files" / name).write_text(text)
    row = {
        "id": "q1",
        "lang": "en",
        "text": "Where can I find my suitcase?",
        "relevant": ["faq.de.csv"],
        "relevant_rows": {"faq.de.csv": "Wo ist mein Koffer?"},
    }
    (folder / "queries.jsonl").write_text(json.dumps(row) + "\n")
    return folder


@pytest.fixture
def library(collection: Collection) -> Collection:
    for number, (pid, pair) in enumerate(TEXTS.items()):
        for lang, text in zip(("en", "de"), pair, strict=True):
            index(collection, f"# {text}\n\n{text} {number}", name=f"{pid}.{lang}.md", declared_language=lang)
    for name, text in FAQ.items():
        index(collection, text, name=name, declared_language=name.split(".")[1])
    return collection


def evaluate(folder: Path, **options: object) -> Run:
    return evaluating.evaluate(evaluating.load_set(folder), progress=ignore_progress, **options)


def test_evaluate_texts_scores_every_pair_of_languages_and_leaves_nothing(site: None, texts: Path) -> None:
    run = evaluate(texts)
    report = evaluating.report(run)
    assert set(report.cells) == {("de", "de"), ("de", "en"), ("en", "de"), ("en", "en")}
    assert report.means.questions == 10
    assert report.means.same_language is not None
    assert report.means.same_language.recall_1 == 1.0
    assert len(run.rankings) == 30
    assert not Collection.objects.exists()
    assert live_index().count() == 0


def test_evaluate_words_alone_find_nothing_across_languages(site: None, texts: Path) -> None:
    run = evaluate(texts, options=LEXICAL)
    report = evaluating.report(run)
    assert report.means.same_language is not None
    assert report.means.same_language.recall_1 == 1.0
    assert report.means.other_language is not None
    assert report.means.other_language.recall_10 == 0.0
    assert (run.settings["lanes"], run.settings["is_balanced"]) == ("lexical", False)


def test_evaluate_files_finds_their_languages_and_the_right_faq_row(site: None, files: Path) -> None:
    report = evaluating.report(evaluate(files))
    assert set(report.cells) == {("en", "de")}
    assert report.rows_found == (0, 1, 1)  # the English row of the same question comes first


def test_evaluate_same_contents_are_one_document_under_both_ids(site: None, files: Path) -> None:
    (files / "files" / "copy.de.csv").write_text(FAQ["faq.de.csv"])
    ranking = evaluate(files).rankings[0]
    assert {"copy.de.csv", "faq.de.csv"} <= set(ranking.ranked)


def test_evaluate_stopped_in_the_middle_leaves_nothing(site: None, texts: Path) -> None:
    def stop(step: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluating.evaluate(evaluating.load_set(texts), progress=stop)
    assert not Collection.objects.exists()


def test_evaluate_takes_away_what_a_killed_one_left_but_not_what_runs(site: None, texts: Path) -> None:
    now = timezone.now()
    for slug, expires_at in (("dead", now - timedelta(seconds=1)), ("running", now + timedelta(minutes=1))):
        EvaluationBase.objects.create(collection=CollectionFactory.create(slug=slug), lease_expires_at=expires_at)
    CollectionFactory.create(slug="handbook")
    evaluate(texts)
    assert set(Collection.objects.values_list("slug", flat=True)) == {"running", "handbook"}


def test_evaluate_kept_base_is_indexed_once(site: None, texts: Path) -> None:
    indexed: list[int] = []

    def note(step: str, done: int, total: int) -> None:
        if step == "indexing":
            indexed.append(total)

    evaluation_set = evaluating.load_set(texts)
    first = evaluating.evaluate(evaluation_set, keep="travel", progress=note)
    assert indexed == [10] * 10
    second = evaluating.evaluate(evaluation_set, keep="travel", progress=note)
    assert indexed == [10] * 10
    assert [item.ranked for item in first.rankings] == [item.ranked for item in second.rankings]
    assert evaluating.remove_kept("travel")
    assert not Collection.objects.exists()
    assert not evaluating.remove_kept("travel")


def test_evaluate_kept_base_of_a_stopped_run_is_completed(site: None, texts: Path) -> None:
    def stop_at_three(step: str, done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluating.evaluate(evaluating.load_set(texts), keep="travel", progress=stop_at_three)
    run = evaluate(texts, keep="travel")
    assert len(run.rankings) == 30
    assert Collection.objects.get().documents.count() == 10


def test_evaluate_kept_base_is_made_anew_for_other_settings_and_other_texts(
    site: None, texts: Path, settings: Settings
) -> None:
    evaluate(texts, keep="travel")
    first = Collection.objects.get().pk
    evaluate(texts, keep="travel", has_headings=False)
    second = Collection.objects.get().pk
    settings.CHUNK_TOKENS = 64
    generation = generations.start()
    reindexing.catch_up(generation.pk)
    generations.switch(generation)
    evaluate(texts, keep="travel", has_headings=False)
    third = Collection.objects.get().pk
    assert len({first, second, third}) == 3


def test_evaluate_settings_name_the_weights_that_answered(site: None, files: Path) -> None:
    first, second = evaluate(files), evaluate(files)
    assert first.settings["fingerprint"] == second.settings["fingerprint"] == ModelFingerprint.objects.get().pk


def test_evaluate_kept_base_in_use_is_refused(site: None, texts: Path) -> None:
    evaluate(texts, keep="travel")
    EvaluationBase.objects.update(lease_expires_at=timezone.now() + timedelta(minutes=1))
    with pytest.raises(EvaluationError, match="another evaluation uses"):
        evaluate(texts, keep="travel")


def test_evaluate_without_headings_indexes_none(site: None, files: Path) -> None:
    (files / "files" / "guide.md").write_text("# Guide\n\n## Umbrellas\n\nAsk at the counter.\n")
    evaluate(files, has_headings=False, keep="guide")
    assert set(Chunk.objects.values_list("question", flat=True)) > {""}
    assert all(path == [] for path in Chunk.objects.values_list("heading_path", flat=True))


def test_evaluate_broken_document_says_which(site: None, files: Path) -> None:
    (files / "files" / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing more")
    with pytest.raises(EvaluationError, match=r"broken\.pdf"):
        evaluate(files)


def test_load_set_keeps_one_scope(texts: Path) -> None:
    for name in ("corpus", "queries"):
        path = texts / f"{name}.jsonl.gz"
        rows = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
        with gzip.open(path, "wt", encoding="utf-8") as stream:
            stream.writelines(json.dumps({**row, "scope": "ab"[number % 2]}) + "\n" for number, row in enumerate(rows))
    whole, scoped = evaluating.load_set(texts), evaluating.load_set(texts, scope="a")
    assert {item.language for item in scoped.items} == {"en"}
    assert len(scoped.questions) == 5
    assert whole.sha256 != scoped.sha256


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: folder.joinpath("queries.jsonl").unlink(),
        lambda folder: folder.joinpath("queries.jsonl").write_text("{}"),
    ],
)
def test_load_set_unreadable_folder_is_an_error(files: Path, spoil) -> None:
    spoil(files)
    with pytest.raises(EvaluationError, match="station"):
        evaluating.load_set(files)


def test_load_set_another_answer_is_another_set(files: Path) -> None:
    before = evaluating.load_set(files).sha256
    assert evaluating.load_set(files).sha256 == before
    (files / "files" / "faq.en.csv").write_text(FAQ["faq.en.csv"] + "More?,Yes.\n")
    assert evaluating.load_set(files).sha256 != before


def test_load_questions_csv_names_documents_rows_and_passages(library: Collection, tmp_path: Path) -> None:
    path = tmp_path / "questions.csv"
    path.write_text(
        "query,language,relevant\n"
        "Wo ist mein Koffer?,de,luggage.en.md\n"
        "Wo ist mein Koffer?,de,handbook/luggage.de.md\n"
        "我的行李箱在哪里？,,faq.en.csv#Where is my suitcase?\n"
        "Is the meal on board?,en,Breakfast is served in the dining car. 1\n"
    )
    loaded = evaluating.load_questions(path, [library])
    by_text = {question.text: question for question in loaded.questions}
    german = by_text["Wo ist mein Koffer?"]
    assert german.relevant == {"handbook/luggage.en.md": "en", "handbook/luggage.de.md": "de"}
    chinese = by_text["我的行李箱在哪里？"]
    assert (chinese.language, chinese.unit) == ("zh", Unit.ROW)
    passage = by_text["Is the meal on board?"]
    assert passage.unit is Unit.PASSAGE
    assert list(passage.relevant) == [str(Chunk.objects.get(document__source_name="breakfast.en.md").pk)]
    run = evaluating.evaluate_collections(loaded, [library], progress=ignore_progress)
    assert all(ranking.score.recall_10 == 1.0 for ranking in run.rankings)


@pytest.mark.parametrize(
    ("line", "reason"),
    [("Where?,en,nowhere.md", "nowhere.md"), (",en,luggage.en.md", "line 1"), ("Where?,en,", "line 1")],
)
def test_load_questions_line_that_says_nothing_is_an_error(
    library: Collection, tmp_path: Path, line: str, reason: str
) -> None:
    path = tmp_path / "questions.csv"
    path.write_text(f"query,language,relevant\n{line}\n")
    with pytest.raises(EvaluationError, match=reason):
        evaluating.load_questions(path, [library])


def test_run_saved_and_read_is_the_same(site: None, texts: Path, tmp_path: Path) -> None:
    run = evaluate(texts)
    for name in ("run.json", "run.json.gz"):
        evaluating.write_run(run, tmp_path / name)
        saved = evaluating.read_run(tmp_path / name)
        assert (saved.set_sha256, saved.settings, saved.created_at) == (run.set_sha256, run.settings, run.created_at)
        assert [item.question for item in saved.rankings] == [item.question for item in run.rankings]
        assert [item.ranked for item in saved.rankings] == [item.ranked for item in run.rankings]
        assert evaluating.report(saved).means == evaluating.report(run).means


def test_read_run_other_file_is_an_error(tmp_path: Path) -> None:
    for content in ("[]", "{}", "nonsense", '{"format": 99}'):
        (tmp_path / "run.json").write_text(content)
        with pytest.raises(EvaluationError, match=r"run\.json"):
            evaluating.read_run(tmp_path / "run.json")


def test_compare_with_itself_changes_nothing(site: None, texts: Path) -> None:
    run = evaluate(texts)
    comparison = evaluating.compare(run, run)
    assert set(comparison.overall) == {"mixed", "same_language", "other_language"}
    assert all(item.ties == item.questions for item in comparison.pairs.values())
    assert (comparison.settings, comparison.worst, comparison.left_out) == ({}, (), 0)


def test_compare_says_where_leaving_out_meaning_loses(site: None, texts: Path) -> None:
    hybrid, lexical = evaluate(texts, keep="travel"), evaluate(texts, keep="travel", options=LEXICAL)
    comparison = evaluating.compare(hybrid, lexical)
    assert comparison.settings == {"lanes": ("hybrid", "lexical"), "is_balanced": (True, False)}
    across = comparison.overall["other_language"]
    assert across.after == 0.0
    assert across.interval.mean == pytest.approx(-across.before)
    assert (across.questions, across.answers, across.is_clear) == (10, 5, False)
    assert comparison.pairs["en", "en"].interval.mean == pytest.approx(0.0)
    assert comparison.worst[0].loss == max(change.loss for change in comparison.worst) > 0
    report_before, report_after = evaluating.report(hybrid), evaluating.report(lexical)
    assert across.before == pytest.approx(report_before.means.other_language.ndcg_10)
    assert comparison.overall["mixed"].after == pytest.approx(report_after.means.mixed.ndcg_10)


def test_compare_runs_with_other_limits_compares_what_both_asked(site: None, texts: Path) -> None:
    whole, part = evaluate(texts, keep="travel"), evaluate(texts, keep="travel", limit_queries=4)
    comparison = evaluating.compare(whole, part)
    assert comparison.overall["mixed"].questions == 4
    assert comparison.left_out == 18


def test_compare_different_sets_are_refused(site: None, texts: Path, files: Path) -> None:
    with pytest.raises(EvaluationError, match="different sets"):
        evaluating.compare(evaluate(texts), evaluate(files))


def test_mine_makes_questions_of_every_kind_and_all_are_found(library: Collection) -> None:
    questions = evaluating.mine([library.pk])
    assert set(Counter(question.kind for question in questions)) >= {"faq", "heading", "sentence"}
    run = evaluating.evaluate_collections(
        EvaluationSet("mined", (), tuple(questions)), [library], progress=ignore_progress
    )
    own = [ranking for ranking in run.rankings if ranking.language == ranking.question.language]
    assert all(ranking.score.recall_10 == 1.0 for ranking in own)


def test_mine_translations_answer_in_their_language(library: Collection) -> None:
    found = {
        (question.text, key): language
        for question in evaluating.mine([library.pk])
        for key, language in question.relevant.items()
    }
    assert found["Where is my suitcase?", "handbook/faq.de.csv#Wo ist mein Koffer?"] == "de"
    assert found[TEXTS["luggage"][1], "handbook/luggage.en.md"] == "en"
    assert (TEXTS["luggage"][1], "handbook/weather.en.md") not in found


def test_mine_same_seed_same_questions_and_another_seed_others(library: Collection) -> None:
    def texts_of(seed: int) -> list[str]:
        return [question.text for question in evaluating.mine([library.pk], seed=seed, count=6)]

    assert texts_of(1) == texts_of(1)
    assert texts_of(1) != texts_of(2)
    assert len(texts_of(1)) == 6


def test_mine_negatives_are_near_and_of_other_documents(library: Collection) -> None:
    for question in evaluating.mine([library.pk]):
        assert not set(question.negatives) & set(question.relevant)
    assert any(question.negatives for question in evaluating.mine([library.pk]))


def test_mine_over_hundred_short_documents_give_two_hundred_questions(collection: Collection) -> None:
    for number in range(101):
        index(collection, f"Room {number} lies on floor {number % 7} near lift {number % 5}.", name=f"{number}.txt")
    questions = evaluating.mine([collection.pk], count=200)
    assert len(questions) == 200
    assert len({question.id for question in questions}) == 200
    assert all(question.relevant for question in questions)


def test_mine_headings_that_stand_everywhere_ask_for_nothing(collection: Collection) -> None:
    for number in range(5):
        index(collection, f"# About room {number}\n\n## How to get there\n\nTake lift number {number} up.")
    texts = {question.text for question in evaluating.mine([collection.pk])}
    assert "About room 3" in texts
    assert "How to get there" not in texts


def test_mine_empty_collection_has_no_questions(collection: Collection) -> None:
    assert evaluating.mine([collection.pk]) == []
    with pytest.raises(EvaluationError, match="handbook"):
        evaluating.mined_set([collection])


def test_run_questions_takes_any_search(library: Collection) -> None:
    asked: list[tuple[str, list[str]]] = []

    def ask(text: str, languages) -> list:
        asked.append((text, list(languages)))
        return []

    question = Question("q", "en", "Where?", {"handbook/a.md": "de", "handbook/b.md": "en"})
    run = evaluating.run_questions([question, Question("none", "en", "Nothing answers", {})], ask)
    assert asked == [("Where?", []), ("Where?", ["de"]), ("Where?", ["en"])]
    assert evaluating.report(run).means.mixed.ndcg_10 == 0.0


def test_commands_evaluate_mined_questions_save_them_ask_them_again_and_compare(
    library: Collection, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    call_command("evaluate", mine=["handbook"], out=first)
    assert "cross-lingual" in capsys.readouterr().out
    assert {path.name for path in first.iterdir()} == {"run.json", "cells.csv", "matrix.svg", "questions.jsonl"}
    again = ["evaluate", first / "questions.jsonl", "--collection", "handbook", "--lanes", "lexical", "--out", second]
    call_command(*again, "--balance", "off")
    saved = [evaluating.read_run(folder / "run.json") for folder in (first, second)]
    assert {ranking.question.text for ranking in saved[0].rankings} == {
        ranking.question.text for ranking in saved[1].rankings
    }
    assert saved[0].set_sha256 == saved[1].set_sha256
    capsys.readouterr()
    call_command("compare", first, second, "--out", tmp_path / "comparison")
    printed = capsys.readouterr().out
    assert "lanes: hybrid -> lexical" in printed
    assert "worse than before" in printed
    written = json.loads((tmp_path / "comparison" / "comparison.json").read_text())
    assert written["overall"]["other_language"]["difference"] < 0
    assert {"comparison.csv", "comparison.svg"} < {path.name for path in (tmp_path / "comparison").iterdir()}


def test_commands_wrong_use_says_what_is_wrong(library: Collection, texts: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="Name a folder"):
        call_command("evaluate")
    with pytest.raises(CommandError, match="no collection nowhere"):
        call_command("evaluate", mine=["nowhere"])
    with pytest.raises(CommandError, match="as they stand"):
        call_command("evaluate", mine=["handbook"], no_headings=True)
    with pytest.raises(CommandError, match="neither"):
        call_command("evaluate", tmp_path)
    with pytest.raises(CommandError, match="two runs"):
        call_command("compare", tmp_path / "run.json")
    with pytest.raises(CommandError, match="no saved run"):
        call_command("compare", tmp_path / "run.json", tmp_path / "run.json")
