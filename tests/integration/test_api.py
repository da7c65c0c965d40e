"""The REST API as a program meets it."""

import json

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from searchapp.models import Collection, Document
from searchapp.services import indexing
from searchapp.services.tokens import create_api_token
from searchapp.web.uploads import LARGEST_FILES_IN_A_FORM
from tests.factories import CollectionFactory, UserFactory, index, upload
from tests.integration.conftest import forget_backends

TEXT = "# Lost luggage\n\nReport a lost suitcase at the counter within two days."


def client_of(user: User) -> Client:
    return Client(headers={"authorization": f"Bearer {create_api_token(user)}"})


@pytest.fixture
def admin(site: None) -> Client:
    return client_of(UserFactory.create(username="admin", is_staff=True, is_superuser=True))


def post_json(client: Client, path: str, body: object):
    return client.post(path, json.dumps(body), content_type="application/json")


def post_file(client: Client, collection: str, content: bytes = TEXT.encode(), name: str = "lost.md", **fields: str):
    return client.post(
        "/api/v1/documents", {"collection": collection, "file": SimpleUploadedFile(name, content), **fields}
    )


def test_collections_first_post_makes_one_second_returns_it(admin: Client) -> None:
    body = {"slug": "kb", "name": "Knowledge base", "task": "faq", "instruction": "Find the answer"}
    first = post_json(admin, "/api/v1/collections", body)
    second = post_json(admin, "/api/v1/collections", body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert {name: first.json()[name] for name in body} == body
    assert [entry["slug"] for entry in admin.get("/api/v1/collections").json()] == ["kb"]


def test_collections_task_that_is_not_known_is_refused(admin: Client) -> None:
    body = {"slug": "kb", "name": "Knowledge base"}
    assert post_json(admin, "/api/v1/collections", body | {"task": "poem"}).status_code == 422
    assert post_json(admin, "/api/v1/collections", body).json()["task"] == "web"


def test_documents_whole_life_from_upload_to_deletion(admin: Client) -> None:
    post_json(admin, "/api/v1/collections", {"slug": "kb", "name": "KB"})
    accepted = post_file(admin, "kb")
    assert accepted.status_code == 202
    assert accepted.json()["status"] == "queued"
    document_id = accepted.json()["id"]

    indexing.index_document(document_id)
    described = admin.get(accepted.json()["url"]).json()
    assert described == {
        "id": document_id,
        "title": "Lost luggage",
        "collection": "kb",
        "source_name": "lost.md",
        "status": "ready",
        "progress": {"done": 1, "total": 1},
        "error": None,
        "passages": 1,
        "language": "en",
        "tags": [],
        "version": 1,
    }
    again = post_file(admin, "kb", name="copy.md")
    assert (again.status_code, again.json()["id"]) == (200, document_id)

    found = admin.get("/api/v1/search", {"q": "我的行李箱丢了", "limit": 5, "collection": "kb"}).json()
    assert (found["query"], found["query_language"]) == ("我的行李箱丢了", "zh")
    hit = found["hits"][0]
    assert hit["document_id"] == document_id
    assert hit["passage"] == "Report a lost suitcase at the counter within two days."
    assert hit["heading_path"] == ["Lost luggage"]
    assert admin.get(hit["url"]).status_code == 200

    assert admin.delete(accepted.json()["url"]).status_code == 204
    assert admin.get(accepted.json()["url"]).status_code == 404
    assert admin.get("/api/v1/search", {"q": "suitcase"}).json()["hits"] == []


def test_documents_failed_one_says_why_without_inner_details(admin: Client) -> None:
    document = index(CollectionFactory.create(), b"%PDF-1.7\nthis is no pdf", name="broken.pdf")
    body = admin.get(f"/api/v1/documents/{document.pk}").json()
    assert body["status"] == "failed"
    assert body["error"]["code"] == "file_broken"
    assert "damaged" in body["error"]["message"]
    assert "/" not in body["error"]["message"]


@pytest.mark.parametrize(
    ("content", "name", "status", "code"),
    [
        (b"", "empty.md", 400, "empty_file"),
        (b"MZ\x90\x00\x03", "program.exe", 415, "unsupported_type"),
        (b"x" * 2_000, "large.md", 413, "file_too_large"),
    ],
)
def test_documents_unusable_file_is_refused_with_its_reason(
    admin: Client, settings, content: bytes, name: str, status: int, code: str
) -> None:
    settings.MAX_UPLOAD_BYTES = 1_000
    CollectionFactory.create(slug="kb")
    response = post_file(admin, "kb", content, name)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert not Document.objects.exists()


def test_documents_declared_columns_and_language_are_used(admin: Client) -> None:
    CollectionFactory.create(slug="kb")
    content = b"alpha,beta\nWhere is my bag?,At the counter.\n"
    fields = {"question_column": "alpha", "answer_column": "beta", "language": "nl"}
    accepted = post_file(admin, "kb", content, "rows.csv", **fields).json()
    indexing.index_document(accepted["id"])
    body = admin.get(f"/api/v1/documents/{accepted['id']}").json()
    assert (body["status"], body["passages"], body["language"]) == ("ready", 1, "nl")


def test_documents_form_longer_than_any_may_be_is_413(admin: Client, settings) -> None:
    settings.MAX_UPLOAD_BYTES = 1_000
    CollectionFactory.create(slug="kb")
    response = post_file(admin, "kb", b"x" * 1_000 * LARGEST_FILES_IN_A_FORM)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "file_too_large")


