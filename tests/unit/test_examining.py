"""The examination of an embedding service: each fault is found by its code, and a service without fault has none."""

import itertools
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from searchapp.embedding.doctor import (
    CODES,
    MEANING_CODES,
    Endpoint,
    Examination,
    Expectations,
    Severity,
    examine,
    examine_reranker,
)
from searchapp.embedding.doctor.examining import FAST_CHECKS, FULL_CHECKS, Depth, run_checks
from searchapp.embedding.doctor.samples import FAR_PAIRS, NEAR_PAIRS, SENTENCES, VARIED
from searchapp.embedding.doctor.visit import Visit
from searchapp.embedding.doctor.wire import Wire
from searchapp.local.embeddings import EmbeddingModel, load_model
from searchapp.local.embeddings.models.qwen3 import Qwen3Model
from tests import faults
from tests.faults import MODEL_NAME, Service, Vectors, healthy, serving

SMALL = Expectations(text_tokens=400)


@pytest.fixture(scope="module")
def tiny() -> Qwen3Model:
    return faults.tiny_qwen3()


@pytest.fixture(scope="module")
def built_in() -> EmbeddingModel:
    return load_model(faults.BUILT_IN)


def examined(
    service: Service,
    *,
    depth: Depth = "fast",
    path: str = "/v1",
    model: str = MODEL_NAME,
    key: str = "EMPTY",
    timeout_s: float = 20,
    expectations: Expectations = SMALL,
    only: tuple[str, ...] = (),
) -> Examination:
    """Examine a service; ``only`` leaves out what a test of one long check does not need."""
    with serving(service) as address:
        endpoint = Endpoint(address + path, model, key, timeout_s)
        if not only:
            return examine(endpoint, expectations=expectations, depth=depth)
        checks = {name: check for name, check in (FAST_CHECKS | FULL_CHECKS).items() if name in ("connection", *only)}
        with Wire(endpoint) as wire:
            return run_checks(Visit(wire, expectations), checks)


def codes(examination: Examination) -> list[str]:
    return [finding.code for finding in examination.findings]


def one(examination: Examination, code: str) -> dict[str, Any]:
    """Return the values of the one finding there has to be."""
    assert codes(examination) == [code], examination.findings
    assert examination.findings[0].severity == CODES[code]
    return dict(examination.findings[0].values)


# No fault, no finding


def test_examine_service_with_built_in_model_finds_nothing(built_in: EmbeddingModel) -> None:
    info = {"embedding": {"takes_instructions": False}, "languages": ["en", "zh", "de", "ar", "ja", "ru", "tr", "vi"]}
    found = examined(
        healthy(built_in, name="multilingual-static", info=info), depth="full", model="multilingual-static"
    )
    assert {finding.code for finding in found.findings if finding.severity is not Severity.INFO} == set()


def test_examine_random_model_served_rightly_fails_only_what_asks_for_meaning(tiny: Qwen3Model) -> None:
    found = examined(healthy(tiny, overlong=1024, has_tokenize=True), depth="full")
    assert "meaning_absent" in codes(found)
    assert set(codes(found)) <= MEANING_CODES


def test_examine_service_that_tells_nothing_about_itself_finds_nothing(tiny: Qwen3Model) -> None:
    service = healthy(tiny, takes_dimensions=False)
    service._describe = lambda path: (404, "text/plain", b"")  # type: ignore[method-assign] # the service is the test's
    assert codes(examined(service)) == []


# 1. The way there


def test_examine_no_address_is_named() -> None:
    assert codes(examine(Endpoint("", MODEL_NAME))) == ["address_missing"]


def test_examine_closed_port_is_refused() -> None:
    one(examine(Endpoint(f"http://127.0.0.1:{faults.closed_port()}/v1", MODEL_NAME)), "refused")


@pytest.mark.parametrize(
    "address", ["embeddings.example.org/v1", "http://", "http://[::1/v1", "http://127.0.0.1:99999/v1", "http://a b/v1"]
)
def test_examine_address_that_is_none_is_named(address: str) -> None:
    one(examine(Endpoint(address, MODEL_NAME)), "address_invalid")


def test_examine_port_behind_a_wall_is_unreachable() -> None:
    with faults.never_accepting() as address:
        one(examine(Endpoint(f"{address}/v1", MODEL_NAME, timeout_s=0.5)), "unreachable")


def test_examine_unknown_host_is_dns() -> None:
    one(examine(Endpoint("http://embeddings.invalid/v1", MODEL_NAME)), "dns")


