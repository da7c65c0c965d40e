"""The way of a document into the index, and that nothing is lost on it."""

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import OperationalError, connection
from django.db.backends.signals import connection_created
from django.utils import timezone

from searchapp.models import Chunk, Collection, Document, ServiceOutage
from searchapp.services import documents, indexing, outages
from searchapp.services.searching import Lanes, SearchOptions, search
from tests.factories import index, live_index, upload
from tests.integration.conftest import forget_backends
from tests.site import eventually

TEXT = "# Lost luggage\n\nReport a lost suitcase at the counter within two days."
NEW_TEXT = "# Lost luggage\n\nReport a lost suitcase on the website within a week."


def long_text(sections: int) -> str:
    return "\n\n".join(
        f"## Section {number}\n\n" + f"Sentence about topic {number} of the railway. " * 40
        for number in range(sections)
    )


def is_consistent(document: Document) -> bool:
    """Return whether the index holds exactly the passages of the document."""
    count = Chunk.objects.filter(document=document).count()
    return live_index().count(document.pk) == count == document.passage_count > 0


def test_index_document_markdown_becomes_ready_with_its_passages(collection: Collection) -> None:
    document = index(collection, TEXT)
    assert document.status == Document.Status.READY
    assert (document.title, document.language, document.live_version) == ("Lost luggage", "en", 1)
    assert is_consistent(document)


def test_index_document_without_headings_words_of_a_heading_find_nothing(collection: Collection) -> None:
    options = SearchOptions(Lanes.LEXICAL)
    document = upload(collection, "# Luggage\n\n## Umbrellas\n\nAsk at the counter.\n").document
    indexing.index_document(document.pk, has_headings=False)
    assert search("counter", AnonymousUser(), options=options).hits[0].heading_path == ()
    assert search("luggage", AnonymousUser(), options=options).hits == ()


def test_index_document_faq_row_keeps_its_question_apart(collection: Collection) -> None:
    index(collection, "question,answer\nWhere is my bag?,At the counter.\nIs there wifi?,Yes.\n", name="faq.csv")
    assert list(Chunk.objects.order_by("ordinal").values_list("question", "text")) == [
        ("Where is my bag?", "At the counter."),
        ("Is there wifi?", "Yes."),
    ]


def test_index_document_unclear_columns_are_asked_for_and_then_used(collection: Collection) -> None:
    from searchapp.parsing import FaqColumns

    document = index(collection, "alpha,beta\nWhere is my bag?,At the counter.\nWifi?,Yes.\n", name="rows.csv")
    assert (document.status, document.error_code) == (Document.Status.FAILED, "faq_columns_needed")
    assert document.error_detail == '["alpha", "beta"]'
    assert documents.choose_faq_columns(document, FaqColumns("alpha", "beta"))
    indexing.index_document(document.pk)
    document.refresh_from_db()
    assert (document.status, document.passage_count) == (Document.Status.READY, 2)


def test_index_document_broken_file_fails_with_a_reason(collection: Collection) -> None:
    document = index(collection, b"%PDF-1.7\nthis is no pdf", name="broken.pdf")
    assert (document.status, document.error_code) == (Document.Status.FAILED, "file_broken")
    assert live_index().count(document.pk) == 0


