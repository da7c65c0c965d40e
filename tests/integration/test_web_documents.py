"""The pages of documents without a browser."""

import uuid
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, RequestFactory

from searchapp.models import Collection, Document
from searchapp.services import indexing
from searchapp.web.uploads import LARGEST_FILES_IN_A_FORM
from searchapp.web.views.documents import PAGE_DOCUMENTS, PAGE_PASSAGES
from tests.factories import index, upload

TEXT = "# Lost luggage\n\nReport a lost suitcase at the counter within two days."
UNCLEAR_CSV = "colour;number;other\nred;Is it red?;yes\nblue;Is it blue?;no\n"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def owned(restricted: Collection, alice: User, client: Client) -> Collection:
    """Return the collection of alice, who is signed in."""
    client.force_login(alice)
    return restricted


def send(client: Client, collection: Collection, *files: SimpleUploadedFile, **options: object):
    return client.post(f"/collections/{collection.slug}/upload/", {"file": list(files)}, **options)


def markdown(name: str, text: str) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, text.encode())


def test_upload_many_files_gives_each_its_result(client: Client, owned: Collection) -> None:
    response = send(client, owned, markdown("one.md", "One."), markdown("two.exe", "Two."), markdown("three.md", ""))
    page = client.get(response["Location"]).text
    assert "“one.md” is uploaded." in page
    assert "“two.exe”: This type of file cannot be read." in page
    assert "“three.md”: The file is empty." in page
    assert list(owned.documents.values_list("source_name", flat=True)) == ["one.md"]


def test_upload_by_htmx_answers_with_the_results_alone(client: Client, owned: Collection) -> None:
    send(client, owned, markdown("one.md", "One."))
    page = send(client, owned, markdown("copy.md", "One."), headers=HTMX).text
    assert "<html" not in page
    assert 'data-outcome="duplicate"' in page


def test_upload_file_over_the_limit_is_refused_without_being_kept_and_others_arrive(
    client: Client, owned: Collection, settings
) -> None:
    settings.MAX_UPLOAD_BYTES = 200_000
    response = send(client, owned, markdown("long.md", "x" * 200_001), markdown("short.md", "Short."))
    page = client.get(response["Location"]).text
    assert "“long.md”: The file is larger than this site takes." in page
    assert "“short.md” is uploaded." in page


def test_upload_form_longer_than_all_it_may_hold_is_413(client: Client, owned: Collection, settings) -> None:
    settings.MAX_UPLOAD_BYTES = 1_000
    response = send(client, owned, markdown("long.md", "x" * 1_000 * LARGEST_FILES_IN_A_FORM))
    assert response.status_code == 413
    assert "Upload fewer at a time." in response.text


def test_upload_without_the_right_is_refused(client: Client, restricted: Collection, bob: User, charlie: User) -> None:
    assert send(client, restricted, markdown("one.md", "One.")).status_code == 302
    client.force_login(charlie)
    assert send(client, restricted, markdown("one.md", "One.")).status_code == 404
    client.force_login(bob)
    assert send(client, restricted, markdown("one.md", "One.")).status_code == 403
    assert not restricted.documents.exists()


