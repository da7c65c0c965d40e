"""Vectors of questions in Redis, and searching without it."""

import socket
import subprocess
from collections.abc import Iterator

import numpy as np
import pytest
import redis
from django.contrib.auth.models import AnonymousUser
from pytest_django import Settings

from searchapp.backends import get_redis
from searchapp.embedding import PROBE_TEXTS, TASKS, Embedder
from searchapp.models import Collection
from searchapp.models.knowledge import Task
from searchapp.services import fingerprints, query_cache
from searchapp.services.searching import search
from tests.conftest import SERVERS
from tests.factories import CollectionFactory, index, live_index
from tests.integration.conftest import forget_backends
from tests.integration.test_embedding_cache import serving

FRAMED = "Instruct: Find it\nQuery:where?"


@pytest.fixture(autouse=True)
def fresh(site: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_cache, "_paused_until", 0.0)
    fingerprints.distrust_fingerprints()
    _forget_questions()


def _forget_questions() -> None:
    for key in (query_cache.USES, *get_redis().scan_iter(f"{query_cache.PREFIX}*")):
        get_redis().delete(key)


def _ask(embedder: Embedder, text: str = "where?", *instructions: str) -> np.ndarray:
    return np.stack(list(query_cache.embed_query(embedder, text, instructions=instructions or ["Find it"]).values()))


