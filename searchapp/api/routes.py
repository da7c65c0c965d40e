"""The routes under ``/api/v1``."""

import logging
import uuid
from datetime import date
from http import HTTPStatus
from typing import cast

from django.contrib.auth.models import User
from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from ninja import File, Form, FormEx, NinjaAPI, P, Query, Router, Status
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.files import UploadedFile
from ninja.security import HttpBearer

from searchapp import __version__, tasks
from searchapp.api.schemas import (
    TEXT_PATTERN,
    CollectionIn,
    CollectionOut,
    DocumentAccepted,
    DocumentOut,
    ElsewhereOut,
    ErrorOut,
    HitOut,
    Problem,
    Progress,
    SearchOut,
    TagsIn,
    Text,
)
from searchapp.errors import IsoglossError
from searchapp.models import Collection, Document
from searchapp.parsing import FaqColumns
from searchapp.services import collections, documents, searching, tokens
from searchapp.services.collections import CollectionRejectedError, CollectionSpec
from searchapp.services.documents import DocumentRejectedError, Outcome
from searchapp.services.reasons import sentence
from searchapp.services.searching import Mode, QueryRejectedError
from searchapp.services.tags import TagsRejectedError

logger = logging.getLogger(__name__)

REJECTION_STATUS = {
    "file_too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "unsupported_type": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "type_mismatch": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "upload_conflict": HTTPStatus.CONFLICT,
    "collection_exists": HTTPStatus.CONFLICT,
}


class TokenAuth(HttpBearer):
    """Let in who sends ``Authorization: Bearer <token>``."""

    def authenticate(self, request: HttpRequest, token: str) -> User | None:
        user = tokens.find_user(token)
        if user is not None:
            request.user = user
        return user


api = NinjaAPI(
    title="Isogloss",
    version=__version__,
    description=(
        "Knowledge-base search that crosses languages. Every call wants `Authorization: Bearer <token>`; "
        '`manage.py create_api_token USERNAME` prints one. Errors are `{"error": {"code", "message"}}`.'
    ),
    auth=TokenAuth(),
    urls_namespace="api",
    docs_url="/docs",
)
router = Router(tags=["v1"])
ERRORS = frozenset({400, 401, 403, 404, 409, 413, 415, 422, 503})


@router.post("/collections", response={200: CollectionOut, 201: CollectionOut, ERRORS: ErrorOut})
def create_collection(request: HttpRequest, payload: CollectionIn) -> Status[Collection]:
    """Make a collection; where one of that short name exists and the caller may see it, return that."""
    viewer = _user(request)
    existing = collections.visible_to(viewer).filter(slug=payload.slug).first()
    if existing is not None:
        return Status(200, existing)
    if not collections.can_create(viewer):
        raise HttpError(HTTPStatus.FORBIDDEN, "This account may not make collections.")
    spec = CollectionSpec(**payload.dict())
    return Status(201, collections.create_collection(spec, owner=viewer))


@router.get("/collections", response={200: list[CollectionOut], ERRORS: ErrorOut})
def list_collections(request: HttpRequest) -> QuerySet[Collection]:
    """List the collections that the caller may search."""
    return collections.visible_to(_user(request))


@router.post("/documents", response={200: DocumentAccepted, 202: DocumentAccepted, ERRORS: ErrorOut})
def create_document(
    request: HttpRequest,
    collection: FormEx[str, P(pattern=TEXT_PATTERN)],
    file: File[UploadedFile],
    language: Form[str] = "",
    question_column: FormEx[str, P(pattern=TEXT_PATTERN)] = "",
    answer_column: FormEx[str, P(pattern=TEXT_PATTERN)] = "",
    tags: Form[list[Text]] = [],  # noqa: B006 - ninja copies the default
) -> Status[DocumentAccepted]:
    """Upload a file. The same name replaces the document of that name; the same content is recognised.

    `language` declares the language of the document. `question_column` and `answer_column` name the
    columns of a CSV file whose header is not understood. `tags` are words to find the document by; the field may be
    given several times, or hold several with commas between. A new version without tags keeps those it has.
    """
    viewer = _user(request)
    target = collections.editable_by(viewer).filter(slug=collection).first()
    if target is None:
        if collections.visible_to(viewer).filter(slug=collection).exists():
            raise HttpError(HTTPStatus.FORBIDDEN, "This account may not add documents to this collection.")
        raise Http404
    if bool(question_column) != bool(answer_column):
        raise HttpError(HTTPStatus.BAD_REQUEST, "Name both columns, question_column and answer_column, or neither.")
    upload = documents.create_document(
        target,
        file,
        source_name=file.name or "",
        uploaded_by=viewer,
        declared_language=language,
        faq_columns=FaqColumns(question_column, answer_column) if question_column else None,
        tags=tags,
    )
    document = upload.document
    if document.status == Document.Status.QUEUED:
        tasks.enqueue_indexing([document.pk])
    accepted = DocumentAccepted(
        id=document.pk,
        status=document.status,
        url=request.build_absolute_uri(reverse("api:get_document", args=[document.pk])),
    )
    return Status(200 if upload.outcome is Outcome.DUPLICATE else 202, accepted)