def test_examine_https_on_a_plain_port_is_named(tiny: Qwen3Model) -> None:
    with serving(healthy(tiny)) as address:
        one(examine(Endpoint(address.replace("http:", "https:") + "/v1", MODEL_NAME)), "tls_on_plain_port")


def test_examine_http_on_a_tls_port_is_named(tiny: Qwen3Model) -> None:
    with serving(healthy(tiny), certificate=faults.CERTIFICATE) as address:
        one(examine(Endpoint(address.replace("https:", "http:") + "/v1", MODEL_NAME)), "plain_on_tls_port")


def test_examine_certificate_that_nobody_trusts_is_named(tiny: Qwen3Model) -> None:
    with serving(healthy(tiny), certificate=faults.CERTIFICATE) as address:
        one(examine(Endpoint(f"{address}/v1", MODEL_NAME)), "tls_certificate")


def test_examine_service_that_does_not_answer_is_a_timeout(tiny: Qwen3Model) -> None:
    one(examined(healthy(tiny, delay=threading.Event()), timeout_s=0.3), "timeout")


def test_examine_service_that_hangs_up_is_a_broken_connection() -> None:
    with faults.hanging_up() as address:
        one(examine(Endpoint(f"{address}/v1", MODEL_NAME)), "connection_broken")


def test_examine_after_a_fault_of_the_connection_nothing_else_is_asked(tiny: Qwen3Model) -> None:
    found = examine(Endpoint(f"http://127.0.0.1:{faults.closed_port()}/v1", MODEL_NAME))
    assert [step.outcome for step in found.steps] == ["found"] + ["skipped"] * (len(found.steps) - 1)


# 2. The address


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("", "url_without_v1"),
        ("//v1", "url_double_slash"),
        ("/v1/embeddings", "url_endpoint"),
        ("/api/v1", "url_wrong_path"),
    ],
)
def test_examine_address_in_a_wrong_form_is_named_with_the_right_one(tiny: Qwen3Model, path: str, code: str) -> None:
    with serving(healthy(tiny)) as address:
        found = examine(Endpoint(address + path, MODEL_NAME), depth="fast")
        assert one(found, code)["right"] == f"{address}/v1"


def test_examine_service_without_v1_that_answers_there_is_right(tiny: Qwen3Model) -> None:
    assert codes(examined(healthy(tiny, prefix=""), path="")) == []


def test_examine_web_page_in_place_of_the_service_is_no_answer(tiny: Qwen3Model) -> None:
    page = (200, "text/html", b"<html>Log in</html>")
    one(examined(healthy(tiny, answer_all=lambda path: page)), "answer_unreadable")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_examine_redirect_to_the_service_is_named_with_where_it_leads(tiny: Qwen3Model, status: int) -> None:
    moved = (status, "text/html", b"Moved")
    with serving(healthy(tiny)) as address:
        service = healthy(tiny, answer_all=lambda path: moved, headers={"Location": f"{address}/v1/embeddings"})
        assert one(examined(service), "url_redirect")["right"] == f"{address}/v1"


def test_examine_redirect_to_a_login_is_a_wrong_address(tiny: Qwen3Model) -> None:
    service = healthy(tiny, answer_all=lambda path: (302, "text/html", b""), headers={"Location": "/login?next=%2F"})
    found = examined(service)
    one(found, "url_wrong_path")
    assert "/login" in found.findings[0].evidence


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'"vectors"', b"null", b'{"data": {}}'])
def test_examine_answer_of_anything_else_is_no_answer(tiny: Qwen3Model, body: bytes) -> None:
    one(examined(healthy(tiny, answer_all=lambda path: (200, "application/json", body))), "answer_unreadable")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("This model does not appear to be an embedding model by default.", "not_embedding"),
        ("The model `other` does not exist.", "model_not_served"),
        ("Incorrect API key provided.", "key_missing"),
        ("The model is overloaded.", "request_refused"),
    ],
)
def test_examine_error_that_comes_with_200_is_named_by_its_words(tiny: Qwen3Model, words: str, code: str) -> None:
    found = examined(healthy(tiny, answer_as=lambda answer: {"error": {"message": words}}))
    one(found, code)
    assert words in found.findings[0].evidence


def test_examine_answer_of_odd_bytes_is_told_in_letters_that_can_be_kept(tiny: Qwen3Model) -> None:
    found = examined(healthy(tiny, answer_all=lambda path: (500, "text/plain", b"lost\n\x00 \x1b[31m")))
    one(found, "server_error")
    assert found.findings[0].evidence == "HTTP 500: lost \ufffd \ufffd[31m"


