"""What every page may show."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from searchapp.services.outages import embedding_outage


def outage(request: HttpRequest) -> dict[str, Any]:
    """Offer ``embedding_outage``, looked up only by pages that show it."""
    return {"embedding_outage": SimpleLazyObject(lambda: embedding_outage(request.user))}
