"""What the application relies on in an embedding server.

The first part runs against the local server and, with EMBEDDING_BASE_URL set, against the server named
there (SGLang or another; EMBEDDING_API_KEY and EMBEDDING_MODEL as in the application's settings). The
second part is about the local server alone.
"""

import base64
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

import httpx
import numpy as np
import openai
import pytest
from numpy.typing import NDArray

from searchapp.embedding import Embedder, EmbeddingRefusedError, is_same_model, probe

ROOT = Path(__file__).parents[2]
TINY_QWEN3 = ROOT / "tests" / "fixtures" / "tiny-qwen3"
KEY = "a-key-for-tests"
QUESTION = "How do I reset my password?"
TEXTS = [QUESTION, "如何重置我的密码？", "Le serveur ne répond plus.", "Restart the router.", QUESTION]


@dataclass(frozen=True, slots=True)
class Server:
    """A server and two clients with its key: the SDK, and plain HTTP on the server's root."""

    model: str
    sdk: openai.OpenAI
    http: httpx.Client


@contextmanager
def clients_of(base_url: str, *, key: str, model: str) -> Iterator[Server]:
    with (
        openai.OpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=60) as sdk,
        httpx.Client(
            base_url=base_url.removesuffix("/v1"), headers={"Authorization": f"Bearer {key}"}, timeout=60
        ) as http,
    ):
        yield Server(model, sdk, http)