def test_documents_failed_sheet_sent_again_with_its_columns_becomes_ready(admin: Client) -> None:
    CollectionFactory.create(slug="kb")
    content = b"alpha,beta\nWhere is my bag?,At the counter.\n"
    document_id = post_file(admin, "kb", content, "rows.csv").json()["id"]
    indexing.index_document(document_id)
    assert admin.get(f"/api/v1/documents/{document_id}").json()["error"]["code"] == "faq_columns_needed"

    fields = {"question_column": "alpha", "answer_column": "beta", "language": "nl"}
    again = post_file(admin, "kb", content, "rows.csv", **fields)
    assert (again.status_code, again.json()["id"], again.json()["status"]) == (200, document_id, "queued")
    indexing.index_document(document_id)
    body = admin.get(f"/api/v1/documents/{document_id}").json()
    assert (body["status"], body["passages"], body["language"]) == ("ready", 1, "nl")


def test_null_characters_are_refused_whatever_database_there_is(admin: Client) -> None:
    CollectionFactory.create(slug="kb")
    columns = {"question_column": "\x00", "answer_column": "b"}
    answers = [
        post_json(admin, "/api/v1/collections", {"slug": "other", "name": "a\x00b"}),
        post_file(admin, "kb\x00"),
        post_file(admin, "kb", b"a,b\n1,2\n", "rows.csv", **columns),
        admin.get("/api/v1/search", {"q": "suitcase", "collection": "kb\x00"}),
    ]
    assert [answer.status_code for answer in answers] == [422] * 4


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/api/v1/collections"),
        ("post", "/api/v1/collections"),
        ("post", "/api/v1/documents"),
        ("get", "/api/v1/documents/0e3a2b52-0000-4000-8000-000000000000"),
        ("delete", "/api/v1/documents/0e3a2b52-0000-4000-8000-000000000000"),
        ("get", "/api/v1/search?q=x"),
    ],
)
@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}])
def test_every_route_without_a_valid_token_is_refused(site: None, method: str, path: str, headers: dict) -> None:
    response = getattr(Client(headers=headers), method)(path)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "unauthorized"


def test_restricted_collection_outsider_meets_404_and_reader_meets_403(
    restricted: Collection, alice: User, bob: User, charlie: User
) -> None:
    document = upload(restricted, TEXT).document
    path = f"/api/v1/documents/{document.pk}"
    assert [client_of(user).get(path).status_code for user in (alice, bob, charlie)] == [200, 200, 404]
    assert [post_file(client_of(user), "secret").status_code for user in (bob, charlie)] == [403, 404]
    assert [client_of(user).delete(path).status_code for user in (charlie, bob, alice)] == [404, 403, 204]


def test_collections_ordinary_account_may_not_make_one(charlie: User) -> None:
    response = post_json(client_of(charlie), "/api/v1/collections", {"slug": "kb", "name": "KB"})
    assert response.status_code == 403


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"q": ""}, 400, "query_empty"),
        ({"q": "x" * 10_000}, 400, "query_too_long"),
        ({}, 422, "invalid_request"),
        ({"q": "x", "limit": "0"}, 400, "bad_request"),
        ({"q": "x", "limit": "many"}, 422, "invalid_request"),
    ],
)
def test_search_unusable_question_is_refused_with_its_reason(
    admin: Client, query: dict, status: int, code: str
) -> None:
    response = admin.get("/api/v1/search", query)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


def test_search_embedding_service_down_answers_by_words_and_names_the_reason(admin: Client, settings: Settings) -> None:
    index(CollectionFactory.create(), TEXT)
    settings.EMBEDDING_BASE_URL = "http://127.0.0.1:1/v1"
    forget_backends()
    found = admin.get("/api/v1/search", {"q": "suitcase"}).json()
    assert found["degraded"] == "embedding_unreachable"
    assert [hit["title"] for hit in found["hits"]] == ["Lost luggage"]


def test_search_vector_store_down_is_503_with_a_sentence(admin: Client, settings: Settings) -> None:
    CollectionFactory.create()
    settings.QDRANT_URL = "http://127.0.0.1:1"
    forget_backends()
    response = admin.get("/api/v1/search", {"q": "suitcase"})
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "vector_store_unreachable"


def test_search_filters_of_type_and_day_and_folding_are_taken(admin: Client) -> None:
    library = CollectionFactory.create()
    index(library, TEXT)
    index(CollectionFactory.create(), TEXT)

    def titles(**query: str) -> list[str]:
        return [hit["title"] for hit in admin.get("/api/v1/search", {"q": "lost suitcase", **query}).json()["hits"]]

    assert len(titles(kind="markdown", since="2020-01-01")) == 2
    assert titles(kind="pdf") == titles(since="2999-01-01") == []
    assert len(titles(fold="true")) == 1
    assert admin.get("/api/v1/search", {"q": "x", "since": "yesterday"}).status_code == 422


def test_search_mode_is_taken_and_an_unknown_one_refused(admin: Client) -> None:
    library = CollectionFactory.create()
    for number in range(2):
        index(library, f"# Lost luggage {number}\n\nReport a lost suitcase at counter {number}.")
    assert len(admin.get("/api/v1/search", {"q": "suitcase", "mode": "each-language"}).json()["hits"]) == 1
    assert admin.get("/api/v1/search", {"q": "suitcase", "mode": "sideways"}).status_code == 422


def test_openapi_describes_every_route(client: Client, site: None) -> None:
    paths = client.get("/api/openapi.json").json()["paths"]
    assert {(path, method) for path, methods in paths.items() for method in methods} == {
        ("/api/v1/collections", "post"),
        ("/api/v1/collections", "get"),
        ("/api/v1/documents", "post"),
        ("/api/v1/documents/{document_id}", "get"),
        ("/api/v1/documents/{document_id}", "delete"),
        ("/api/v1/documents/{document_id}/tags", "put"),
        ("/api/v1/search", "get"),
    }
    assert client.get("/api/docs").status_code == 200
