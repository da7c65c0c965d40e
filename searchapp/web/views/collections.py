"""The list of collections, and making, changing, sharing and deleting one."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from searchapp.models import Collection
from searchapp.services import collections
from searchapp.services.collections import CollectionRejectedError
from searchapp.services.reasons import sentence
from searchapp.web.forms import CollectionForm, DeleteCollectionForm, MemberForm
from searchapp.web.presentation import STATUS_FILTERS
from searchapp.web.requests import signed_in_user

PAGE_COLLECTIONS = 30
PAGE_MEMBERS = 50


@require_safe
def list_collections(request: HttpRequest) -> HttpResponse:
    """List what the viewer may search, with how its documents are doing."""
    rows = (
        collections.visible_to(request.user)
        .annotate(
            total=Count("documents"),
            **{
                name: Count("documents", filter=Q(documents__status__in=statuses))
                for name, statuses in STATUS_FILTERS.items()
            },
        )
        .order_by("name", "pk")
    )  # grouping drops the order of the model
    page = Paginator(rows, PAGE_COLLECTIONS).get_page(request.GET.get("page"))
    context = {"page": page, "can_create": collections.can_create(request.user)}
    return render(request, "collections/list.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def create_collection(request: HttpRequest) -> HttpResponse:
    """Make a collection that belongs to the viewer."""
    user = signed_in_user(request)
    if not collections.can_create(user):
        raise PermissionDenied
    form = CollectionForm(request.POST or None)
    if form.is_valid():
        try:
            collection = collections.create_collection(form.spec(), owner=user)
        except CollectionRejectedError as exc:
            form.add_error(None, sentence(exc.code))
        else:
            messages.success(request, _("The collection stands. Upload its first documents."))
            return redirect("collection", collection.slug)
    return render(request, "collections/create.html", {"form": form})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit_collection(request: HttpRequest, slug: str) -> HttpResponse:
    """Change what is said about a collection and who may search it."""
    collection = _administered(request, slug)
    # The form writes into the instance it is given; the page must go on showing the collection as it is.
    form = CollectionForm(request.POST or None, instance=_administered(request, slug))
    if form.is_valid():
        try:
            collections.update_collection(collection, form.spec())
        except CollectionRejectedError as exc:
            form.add_error(None, sentence(exc.code))
            collection.refresh_from_db()
        else:
            messages.success(request, _("Saved."))
            return redirect("collection", collection.slug)
    return render(request, "collections/edit.html", {"collection": collection, "form": form})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def members(request: HttpRequest, slug: str) -> HttpResponse:
    """List who has a place in a collection, and give one to others."""
    collection = _administered(request, slug)
    form = MemberForm(request.POST or None)
    if form.is_valid():
        collections.add_member(collection, form.cleaned_data["username"], role=form.cleaned_data["role"])
        return redirect("members", collection.slug)
    rows = collection.memberships.select_related("user").order_by("user__username")
    page = Paginator(rows, PAGE_MEMBERS).get_page(request.GET.get("page"))
    return render(request, "collections/members.html", {"collection": collection, "form": form, "page": page})


@login_required
@require_POST
def remove_member(request: HttpRequest, slug: str, membership_id: int) -> HttpResponse:
    """Take a person's place in a collection away."""
    collection = _administered(request, slug)
    collections.remove_member(collection, membership_id)
    return redirect("members", collection.slug)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def delete_collection(request: HttpRequest, slug: str) -> HttpResponse:
    """Delete a collection after its name was typed."""
    collection = _administered(request, slug)
    form = DeleteCollectionForm(collection, request.POST or None)
    if form.is_valid():
        collections.delete_collection(collection)
        messages.success(request, _("“%(name)s” is deleted.") % {"name": collection.name})
        return redirect("collections")
    context = {"collection": collection, "form": form, "document_count": collection.documents.count()}
    return render(request, "collections/delete.html", context)


def _administered(request: HttpRequest, slug: str) -> Collection:
    """Return the collection if the viewer may administer it.

    Raises:
        Http404: the viewer may not even see it.
        PermissionDenied: the viewer may see but not administer it.
    """
    collection = get_object_or_404(collections.visible_to(request.user), slug=slug)
    if not collections.can_administer(request.user, collection):
        raise PermissionDenied
    return collection
