"""Order and highlight."""

from pathlib import Path

import numpy as np
import pytest

from searchapp.ranking import (
    UNBALANCED,
    AnswerTest,
    Evidence,
    Profile,
    Surroundings,
    Weights,
    best_span,
    limit_per_group,
    profile_of,
    read_profile,
    relevances,
    surroundings,
    write_profile,
)


def test_limit_per_group_keeps_order_and_spares_the_ungrouped() -> None:
    items = ["a1", "a2", "-1", "a3", "b1", "-2", "-3"]
    kept = limit_per_group(items, lambda item: None if item[0] == "-" else item[0], most=2)
    assert kept == ["a1", "a2", "-1", "b1", "-2", "-3"]


def test_best_span_nearest_sentence_wins() -> None:
    query = np.array([1.0, 0.0], dtype=np.float32)
    sentences = np.array([[0.0, 1.0], [0.6, 0.8], [-1.0, 0.0]], dtype=np.float32)
    assert best_span(query, sentences, [(0, 3), (3, 9), (9, 12)]) == (3, 9)


def evidence(similarity: float, *, words: float = 0.0, language: str = "en", is_own: bool = False) -> Evidence:
    return Evidence(similarity, words, language, is_own)


def test_relevances_words_lift_and_the_own_language_is_taken_off() -> None:
    passages = [evidence(0.4), evidence(0.4, words=0.5), evidence(0.4, language="zh", is_own=True)]
    plain, lifted, own = relevances(passages, Weights())
    assert own < plain == 0.4 < lifted


def test_relevances_crowd_in_one_language_does_not_bury_the_answer_in_another() -> None:
    crowd = [evidence(0.42 - 0.001 * number, language="zh") for number in range(30)]
    answer = [evidence(0.41)]
    noise = [evidence(0.2) for _ in range(20)]
    scores = relevances([*crowd, *answer, *noise], Weights())
    assert max(scores) == scores[len(crowd)]
    assert relevances([*crowd, *answer, *noise], UNBALANCED)[len(crowd)] < 0.42


def test_relevances_noise_in_the_own_language_stays_below_a_weak_answer_in_another() -> None:
    own_noise = [evidence(0.30, language="de", is_own=True) for _ in range(30)]
    others = [evidence(0.36), *[evidence(0.25) for _ in range(29)]]
    scores = relevances([*own_noise, *others], Weights())
    assert max(scores) == scores[len(own_noise)]


def test_relevances_few_passages_of_a_language_are_not_taken_for_a_quiet_one() -> None:
    loud = [evidence(0.5 - 0.001 * number) for number in range(30)]
    few = [evidence(0.36, language="fr")]
    scores = relevances([*loud, *few], Weights())
    assert scores[-1] < scores[0]


def test_relevances_below_the_noise_the_own_language_is_no_advantage() -> None:
    passages = [evidence(-0.4), evidence(-0.4, language="zh", is_own=True)]
    other, own = relevances(passages, Weights())
    assert own == other


def test_profile_answer_is_good_by_the_test_of_its_language_among_the_first() -> None:
    profile = Profile(own=AnswerTest(similarity=1, terms=0.4, least=0.4), other=AnswerTest(similarity=1, least=0.3))
    nothing_else = Surroundings({}, None)

    def has_answer(*best: Evidence) -> bool:
        return profile.has_answer([(passage, 0.0) for passage in best], nothing_else, language="de")

    assert has_answer(evidence(0.35))
    assert not has_answer(evidence(0.35, is_own=True))
    assert has_answer(evidence(0.35, is_own=True, words=0.3))
    weak = [evidence(0.1)] * 2
    assert has_answer(*weak, evidence(0.35))
    assert not has_answer(*weak, *weak, evidence(0.35))
    assert not has_answer()


def test_profile_answer_has_the_floor_of_its_pair_of_languages() -> None:
    test = AnswerTest(similarity=1, least=0.5, questions={"th": 0.1}, passages={"en": 0.2, "de": -0.1})
    profile = Profile(own=test, other=test)
    assert test.floor("th", "en") == pytest.approx(0.2)
    assert test.floor("zh", "fr") == 0.5
    for question, passage, is_answered in (("th", "en", True), ("fr", "en", False), ("th", "de", False)):
        best = [(evidence(0.25, language=passage), 0.0)]
        assert profile.has_answer(best, Surroundings({}, None), language=question) is is_answered


def test_profile_answer_has_to_stand_out_where_that_is_known() -> None:
    test = AnswerTest(above_noise=1, above_rest=1, usual_above_noise=0.1, usual_above_rest=0.1, least=0.2)
    profile = Profile(own=test, other=test)
    best = evidence(0.5)
    crowd = [best, *[evidence(0.45) for _ in range(30)]]
    alone = [best, *[evidence(0.2) for _ in range(30)]]
    for found, is_answered in ((crowd, False), (alone, True), ([best], True)):
        scores = [passage.similarity for passage in found]
        assert profile.has_answer([(best, 0.5)], surroundings(found, scores), language="de") is is_answered


def test_surroundings_of_few_passages_say_nothing() -> None:
    few = [evidence(0.5) for _ in range(12)]
    assert surroundings(few, [0.5] * 12) == Surroundings({}, None)
    enough = [*few, evidence(0.5, language="de"), *few]
    assert surroundings(enough, [0.4] * 25) == Surroundings({"en": 0.5}, pytest.approx(0.4))


def test_profile_of_unknown_model_calls_every_passage_good() -> None:
    nothing_else = Surroundings({}, None)
    assert not profile_of("multilingual-static").has_answer([(evidence(0.0), 0.0)], nothing_else, language="de")
    assert profile_of("some-other-model").has_answer([(evidence(0.0), 0.0)], nothing_else, language="de")


def test_read_profile_returns_what_was_written_and_refuses_anything_else(tmp_path: Path) -> None:
    path = tmp_path / "ranking.json"
    profile = Profile(Weights(terms=0.3), own=AnswerTest(similarity=2.5, least=0.5, questions={"th": 0.2}))
    write_profile(profile, path)
    assert read_profile(path) == profile
    for broken in ("[]", "{}", '{"weights": {"colour": 1}}', "no json"):
        path.write_text(broken, encoding="utf-8")
        with pytest.raises(ValueError, match=r"."):
            read_profile(path)