def test_examine_answer_packed_wrongly_is_no_answer(tiny: Qwen3Model) -> None:
    one(examined(healthy(tiny, headers={"Content-Encoding": "gzip"})), "answer_unreadable")


# 3. The key


@pytest.mark.parametrize("key", ["secret\n", " secret", "“secret”", "sec\x00ret"])
def test_examine_key_that_no_header_takes_is_named(tiny: Qwen3Model, key: str) -> None:
    one(examined(healthy(tiny, api_key="secret"), key=key), "key_unsendable")


def test_examine_without_the_key_it_is_missing(tiny: Qwen3Model) -> None:
    one(examined(healthy(tiny, api_key="secret")), "key_missing")


def test_examine_with_another_key_it_is_refused(tiny: Qwen3Model) -> None:
    one(examined(healthy(tiny, api_key="secret"), key="guess"), "key_refused")


def test_examine_with_the_key_finds_nothing(tiny: Qwen3Model) -> None:
    assert codes(examined(healthy(tiny, api_key="secret"), key="secret")) == []


# 4. and 5. The model


def test_examine_model_name_that_is_refused_is_named_with_those_served(tiny: Qwen3Model) -> None:
    assert one(examined(healthy(tiny, checks_name=True), model="other"), "model_not_served")["served"] == MODEL_NAME


def test_examine_model_name_that_is_not_listed_is_a_warning(tiny: Qwen3Model) -> None:
    one(examined(healthy(tiny, listed="bge-m3")), "model_not_listed")


@pytest.mark.parametrize(
    "listed", [f"/models/Org/{MODEL_NAME.upper()}", f"Org/{MODEL_NAME}-Q8_0.gguf", "tiny_qwen3_embedding", "/data"]
)
def test_examine_model_listed_by_its_path_or_file_is_the_same(tiny: Qwen3Model, listed: str) -> None:
    assert codes(examined(healthy(tiny, listed=listed))) == []


def test_examine_name_of_our_own_for_a_service_that_takes_any_is_right(tiny: Qwen3Model) -> None:
    service = healthy(tiny, listed="Qwen/Qwen3-Embedding-0.6B", answer_as=answering_as("Qwen/Qwen3-Embedding-0.6B"))
    assert codes(examined(service, model="embedder")) == []


def test_examine_name_of_our_own_is_not_listed_where_names_are_looked_at(tiny: Qwen3Model) -> None:
    service = healthy(tiny, listed="bge-m3", name="embedder", checks_name=True)
    one(examined(service, model="embedder"), "model_not_listed")