def test_upload_without_csrf_token_is_refused(owned: Collection, alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    response = send(client, owned, markdown("one.md", "One."))
    assert response.status_code == 403
    assert "The form was too old" in response.text


@pytest.mark.parametrize("action", ["", "download/"])
def test_document_that_may_not_be_seen_is_404(
    client: Client, restricted: Collection, charlie: User, action: str
) -> None:
    document = index(restricted, TEXT)
    for user in (None, charlie):
        if user:
            client.force_login(user)
        assert client.get(f"/documents/{document.pk}/{action}").status_code == 404
    assert client.get(f"/documents/{uuid.uuid4()}/{action}").status_code == 404


@pytest.mark.parametrize("action", ["delete", "retry", "replace", "columns"])
def test_document_change_by_a_viewer_is_refused(client: Client, restricted: Collection, bob: User, action: str) -> None:
    document = index(restricted, TEXT)
    client.force_login(bob)
    assert client.post(f"/documents/{document.pk}/{action}/").status_code == 403
    assert Document.objects.filter(pk=document.pk, status=Document.Status.READY).exists()


def test_document_passage_named_in_the_address_is_on_the_page(client: Client, collection: Collection, settings) -> None:
    settings.CHUNK_TOKENS = 32
    text = "\n\n".join(f"# Part {number}\n\nThe rule of part {number} says a good deal." for number in range(130))
    document = index(collection, text)
    assert document.passage_count > PAGE_PASSAGES
    last = document.passage_count - 1
    assert f'id="passage-{last}"' in client.get(f"/documents/{document.pk}/?passage={last}").text
    first_page = client.get(f"/documents/{document.pk}/").text
    assert 'id="passage-0"' in first_page
    assert f'id="passage-{last}"' not in first_page


def test_document_markup_is_shown_as_text(client: Client, collection: Collection) -> None:
    document = index(collection, "# <img src=x onerror=alert(1)>\n\nA <i>passage</i>.", name="<b>.md")
    page = client.get(f"/documents/{document.pk}/").text
    assert "<img src=x" not in page
    assert "<b>" not in page


def test_download_is_the_original_and_never_opens_in_the_browser(client: Client, collection: Collection) -> None:
    document = index(collection, "<html><script>alert(1)</script><p>Text.</p></html>", name="页面.html")
    response = client.get(f"/documents/{document.pk}/download/")
    assert b"".join(response.streaming_content).startswith(b"<html><script>")
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"].startswith("attachment")
    assert response["X-Content-Type-Options"] == "nosniff"


def test_download_whose_file_is_gone_is_404(client: Client, collection: Collection) -> None:
    document = index(collection, TEXT)
    document.file.storage.delete(document.file.name)
    assert client.get(f"/documents/{document.pk}/download/").status_code == 404


def test_replace_takes_the_file_as_next_version_whatever_its_name(client: Client, owned: Collection) -> None:
    document = index(owned, TEXT, name="lost.md")
    client.post(f"/documents/{document.pk}/replace/", {"file": markdown("new name.md", "# Lost\n\nWithin a week.")})
    indexing.index_document(document.pk)
    document.refresh_from_db()
    assert (document.version, document.live_version, document.source_name) == (2, 2, "lost.md")


def test_retry_all_queues_what_failed(client: Client, owned: Collection) -> None:
    index(owned, b"%PDF-1.4 broken", name="broken.pdf")
    assert owned.documents.get().status == Document.Status.FAILED
    page = client.post(f"/collections/{owned.slug}/retry/", follow=True).text
    assert "1 document is tried again." in page
    assert owned.documents.get().status == Document.Status.QUEUED


def test_failed_document_shows_the_reason_to_all_and_the_detail_to_staff(
    client: Client, owned: Collection, alice: User
) -> None:
    document = index(owned, b"%PDF-1.4 broken", name="broken.pdf")
    assert document.error_detail
    page = client.get(f"/collections/{owned.slug}/").text
    assert "The file is damaged" in page
    assert "Details for staff" not in page
    alice.is_staff = True
    alice.save()
    assert "Details for staff" in client.get(f"/collections/{owned.slug}/").text


def test_csv_of_unclear_columns_is_ready_after_they_were_chosen(client: Client, owned: Collection) -> None:
    document = index(owned, UNCLEAR_CSV, name="faq.csv")
    page = client.get(f"/documents/{document.pk}/").text
    assert '<option value="number">' in page
    address = f"/documents/{document.pk}/columns/"
    assert (
        "Choose two different columns."
        in client.post(address, {"question": "number", "answer": "number"}, follow=True).text
    )
    client.post(address, {"question": "number", "answer": "other"})
    indexing.index_document(document.pk)
    assert list(document.chunks.values_list("question", "text")) == [("Is it red?", "yes"), ("Is it blue?", "no")]


def test_upload_bytes_of_a_visitor_are_not_kept(rf: RequestFactory, alice: User) -> None:
    received = []
    for user in (AnonymousUser(), alice):
        request = rf.post("/", {"file": markdown("one.md", "One.")})
        request.user = user
        received.append((request.FILES["file"].size, request.FILES["file"].read()))
    assert received == [(4, b""), (4, b"One.")]


@pytest.mark.parametrize("number", ["9" * 30, "9" * 5_000])
def test_document_passage_beyond_any_number_shows_the_last_page(
    client: Client, collection: Collection, number: str
) -> None:
    document = index(collection, TEXT)
    assert client.get(f"/documents/{document.pk}/", {"passage": number}).status_code == 200


def test_list_null_character_in_the_query_finds_nothing_amiss(client: Client, collection: Collection) -> None:
    index(collection, TEXT, name="lost.md")
    assert "lost.md" in client.get(f"/collections/{collection.slug}/", {"q": "lo\x00st"}).text
    assert client.get("/", {"q": "suitcase", "collection": "\x00"}).status_code == 200


def test_delete_asks_then_deletes(client: Client, owned: Collection) -> None:
    document = index(owned, TEXT)
    assert "1 passage" in client.get(f"/documents/{document.pk}/delete/").text
    assert Document.objects.exists()
    client.post(f"/documents/{document.pk}/delete/")
    assert not Document.objects.exists()


def test_list_queued_documents_tell_their_place(client: Client, owned: Collection) -> None:
    for number in range(3):
        upload(owned, f"Text {number}.")
    page = client.get(f"/collections/{owned.slug}/").text
    assert page.count("next in line") == 1
    assert "1 document before it" in page
    assert "2 documents before it" in page


def test_list_document_that_waits_for_a_service_says_so(client: Client, owned: Collection) -> None:
    document = upload(owned, TEXT).document
    Document.objects.filter(pk=document.pk).update(error_code="embedding_unreachable")
    page = client.get(f"/collections/{owned.slug}/").text
    assert "The embedding service cannot be reached." in page


def test_progress_shows_the_named_rows_and_asks_again_only_for_the_unsettled(client: Client, owned: Collection) -> None:
    ready, queued = index(owned, TEXT), upload(owned, "Wait.").document
    page = client.get(f"/collections/{owned.slug}/progress/", {"id": [ready.pk, queued.pk, "no-id"]}).text
    assert f'id="document-{ready.pk}" hx-swap-oob="true"' in page
    assert f"?id={queued.pk}" in page
    assert f"id={ready.pk}" not in page
    indexing.index_document(queued.pk)
    settled = client.get(f"/collections/{owned.slug}/progress/", {"id": [queued.pk]}).text
    assert "hx-trigger" not in settled


def test_list_finds_by_name_and_status(client: Client, owned: Collection) -> None:
    index(owned, TEXT, name="lost.md")
    upload(owned, "Breakfast at six.", name="breakfast.md")
    address = f"/collections/{owned.slug}/"
    assert "breakfast.md" not in client.get(address, {"q": "LOST"}).text
    assert "breakfast.md" not in client.get(address, {"status": "ready"}).text
    assert "lost.md" not in client.get(address, {"status": "working"}).text
    assert "No document matches." in client.get(address, {"status": "failed"}).text


def test_list_page_is_full_at_its_length_and_number_of_queries_does_not_grow(
    client: Client, owned: Collection, django_assert_max_num_queries
) -> None:
    for number in range(PAGE_DOCUMENTS + 1):
        upload(owned, f"Text {number}.")
    with django_assert_max_num_queries(10):
        page = client.get(f"/collections/{owned.slug}/").text
    assert page.count('document-row"') == PAGE_DOCUMENTS
    assert "Page 1 of 2" in page
    with django_assert_max_num_queries(10):
        assert "Page 2 of 2" in client.get(f"/collections/{owned.slug}/?page=2").text


def test_admin_upload_without_a_file_asks_for_one(client: Client, collection: Collection, alice: User) -> None:
    alice.is_staff = alice.is_superuser = True
    alice.save()
    client.force_login(alice)
    response = client.post("/admin/searchapp/document/add/", {"collection": collection.pk})
    assert "This field is required." in response.text


def test_admin_deletion_of_documents_goes_through_the_service(
    client: Client, collection: Collection, alice: User
) -> None:
    alice.is_staff = alice.is_superuser = True
    alice.save()
    client.force_login(alice)
    document = index(collection, TEXT)
    stored = Path(document.file.path)
    assert stored.exists()
    selected = {"action": "delete_selected", "_selected_action": [document.pk]}
    assert client.post("/admin/searchapp/document/", selected).status_code == 200
    client.post("/admin/searchapp/document/", selected | {"post": "yes"})
    assert not Document.objects.exists()
    assert not stored.exists()
