"""Tags: on documents, in the index, on the pages and through the API."""

import uuid
from datetime import timedelta

from django.contrib.auth.models import AnonymousUser, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from searchapp.models import Collection, Document, IndexSweep, Tag
from searchapp.services import documents, indexing
from searchapp.services.documents import LAST_SWEEP_AFTER
from searchapp.services.facets import facets
from searchapp.services.searching import search
from searchapp.services.tokens import create_api_token
from tests.factories import index, live_index, upload

LUGGAGE = "# Lost luggage\n\nReport a lost suitcase at the counter within two days."
BICYCLE = "# Bicycles\n\nA suitcase may travel beside a bicycle."


def tagged(document: Document) -> list[str]:
    return list(document.tags.values_list("name", flat=True))


def found(*tags: str, viewer: User | None = None) -> set[uuid.UUID]:
    return {hit.document_id for hit in search("suitcase", viewer or AnonymousUser(), tags=tags).hits}


def test_search_by_tag_finds_documents_with_any_of_them_however_written(collection: Collection) -> None:
    luggage = index(collection, LUGGAGE, tags=["Travel", "Counter"])
    bicycle = index(collection, BICYCLE, tags=["bike"])
    assert found() == {luggage.pk, bicycle.pk}
    assert found("TRAVEL") == {luggage.pk}
    assert found("travel", "Bike") == {luggage.pk, bicycle.pk}
    assert found("no such tag") == set()
    hits = search("lost suitcase", AnonymousUser(), tags=["travel"]).hits
    assert hits[0].tags == ("Counter", "Travel")


def test_set_tags_of_a_ready_document_reaches_the_index_without_embedding(collection: Collection) -> None:
    document = index(collection, LUGGAGE, tags=["old"])
    run = document.run
    documents.set_tags(document, ["New"])
    indexing.settle_sweeps()
    document.refresh_from_db()
    assert (document.status, document.run) == (Document.Status.READY, run)
    assert found("new") == {document.pk}
    assert found("old") == set()
    documents.set_tags(document, [])
    indexing.settle_sweeps()
    assert found("new") == set()
    assert found() == {document.pk}


def test_set_tags_while_a_document_is_indexed_reaches_its_points(collection: Collection) -> None:
    document = index(collection, LUGGAGE)
    Document.objects.filter(pk=document.pk).update(status=Document.Status.EMBEDDING)
    documents.set_tags(document, ["late"])
    indexing.settle_sweeps()
    assert found("late") == set()
    Document.objects.filter(pk=document.pk).update(status=Document.Status.READY)
    IndexSweep.objects.update(due_at=timezone.now())
    indexing.settle_sweeps()
    assert found("late") == {document.pk}


def test_set_tags_is_owed_twice_for_late_writes(collection: Collection) -> None:
    document = index(collection, LUGGAGE)
    IndexSweep.objects.all().delete()
    documents.set_tags(document, ["a"])
    due = IndexSweep.objects.filter(document_id=document.pk, has_new_tags=True).order_by("due_at")
    first, second = due.values_list("due_at", flat=True)
    assert second - first == LAST_SWEEP_AFTER > timedelta(0)


def test_rebuilt_index_has_the_tags(collection: Collection) -> None:
    document = index(collection, LUGGAGE, tags=["kept"])
    live_index().drop()
    indexing.repair_index()
    indexing.index_document(document.pk)
    assert found("kept") == {document.pk}


def test_upload_next_version_without_tags_keeps_them(collection: Collection) -> None:
    document = index(collection, LUGGAGE, name="a.md", tags=["kept"])
    assert upload(collection, BICYCLE, name="a.md").document.pk == document.pk
    assert tagged(document) == ["kept"]
    upload(collection, LUGGAGE + " More.", name="a.md", tags=["other"])
    assert tagged(document) == ["other"]


def test_tags_one_name_is_one_tag(collection: Collection) -> None:
    index(collection, LUGGAGE, tags=["Travel"])
    index(collection, BICYCLE, tags=["travel"])
    assert Tag.objects.get().name == "Travel"
    assert facets(Collection.objects.all()).tags == [("Travel", 2)]


def test_facets_and_filter_know_no_tags_of_what_one_may_not_see(
    restricted: Collection, alice: User, charlie: User, client: Client
) -> None:
    document = index(restricted, LUGGAGE, tags=["secret"])
    assert found("secret", viewer=alice) == {document.pk}
    assert found("secret", viewer=charlie) == set()
    client.force_login(charlie)
    assert "secret" not in client.get("/").text
    assert client.post(f"/documents/{document.pk}/tags/", {"tags": "mine"}).status_code == 404
    assert tagged(document) == ["secret"]