def answering_as(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda answer: answer | {"model": name}


def test_examine_service_that_answers_as_another_model_is_a_warning(tiny: Qwen3Model) -> None:
    service = healthy(tiny, answer_as=answering_as("BAAI/bge-m3"))
    service._describe = lambda path: (404, "text/plain", b"")  # type: ignore[method-assign] # the service is the test's
    assert one(examined(service), "model_differs")["served"] == "BAAI/bge-m3"


def test_examine_service_that_answers_with_the_path_or_version_of_its_model_is_right(tiny: Qwen3Model) -> None:
    assert codes(examined(healthy(tiny, answer_as=answering_as("/models/Org/weights")))) == []
    assert codes(examined(healthy(tiny, answer_as=answering_as(f"{MODEL_NAME}-v2")))) == []


def test_examine_model_name_with_a_colon_is_named(tiny: Qwen3Model) -> None:
    one(examined(healthy(tiny), model="qwen3:0.6b"), "model_colon")


@pytest.mark.parametrize(
    "words",
    [
        "This model does not appear to be an embedding model by default. Please add `--is-embedding`",
        "The model does not support Embeddings API",
        "This server does not support embeddings. Start it with `--embeddings`",
    ],
)
def test_examine_server_not_started_for_embeddings_is_named(tiny: Qwen3Model, words: str) -> None:
    body = f'{{"object":"error","message":"{words}","code":400}}'.encode()
    one(examined(healthy(tiny, answer_all=lambda path: (400, "application/json", body))), "not_embedding")


def test_examine_server_with_models_but_no_embeddings_is_named(tiny: Qwen3Model) -> None:
    def answer(path: str) -> faults.Answer:
        if path == "/v1/models":
            return 200, "application/json", b'{"data": [{"id": "qwen3-8b"}]}'
        return 404, "application/json", b'{"detail":"Not Found"}'

    one(examined(healthy(tiny, answer_all=answer)), "not_embedding")


@pytest.mark.parametrize(("status", "code"), [(503, "busy"), (500, "server_error"), (418, "request_refused")])
def test_examine_server_that_refuses_everything_is_named_by_how(
    tiny: Qwen3Model, status: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("searchapp.embedding.doctor.wire.BUSY_PAUSE_S", 0)
    one(examined(healthy(tiny, answer_all=lambda path: (status, "text/plain", b"no"))), code)


# 6. The dimensions


def test_examine_more_dimensions_wanted_than_given_is_named(tiny: Qwen3Model) -> None:
    one(examined(healthy(tiny), expectations=Expectations(dimensions=64)), "dimensions_too_large")


def test_examine_index_of_another_length_is_named(tiny: Qwen3Model) -> None:
    assert (
        one(examined(healthy(tiny), expectations=Expectations(index_dimensions=1024)), "dimensions_index")["given"]
        == 32
    )


def test_examine_index_of_the_length_that_is_cut_to_is_right(tiny: Qwen3Model) -> None:
    assert codes(examined(healthy(tiny), expectations=Expectations(dimensions=16, index_dimensions=16))) == []


def test_examine_shortened_vectors_that_are_no_beginnings_are_a_warning(tiny: Qwen3Model) -> None:
    service = healthy(tiny, shorten=lambda vectors, length: faults.unit_rows(vectors[:, -length:]))
    assert one(examined(service), "dimensions_wrong")["wanted"] == 16


def test_examine_wanted_dimensions_that_are_not_supported_are_information(tiny: Qwen3Model) -> None:
    wanted = Expectations(dimensions=16)
    one(examined(healthy(tiny, takes_dimensions=False), expectations=wanted), "dimensions_unsupported")


# 7. The vectors


def changed(model: EmbeddingModel, change: Callable[[Vectors], Vectors]) -> Service:
    return healthy(model, encode=lambda texts: change(model.encode(texts).vectors))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda vectors: vectors * 7, "vector_not_normalised"),
        (np.zeros_like, "vector_zero"),
        (lambda vectors: vectors * np.nan, "vector_not_finite"),
        (lambda vectors: vectors * np.float32(1e30), "vector_not_normalised"),
        (lambda vectors: vectors * 0 + np.float32(0.5), "vector_constant"),
        (lambda vectors: np.random.default_rng().normal(size=vectors.shape).astype(np.float32), "vector_random"),
    ],
)
def test_examine_vectors_that_are_none_are_named(
    tiny: Qwen3Model, change: Callable[[Vectors], Vectors], code: str
) -> None:
    assert code in codes(examined(changed(tiny, change)))
    if CODES[code] is Severity.ERROR:
        one(examined(changed(tiny, change)), code)


def test_examine_one_text_with_a_zero_vector_is_found(tiny: Qwen3Model) -> None:
    def encode(texts: list[str]) -> Vectors:
        is_known = np.array([text.isascii() for text in texts], dtype=np.float32)
        return tiny.encode(texts).vectors * is_known[:, None]

    one(examined(healthy(tiny, encode=encode)), "vector_zero")


@pytest.mark.parametrize(
    "read",
    [
        lambda text: text[:20],
        lambda text: text if len(text) < 60 else "long",
    ],
)
def test_examine_unlike_texts_with_one_vector_are_found(tiny: Qwen3Model, read: Callable[[str], str]) -> None:
    found = examined(healthy(tiny, encode=lambda texts: tiny.encode([read(text) for text in texts]).vectors))
    one(found, "vector_constant")


def test_examine_letters_that_are_lost_on_the_way_are_found(built_in: EmbeddingModel) -> None:
    def encode(texts: list[str]) -> Vectors:
        return built_in.encode([text.encode("ascii", "replace").decode() for text in texts]).vectors

    service = healthy(built_in, encode=encode, info={"embedding": {"takes_instructions": False}})
    found = examined(service, only=("letters", "languages"))
    assert one(found, "language_unread")["languages"] == ["zh", "ja", "ko", "ru", "ar", "hi", "th", "he"]
    service = healthy(built_in, encode=encode, info={"languages": ["en", "de", "ru"]})
    assert one(examined(service, only=("letters",)), "language_unread")["languages"] == ["ru"]


def test_examine_names_of_a_router_are_compared_without_asking_for_each(tiny: Qwen3Model) -> None:
    service = healthy(tiny)
    asked: list[str] = []
    embed = service._embed

    def answer(fields: dict[str, Any]) -> faults.Answer:
        asked.append(fields["model"])
        return embed(fields)

    def describe(_path: str) -> faults.Answer:
        names = [*(f"bge-m{number}" for number in range(40)), "text-embedder"]
        return 200, "application/json", json.dumps({"data": [{"id": name} for name in names]}).encode()

    service._embed = answer  # type: ignore[method-assign] # the service is the test's
    service._describe = describe  # type: ignore[method-assign]
    assert codes(examined(service, model="text-embedder", only=("model",))) == []
    assert set(asked) == {"text-embedder"}