def test_index_document_twice_at_once_is_done_by_one(collection: Collection) -> None:
    document = upload(collection, long_text(30)).document

    def work(_number: int) -> None:
        try:
            indexing.index_document(document.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
    document.refresh_from_db()
    assert (document.status, document.run) == (Document.Status.READY, 1)
    assert is_consistent(document)


def test_index_document_new_version_is_found_instead_of_the_old(collection: Collection) -> None:
    index(collection, TEXT, name="luggage.md")
    document = upload(collection, NEW_TEXT, name="luggage.md").document
    assert [hit.text for hit in search("lost suitcase", AnonymousUser()).hits] == [
        "Report a lost suitcase at the counter within two days."
    ]
    indexing.index_document(document.pk)
    document.refresh_from_db()
    assert [hit.text for hit in search("lost suitcase", AnonymousUser()).hits] == [
        "Report a lost suitcase on the website within a week."
    ]
    assert is_consistent(document)


def test_index_document_replacing_under_search_shows_one_version_at_any_moment(collection: Collection) -> None:
    index(collection, TEXT, name="luggage.md")
    stop = threading.Event()
    seen: list[int] = []

    def ask() -> None:
        try:
            while not stop.is_set():
                hits = search("lost suitcase", AnonymousUser(), is_highlighted=False).hits
                seen.append(len(hits))
        finally:
            connection.close()

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        for number in range(8):
            document = upload(collection, f"{NEW_TEXT}\n\nEdition {number}.", name="luggage.md").document
            indexing.index_document(document.pk)
    finally:
        stop.set()
        asker.join()
    assert set(seen) == {1}


def test_index_document_failed_new_version_leaves_the_old_one_found(collection: Collection) -> None:
    index(collection, "question,answer\nWhere is my bag?,At the counter.\n", name="faq.csv")
    document = index(collection, "alpha,beta\nsomething,else\nnothing,more\n", name="faq.csv")
    assert (document.status, document.version, document.live_version) == (Document.Status.FAILED, 2, 1)
    assert [hit.text for hit in search("where is my bag", AnonymousUser()).hits] == ["At the counter."]


def test_index_document_new_version_without_a_title_is_named_after_the_file(collection: Collection) -> None:
    assert index(collection, TEXT, name="luggage.md").title == "Lost luggage"
    document = index(collection, "Report a lost suitcase on the website.", name="luggage.md")
    assert (document.version, document.title) == (2, "luggage")


def test_heartbeat_database_fails_once_lease_is_kept_all_the_same(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = indexing._claim(upload(collection, TEXT).document.pk)
    assert job is not None
    failures = iter([OperationalError("the database restarts")])

    def refuse_once(**_signal: object) -> None:
        if failure := next(failures, None):
            raise failure

    monkeypatch.setattr(indexing, "HEARTBEAT_S", 0.01)
    soon = timezone.now() + indexing.LEASE / 2
    job.update(lease_expires_at=timezone.now())
    connection_created.connect(refuse_once)
    try:
        with indexing._heartbeat(job):
            assert eventually(
                lambda: Document.objects.filter(pk=job.document.pk, lease_expires_at__gt=soon).exists(), within_s=10
            )
    finally:
        connection_created.disconnect(refuse_once)
    assert next(failures, None) is None


def while_embedding(document: Document, action: Callable[[], object]) -> None:
    """Index a document, and act as soon as a first part of its passages is stored."""

    def work() -> None:
        try:
            indexing.index_document(document.pk)
        finally:
            connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        while not Document.objects.filter(pk=document.pk, progress_done__gt=0).exists():
            assert worker.is_alive()
            time.sleep(0.01)
        assert Document.objects.get(pk=document.pk).status == Document.Status.EMBEDDING
        action()
    finally:
        worker.join()


def test_index_document_deleted_in_the_middle_leaves_no_points(collection: Collection) -> None:
    document = upload(collection, long_text(300)).document
    while_embedding(document, lambda: documents.delete_documents(Document.objects.filter(pk=document.pk)))
    indexing.settle_sweeps()
    assert live_index().count() == 0


def test_index_document_replaced_in_the_middle_ends_as_the_newest(collection: Collection) -> None:
    document = upload(collection, long_text(300), name="guide.md").document
    while_embedding(document, lambda: upload(collection, TEXT, name="guide.md"))
    indexing.index_document(document.pk)
    document.refresh_from_db()
    assert (document.status, document.version, document.passage_count) == (Document.Status.READY, 2, 1)
    assert is_consistent(document)


@pytest.mark.parametrize(
    ("variable", "code"), [("EMBEDDING_BASE_URL", "embedding_unreachable"), ("QDRANT_URL", "vector_store_unreachable")]
)
def test_index_document_service_down_waits_with_a_reason_and_goes_on(
    collection: Collection, settings, variable: str, code: str
) -> None:
    address = getattr(settings, variable)
    setattr(settings, variable, "http://127.0.0.1:9/v1")
    forget_backends()
    document = index(collection, TEXT)
    assert (document.status, document.error_code, document.attempts) == (Document.Status.QUEUED, code, 0)
    assert document.next_attempt_at > timezone.now()
    assert indexing.take_due() == []

    setattr(settings, variable, address)
    forget_backends()
    Document.objects.update(next_attempt_at=timezone.now())
    ServiceOutage.objects.update(next_try_at=timezone.now())
    outages.try_again()
    assert indexing.take_due() == [document.pk]
    indexing.index_document(document.pk)
    document.refresh_from_db()
    assert (document.status, document.error_code) == (Document.Status.READY, "")


def test_recover_abandoned_expired_lease_is_queued_again_until_tried_too_often(collection: Collection) -> None:
    document = upload(collection, TEXT).document
    abandoned = {
        "status": Document.Status.PARSING,
        "lease": uuid.uuid4(),
        "lease_expires_at": timezone.now() - timedelta(seconds=1),
    }
    Document.objects.filter(pk=document.pk).update(attempts=1, **abandoned)
    assert indexing.recover_abandoned() == 1
    document.refresh_from_db()
    assert (document.status, document.lease) == (Document.Status.QUEUED, None)

    Document.objects.filter(pk=document.pk).update(attempts=indexing.MAX_ATTEMPTS, **abandoned)
    assert indexing.recover_abandoned() == 1
    document.refresh_from_db()
    assert (document.status, document.error_code) == (Document.Status.FAILED, "worker_stopped")


def test_recover_abandoned_living_lease_is_left_alone(collection: Collection) -> None:
    document = upload(collection, TEXT).document
    Document.objects.filter(pk=document.pk).update(
        status=Document.Status.EMBEDDING, lease=uuid.uuid4(), lease_expires_at=timezone.now() + indexing.LEASE
    )
    assert indexing.recover_abandoned() == 0


def test_repair_index_lost_collection_is_rebuilt_from_the_database(collection: Collection) -> None:
    first = index(collection, TEXT)
    second = index(collection, "# Dining\n\nBreakfast is served at six.")
    live_index().drop()
    assert indexing.repair_index() == 2
    for document in (first, second):
        indexing.index_document(document.pk)
        document.refresh_from_db()
        assert document.status == Document.Status.READY
        assert is_consistent(document)
    assert indexing.repair_index() == 0


def test_repair_index_missing_points_of_one_document_rebuilds_that_one(collection: Collection) -> None:
    whole = index(collection, TEXT)
    holed = index(collection, "# Dining\n\nBreakfast is served at six.")
    live_index().delete_document(holed.pk)
    assert indexing.repair_index() == 1
    holed.refresh_from_db()
    whole.refresh_from_db()
    assert (holed.status, whole.status) == (Document.Status.QUEUED, Document.Status.READY)


def test_take_due_a_sent_message_is_not_sent_again_before_it_expires(collection: Collection) -> None:
    document = upload(collection, TEXT).document
    assert indexing.take_due() == [document.pk]
    assert indexing.take_due() == []
    long_ago = timezone.now() - timedelta(seconds=indexing.MESSAGE_LIFETIME_S + 1)
    Document.objects.filter(pk=document.pk).update(enqueued_at=long_ago)
    assert indexing.take_due() == [document.pk]