@contextmanager
def running_server(*arguments: str) -> Iterator[tuple[Server, subprocess.Popen[bytes]]]:
    """Start the local server as a process of its own, and stop it afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "searchapp.local.embeddings", "--port", str(port), *arguments],
        cwd=ROOT,
        env={**os.environ, "EMBEDDING_API_KEY": KEY},
    )
    try:
        with clients_of(f"http://127.0.0.1:{port}/v1", key=KEY, model="any-name") as server:
            wait_until_ready(server, process)
            yield server, process
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_until_ready(server: Server, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if process.poll() is not None:
            pytest.fail(f"the server ended with code {process.returncode}")
        try:
            if server.http.get("/ready").status_code == HTTPStatus.OK:
                return
        except httpx.ConnectError:
            pass
        time.sleep(0.1)
    pytest.fail("the server did not become ready")


@pytest.fixture(scope="module")
def local() -> Iterator[Server]:
    with running_server() as (server, _):
        yield server


@pytest.fixture(scope="module")
def local_qwen3() -> Iterator[Server]:
    with running_server("--model", str(TINY_QWEN3)) as (server, _):
        yield server


@pytest.fixture(scope="module", params=["local", "local_qwen3", pytest.param("named", marks=pytest.mark.live)])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    if request.param != "named":
        yield request.getfixturevalue(request.param)
        return
    if not os.environ.get("EMBEDDING_BASE_URL"):
        pytest.skip("EMBEDDING_BASE_URL names no server to test")
    with clients_of(
        os.environ["EMBEDDING_BASE_URL"].rstrip("/"),
        key=os.environ.get("EMBEDDING_API_KEY", "EMPTY"),
        model=os.environ.get("EMBEDDING_MODEL", "default"),
    ) as named:
        yield named


@dataclass(frozen=True, slots=True)
class BusyServer:
    server: Server
    process: subprocess.Popen[bytes]
    connection: socket.socket


@pytest.fixture
def busy() -> Iterator[BusyServer]:
    """A server in the middle of a request that takes it a minute or more."""
    with running_server("--model", str(TINY_QWEN3)) as (server, process):
        text = " ".join(["restart the router and wait"] * 50)
        request = server.http.build_request(
            "POST", "/v1/embeddings", json={"model": server.model, "input": [text] * 20_000}
        )
        head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        with socket.create_connection((request.url.host, request.url.port)) as connection:
            connection.sendall(f"POST {request.url.path} HTTP/1.1\r\n{head}\r\n".encode() + request.content)
            yield BusyServer(server, process, connection)


def vectors_of(response: openai.types.CreateEmbeddingResponse) -> NDArray[np.float32]:
    return np.array([item.embedding for item in response.data], dtype=np.float32)


def embed(server: Server, *texts: str) -> NDArray[np.float32]:
    return vectors_of(server.sdk.embeddings.create(model=server.model, input=list(texts)))


def test_embeddings_list_keeps_order_and_numbers_the_answers(server: Server) -> None:
    texts = TEXTS[:4]  # none twice: between equal ones, rounding decides
    response = server.sdk.embeddings.create(model=server.model, input=texts)
    alone = np.concatenate([embed(server, text) for text in texts])
    assert [item.index for item in response.data] == [0, 1, 2, 3]
    assert np.argmax(alone @ vectors_of(response).T, axis=1).tolist() == [0, 1, 2, 3]


def test_embeddings_single_string_equals_list_of_one(server: Server) -> None:
    response = server.sdk.embeddings.create(model=server.model, input=QUESTION)
    np.testing.assert_allclose(vectors_of(response), embed(server, QUESTION), atol=1e-2)


def test_embeddings_have_unit_norm(server: Server) -> None:
    # SGLang normalises in the model's own type: 0.9977 to 1.0011 in bfloat16
    np.testing.assert_allclose(np.linalg.norm(embed(server, *TEXTS), axis=1), 1, atol=5e-3)


def test_embeddings_usage_counts_the_tokens_that_tokenize_gives(server: Server) -> None:
    response = server.sdk.embeddings.create(model=server.model, input=TEXTS)
    counts = server.http.post("/v1/tokenize", json={"model": server.model, "prompt": TEXTS}).json()["count"]
    assert response.usage.prompt_tokens == response.usage.total_tokens == sum(counts) > 0


def test_embeddings_base64_holds_the_same_little_endian_floats(server: Server) -> None:
    answers = {
        encoding: server.http.post(
            "/v1/embeddings",
            json={"model": server.model, "input": QUESTION, "encoding_format": encoding},
        ).json()["data"][0]["embedding"]
        for encoding in ("float", "base64")
    }
    decoded = np.frombuffer(base64.b64decode(answers["base64"]), "<f4")
    np.testing.assert_allclose(decoded, np.array(answers["float"]), atol=1e-2)


def test_embeddings_dimensions_are_truncated_and_normalised_again(server: Server) -> None:
    if not server.http.get("/model_info").json()["embedding"]["supports_dimensions"]:
        pytest.skip("this server was started without support for dimensions")
    response = server.sdk.embeddings.create(model=server.model, input=TEXTS, dimensions=16)
    cut = embed(server, *TEXTS)[:, :16]
    expected = cut / np.linalg.norm(cut, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors_of(response), expected, atol=1e-2)


@pytest.mark.parametrize("blank", ["", " \t\n", [], ["text", ""], ["text", "   "]])
def test_embeddings_blank_input_is_refused_with_400(blank: str | list[str], server: Server) -> None:
    with pytest.raises(openai.BadRequestError, match="cannot be empty"):
        server.sdk.embeddings.create(model=server.model, input=blank)


def test_embeddings_wrong_json_is_refused_with_400(server: Server) -> None:
    headers = {"Content-Type": "application/json"}
    response = server.http.post("/v1/embeddings", headers=headers, content=b'{"input": ')
    assert response.status_code == HTTPStatus.BAD_REQUEST


def test_base_url_without_v1_is_not_found(server: Server) -> None:
    root = server.sdk.with_options(base_url=str(server.http.base_url))
    with pytest.raises(openai.NotFoundError):
        root.embeddings.create(model=server.model, input=QUESTION)


def test_models_names_one_model(server: Server) -> None:
    (model,) = server.sdk.models.list().data
    assert model.id


def test_model_info_tells_an_embedding_model(server: Server) -> None:
    info = server.http.get("/model_info").json()
    assert info["is_generation"] is False
    assert info["embedding"]["normalize"] is True


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_health_needs_no_key(path: str, server: Server) -> None:
    assert server.http.get(path, headers={"Authorization": ""}).status_code == HTTPStatus.OK


def client_of(server: Server, *, key: str = "") -> Embedder:
    """Return the application's own client of the server."""
    return Embedder(str(server.sdk.base_url).rstrip("/"), server.model, api_key=key or server.sdk.api_key)


