"""How texts are framed for each family of models, and when two probes are of the same weights."""

import numpy as np
import pytest

from searchapp.embedding import DEFAULT_INSTRUCTION, FAMILIES, TASKS, family_of, frame_of, is_same_model


@pytest.mark.parametrize(
    ("model", "family", "query", "document"),
    [
        ("qwen3-embedding-0.6b", "qwen3", "Instruct: Find it\nQuery:x", "x"),
        ("Qwen/Qwen3-Embedding-8B", "qwen3", "Instruct: Find it\nQuery:x", "x"),
        ("/models/Qwen3-Embedding-0.6B/", "qwen3", "Instruct: Find it\nQuery:x", "x"),
        ("intfloat/multilingual-e5-small", "e5", "query: x", "passage: x"),
        ("intfloat/multilingual-e5-large-instruct", "e5", "Instruct: Find it\nQuery: x", "x"),
        ("BAAI/bge-m3", "bge", "x", "x"),
        ("BAAI/bge-small-en-v1.5", "bge", "Represent this sentence for searching relevant passages: x", "x"),
        ("bge-large-zh-v1.5", "bge", "为这个句子生成表示以用于检索相关文章：x", "x"),
        ("BAAI/bge-multilingual-gemma2", "bge", "<instruct>Find it\n<query>x", "x"),
        ("Alibaba-NLP/gte-Qwen2-1.5B-instruct", "gte", "Instruct: Find it\nQuery: x", "x"),
        ("Alibaba-NLP/gte-multilingual-base", "gte", "x", "x"),
        (
            "jinaai/jina-embeddings-v3",
            "jina",
            "Represent the query for retrieving evidence documents: x",
            "Represent the document for retrieval: x",
        ),
        ("jina-embeddings-v4", "jina", "Query: x", "Passage: x"),
        ("text-embedding-3-small", "none", "x", "x"),
        ("/srv/e5/something-else", "none", "x", "x"),
    ],
)
def test_frame_of_known_models_is_that_of_their_cards(model: str, family: str, query: str, document: str) -> None:
    assert family_of(model) == family
    frame = frame_of(family, model)
    assert frame.frame_query("x", "Find it") == query
    assert frame.frame_document("x") == document


def test_frame_query_text_that_looks_like_a_frame_is_left_as_it_is() -> None:
    frame = frame_of("qwen3", "qwen3")
    assert frame.frame_query("{instruction} {text}", "{text}") == "Instruct: {text}\nQuery:{instruction} {text}"


def test_tasks_each_say_something_else_and_web_is_the_default() -> None:
    assert TASKS["web"] == DEFAULT_INSTRUCTION
    assert set(TASKS) == {"web", "faq", "ticket", "code"}
    assert len(set(TASKS.values())) == len(TASKS)


def test_families_are_those_promised() -> None:
    assert set(FAMILIES) == {"qwen3", "bge", "e5", "gte", "jina", "none"}


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _in_bf16(rows: np.ndarray) -> np.ndarray:
    return (rows.astype(np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32)


def test_is_same_model_survives_the_rounding_of_bf16() -> None:
    rows = _unit(np.random.default_rng(1).normal(size=(8, 1024)))
    noisy = _unit(_in_bf16(rows) + np.random.default_rng(2).normal(scale=1e-3, size=rows.shape).astype(np.float32))
    assert is_same_model(rows, noisy)


def test_is_same_model_one_text_that_moved_is_another_model() -> None:
    rows = _unit(np.random.default_rng(1).normal(size=(8, 1024)))
    moved = rows.copy()
    moved[5] = _unit(rows[5:6] + 0.1 * rows[6:7])[0]  # cosine 0.995, as after a short fine-tuning
    assert not is_same_model(rows, moved)


def test_is_same_model_another_length_or_nothing_is_another_model() -> None:
    rows = _unit(np.random.default_rng(1).normal(size=(8, 16)))
    assert not is_same_model(rows, _unit(rows[:, :8]))
    assert not is_same_model(rows[:0], rows[:0])
