"""The documents of a collection, and the page of one."""

import json
import uuid
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.files.storage import default_storage
from django.core.paginator import Page, Paginator
from django.db.models import Count, Q, QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from searchapp import tasks
from searchapp.models import Chunk, Collection, Document
from searchapp.parsing import SUPPORTED_EXTENSIONS
from searchapp.services import collections, documents, generations
from searchapp.web.forms import FaqColumnsForm, ReplacementForm, TagsForm, UploadForm, error_text
from searchapp.web.presentation import STATUS_FILTERS, document_rows
from searchapp.web.requests import HtmxRequest, signed_in_user
from searchapp.web.uploads import take_files, tell_result

PAGE_DOCUMENTS = 50
PAGE_PASSAGES = 100
# No document has passages whose number is longer.
MAX_ORDINAL_DIGITS = 9


@require_safe
def list_documents(request: HtmxRequest, slug: str) -> HttpResponse:
    """List the documents of a collection; the list alone where htmx asks for it."""
    collection = _visible_collection(request, slug)
    query = request.GET.get("q", "").replace("\x00", "").strip()  # PostgreSQL takes no null characters
    status = request.GET.get("status", "")
    rows = collection.documents.order_by("-created_at", "pk").prefetch_related("tags")
    if query:
        rows = rows.filter(Q(title__icontains=query) | Q(source_name__icontains=query))
    if status in STATUS_FILTERS:
        rows = rows.filter(status__in=STATUS_FILTERS[status])
    page = Paginator(rows, PAGE_DOCUMENTS).get_page(request.GET.get("page"))
    context = {
        "collection": collection,
        "page": page,
        **_rows(list(page.object_list)),
        "query": query,
        "status": status,
        "counts": _counts(collection),
        "can_edit": _can_edit(request, collection),
        "can_administer": collections.can_administer(request.user, collection),
    }
    if request.htmx:
        response = render(request, "documents/_list.html", context)
    else:
        context |= {
            "form": UploadForm(),
            "max_upload_bytes": settings.MAX_UPLOAD_BYTES,
            "extensions": _extensions(),
        }
        response = render(request, "documents/list.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


@require_safe
@never_cache
def progress(request: HttpRequest, slug: str) -> HttpResponse:
    """Show anew the rows that the page named, which were not settled when it was last told."""
    collection = _visible_collection(request, slug)
    ids = [pk for text in request.GET.getlist("id")[:PAGE_DOCUMENTS] if (pk := _uuid(text))]
    context = {
        "collection": collection,
        **_rows(list(collection.documents.filter(pk__in=ids).prefetch_related("tags"))),
        "status": request.GET.get("status", ""),
        "counts": _counts(collection),
        "can_edit": _can_edit(request, collection),
        "is_update": True,
    }
    return render(request, "documents/_progress.html", context)


@login_required
@require_POST
def upload(request: HtmxRequest, slug: str) -> HttpResponse:
    """Take files into a collection; each has a result of its own."""
    collection = _editable_collection(request, slug)
    form = UploadForm(request.POST, request.FILES)
    results = []
    if form.is_valid():
        results = take_files(
            collection,
            form.cleaned_data["file"],
            uploaded_by=signed_in_user(request),
            declared_language=form.cleaned_data["language"],
            tags=form.cleaned_data["tags"],
        )
    if request.htmx:
        return render(request, "documents/_upload_results.html", {"results": results, "form": form})
    if form.errors:
        messages.error(request, error_text(form))
    for result in results:
        tell_result(request, result)
    return redirect("collection", collection.slug)


@login_required
@require_POST
def retry_all(request: HttpRequest, slug: str) -> HttpResponse:
    """Queue every failed document of a collection again."""
    collection = _editable_collection(request, slug)
    _retry(request, collection.documents.all())
    return redirect("collection", collection.slug)


@require_safe
def document(request: HtmxRequest, document_id: uuid.UUID) -> HttpResponse:
    """Show a document and its passages as they were cut; its status alone where htmx asks for it."""
    found = _visible_document(request, document_id)
    context = {
        "document": found,
        "row": document_rows([found])[0],
        "can_edit": _can_edit(request, found.collection),
    }
    if request.htmx:
        if found.is_settled:
            return HttpResponseClientRefresh()
        response = render(request, "documents/_status.html", context)
    else:
        tags = list(found.tags.all())
        context |= {
            "page": _passages(request, found),
            "replacement_form": ReplacementForm(),
            "tags": tags,
            "tags_form": TagsForm(initial={"tags": ", ".join(tag.name for tag in tags)}),
        }
        if context["can_edit"] and (headers := _headers(found)):
            context["columns_form"] = FaqColumnsForm(headers)
        response = render(request, "documents/document.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


@require_safe
def download(request: HttpRequest, document_id: uuid.UUID) -> FileResponse:
    """Send the file as it was uploaded, to be saved: a browser never opens it as part of this site."""
    found = _visible_document(request, document_id)
    name = found.file.name or ""
    try:
        content = default_storage.open(name)
    except FileNotFoundError as exc:
        raise Http404 from exc
    return FileResponse(
        content, as_attachment=True, filename=found.source_name, content_type="application/octet-stream"
    )


@login_required
@require_POST
def replace(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Take a file as the next version of a document, whatever the file is called."""
    found = _editable_document(request, document_id)
    form = ReplacementForm(request.POST, request.FILES)
    if not form.is_valid():
        messages.error(request, error_text(form))
        return redirect("document", found.pk)
    [result] = take_files(
        found.collection,
        [form.cleaned_data["file"]],
        uploaded_by=signed_in_user(request),
        declared_language=found.declared_language,
        source_name=found.source_name,
    )
    tell_result(request, result)
    return redirect("document", result.document.pk if result.document else found.pk)


@login_required
@require_POST
def retry(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Queue a failed document again."""
    found = _editable_document(request, document_id)
    _retry(request, Document.objects.filter(pk=found.pk))
    return redirect("document", found.pk)


@login_required
@require_POST
def set_tags(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Give a document the tags that were written, and no others."""
    found = _editable_document(request, document_id)
    form = TagsForm(request.POST)
    if not form.is_valid():
        messages.error(request, error_text(form))
    else:
        documents.set_tags(found, form.cleaned_data["tags"])
        messages.success(request, _("The tags are saved. Searches know of them within seconds."))
    return redirect("document", found.pk)


@login_required
@require_POST
def choose_columns(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Say which columns of a CSV file hold questions and answers, and queue it again."""
    found = _editable_document(request, document_id)
    form = FaqColumnsForm(_headers(found), request.POST)
    if not form.is_valid():
        messages.error(request, error_text(form))
    elif documents.choose_faq_columns(found, form.columns()):
        tasks.enqueue_indexing([found.pk])
    return redirect("document", found.pk)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Delete a document after saying what is lost."""
    found = _editable_document(request, document_id)
    if request.method != "POST":
        return render(request, "documents/delete.html", {"document": found})
    documents.delete_documents(Document.objects.filter(pk=found.pk))
    messages.success(request, _("“%(name)s” is deleted. Search no longer finds it.") % {"name": found.title})
    return redirect("collection", found.collection.slug)


def _retry(request: HttpRequest, rows: QuerySet[Document]) -> None:
    queued = documents.retry_documents(rows)
    tasks.enqueue_indexing(queued)
    text = ngettext("%(count)d document is tried again.", "%(count)d documents are tried again.", len(queued))
    messages.success(request, text % {"count": len(queued)})


def _extensions() -> str:
    """Return the endings of files that may be uploaded, one for each kind."""
    by_kind: dict[str, str] = {}
    for extension, kind in SUPPORTED_EXTENSIONS.items():
        by_kind.setdefault(kind, extension)
    return " ".join(by_kind.values())


def _rows(found: Sequence[Document]) -> dict[str, Any]:
    """Return the rows of a list, and which of them to ask for again."""
    return {
        "rows": document_rows(found),
        "unsettled": [document for document in found if not document.is_settled],
    }


def _counts(collection: Collection) -> dict[str, int]:
    """Return how many documents there are in all and under each filter."""
    counted = {name: Count("pk", filter=Q(status__in=statuses)) for name, statuses in STATUS_FILTERS.items()}
    counts: dict[str, int] = collection.documents.aggregate(total=Count("pk"), **counted)
    return counts


def _passages(request: HttpRequest, found: Document) -> Page[Chunk]:
    rows = generations.live_chunks(found.chunks.order_by("ordinal"))
    number: str | int | None = request.GET.get("page")
    if (wanted := request.GET.get("passage", "")[:MAX_ORDINAL_DIGITS]).isdecimal():
        number = rows.filter(ordinal__lt=int(wanted)).count() // PAGE_PASSAGES + 1
    return Paginator(rows, PAGE_PASSAGES).get_page(number)


def _headers(found: Document) -> list[str]:
    """Return the columns to choose from where a CSV file failed for want of a choice; else nothing."""
    if found.status != Document.Status.FAILED or found.error_code != "faq_columns_needed":
        return []
    headers: list[str] = json.loads(found.error_detail)
    return headers


def _visible_collection(request: HttpRequest, slug: str) -> Collection:
    return get_object_or_404(collections.visible_to(request.user), slug=slug)


def _editable_collection(request: HttpRequest, slug: str) -> Collection:
    collection = _visible_collection(request, slug)
    if not _can_edit(request, collection):
        raise PermissionDenied
    return collection


def _visible_document(request: HttpRequest, document_id: uuid.UUID) -> Document:
    rows = Document.objects.select_related("collection").filter(collection__in=collections.visible_to(request.user))
    return get_object_or_404(rows, pk=document_id)


def _editable_document(request: HttpRequest, document_id: uuid.UUID) -> Document:
    found = _visible_document(request, document_id)
    if not _can_edit(request, found.collection):
        raise PermissionDenied
    return found


def _can_edit(request: HttpRequest, collection: Collection) -> bool:
    return collections.editable_by(request.user).filter(pk=collection.pk).exists()


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
