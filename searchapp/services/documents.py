"""Taking documents in, replacing, retrying and deleting them.

What happens to a document after that is in `searchapp.services.indexing`.
"""

import hashlib
import logging
import os
import unicodedata
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path, PurePosixPath
from tempfile import NamedTemporaryFile

from django.conf import settings
from django.contrib.auth.models import User
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from searchapp.errors import PermanentError
from searchapp.language import SUPPORTED_LANGUAGES
from searchapp.models import Collection, Document, IndexSweep
from searchapp.parsing import FaqColumns, ParseError, detect_kind
from searchapp.services.tags import clean_tags, put_tags

logger = logging.getLogger(__name__)

MAX_NAME_CHARACTERS = 255
# A worker that lost its document notices within one lease and one request; after that nothing of it arrives.
LAST_SWEEP_AFTER = timedelta(minutes=3)


class DocumentRejectedError(PermanentError):
    """Raise for an upload that is not taken in; nothing of it was kept."""


class Outcome(StrEnum):
    """Say what an upload came to."""

    CREATED = "created"
    REPLACED = "replaced"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Upload:
    """The document that an upload made, replaced or turned out to be."""

    document: Document
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class _StoredFile:
    name: str
    sha256: str
    size_bytes: int
    kind: str


def create_document(
    collection: Collection,
    file: "File[bytes]",
    *,
    source_name: str,
    uploaded_by: User | None = None,
    declared_language: str = "",
    faq_columns: FaqColumns | None = None,
    tags: Iterable[str] = (),
) -> Upload:
    """Take a file into a collection and queue it.

    A file with the content of one that is there is recognised and not taken again; where that one had
    failed, it is queued again, with the language and columns given this time. A file with the name of
    one that is there becomes its next version.

    Args:
        collection: where it goes.
        file: the bytes; read once, from the start.
        source_name: its name at the uploader's; only the last part counts.
        uploaded_by: who gave it.
        declared_language: its language where the uploader knows it; empty lets it be found.
        faq_columns: columns of a CSV file's questions and answers where they were chosen.
        tags: words to find it by; a next version without any keeps those that are there.

    Raises:
        TagsRejectedError: too many tags, or one too long.
        DocumentRejectedError: ``name_invalid``, ``file_too_large``, ``language_unknown``, or what
            `searchapp.parsing.detect_kind` says about the file.
    """
    name = clean_source_name(source_name)
    if declared_language and declared_language not in SUPPORTED_LANGUAGES:
        raise DocumentRejectedError("language_unknown", declared_language)
    cleaned_tags = clean_tags(tags)
    stored = _store(file, name)
    is_kept = False
    try:
        for _attempt in range(2):
            try:
                with transaction.atomic():
                    upload = _place(collection, stored, name, uploaded_by, declared_language, faq_columns)
                    if cleaned_tags and upload.outcome is not Outcome.DUPLICATE:
                        _tag(upload.document, cleaned_tags)
                break
            except IntegrityError:
                # The same file or name came in at the same moment: the second look finds it.
                logger.info("two uploads met", extra={"collection_id": collection.pk})
        else:
            raise DocumentRejectedError("upload_conflict", name)
        is_kept = upload.outcome is not Outcome.DUPLICATE
    finally:
        if not is_kept:
            default_storage.delete(stored.name)
    logger.info(
        "document %s",
        upload.outcome.value,
        extra={"document_id": upload.document.pk, "kind": stored.kind, "size_bytes": stored.size_bytes},
    )
    return upload


def retry_documents(documents: QuerySet[Document]) -> list[uuid.UUID]:
    """Queue again those of the documents that failed, and return their ids."""
    ids = list(documents.filter(status=Document.Status.FAILED).values_list("pk", flat=True))
    return [pk for pk in ids if _requeue(pk)]


def choose_faq_columns(document: Document, columns: FaqColumns) -> bool:
    """Set the question and answer columns of a CSV file that failed for want of them, and queue it again."""
    return _requeue(document.pk, faq_columns={"question": columns.question, "answer": columns.answer})


def set_tags(document: Document, names: Iterable[str]) -> None:
    """Give a document these tags and no others; filters of searches know of it within seconds.

    Nothing is embedded anew.

    Raises:
        TagsRejectedError: there are too many, or one is too long.
    """
    tags = clean_tags(names)
    with transaction.atomic():
        # One after the other: of two that set other tags at once, both would stay.
        if Document.objects.select_for_update().filter(pk=document.pk).exists():
            _tag(document, tags)


def delete_documents(documents: QuerySet[Document]) -> int:
    """Delete documents with their passages and files, and return how many.

    Search shows none of them from the moment this returns; their points follow.
    """
    with transaction.atomic():
        rows = list(documents.select_for_update().values_list("pk", "file", "live_file"))
        for pk, _file, _live_file in rows:
            order_sweep(pk)
        Document.objects.filter(pk__in=[pk for pk, _file, _live_file in rows]).delete()
        names = {name for _pk, *files in rows for name in files if name}
        transaction.on_commit(lambda: _delete_files(names))
    return len(rows)