def test_client_many_batches_at_once_keep_their_order_and_are_unit_vectors(server: Server) -> None:
    texts = [f"Number {number}: {'restart the router ' * (number % 9)}" for number in range(160)]
    embedder = client_of(server)
    found = embedder.embed_documents(texts)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)
    some = [0, 63, 64, 159]
    alone = np.stack([embedder.embed_documents([texts[number]])[0] for number in some])
    assert np.einsum("nd,nd->n", found[some], alone).min() > 0.99


def test_client_many_threads_at_once_all_get_their_own_vectors(server: Server) -> None:
    embedder = client_of(server)
    batches = [[f"Caller {caller} asks about {number}" for number in range(20)] for caller in range(8)]
    with ThreadPoolExecutor(len(batches)) as pool:
        found = list(pool.map(embedder.embed_documents, batches))
    for vectors, texts in zip(found, batches, strict=True):
        assert float(vectors[7] @ embedder.embed_documents([texts[7]])[0]) > 0.99


def test_client_question_with_passages_beside_has_the_vectors_of_each_alone(server: Server) -> None:
    embedder = client_of(server)
    found = embedder.embed_queries(QUESTION, instructions=["Find it", "Find that"], beside=TEXTS)
    alone = np.concatenate(
        [[embedder.embed_query(QUESTION, instruction=text) for text in ("Find it", "Find that")],
         embedder.embed_documents(TEXTS)]
    )  # fmt: skip
    assert np.einsum("nd,nd->n", found, alone).min() > 0.99


def test_client_text_longer_than_the_model_reads_is_embedded_and_spares_its_neighbours(server: Server) -> None:
    embedder = client_of(server)
    words = " ".join(f"word{number}" for number in range(embedder.max_tokens))
    found, errors = embedder.try_documents([QUESTION, words, "Restart the router."])
    assert errors == {}
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)
    assert float(found[0] @ embedder.embed_documents([QUESTION])[0]) > 0.99