@pytest.mark.parametrize("status", [400, 500])
def test_examine_letters_that_are_refused_are_found(tiny: Qwen3Model, status: int) -> None:
    service = healthy(tiny)
    embed = service._embed

    def answer(fields: dict[str, Any]) -> faults.Answer:
        if any("\u3040" <= letter <= "\u9fff" for text in fields["input"] for letter in text):
            return status, "text/plain", b"UnicodeEncodeError"
        return embed(fields)

    service._embed = answer  # type: ignore[method-assign] # the service is the test's
    assert one(examined(service), "language_unread")["languages"] == ["zh", "ja"]


def each(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], object]:
    return lambda answer: answer | {"data": [change(item) for item in answer["data"]]}


def fewer(answer: dict[str, Any]) -> object:
    return answer | {"data": answer["data"][:-1]}


@pytest.mark.parametrize(
    ("answer_as", "code"),
    [
        (fewer, "vector_count"),
        (lambda answer: {"embeddings": []}, "answer_unreadable"),
        (lambda answer: [], "answer_unreadable"),
        (lambda answer: answer | {"data": [[0.5, 0.5]]}, "answer_unreadable"),
        (each(lambda item: {"embedding": item["embedding"]}), "vector_index"),
        (each(lambda item: item | {"index": 0}), "vector_index"),
        (each(lambda item: item | {"index": str(item["index"])}), "vector_index"),
        (each(lambda item: item | {"index": item["index"] + 1}), "vector_index"),
        (each(lambda item: item | {"embedding": [True] * 32}), "vector_form"),
        (each(lambda item: item | {"embedding": [str(number) for number in item["embedding"]]}), "vector_form"),
        (each(lambda item: item | {"embedding": str(item["embedding"])}), "vector_form"),
        (each(lambda item: item | {"embedding": [item["embedding"]]}), "vector_form"),
        (each(lambda item: item | {"embedding": []}), "vector_form"),
        (each(lambda item: item | {"embedding": None}), "vector_form"),
        (each(lambda item: item | {"embedding": [10**400] * 32}), "vector_form"),
        (each(lambda item: item | {"embedding": [1e300] * 32}), "vector_not_finite"),
        (each(lambda item: item | {"embedding": [None] * 32}), "vector_not_finite"),
        (each(lambda item: item | {"embedding": item["embedding"][item["index"] :]}), "vector_lengths"),
    ],
)
def test_examine_answers_in_another_shape_are_named(
    tiny: Qwen3Model, answer_as: Callable[[dict[str, Any]], object], code: str
) -> None:
    one(examined(healthy(tiny, answer_as=answer_as)), code)


def test_examine_texts_with_vectors_of_two_lengths_are_found(tiny: Qwen3Model) -> None:
    def encode(texts: list[str]) -> Vectors:
        vectors = tiny.encode(texts).vectors
        return vectors if len(texts[0]) < 40 else vectors[:, :16]

    one(examined(healthy(tiny, encode=encode)), "vector_lengths")


def test_examine_base64_where_numbers_were_asked_for_is_information(tiny: Qwen3Model) -> None:
    service = healthy(tiny)
    embed = service._embed
    service._embed = lambda fields: embed(fields | {"encoding_format": "base64"})  # type: ignore[method-assign] # ours
    one(examined(service), "base64_unasked")


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None}, {"prompt_tokens": 1}, {"prompt_tokens": 10**12}])
def test_examine_usage_that_is_missing_or_no_count_changes_nothing(tiny: Qwen3Model, usage: object) -> None:
    service = healthy(tiny, overlong=1024, answer_as=lambda answer: answer | {"usage": usage})
    small = Expectations(text_tokens=128)
    found = examined(service, only=("instruction", "lengths", "speed"), expectations=small)
    assert codes(found) == []
    # Estimated by the words: this tokenizer, which has learnt little, makes thrice as many tokens of them as others.
    assert 250 <= found.measurements["context_tokens"] <= 1024  # type: ignore[operator]


def test_examine_usage_that_counts_letters_is_not_believed(tiny: Qwen3Model) -> None:
    service = healthy(tiny, encode=faults.cut_at(tiny, 100), tokenize=lambda texts: [[0] * len(text) for text in texts])
    # A hundred tokens of this tokenizer are some 35 words, or 180 letters.
    assert one(examined(service, only=("lengths",)), "text_truncated")["found"] < 70