def test_search_page_filters_by_tag_and_shows_tags_under_hits(client: Client, collection: Collection) -> None:
    index(collection, LUGGAGE, tags=["<b>Travel</b>"])
    index(collection, BICYCLE)
    page = client.get("/", {"q": "suitcase", "tag": "<b>Travel</b>"}).text
    assert '<option value="&lt;b&gt;Travel&lt;/b&gt;" selected>&lt;b&gt;Travel&lt;/b&gt; (1)</option>' in page
    assert page.count("data-hit>") == 1
    assert '<li class="tag" dir="auto">&lt;b&gt;Travel&lt;/b&gt;</li>' in page


def test_tags_are_set_at_upload_and_edited_on_the_document_page(
    client: Client, restricted: Collection, alice: User
) -> None:
    client.force_login(alice)
    file = SimpleUploadedFile("a.md", LUGGAGE.encode())
    client.post(f"/collections/{restricted.slug}/upload/", {"file": file, "tags": "Travel, counter"})
    document = Document.objects.get()
    assert tagged(document) == ["counter", "Travel"]
    assert "counter, Travel" in client.get(f"/documents/{document.pk}/").text
    assert '<li class="tag" dir="auto">Travel</li>' in client.get(f"/collections/{restricted.slug}/").text
    client.post(f"/documents/{document.pk}/tags/", {"tags": "bike"})
    assert tagged(document) == ["bike"]
    page = client.post(f"/documents/{document.pk}/tags/", {"tags": "x" * 60}, follow=True).text
    assert "A tag has at most 50 characters." in page
    assert tagged(document) == ["bike"]


def test_upload_with_too_many_tags_is_refused(client: Client, restricted: Collection, alice: User) -> None:
    client.force_login(alice)
    file = SimpleUploadedFile("a.md", LUGGAGE.encode())
    data = {"file": file, "tags": ",".join(map(str, range(21)))}
    page = client.post(f"/collections/{restricted.slug}/upload/", data, headers={"HX-Request": "true"})
    assert "A document has at most 20 tags." in page.text
    assert not Document.objects.exists()


def test_admin_edits_the_tags_alone(client: Client, collection: Collection, admin_user: User) -> None:
    document = index(collection, LUGGAGE, tags=["old"])
    client.force_login(admin_user)
    address = f"/admin/searchapp/document/{document.pk}/change/"
    assert 'value="old"' in client.get(address).text
    answer = client.post(address, {"tag_names": "new, other", "title": "Changed"})
    assert answer.status_code == 302
    document.refresh_from_db()
    assert (document.title, tagged(document)) == ("Lost luggage", ["new", "other"])
    assert document.pk in {sweep.document_id for sweep in IndexSweep.objects.filter(has_new_tags=True)}


def test_api_sets_filters_and_shows_tags(client: Client, restricted: Collection, alice: User, bob: User) -> None:
    key = {"Authorization": f"Bearer {create_api_token(alice)}"}
    file = SimpleUploadedFile("a.md", LUGGAGE.encode())
    data = {"collection": restricted.slug, "file": file, "tags": ["Travel", "a, b"]}
    answer = client.post("/api/v1/documents", data, headers=key)
    assert answer.status_code == 202
    document = Document.objects.get()
    indexing.index_document(document.pk)
    address = f"/api/v1/documents/{document.pk}"
    assert client.get(address, headers=key).json()["tags"] == ["a", "b", "Travel"]
    hits = client.get("/api/v1/search", {"q": "suitcase", "tag": ["TRAVEL", "x"]}, headers=key).json()["hits"]
    assert [hit["tags"] for hit in hits] == [["a", "b", "Travel"]]
    assert client.get("/api/v1/search", {"q": "suitcase", "tag": "x"}, headers=key).json()["hits"] == []
    put = client.put(f"{address}/tags", {"tags": ["bike"]}, content_type="application/json", headers=key)
    assert put.json()["tags"] == ["bike"]
    refused = client.put(f"{address}/tags", {"tags": ["x" * 51]}, content_type="application/json", headers=key)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "tag_too_long")


def test_api_schema_names_the_tags(client: Client, site: None) -> None:
    schema = client.get("/api/openapi.json").json()
    parameters = schema["paths"]["/api/v1/search"]["get"]["parameters"]
    assert "tag" in [parameter["name"] for parameter in parameters]
    upload_form = schema["paths"]["/api/v1/documents"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert upload_form["schema"]["properties"]["tags"]["type"] == "array"
    assert all("tags" in schema["components"]["schemas"][name]["properties"] for name in ("DocumentOut", "HitOut"))
