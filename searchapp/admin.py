"""The administration pages: what the engine writes is shown there, never edited."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from searchapp import tasks
from searchapp.models import ApiToken, Collection, Document, Membership
from searchapp.services import collections, documents
from searchapp.services.reasons import sentence
from searchapp.web.forms import AdminUploadForm, TagsField
from searchapp.web.requests import signed_in_user
from searchapp.web.uploads import take_files, tell_result

admin.site.site_header = gettext_lazy("Isogloss administration")
admin.site.site_title = gettext_lazy("Isogloss administration")


def _named_alone(rows: Iterable[Collection | Document]) -> tuple[list[str], dict[str, int], set[str], list[str]]:
    """Say what is about to be deleted without listing what goes with it, which may be millions of passages."""
    names = [str(row) for row in rows]
    return names, {}, set(), []


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg] # has no [] at run time
    """The members of a collection, on its page."""

    model = Membership
    extra = 1
    autocomplete_fields = ["user"]


@admin.register(Collection)
class CollectionAdmin(admin.ModelAdmin):  # type: ignore[type-arg] # has no [] at run time
    """Collections with their members."""

    list_display = ["name", "slug", "task", "visibility", "owner", "created_at"]
    list_filter = ["visibility", "task"]
    list_select_related = ["owner"]
    search_fields = ["name", "slug", "description"]
    prepopulated_fields = {"slug": ["name"]}
    autocomplete_fields = ["owner"]
    inlines = [MembershipInline]

    def get_deleted_objects(self, objs: Iterable[Any], request: HttpRequest) -> Any:  # noqa: ARG002
        """Name the rows alone."""
        return _named_alone(objs)

    def delete_model(self, request: HttpRequest, obj: Collection) -> None:  # noqa: ARG002 - Django's signature
        """Delete through the service, which takes care of files and points."""
        collections.delete_collection(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Collection]) -> None:  # noqa: ARG002
        """Delete through the service, which takes care of files and points."""
        for collection in queryset:
            collections.delete_collection(collection)


class DocumentAdminForm(forms.ModelForm):  # type: ignore[type-arg] # has no [] at run time
    """What may be edited about a document."""

    tag_names = TagsField()

    class Meta:
        model = Document
        fields: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "tag_names" in self.fields:  # who may only look has no fields
            self.initial["tag_names"] = ", ".join(self.instance.tags.values_list("name", flat=True))


@admin.register(Document)
class DocumentAdmin(admin.ModelAdmin):  # type: ignore[type-arg] # has no [] at run time
    """Documents: to look at, to retry, to delete, and to upload many at once."""

    list_display = ["title", "collection", "status", "kind", "language", "passage_count", "created_at"]
    list_filter = ["status", "kind", "collection", "language", ("tags", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["collection"]
    list_per_page = 50
    search_fields = ["title", "source_name"]
    date_hierarchy = "created_at"
    actions = ["retry"]
    form = DocumentAdminForm
    fields = [
        "title",
        "tag_names",
        "collection",
        "source_name",
        "kind",
        "size_bytes",
        "version",
        "live_version",
        "status",
        "progress_done",
        "progress_total",
        "reason",
        "error_code",
        "error_detail",
        "attempts",
        "next_attempt_at",
        "language",
        "declared_language",
        "passage_count",
        "uploaded_by",
        "created_at",
        "ready_at",
    ]

    @admin.display(description=gettext_lazy("reason"))
    def reason(self, document: Document) -> str:
        """Return the sentence for the document's error code."""
        return sentence(document.error_code) if document.error_code else ""

    @admin.action(description=gettext_lazy("Retry selected documents that failed"), permissions=["delete"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Document]) -> None:
        """Queue the failed ones again."""
        queued = documents.retry_documents(queryset)
        tasks.enqueue_indexing(queued)
        text = ngettext("%(count)d document is tried again.", "%(count)d documents are tried again.", len(queued))
        self.message_user(request, text % {"count": len(queued)})

    def get_readonly_fields(self, request: HttpRequest, obj: Document | None = None) -> list[str]:  # noqa: ARG002
        """Let nobody edit what the engine writes: all but the tags."""
        return [str(name) for name in self.fields if name != "tag_names"]

    def save_model(self, request: HttpRequest, obj: Document, form: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        """Write the tags alone, through the service, which tells the index."""
        documents.set_tags(obj, form.cleaned_data["tag_names"])

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",  # noqa: ARG002 - Django's signature
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Upload many files into a collection."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = AdminUploadForm(request.POST or None, request.FILES or None)
        if form.is_valid():
            results = take_files(
                form.cleaned_data["collection"],
                form.cleaned_data["file"],
                uploaded_by=signed_in_user(request),
                declared_language=form.cleaned_data["language"],
                tags=form.cleaned_data["tags"],
            )
            for result in results:
                tell_result(request, result)
            return redirect("admin:searchapp_document_changelist")
        context = {
            **self.admin_site.each_context(request),
            "title": _("Upload documents"),
            "opts": self.opts,
            "form": form,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/searchapp/document/upload.html", context)

    def get_deleted_objects(self, objs: Iterable[Any], request: HttpRequest) -> Any:  # noqa: ARG002
        """Name the rows alone."""
        return _named_alone(objs)

    def delete_model(self, request: HttpRequest, obj: Document) -> None:  # noqa: ARG002 - Django's signature
        """Delete through the service, which takes care of files and points."""
        documents.delete_documents(Document.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Document]) -> None:  # noqa: ARG002
        """Delete through the service, which takes care of files and points."""
        documents.delete_documents(queryset)


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):  # type: ignore[type-arg] # has no [] at run time
    """Tokens: to see whose there are and to delete them. People make their own on their profile."""

    list_display = ["__str__", "user", "created_at"]
    list_select_related = ["user"]
    search_fields = ["user__username"]

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """A token made here could not be shown to its user."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:  # noqa: ARG002
        """There is nothing to change about a token."""
        return False
