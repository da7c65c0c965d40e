"""Who is asking, and by what means."""

from typing import cast

from django.contrib.auth.models import User
from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails


class HtmxRequest(HttpRequest):
    """A request as the htmx middleware hands it to the views."""

    htmx: HtmxDetails


def signed_in_user(request: HttpRequest) -> User:
    """Return the user of a view that only signed-in people reach."""
    return cast("User", request.user)
