"""A person's own page."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from searchapp.services import tokens
from searchapp.web.requests import signed_in_user

PAGE_TOKENS = 20


@login_required
@require_safe
def profile(request: HttpRequest) -> HttpResponse:
    """Show who is signed in and the keys that act for them."""
    return _profile(request)


@login_required
@require_POST
@never_cache
def create_token(request: HttpRequest) -> HttpResponse:
    """Make a key of the API and show it, this once."""
    return _profile(request, new_token=tokens.create_api_token(signed_in_user(request)))


@login_required
@require_POST
def delete_token(request: HttpRequest, token_id: int) -> HttpResponse:
    """Delete a key: programs that use it are locked out at once."""
    get_object_or_404(signed_in_user(request).api_tokens, pk=token_id).delete()
    messages.success(request, _("The token is deleted."))
    return redirect("profile")


def _profile(request: HttpRequest, *, new_token: str = "") -> HttpResponse:
    rows = signed_in_user(request).api_tokens.order_by("-created_at", "-pk")
    page = Paginator(rows, PAGE_TOKENS).get_page(request.GET.get("page"))
    return render(request, "accounts/profile.html", {"page": page, "new_token": new_token})
