"""Files on their way in: what a request may make the server keep, and what becomes of each file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest
from django.utils.translation import gettext as _

from searchapp import tasks
from searchapp.models import Collection, Document
from searchapp.services import documents
from searchapp.services.documents import DocumentRejectedError, Outcome
from searchapp.services.reasons import sentence

# A form sent without JavaScript holds many files; all together they may be as long as this many of the largest.
LARGEST_FILES_IN_A_FORM = 20


class BoundedUploadHandler(FileUploadHandler):
    """Let the bytes of a file pass to the handlers after it only up to the limit, and none of a visitor's.

    A longer file arrives in the view without content but with its true length, so that the service
    refuses it by name while the rest of the form works. It stands first in FILE_UPLOAD_HANDLERS.
    """

    _max_bytes = 0

    def handle_raw_input(self, _input_data: Any, _meta: Any, content_length: int, *_others: Any) -> None:
        """Refuse a form too long to be kept.

        Raises:
            RequestDataTooBig: before a byte of it was read.
        """
        if content_length > LARGEST_FILES_IN_A_FORM * settings.MAX_UPLOAD_BYTES:
            raise RequestDataTooBig(f"a form of {content_length} bytes")
        # A form is read before its view asks who sent it: nobody unknown may fill the disk.
        if self.request is not None and self.request.user.is_authenticated:
            self._max_bytes = settings.MAX_UPLOAD_BYTES

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        """Hand the bytes on, or drop them past the limit."""
        return raw_data if start + len(raw_data) <= self._max_bytes else None

    def file_complete(self, file_size: int) -> "UploadedFile[bytes] | None":
        """Leave the file to the handlers after this one unless it was cut."""
        if file_size <= self._max_bytes:
            return None
        return UploadedFile(BytesIO(), self.file_name, self.content_type, file_size, self.charset)


@dataclass(frozen=True, slots=True)
class UploadResult:
    """What became of one uploaded file; ``reason`` says why it was refused."""

    name: str
    outcome: Outcome | None = None
    document: Document | None = None
    reason: str = ""


def take_files(
    collection: Collection,
    files: Iterable["UploadedFile[bytes]"],
    *,
    uploaded_by: User,
    declared_language: str,
    source_name: str = "",
    tags: Sequence[str] = (),
) -> list[UploadResult]:
    """Take files into a collection and have them indexed; a refusal is a result like any other.

    Args:
        collection: where they go.
        files: the files.
        uploaded_by: who gave them.
        declared_language: their language; empty lets it be found.
        source_name: the name a file is kept under; its own where empty.
        tags: words to find them by, as `TagsField` has checked them.
    """
    results = [_take_file(collection, file, uploaded_by, declared_language, source_name, tags) for file in files]
    taken = [result.document for result in results if result.document is not None]
    # All in one go, since a broker that is down is waited for once each time.
    tasks.enqueue_indexing(document.pk for document in taken if document.status == Document.Status.QUEUED)
    return results


def _take_file(
    collection: Collection,
    file: "UploadedFile[bytes]",
    uploaded_by: User,
    declared_language: str,
    source_name: str,
    tags: Sequence[str],
) -> UploadResult:
    name = file.name or ""
    try:
        upload = documents.create_document(
            collection,
            file,
            source_name=source_name or name,
            uploaded_by=uploaded_by,
            declared_language=declared_language,
            tags=tags,
        )
    except DocumentRejectedError as exc:
        return UploadResult(name, reason=sentence(exc.code))
    return UploadResult(name, outcome=upload.outcome, document=upload.document)


def tell_result(request: HttpRequest, result: UploadResult) -> None:
    """Leave a message about one file for the next page."""
    names = {"name": result.name}
    match result.outcome:
        case Outcome.CREATED:
            messages.success(request, _("“%(name)s” is uploaded.") % names)
        case Outcome.REPLACED:
            messages.success(request, _("“%(name)s” is uploaded as a new version.") % names)
        case Outcome.DUPLICATE:
            messages.info(request, _("“%(name)s” was there already, with the same content.") % names)
        case None:
            messages.error(request, _("“%(name)s”: %(reason)s") % {"name": result.name, "reason": result.reason})