def test_examine_base64_of_another_number_format_is_found(tiny: Qwen3Model) -> None:
    one(examined(healthy(tiny, pack=lambda vector: vector.astype("<f2").tobytes())), "base64_differs")


# 8. Batches


def test_examine_answers_in_another_order_are_found(tiny: Qwen3Model) -> None:
    def encode(texts: list[str]) -> Vectors:
        return tiny.encode(sorted(texts, key=len)).vectors

    one(examined(healthy(tiny, encode=encode)), "order_shuffled")


def test_examine_order_that_is_lost_in_large_batches_only_is_found(tiny: Qwen3Model) -> None:
    def encode(texts: list[str]) -> Vectors:
        vectors = tiny.encode(texts).vectors
        return vectors if len(texts) < 32 else np.roll(vectors, 1, axis=0)

    one(examined(healthy(tiny, encode=encode)), "order_shuffled")


def test_examine_two_texts_that_change_places_in_large_batches_are_found(tiny: Qwen3Model) -> None:
    def encode(texts: list[str]) -> Vectors:
        vectors = tiny.encode(texts).vectors
        if len(texts) > 20:
            vectors[[10, 11]] = vectors[[11, 10]]
        return vectors

    one(examined(healthy(tiny, encode=encode)), "order_shuffled")


def test_examine_router_that_asks_another_model_now_and_then_is_random(tiny: Qwen3Model) -> None:
    turns = itertools.count()

    def encode(texts: list[str]) -> Vectors:
        vectors = tiny.encode(texts).vectors
        return np.roll(vectors, 1, axis=1) if next(turns) % 7 == 6 else vectors

    one(examined(healthy(tiny, encode=encode)), "vector_random")


def test_examine_answer_out_of_order_with_right_indexes_is_right(tiny: Qwen3Model) -> None:
    assert codes(examined(healthy(tiny, answer_as=lambda answer: answer | {"data": answer["data"][::-1]}))) == []


def test_examine_vectors_that_depend_on_the_batch_are_found(tiny: Qwen3Model) -> None:
    def encode(texts: list[str]) -> Vectors:
        vectors = tiny.encode(texts).vectors
        return vectors + 0.3 * vectors.mean(axis=0)

    found = examined(healthy(tiny, encode=encode))
    assert "batch_differs" in codes(found)


def test_examine_batches_of_the_sites_size_that_are_refused_are_found(tiny: Qwen3Model) -> None:
    found = examined(healthy(tiny, most_items=32))
    assert one(found, "batch_refused")["items"] == 64
    assert found.measurements["batch_items"] == 32


def test_examine_service_that_takes_one_text_at_a_time_is_examined_so(tiny: Qwen3Model) -> None:
    found = examined(healthy(tiny, most_items=1))
    one(found, "batch_refused")
    assert found.measurements["batch_items"] == 1