def test_client_told_too_long_a_limit_embeds_what_is_refused_by_its_parts(server: Server) -> None:
    most = client_of(server).max_tokens
    if most > 4_096:
        pytest.skip("the model reads more than a passage can hold")
    embedder = Embedder(
        str(server.sdk.base_url).rstrip("/"), server.model, api_key=server.sdk.api_key, max_tokens=100 * most
    )
    words = " ".join(f"word{number}" for number in range(most // 2))
    assert client_of(server).count_tokens([words])[0] >= most
    _found, errors = embedder.try_documents([QUESTION, words])
    assert errors == {}


def test_client_counts_the_tokens_that_the_server_counts(server: Server) -> None:
    counts = server.http.post("/v1/tokenize", json={"model": server.model, "prompt": TEXTS}).json()["count"]
    assert client_of(server).count_tokens(TEXTS) == counts


def test_client_sees_the_same_weights_twice(server: Server) -> None:
    assert is_same_model(probe(client_of(server)), probe(client_of(server)))


def test_client_wrong_key_is_told(server: Server) -> None:
    if server.sdk.api_key == "EMPTY":
        pytest.skip("this server was started without a key")
    with pytest.raises(EmbeddingRefusedError) as caught:
        client_of(server, key="wrong").embed_documents(TEXTS)
    assert caught.value.code == "embedding_key_refused"


@pytest.mark.parametrize("header", ["", "Bearer wrong", KEY])
@pytest.mark.parametrize("path", ["/v1/models", "/model_info", "/v1/no-such-path"])
def test_local_wrong_key_is_refused_with_401(path: str, header: str, local: Server) -> None:
    response = local.http.get(path, headers={"Authorization": header})
    assert response.status_code == HTTPStatus.UNAUTHORIZED
    assert response.json()["error"]["code"] == "invalid_api_key"


def test_local_wrong_key_is_the_sdk_s_authentication_error(local: Server) -> None:
    with pytest.raises(openai.AuthenticationError):
        local.sdk.with_options(api_key="wrong").models.list()


@pytest.mark.parametrize("arguments", [[], ["--model", "no-such-folder"]])
def test_local_start_without_key_or_model_fails_saying_so(arguments: list[str]) -> None:
    environment = {**os.environ, "EMBEDDING_API_KEY": KEY if arguments else ""}
    command = [sys.executable, "-m", "searchapp.local.embeddings", "--port", "1", *arguments]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert ("model_missing" if arguments else "EMBEDDING_API_KEY") in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"input": [1, 2, 3]}, "input", "token_ids_refused"),
        ({"input": [[1, 2], [3]]}, "input", "token_ids_refused"),
        ({"input": ["text", None]}, "input", "invalid_input"),
        ({"input": {"text": "text"}}, "input", "invalid_input"),
        ({}, "input", "invalid_input"),
        ({"input": "text", "dimensions": 0}, "dimensions", "invalid_dimensions"),
        ({"input": "text", "dimensions": 385}, "dimensions", "invalid_dimensions"),
        ({"input": "text", "dimensions": True}, "dimensions", "invalid_dimensions"),
        ({"input": "text", "dimensions": "128"}, "dimensions", "invalid_dimensions"),
        ({"input": "text", "encoding_format": "int8"}, "encoding_format", "invalid_encoding_format"),
        ({"input": "text", "model": " "}, "model", "missing_model"),
        ({"input": "text", "model": None}, "model", "missing_model"),
        ({"input": "Instruct: find it\nQuery:"}, "input", "empty_input"),
    ],
)
def test_local_invalid_request_is_refused_naming_the_field(
    fields: dict[str, object], param: str, code: str, local: Server
) -> None:
    response = local.http.post("/v1/embeddings", json={"model": "any-name", **fields})
    assert response.status_code == HTTPStatus.BAD_REQUEST
    error = response.json()["error"]
    assert (error["param"], error["code"], error["type"]) == (param, code, "invalid_request_error")
    assert error["message"]


def test_local_half_a_surrogate_pair_is_refused(local: Server) -> None:
    response = local.http.post("/v1/embeddings", content=b'{"model": "any-name", "input": "\\ud83d"}')
    assert response.status_code == HTTPStatus.BAD_REQUEST
    assert response.json()["error"]["code"] == "invalid_unicode"


def test_local_body_that_is_too_large_is_refused_before_it_is_sent(local: Server) -> None:
    connection = HTTPConnection(local.http.base_url.host, local.http.base_url.port)
    with closing(connection):
        connection.putrequest("POST", "/v1/embeddings")
        connection.putheader("Authorization", f"Bearer {KEY}")
        connection.putheader("Content-Length", str(2**40))
        connection.endheaders()
        assert connection.getresponse().status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def test_local_text_longer_than_the_context_is_refused_in_sglang_s_words(local_qwen3: Server) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        embed(local_qwen3, "short", "Ж" * 3000)
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["message"] == (
        "The input (6001 tokens) is longer than the model's context length (1024 tokens)."
    )
    assert caught.value.body["code"] == "text_too_long"


def test_local_static_model_ignores_the_instruction(local: Server) -> None:
    framed, bare = embed(local, f"Instruct: Given a question, find the answer\nQuery:{QUESTION}", QUESTION)
    np.testing.assert_array_equal(framed, bare)


