"""The generations of the index: build a new one, compare, switch, go back. For staff."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from searchapp import tasks
from searchapp.errors import IsoglossError
from searchapp.models import IndexGeneration
from searchapp.services import comparing, generations, reindexing
from searchapp.services.reasons import sentence
from searchapp.web.forms import BuildForm
from searchapp.web.requests import HtmxRequest, staff_only

Status = IndexGeneration.Status
HISTORY_ROWS = 20


@login_required
@staff_only
@require_safe
@never_cache
def list_generations(request: HtmxRequest) -> HttpResponse:
    """Show which generation answers and how the next one stands; the latter alone where htmx asks for it."""
    new = generations.candidate()
    live = generations.live_row()
    problem = generations.problem_of(live) if live else ""
    context: dict[str, Any] = {
        "new": new,
        "is_unanswered": bool(problem),
        "progress": generations.progress_of(new) if new else None,
        "reason": sentence(new.error_code) if new and new.error_code else "",
        "is_moving": new is not None
        and (new.status == Status.BUILDING or (new.status == Status.BUILT and new.report is None)),
        "regressions": comparing.find_regressions(new.report) if new and new.report else [],
    }
    if request.htmx:
        response = render(request, "generations/_candidate.html", context)
    else:
        context |= {
            "live": live,
            "differences": generations.differences(live) if live and not new else [],
            "estimate": generations.progress_of(live) if live else None,
            "former": generations.former(),
            "history": IndexGeneration.objects.defer("report").exclude(
                status__in=[Status.LIVE, *IndexGeneration.CANDIDATE]
            )[:HISTORY_ROWS],
            "form": BuildForm(),
        }
        response = render(request, "generations/list.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


@login_required
@staff_only
@require_POST
def build(request: HttpRequest) -> HttpResponse:
    """Begin a new generation."""
    form = BuildForm(request.POST)
    rate = form.cleaned_data["rate"] or 0 if form.is_valid() else 0
    return _do(request, lambda: reindexing.begin(rate=rate), _("The new index is being built."))


@login_required
@staff_only
@require_POST
def change(request: HttpRequest, generation_id: int, action: str) -> HttpResponse:
    """Pause, resume or give up the new generation, have it compared anew, or let it answer searches."""
    generation = get_object_or_404(IndexGeneration, pk=generation_id)
    accepts = request.POST.get("accept", "").strip().casefold() == _("yes").casefold()
    actions: dict[str, tuple[Callable[[], object], str]] = {
        "pause": (lambda: generations.pause(generation), _("The build is paused.")),
        "resume": (lambda: generations.resume(generation), _("The build goes on.")),
        "cancel": (lambda: generations.cancel(generation), _("The new index is given up.")),
        "compare": (lambda: comparing.forget_report(generation), _("The two are being compared anew.")),
        "switch": (
            lambda: comparing.switch(generation, accepts_regression=accepts),
            _("The new index answers searches now."),
        ),
    }
    return _do(request, *actions[action])


@login_required
@staff_only
@require_POST
def roll_back(request: HttpRequest) -> HttpResponse:
    """Let the former generation answer again."""
    return _do(request, generations.roll_back, _("The former index answers searches again."))


@login_required
@staff_only
@require_POST
def prune(request: HttpRequest) -> HttpResponse:
    """Delete the former generations now."""
    return _do(request, lambda: generations.prune(is_due_only=False), _("The former indexes are deleted."))


def _do(request: HttpRequest, act: Callable[[], object], done: str) -> HttpResponse:
    try:
        act()
    except IsoglossError as exc:
        messages.error(request, f"{sentence(exc.code)} {exc.detail}".strip())
    else:
        tasks.enqueue_reindexing()
        messages.success(request, done)
    return redirect("generations")
