"""What belongs to every page: the theme and the error pages."""

from http import HTTPStatus

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from searchapp.web.themes import THEMES, remember_theme


@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """Remember the colour theme and go back to where the visitor was."""
    target = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure()):
        target = "/"
    response = HttpResponseRedirect(target)
    theme = request.POST.get("theme", "")
    if theme in THEMES:
        remember_theme(response, theme)
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that the request could not be read, or that it was too long to be."""
    is_too_long = isinstance(exception, RequestDataTooBig)
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if is_too_long else HTTPStatus.BAD_REQUEST
    return render(request, "413.html" if is_too_long else "400.html", status=status)


def server_error(_request: HttpRequest) -> HttpResponse:
    """Say that something went wrong, with nothing that could go wrong again: neither session nor database."""
    return HttpResponse(render_to_string("500.html"), status=HTTPStatus.INTERNAL_SERVER_ERROR)