@pytest.fixture
def own_redis(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """A Redis of the test's own, which it may stop."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = next(part.command[0] for part in SERVERS.parts if part.name == "redis")
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    while b"Ready to accept connections" not in process.stdout.readline():
        assert process.poll() is None
    settings.REDIS_URL = f"redis://127.0.0.1:{port}/0"
    get_redis.cache_clear()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_embed_query_asked_again_is_not_sent_and_has_the_same_vector() -> None:
    with serving(1) as (url, asked):
        embedder = Embedder(url, "qwen3")
        first = _ask(embedder)
        assert asked == [FRAMED, *PROBE_TEXTS]
        asked.clear()
        second = _ask(embedder)
        assert asked == []
        other = _ask(embedder, "where?", "Find it", "Find that")
        assert asked == ["Instruct: Find that\nQuery:where?"]
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first[0], other[0])
    np.testing.assert_allclose(np.linalg.norm(other, axis=1), 1.0, atol=1e-6)


def test_embed_query_another_process_finds_what_was_asked_here() -> None:
    with serving(1) as (url, asked):
        first = _ask(Embedder(url, "qwen3"))
        embedder = Embedder(url, "qwen3")
        fingerprints.current_fingerprint(embedder)
        asked.clear()
        np.testing.assert_array_equal(_ask(embedder), first)
        assert asked == []


def test_embed_query_other_weights_take_nothing_from_the_cache() -> None:
    with serving(1) as (url, _asked):
        old = _ask(Embedder(url, "qwen3"))
    with serving(2) as (url, asked):
        embedder = Embedder(url, "qwen3")
        fingerprints.current_fingerprint(embedder)
        new = _ask(embedder)
        assert FRAMED in asked
    assert float(old[0] @ new[0]) < 0.9


def test_embed_query_weights_changed_under_the_name_are_noticed_by_a_new_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights = [1]
    with serving(1, weights) as (url, _asked):
        embedder = Embedder(url, "qwen3")
        old = _ask(embedder)
        weights[0] = 2
        monkeypatch.setattr(fingerprints, "LIFETIME_S", 0.0)
        _ask(embedder, "something else")
        new = _ask(embedder)
    assert float(old[0] @ new[0]) < 0.9


def test_embed_query_without_instructions_in_the_model_is_one_text() -> None:
    with serving(1) as (url, asked):
        found = _ask(Embedder(url, "bge-m3"), "where?", "Find it", "Find that")
    assert asked == ["where?", *PROBE_TEXTS]
    np.testing.assert_array_equal(found[0], found[1])


def test_embed_query_more_than_the_limit_forgets_those_unasked_for_longest(settings: Settings) -> None:
    settings.QUERY_CACHE_ENTRIES = 2
    with serving(1) as (url, asked):
        embedder = Embedder(url, "qwen3")
        for text in ("one", "two", "one", "three"):
            _ask(embedder, text)
        asked.clear()
        for text in ("one", "three", "two"):
            _ask(embedder, text)
    assert [text.rpartition("Query:")[2] for text in asked] == ["two"]
    assert len(list(get_redis().scan_iter(f"{query_cache.PREFIX}*"))) == 2
    assert get_redis().zcard(query_cache.USES) == 2


def test_embed_query_is_kept_for_a_while_only() -> None:
    with serving(1) as (url, _asked):
        _ask(Embedder(url, "qwen3"))
    (key,) = get_redis().scan_iter(f"{query_cache.PREFIX}*")
    assert 0 < get_redis().ttl(key) <= query_cache.LIFETIME_S
    assert b"where" not in key


def test_embed_query_without_room_keeps_nothing_and_looks_at_no_weights(settings: Settings) -> None:
    settings.QUERY_CACHE_ENTRIES = 0
    with serving(1) as (url, asked):
        embedder = Embedder(url, "qwen3")
        _ask(embedder)
        _ask(embedder)
    assert asked == [FRAMED, FRAMED]


def test_embed_query_damaged_entry_is_embedded_anew() -> None:
    with serving(1) as (url, asked):
        embedder = Embedder(url, "qwen3")
        first = _ask(embedder)
        (key,) = get_redis().scan_iter(f"{query_cache.PREFIX}*")
        get_redis().set(key, b"12")
        asked.clear()
        np.testing.assert_array_equal(_ask(embedder), first)
        assert asked == [FRAMED]


def test_search_each_collection_is_asked_for_its_task_or_its_own_instruction(settings: Settings, site: None) -> None:
    CollectionFactory.create(task="ticket")
    CollectionFactory.create(task="faq", instruction="Find it")
    CollectionFactory.create(task="web", instruction="Find it")
    with serving(1) as (url, asked):
        settings.EMBEDDING_BASE_URL, settings.EMBEDDING_MODEL = url, "qwen3-seeded"
        forget_backends()
        live_index().ensure(16)
        search("where?", AnonymousUser())
    queries = [text for text in asked if text.startswith("Instruct:")]
    assert sorted(queries) == [FRAMED, f"Instruct: {TASKS['ticket']}\nQuery:where?"]


def test_task_labels_are_of_the_tasks_that_the_client_knows() -> None:
    assert list(Task.values) == list(TASKS)


def test_search_redis_killed_answers_by_meaning_and_asks_redis_no_more(
    own_redis: subprocess.Popen[bytes], collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    index(collection, "# Lost luggage\n\nReport a lost suitcase at the counter within two days.")
    assert search("suitcase lost", AnonymousUser()).hits
    assert get_redis().zcard(query_cache.USES) == 1
    own_redis.kill()
    own_redis.wait()
    found = search("suitcase lost", AnonymousUser())
    assert found.hits
    assert not found.degraded
    monkeypatch.setattr(query_cache, "get_redis", lambda: pytest.fail("Redis is left alone after a failure"))
    assert search("suitcase lost", AnonymousUser()).hits


def test_embed_query_connection_that_redis_closed_is_made_anew(own_redis: subprocess.Popen[bytes]) -> None:
    with serving(1) as (url, asked):
        embedder = Embedder(url, "qwen3")
        _ask(embedder)
        get_redis().client_kill_filter(_type="normal", skipme=False)
        asked.clear()
        _ask(embedder)
    assert asked == []


def test_search_redis_that_takes_no_more_fails_no_question(own_redis: subprocess.Popen[bytes]) -> None:
    get_redis().config_set("maxmemory", "1")
    with serving(1) as (url, _asked):
        assert _ask(Embedder(url, "qwen3")).shape == (1, 16)
    assert query_cache._paused_until > 0


def test_get_redis_nobody_there_is_a_redis_error(settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    forget_backends()
    with pytest.raises(redis.RedisError):
        get_redis().ping()