def order_sweep(document_id: uuid.UUID, *, has_new_tags: bool = False) -> None:
    """Order the stale points of a document away: now, and once more when no late write can follow.

    Args:
        document_id: which.
        has_new_tags: whether the others are to be given the tags that it has then.
    """
    now = timezone.now()
    IndexSweep.objects.bulk_create(
        [
            IndexSweep(document_id=document_id, due_at=due_at, has_new_tags=has_new_tags)
            for due_at in (now, now + LAST_SWEEP_AFTER)
        ]
    )


def title_from_name(source_name: str) -> str:
    """Return the title of a document that names none itself: its file name without the ending."""
    return os.path.splitext(source_name)[0]  # noqa: PTH122 - this is a name, not a path


def clean_source_name(source_name: str) -> str:
    """Return the last part of a file name, NFC, without control characters, at most 255 characters.

    Raises:
        DocumentRejectedError: ``name_invalid`` when nothing is left.
    """
    name = PurePosixPath(source_name.replace("\\", "/")).name
    name = unicodedata.normalize("NFC", name)
    name = "".join(char for char in name if unicodedata.category(char) not in {"Cc", "Cf", "Cs"}).strip()
    if not name or name in {".", ".."}:
        raise DocumentRejectedError("name_invalid")
    stem, extension = os.path.splitext(name)  # noqa: PTH122 - this is a name, not a path
    return stem[: MAX_NAME_CHARACTERS - len(extension)] + extension[:20]


def _store(file: "File[bytes]", name: str) -> _StoredFile:
    """Copy the bytes into the storage, on the way hashing them and finding their type."""
    if file.size > settings.MAX_UPLOAD_BYTES:
        raise DocumentRejectedError("file_too_large", f"{file.size} bytes")
    digest = hashlib.sha256()
    incoming = Path(settings.MEDIA_ROOT) / "incoming"
    incoming.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=incoming) as temporary:
        for block in file.chunks():
            digest.update(block)
            temporary.write(block)
        temporary.flush()
        try:
            kind = detect_kind(Path(temporary.name), name)
        except ParseError as exc:
            raise DocumentRejectedError(exc.code, exc.detail) from exc
        temporary.seek(0)
        stored_name = default_storage.save(f"documents/{uuid.uuid4()}", File(temporary))
    return _StoredFile(stored_name, digest.hexdigest(), file.size, kind)


def _place(
    collection: Collection,
    stored: _StoredFile,
    name: str,
    uploaded_by: User | None,
    declared_language: str,
    faq_columns: FaqColumns | None,
) -> Upload:
    chosen = {"question": faq_columns.question, "answer": faq_columns.answer} if faq_columns else None
    # First, so that what another upload of this name just brought is seen by the look for the content.
    former = Document.objects.select_for_update().filter(collection=collection, source_name=name).first()
    same = Document.objects.filter(collection=collection, content_sha256=stored.sha256).first()
    if same is not None:
        if same.status == Document.Status.FAILED:
            # What was said about the file this time may be what it failed for want of.
            said = {"faq_columns": chosen, "declared_language": declared_language}
            if _requeue(same.pk, **{field: value for field, value in said.items() if value}):
                same.refresh_from_db()
        return Upload(same, Outcome.DUPLICATE)
    fields = {
        "file": stored.name,
        "kind": stored.kind,
        "size_bytes": stored.size_bytes,
        "content_sha256": stored.sha256,
        "declared_language": declared_language,
        "uploaded_by": uploaded_by,
    }
    if former is None:
        document = Document.objects.create(
            collection=collection, source_name=name, title=title_from_name(name), faq_columns=chosen, **fields
        )
        return Upload(document, Outcome.CREATED)
    replaced_file = former.file.name or ""
    for field, value in fields.items():
        setattr(former, field, value)
    # A sheet that is kept up to date goes on having the columns that were once chosen for it.
    former.faq_columns = chosen or former.faq_columns
    former.version += 1
    _reset(former)
    former.save()
    order_sweep(former.pk)
    if replaced_file != former.live_file:
        transaction.on_commit(lambda: _delete_files({replaced_file}))
    return Upload(former, Outcome.REPLACED)


def _tag(document: Document, tags: dict[str, str]) -> None:
    put_tags(document, tags)
    order_sweep(document.pk, has_new_tags=True)


def _reset(document: Document) -> None:
    document.status = Document.Status.QUEUED
    document.progress_done = document.progress_total = document.attempts = 0
    document.error_code = document.error_detail = ""
    document.lease = document.lease_expires_at = document.next_attempt_at = document.enqueued_at = None


def _requeue(document_id: uuid.UUID, **changes: object) -> bool:
    """Queue a failed document again, with changes to its row; False where it was no longer failed."""
    return (
        Document.objects.filter(pk=document_id, status=Document.Status.FAILED).update(
            status=Document.Status.QUEUED,
            progress_done=0,
            progress_total=0,
            attempts=0,
            error_code="",
            error_detail="",
            next_attempt_at=None,
            enqueued_at=None,
            **changes,
        )
        == 1
    )


def _delete_files(names: set[str]) -> None:
    for name in names:
        default_storage.delete(name)