def test_examine_queue_that_is_too_short_for_a_batch_is_found(
    tiny: Qwen3Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("searchapp.embedding.doctor.wire.BUSY_PAUSE_S", 0)
    found = examined(healthy(tiny, most_items=16, overfull_status=503))
    one(found, "batch_refused")
    assert found.measurements["batch_items"] == 16


# 9. Pooling


@pytest.mark.parametrize(
    ("fault", "code"), [(faults.with_mean_pooling, "pooling_mean"), (faults.without_end_token, "end_token_missing")]
)
def test_examine_wrong_pooling_of_a_qwen3_model_is_found(
    tiny: Qwen3Model, fault: Callable[[Qwen3Model], faults.Encode], code: str
) -> None:
    found = examined(healthy(tiny, encode=fault(tiny), overlong=1024), only=("instruction", "pooling"))
    assert [finding for finding in codes(found) if finding not in MEANING_CODES] == [code]


def test_examine_tokenizer_without_an_end_token_is_found(tiny: Qwen3Model) -> None:
    def tokenize(texts: Any) -> list[list[int]]:
        return [ids[:-1] for ids in tiny.tokenize(texts)]

    service = healthy(tiny, encode=faults.without_end_token(tiny), tokenize=tokenize, has_tokenize=True, overlong=1024)
    assert "end_token_missing" in codes(examined(service, only=("pooling",)))


def test_examine_mean_pooling_of_another_family_is_right(built_in: EmbeddingModel) -> None:
    service = healthy(built_in, name="potion-multilingual", info={"embedding": {"takes_instructions": False}})
    found = examined(service, only=("pooling",), model="potion-multilingual")
    assert "pooling_mean" not in codes(found)


def test_examine_model_with_a_published_name_and_length_has_to_reach_the_published_scores(tiny: Qwen3Model) -> None:
    def encode(texts: list[str]) -> Vectors:
        return np.tile(tiny.encode(texts).vectors, 32) / np.float32(np.sqrt(32))

    service = healthy(tiny, encode=encode, name="Qwen3-Embedding-0.6B", overlong=1024)
    found = examined(service, only=("reference",), model="Qwen3-Embedding-0.6B")
    assert "reference_differs" in codes(found)


# 10. Instructions


def strip_instruction(texts: list[str]) -> list[str]:
    return [text.partition("\nQuery:")[2] or text if text.startswith("Instruct:") else text for text in texts]


def test_examine_instruction_without_effect_is_a_warning(tiny: Qwen3Model) -> None:
    one(
        examined(healthy(tiny, encode=lambda texts: tiny.encode(strip_instruction(texts)).vectors)),
        "instruction_ignored",
    )


def test_examine_instruction_without_effect_on_a_model_that_takes_none_is_right(built_in: EmbeddingModel) -> None:
    service = healthy(
        built_in,
        encode=lambda texts: built_in.encode(strip_instruction(texts)).vectors,
        info={"embedding": {"takes_instructions": False}},
    )
    assert codes(examined(service)) == []


@pytest.mark.parametrize("has_usage", [True, False])
def test_examine_instruction_that_documents_get_too_is_found(tiny: Qwen3Model, has_usage: bool) -> None:
    def add(texts: Any) -> list[str]:
        asked = Expectations().instruction
        return [text if text.startswith("Instruct:") else f"Instruct: {asked}\nQuery:{text}" for text in texts]

    service = healthy(tiny, encode=lambda texts: tiny.encode(add(texts)).vectors)
    if has_usage:
        service.tokenize = lambda texts: tiny.tokenize(add(texts))
    one(examined(service), "instruction_on_documents")


# 11. and 12. Lengths


def test_examine_texts_cut_below_the_budget_are_found_with_the_length(tiny: Qwen3Model) -> None:
    found = examined(healthy(tiny, encode=faults.cut_at(tiny, 250)), only=("lengths",))
    assert "text_truncated" in codes(found)
    assert 200 <= found.measurements["context_tokens"] <= 300  # type: ignore[operator]


def test_examine_texts_cut_at_their_beginning_are_found_with_the_length(tiny: Qwen3Model) -> None:
    def encode(texts: list[str]) -> Vectors:
        kept = [ids[-250:] for ids in tiny.tokenize(texts)]
        return faults.unit_rows(np.stack([faults.states(tiny, ids)[-1] for ids in kept]))

    found = examined(healthy(tiny, encode=encode, overlong=700), only=("lengths",))
    assert 200 <= one(found, "text_truncated")["found"] <= 300


def test_examine_texts_cut_above_the_budget_are_information(tiny: Qwen3Model) -> None:
    found = examined(healthy(tiny, encode=faults.cut_at(tiny, 900)), only=("lengths",))
    assert "long_text_cut" in codes(found)
    assert "text_truncated" not in codes(found)


def test_examine_context_length_is_found_where_texts_are_refused(tiny: Qwen3Model) -> None:
    found = examined(healthy(tiny, overlong=700), only=("lengths",))
    assert 600 <= found.measurements["context_tokens"] <= 700  # type: ignore[operator]
    assert found.measurements["too_long"] == "refused"


def test_examine_context_below_the_budget_is_found(tiny: Qwen3Model) -> None:
    assert "context_small" in codes(examined(healthy(tiny, overlong=300), only=("lengths",)))


@pytest.mark.parametrize(("breaks_at", "code"), [(700, "long_text_breaks"), (300, "context_small")])
def test_examine_long_texts_that_break_the_service_are_judged_by_what_the_site_sends(
    tiny: Qwen3Model, breaks_at: int, code: str
) -> None:
    service = healthy(tiny, overlong=breaks_at, overlong_status=500)
    found = examined(service, only=("lengths",))
    assert one(found, code)["found"] < breaks_at
    assert found.measurements["too_long"] == "breaks"


def test_examine_long_texts_without_numbers_break_the_service(tiny: Qwen3Model) -> None:
    def encode(texts: list[str]) -> Vectors:
        is_long = np.array([len(ids) > 700 for ids in tiny.tokenize(texts)])
        return np.where(is_long[:, None], np.float32(np.nan), tiny.encode(texts).vectors)

    one(examined(healthy(tiny, encode=encode), only=("lengths",)), "long_text_breaks")


# 13. Meaning


def test_examine_language_that_the_model_does_not_know_is_named(built_in: EmbeddingModel) -> None:
    def encode(texts: list[str]) -> Vectors:
        hidden = set(SENTENCES["ko"]) | set(SENTENCES["ru"])
        return built_in.encode(["unknown" if text in hidden else text for text in texts]).vectors

    info = {"embedding": {"takes_instructions": False}, "languages": ["en", "zh", "ko", "ru"]}
    found = examined(healthy(built_in, encode=encode, info=info), only=("languages",))
    assert one(found, "language_weak")["languages"] == ["ko", "ru"]


def test_examine_near_pairs_farther_than_far_ones_are_found(built_in: EmbeddingModel) -> None:
    # Each text gets the vector of a text of the other kind of pair.
    near, far = ([text for pair in pairs for text in pair] for pairs in (NEAR_PAIRS, FAR_PAIRS))
    other = dict(zip(near + far, far + near, strict=False))

    def encode(texts: list[str]) -> Vectors:
        return built_in.encode([other.get(text, text) for text in texts]).vectors

    one(examined(healthy(built_in, encode=encode), only=("pairs",)), "near_far_mixed")


def test_examine_pairs_on_another_scale_than_articles_name_are_information(built_in: EmbeddingModel) -> None:
    name = "qwen3-embedding-distilled"
    one(examined(healthy(built_in, name=name), only=("pairs",), model=name), "near_far_scale")


@pytest.mark.parametrize("languages", [[{"code": "en"}], {"en": True}, "en", [None]])
def test_examine_languages_named_in_another_shape_are_not_believed(built_in: EmbeddingModel, languages: object) -> None:
    info = {"embedding": {"takes_instructions": False}, "languages": languages}
    assert set(codes(examined(healthy(built_in, info=info), only=("languages",)))) <= {"language_weak"}


# 14. Weights


def test_examine_other_weights_behind_the_same_name_are_found(tiny: Qwen3Model, built_in: EmbeddingModel) -> None:
    now = built_in.encode(VARIED).vectors
    same = Expectations(probe_texts=VARIED, probe_vectors=now)
    other = Expectations(probe_texts=VARIED, probe_vectors=np.roll(now, 1, axis=1))
    service = healthy(built_in, info={"embedding": {"takes_instructions": False}})
    assert codes(examined(service, expectations=same)) == []
    one(examined(service, expectations=other), "weights_changed")


# 15. Speed


def test_examine_speed_is_measured(tiny: Qwen3Model) -> None:
    found = examined(healthy(tiny, overlong=1024), only=("speed",))
    assert {"first_answer_s", "query_ms", "tokens_per_s", "passages_per_s"} <= set(found.measurements)


def test_examine_slow_service_is_a_warning(tiny: Qwen3Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("searchapp.embedding.doctor.speed.SLOW_QUERY_S", 0.1)

    def encode(texts: list[str]) -> Vectors:
        time.sleep(0.12)
        return tiny.encode(texts).vectors

    one(examined(healthy(tiny, encode=encode), only=("speed",)), "slow")


# 16. Rerankers


def by_shared_characters(query: str, documents: list[str]) -> list[float]:
    def pairs(text: str) -> set[str]:
        folded = text.casefold()
        return {folded[start : start + 2] for start in range(len(folded) - 1)}

    return [len(pairs(query) & pairs(text)) / len(pairs(text)) for text in documents]


@pytest.mark.parametrize(
    ("rerank", "expected"),
    [
        (by_shared_characters, []),
        (lambda query, documents: [0.5] * len(documents), ["rerank_constant"]),
        (lambda query, documents: [1 / (1 + place) for place in range(len(documents))], ["rerank_meaningless"]),
        (lambda query, documents: [-score for score in by_shared_characters(query, documents)], ["rerank_meaningless"]),
        (
            lambda query, documents: [
                score + place / 50 for place, score in enumerate(by_shared_characters(query, documents))
            ],
            ["rerank_order"],
        ),
        (lambda query, documents: [10**400] * len(documents), ["answer_unreadable"]),
        (lambda query, documents: [None] * len(documents), ["answer_unreadable"]),
        (lambda query, documents: [0.5], ["answer_unreadable"]),
        (None, ["rerank_absent"]),
    ],
)
def test_examine_reranker_is_judged_by_its_scores(
    tiny: Qwen3Model, rerank: Callable[[str, list[str]], list[float]] | None, expected: list[str]
) -> None:
    with serving(healthy(tiny, rerank=rerank)) as address:
        found = examine_reranker(Endpoint(f"{address}/v1", MODEL_NAME, prefix="RERANK"))
    assert codes(found) == expected
    assert all(finding.part == "reranker" for finding in found.findings)