@router.get("/documents/{uuid:document_id}", url_name="get_document", response={200: DocumentOut, ERRORS: ErrorOut})
def get_document(request: HttpRequest, document_id: uuid.UUID) -> DocumentOut:
    """Tell what a document is and how far it is."""
    return _document_out(_document(collections.visible_to(_user(request)), document_id))


@router.put("/documents/{uuid:document_id}/tags", response={200: DocumentOut, ERRORS: ErrorOut})
def set_tags(request: HttpRequest, document_id: uuid.UUID, payload: TagsIn) -> DocumentOut:
    """Give a document these tags and no others; nothing is embedded anew, and searches know of it within seconds."""
    document = _editable_document(request, document_id, "This account may not edit documents of this collection.")
    documents.set_tags(document, payload.tags)
    return _document_out(document)


def _document_out(document: Document) -> DocumentOut:
    error = None
    if document.error_code:
        error = Problem(code=document.error_code, message=sentence(document.error_code))
    return DocumentOut(
        id=document.pk,
        title=document.title,
        collection=document.collection.slug,
        source_name=document.source_name,
        status=document.status,
        progress=Progress(done=document.progress_done, total=document.progress_total),
        error=error,
        passages=document.passage_count,
        language=document.language,
        tags=list(document.tags.values_list("name", flat=True)),
        version=document.version,
    )


@router.delete("/documents/{uuid:document_id}", response={204: None, ERRORS: ErrorOut})
def delete_document(request: HttpRequest, document_id: uuid.UUID) -> Status[None]:
    """Delete a document with its passages; search shows none of them from now on."""
    document = _editable_document(request, document_id, "This account may not delete documents of this collection.")
    documents.delete_documents(Document.objects.filter(pk=document.pk))
    return Status(204, None)


@router.get("/search", response={200: SearchOut, ERRORS: ErrorOut})
def search(
    request: HttpRequest,
    q: str,
    limit: Query[int] = 10,
    collection: Query[list[Text]] = [],  # noqa: B006 - ninja copies the default
    language: Query[list[str]] = [],  # noqa: B006
    kind: Query[list[str]] = [],  # noqa: B006
    tag: Query[list[str]] = [],  # noqa: B006
    since: date | None = None,
    mode: Mode = Mode.BEST,
    fold: Query[bool] = False,  # noqa: FBT002 - a parameter of the address, given by name
) -> SearchOut:
    """Find passages that answer a question, whatever language they are in.

    `collection`, `language`, `kind` (the type of file) and `tag` may be given several times; `since` is the first
    day of upload. `limit` is at most 100. `fold` makes one hit of what says the same in several languages or
    nearly word for word. `mode` is `best` (the
    best answers in any language), `own-first` (those in the language of the question first) or
    `each-language` (the best of each). `answered` is false where no passage fits well enough to be a good
    answer, as far as that was measured for the model. `degraded` in the answer is not empty where the embedding service
    did not answer and words alone were searched for: it is the code of the error.
    """
    if not 1 <= limit <= 100:
        raise HttpError(HTTPStatus.BAD_REQUEST, "limit takes a number from 1 to 100.")
    result = searching.search(
        q,
        _user(request),
        collections=[slug for slug in collection if slug],
        languages=[code for code in language if code],
        kinds=[code for code in kind if code],
        tags=[name for name in tag if name],
        uploaded_since=since,
        limit=limit,
        mode=mode,
        is_folded=fold,
        is_highlighted=False,
    )
    searching.keep_query(result, collection)
    return SearchOut(
        query=result.query,
        query_language=result.query_language,
        took_ms=result.took_ms,
        answered=result.is_answered,
        degraded=result.degraded,
        language_known=result.is_language_known,
        hits=[
            HitOut(
                document_id=hit.document_id,
                title=hit.title,
                collection=hit.collection_slug,
                source_name=hit.source_name,
                language=hit.language,
                question=hit.question,
                passage=hit.text,
                heading_path=list(hit.heading_path),
                page=hit.page,
                score=hit.score,
                similarity=hit.evidence.similarity,
                term_share=hit.evidence.term_share,
                rerank_score=hit.rerank_score,
                tags=list(hit.tags),
                elsewhere=[
                    ElsewhereOut(document_id=place.document_id, title=place.title, language=place.language)
                    for place in hit.elsewhere
                ],
                url=request.build_absolute_uri(
                    f"{reverse('document', args=[hit.document_id])}?passage={hit.ordinal}#passage-{hit.ordinal}"
                ),
            )
            for hit in result.hits
        ],
    )


