"""Tell the browser what a page spent its time on."""

from collections.abc import Callable
from functools import wraps

from django.http import HttpResponse

from searchapp.stopwatch import part, parts_timed
from searchapp.web.requests import HtmxRequest

View = Callable[[HtmxRequest], HttpResponse]


def server_timed(view: View) -> View:
    """Send the parts of a view in ``Server-Timing``, which browsers show beside the request.

    ``page`` is what no part within names, the template above all.
    """

    @wraps(view)
    def timed(request: HtmxRequest) -> HttpResponse:
        with parts_timed() as parts, part("page"):
            response = view(request)
        response["Server-Timing"] = ", ".join(f"{name};dur={took_ms:.1f}" for name, took_ms in parts.items())
        return response

    return timed