def test_local_qwen3_model_reads_the_instruction(local_qwen3: Server) -> None:
    framed, bare = embed(local_qwen3, f"Instruct: Given a question, find it\nQuery:{QUESTION}", QUESTION)
    assert framed @ bare < 0.99


def test_local_texts_the_model_cannot_read_get_unit_vectors_and_spare_the_batch(local: Server) -> None:
    vectors = embed(local, "🙂", QUESTION, "!?", "\u200b")
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors[1], embed(local, QUESTION)[0], atol=1e-6)


def test_local_one_dimension_is_never_nan(local: Server) -> None:
    response = local.http.post("/v1/embeddings", json={"model": "any-name", "input": TEXTS, "dimensions": 1})
    assert {abs(item["embedding"][0]) for item in response.json()["data"]} <= {0.0, 1.0}


def test_local_translations_are_nearer_than_other_questions(local: Server) -> None:
    english, chinese, other = embed(local, QUESTION, "如何重置我的密码？", "水在多少度沸腾？")
    assert english @ chinese > 0.3 > english @ other


def test_local_models_and_model_info_agree_on_the_model(local_qwen3: Server) -> None:
    (card,) = local_qwen3.http.get("/v1/models").json()["data"]
    info = local_qwen3.http.get("/model_info").json()
    assert card["id"] == info["served_model_name"] == "tiny-qwen3"
    assert card["max_model_len"] == info["max_model_len"] == 1024
    assert card["dimensions"] == info["dimensions"] == 32
    assert card["fingerprint"] == info["fingerprint"]
    assert card["languages"] == info["languages"] == []
    assert len(bytes.fromhex(info["fingerprint"])) == 32
    assert info["embedding"] == {
        "pooling": "last",
        "normalize": True,
        "supports_dimensions": True,
        "takes_instructions": True,
    }


def test_local_static_model_names_its_languages(local: Server) -> None:
    info = local.http.get("/model_info").json()
    assert {"en", "zh", "ar", "th"} <= set(info["languages"])
    assert "hu" not in info["languages"]


def test_local_tokenize_single_prompt_gives_a_single_list(local_qwen3: Server) -> None:
    single = local_qwen3.http.post("/v1/tokenize", json={"prompt": QUESTION}).json()
    several = local_qwen3.http.post("/v1/tokenize", json={"prompt": [QUESTION]}).json()
    assert [single["tokens"]] == several["tokens"]
    assert [single["count"]] == several["count"] == [len(single["tokens"])]
    assert single["max_model_len"] == 1024


def test_local_two_thousand_texts_in_one_request_keep_their_order(local: Server) -> None:
    texts = [f"{TEXTS[number % 4]} {number}" for number in range(2000)]
    vectors = embed(local, *texts)
    assert vectors.shape == (2000, 384)
    np.testing.assert_allclose(vectors[1999], embed(local, texts[1999])[0], atol=1e-5)


def test_local_requests_at_the_same_time_get_their_own_answers(local: Server) -> None:
    texts = [f"{TEXTS[number % 4]} {number}" for number in range(24)]
    alone = np.concatenate([embed(local, text) for text in texts])
    with ThreadPoolExecutor(max_workers=8) as pool:
        together = np.concatenate(list(pool.map(lambda text: embed(local, text), texts)))
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_local_busy_server_still_answers_queries(busy: BusyServer) -> None:
    assert busy.server.http.get("/ready").status_code == HTTPStatus.OK
    assert embed(busy.server, QUESTION).shape == (1, 32)
    busy.connection.settimeout(0)
    with pytest.raises(BlockingIOError):
        busy.connection.recv(1)


def test_local_busy_server_stops_on_sigterm_without_finishing(busy: BusyServer) -> None:
    assert busy.server.http.get("/ready").status_code == HTTPStatus.OK
    busy.process.terminate()
    busy.process.wait(timeout=30)
    answer = busy.connection.recv(100)
    assert b"200 OK" not in answer
