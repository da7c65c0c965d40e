"""The search page."""

import logging
import uuid
from collections.abc import Iterable
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from searchapp.errors import IsoglossError
from searchapp.models import Chunk, Collection, Document
from searchapp.services import facets, generations, searching
from searchapp.services.collections import visible_to
from searchapp.services.reasons import sentence
from searchapp.services.searching import Mode, QueryRejectedError
from searchapp.web.presentation import STATUS_FILTERS, group_hits, kind_name, language_choices, marks
from searchapp.web.requests import HtmxRequest
from searchapp.web.timing import server_timed

logger = logging.getLogger(__name__)

# Examples are looked for among so many documents, the latest.
EXAMPLE_CANDIDATES = 60
MAX_EXAMPLES = 6
PERIOD_NAMES = {7: _("Last 7 days"), 30: _("Last 30 days"), 365: _("Last 12 months")}
MODE_NAMES = {
    Mode.BEST: _("Best answer in any language"),
    Mode.OWN_FIRST: _("Language of the question first"),
    Mode.EACH_LANGUAGE: _("One answer for each language"),
}
# The id of the field that asks while someone types.
QUERY_FIELD = "query"


@require_safe
@server_timed
def search(request: HtmxRequest) -> HttpResponse:
    """Show the search box and, where something was asked, the passages that answer it."""
    visible = visible_to(request.user)
    context: dict[str, Any] = {
        "query": request.GET.get("q", ""),
        "collection": request.GET.get("collection", "").replace("\x00", ""),  # PostgreSQL takes no null characters
        "language": request.GET.get("language", ""),
        "kind": request.GET.get("kind", ""),
        "tag": request.GET.get("tag", ""),
        "period": _period(request.GET.get("period", "")),
        "mode": _mode(request.GET.get("mode", "")),
        "modes": MODE_NAMES,
    }
    status = HTTPStatus.OK
    if "q" in request.GET:
        status = _answer(request, context)
        if "result" in context and not context["result"].hits:
            working = Document.objects.filter(collection__in=visible, status__in=STATUS_FILTERS["working"])
            context["working"] = working.count()
        if "result" in context and context["result"].degraded:
            context["degraded"] = sentence(context["result"].degraded)
    if request.htmx:
        response = render(request, "search/_results.html", context, status=status)
    else:
        context |= _filters(visible)
        if "q" not in request.GET:
            context["has_documents"] = Document.objects.filter(collection__in=visible).exists()
            context["examples"] = _examples(visible)
        context["max_characters"] = settings.MAX_QUERY_CHARACTERS
        response = render(request, "search/page.html", context, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


@require_safe
@server_timed
def highlights(request: HtmxRequest) -> HttpResponse:
    """Mark the answering sentences of passages that a page shows already."""
    shown, glimpses = _uuids(request.GET.getlist("passage")), _uuids(request.GET.getlist("glimpse"))
    chunk_ids = [*shown, *glimpses][: settings.MAX_SEARCH_LIMIT]
    passages = searching.mark_passages(request.GET.get("q", ""), request.user, chunk_ids)
    return render(request, "search/_highlights.html", {"marks": marks(passages, glimpses=glimpses)})


def _answer(request: HtmxRequest, context: dict[str, Any]) -> HTTPStatus:
    """Add the result, or the sentence that says why there is none."""
    try:
        context["result"] = searching.search(
            context["query"],
            request.user,
            collections=_given(context["collection"]),
            languages=_given(context["language"]),
            kinds=_given(context["kind"]),
            tags=_given(context["tag"]),
            uploaded_since=facets.first_day(context["period"]) if context["period"] else None,
            mode=context["mode"],
            is_folded=True,
            # A page that can ask again shows what was found at once, and the marks when they come.
            is_highlighted=not request.htmx,
        )
        context["groups"] = group_hits(context["result"].hits)
    except QueryRejectedError as exc:
        context["problem"] = sentence(exc.code)
        return HTTPStatus.BAD_REQUEST
    except IsoglossError as exc:
        logger.warning("a service failed a search: %s", exc)
        context["outage"] = sentence(exc.code)
        return HTTPStatus.SERVICE_UNAVAILABLE
    if _is_settled(request):
        searching.keep_query(context["result"], _given(context["collection"]))
    return HTTPStatus.OK


def _period(value: str) -> int:
    """Return the period of so many days, 0 for any other."""
    return int(value) if value in map(str, facets.PERIODS_DAYS) else 0


def _mode(value: str) -> Mode:
    """Return the mode of that name; an unknown one is the usual one, since addresses are typed and kept."""
    return Mode(value) if value in list(Mode) else Mode.BEST


def _is_settled(request: HttpRequest) -> bool:
    """Return whether a person has sent the question, rather than being in the middle of typing it."""
    return request.headers.get("HX-Trigger") != QUERY_FIELD


def _uuids(values: Iterable[str]) -> list[uuid.UUID]:
    """Return those values that are ids."""
    found: list[uuid.UUID] = []
    for value in values:
        with suppress(ValueError):
            found.append(uuid.UUID(value))
    return found


def _given(value: str) -> list[str]:
    return [value] if value else []


def _filters(visible: QuerySet[Collection]) -> dict[str, Any]:
    """Return what there is to choose from, as the page names it."""
    found = facets.facets(visible)
    counts = dict(found.languages)
    return {
        "collections": found.collections,
        "languages": [(code, name, counts[code]) for code, name in language_choices(counts)],
        "kinds": [(kind, kind_name(kind), number) for kind, number in found.kinds],
        "tags": found.tags,
        "periods": [(days, PERIOD_NAMES[days], number) for days, number in found.periods],
    }


def _examples(visible: QuerySet[Collection]) -> Iterable[Chunk]:
    """Return first passages of recent documents, one for each language."""
    recent = Document.objects.filter(collection__in=visible, live_version__isnull=False).order_by("-ready_at", "pk")
    chunks = (
        generations.live_chunks(Chunk.objects.filter(ordinal=0))
        .filter(document__in=list(recent.values_list("pk", flat=True)[:EXAMPLE_CANDIDATES]))
        .select_related("document")
        .order_by("-document__ready_at")
    )
    # A question shows better than a title what can be asked.
    by_language: dict[str, Chunk] = {}
    for chunk in sorted(chunks, key=lambda chunk: not chunk.question):
        by_language.setdefault(chunk.language, chunk)
    return list(by_language.values())[:MAX_EXAMPLES]
