"""Taking documents in, replacing and deleting them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from searchapp.models import Chunk, Collection, Document, IndexSweep
from searchapp.parsing import FaqColumns
from searchapp.services import collections, documents, indexing
from searchapp.services.documents import DocumentRejectedError, Outcome, clean_source_name
from tests.factories import CollectionFactory, index, live_index, upload
from tests.integration.conftest import forget_backends

TEXT = "# Lost luggage\n\nReport a lost suitcase at the counter within two days."
OTHER_TEXT = "# Dining car\n\nBreakfast is served from six in the morning."


def stored_files(settings) -> list[Path]:
    return [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]


def test_create_document_new_file_is_queued(collection: Collection) -> None:
    result = upload(collection, TEXT, name="lost.md")
    assert result.outcome is Outcome.CREATED
    assert result.document.status == Document.Status.QUEUED
    assert (result.document.title, result.document.kind, result.document.version) == ("lost", "markdown", 1)


def test_create_document_same_content_is_recognised_and_kept_once(collection: Collection, settings) -> None:
    first = upload(collection, TEXT, name="lost.md")
    second = upload(collection, TEXT, name="copy.md")
    assert second.outcome is Outcome.DUPLICATE
    assert second.document.pk == first.document.pk
    assert len(stored_files(settings)) == 1


def test_create_document_same_content_in_another_collection_is_another_document(collection: Collection) -> None:
    first = upload(collection, TEXT)
    second = upload(CollectionFactory.create(), TEXT)
    assert second.outcome is Outcome.CREATED
    assert second.document.pk != first.document.pk


def test_create_document_same_content_as_a_failed_one_queues_it_again(collection: Collection) -> None:
    document = upload(collection, TEXT).document
    Document.objects.filter(pk=document.pk).update(status=Document.Status.FAILED, error_code="parse_timeout")
    again = upload(collection, TEXT)
    assert again.outcome is Outcome.DUPLICATE
    assert again.document.status == Document.Status.QUEUED
    assert again.document.error_code == ""


def test_create_document_changed_file_of_same_name_is_next_version(collection: Collection, settings) -> None:
    first = upload(collection, TEXT, name="guide.md").document
    second = upload(collection, OTHER_TEXT, name="guide.md")
    assert second.outcome is Outcome.REPLACED
    assert (second.document.pk, second.document.version) == (first.pk, 2)
    assert len(stored_files(settings)) == 1


def test_create_document_next_version_of_a_sheet_keeps_the_columns_that_were_chosen(collection: Collection) -> None:
    columns = FaqColumns("alpha", "beta")
    upload(collection, "alpha,beta\nWhere is my bag?,At the counter.\n", name="rows.csv", faq_columns=columns)
    document = index(collection, "alpha,beta\nIs there wifi?,Yes.\n", name="rows.csv")
    assert (document.version, document.status) == (2, Document.Status.READY)


def test_create_document_twice_at_once_makes_one(collection: Collection) -> None:
    def take_in(_number: int) -> Outcome:
        try:
            return upload(collection, TEXT, name="same.md").outcome
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(take_in, range(4)))
    assert outcomes == [Outcome.CREATED, *[Outcome.DUPLICATE] * 3]
    assert Document.objects.count() == 1


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"", "empty.md", "empty_file"),
        (b"MZ\x90\x00", "program.exe", "unsupported_type"),
        (TEXT.encode(), "\x00\x1f", "name_invalid"),
        (TEXT.encode(), "..", "name_invalid"),
    ],
)
def test_create_document_unusable_file_is_rejected_and_nothing_kept(
    collection: Collection, settings, content: bytes, name: str, code: str
) -> None:
    with pytest.raises(DocumentRejectedError) as caught:
        upload(collection, content, name=name)
    assert caught.value.code == code
    assert not Document.objects.exists()
    assert stored_files(settings) == []


def test_create_document_over_the_limit_is_rejected(collection: Collection, settings) -> None:
    settings.MAX_UPLOAD_BYTES = 10
    with pytest.raises(DocumentRejectedError) as caught:
        upload(collection, TEXT)
    assert caught.value.code == "file_too_large"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd.md", "passwd.md"),
        ("C:\\files\\handbuch.md", "handbuch.md"),
        ("a\u202egnp.md", "agnp.md"),
        ("e\u0301te\u0301.md", "été.md"),
        ("<b>x</b>.md", "b>.md"),
        ("n" * 400 + ".md", "n" * 252 + ".md"),
    ],
)
def test_clean_source_name_hostile_name_is_made_harmless(given: str, kept: str) -> None:
    assert clean_source_name(given) == kept


def test_delete_documents_ready_document_leaves_nothing_behind(collection: Collection, settings) -> None:
    document = index(collection, TEXT)
    assert live_index().count(document.pk) == 1
    assert documents.delete_documents(Document.objects.filter(pk=document.pk)) == 1
    indexing.settle_sweeps()
    assert live_index().count() == 0
    assert not Chunk.objects.exists()
    assert stored_files(settings) == []


def test_delete_documents_store_down_owes_the_points_until_it_is_back(collection: Collection, settings) -> None:
    document = index(collection, TEXT)
    url = settings.QDRANT_URL
    settings.QDRANT_URL = "http://127.0.0.1:9"
    forget_backends()
    documents.delete_documents(Document.objects.filter(pk=document.pk))
    indexing.settle_sweeps()
    assert IndexSweep.objects.filter(document_id=document.pk).exists()
    settings.QDRANT_URL = url
    forget_backends()
    indexing.settle_sweeps()
    assert live_index().count() == 0


def test_settle_sweeps_refused_deletion_makes_room_for_the_others(collection: Collection, settings) -> None:
    document = index(collection, TEXT)
    documents.delete_documents(Document.objects.filter(pk=document.pk))
    settings.QDRANT_API_KEY = "wrong"
    forget_backends()
    indexing.settle_sweeps()
    assert IndexSweep.objects.filter(document_id=document.pk).count() == 2
    assert not IndexSweep.objects.filter(due_at__lte=timezone.now()).exists()


def test_delete_collection_takes_its_documents_along(collection: Collection, settings) -> None:
    index(collection, TEXT)
    index(collection, OTHER_TEXT)
    collections.delete_collection(collection)
    indexing.settle_sweeps()
    assert live_index().count() == 0
    assert not Document.objects.exists()
    assert stored_files(settings) == []


def test_retry_documents_only_failed_ones_are_queued(collection: Collection) -> None:
    ready = index(collection, TEXT)
    failed = upload(collection, OTHER_TEXT).document
    Document.objects.filter(pk=failed.pk).update(status=Document.Status.FAILED, error_code="file_broken")
    assert documents.retry_documents(Document.objects.all()) == [failed.pk]
    ready.refresh_from_db()
    assert ready.status == Document.Status.READY