api.add_router("/v1", router)


def _user(request: HttpRequest) -> User:
    return cast("User", request.user)


def _document(visible: QuerySet[Collection], document_id: uuid.UUID) -> Document:
    document = Document.objects.select_related("collection").filter(pk=document_id, collection__in=visible).first()
    if document is None:
        raise Http404
    return document


def _editable_document(request: HttpRequest, document_id: uuid.UUID, refusal: str) -> Document:
    viewer = _user(request)
    document = _document(collections.visible_to(viewer), document_id)
    if not collections.editable_by(viewer).filter(pk=document.collection_id).exists():
        raise HttpError(HTTPStatus.FORBIDDEN, refusal)
    return document


def _error(request: HttpRequest, status: int, code: str, message: str) -> HttpResponse:
    return api.create_response(request, {"error": {"code": code, "message": message}}, status=status)


@api.exception_handler(IsoglossError)
def on_isogloss_error(request: HttpRequest, exc: IsoglossError) -> HttpResponse:
    """Answer with the sentence of the error's code; its detail goes to the log alone."""
    if isinstance(exc, DocumentRejectedError | TagsRejectedError | CollectionRejectedError | QueryRejectedError):
        status = REJECTION_STATUS.get(exc.code, HTTPStatus.BAD_REQUEST)
    else:
        status = HTTPStatus.SERVICE_UNAVAILABLE
        logger.warning("a service failed a request: %s", exc)
    return _error(request, status, exc.code, sentence(exc.code))


@api.exception_handler(ValidationError)
def on_validation_error(request: HttpRequest, exc: ValidationError) -> HttpResponse:
    """Name the first field that is wrong."""
    parts = []
    for error in exc.errors:
        path = ".".join(str(part) for part in error.get("loc", ()) if part not in {"body", "query", "form", "payload"})
        parts.append(f"{path}: {error.get('msg', '')}" if path else str(error.get("msg", "")))
    return _error(request, HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", "; ".join(parts))


@api.exception_handler(AuthenticationError)
def on_authentication_error(request: HttpRequest, _exc: AuthenticationError) -> HttpResponse:
    """Say how to send a token."""
    message = "Send a valid token as 'Authorization: Bearer <token>'. manage.py create_api_token USERNAME prints one."
    response = _error(request, HTTPStatus.UNAUTHORIZED, "unauthorized", message)
    response["WWW-Authenticate"] = "Bearer"
    return response


@api.exception_handler(Http404)
def on_not_found(request: HttpRequest, _exc: Http404) -> HttpResponse:
    """Say nothing about whether it exists for others."""
    return _error(request, HTTPStatus.NOT_FOUND, "not_found", "There is no such thing, or this account may not see it.")


@api.exception_handler(HttpError)
def on_http_error(request: HttpRequest, exc: HttpError) -> HttpResponse:
    """Answer with the sentence that was raised."""
    code = HTTPStatus(exc.status_code).name.lower()
    return _error(request, exc.status_code, code, str(exc))


@api.exception_handler(RequestDataTooBig)
def on_request_too_big(request: HttpRequest, _exc: RequestDataTooBig) -> HttpResponse:
    """Answer for a body that is longer than any may be; none of it was read."""
    return _error(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "file_too_large", sentence("file_too_large"))


@api.exception_handler(BadRequest)
@api.exception_handler(SuspiciousOperation)
def on_bad_request(request: HttpRequest, _exc: BadRequest | SuspiciousOperation) -> HttpResponse:
    """Answer for a body that could not be read."""
    return _error(request, HTTPStatus.BAD_REQUEST, "bad_request", "The request could not be read.")


@api.exception_handler(Exception)
def on_unexpected(request: HttpRequest, exc: Exception) -> HttpResponse:
    """Keep the traceback in the log."""
    logger.error("a request failed unexpectedly", exc_info=exc)
    return _error(request, HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", sentence("internal_error"))
