"""Who is asking, and by what means."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar, cast

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django_htmx.middleware import HtmxDetails

P = ParamSpec("P")
R = TypeVar("R", bound=HttpRequest)


class HtmxRequest(HttpRequest):
    """A request as the htmx middleware hands it to the views."""

    htmx: HtmxDetails


def signed_in_user(request: HttpRequest) -> User:
    """Return the user of a view that only signed-in people reach."""
    return cast("User", request.user)


def staff_only(view: Callable[Concatenate[R, P], HttpResponse]) -> Callable[Concatenate[R, P], HttpResponse]:
    """Refuse a view to people who are signed in but do not belong to the staff."""

    @wraps(view)
    def guarded(request: R, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not signed_in_user(request).is_staff:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return cast("Callable[Concatenate[R, P], HttpResponse]", guarded)
