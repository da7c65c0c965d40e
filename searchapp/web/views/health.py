"""Whether the site is alive, and whether its parts are."""

import logging
from collections.abc import Callable
from http import HTTPStatus

from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from kombu.exceptions import OperationalError

from searchapp import celery
from searchapp.errors import IsoglossError, TransientError
from searchapp.services import generations

logger = logging.getLogger(__name__)

BROKER_TIMEOUT_S = 3


@require_safe
@never_cache
def healthz(_request: HttpRequest) -> HttpResponse:
    """Answer while this process lives; nothing else is asked."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
@never_cache
def readyz(_request: HttpRequest) -> JsonResponse:
    """Ask each part and say ``ok`` or the code of what is wrong with it; 503 where any part fails."""
    states = {
        "database": _state(_ask_database),
        "broker": _state(_ask_broker),
        "vector_store": _state(generations.ask_vector_store),
        "embedding": _state(generations.ask_embedding),
    }
    is_ready = all(state == "ok" for state in states.values())
    return JsonResponse(states, status=HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE)


def _state(ask: Callable[[], object]) -> str:
    try:
        ask()
    except IsoglossError as exc:
        logger.warning("a part is not ready: %s", exc)
        return exc.code
    return "ok"


def _ask_database() -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError) as exc:
        raise TransientError("database_unreachable", str(exc)) from exc


def _ask_broker() -> None:
    try:
        with celery.app.connection_for_write() as broker:
            broker.ensure_connection(max_retries=1, timeout=BROKER_TIMEOUT_S)
    except OperationalError as exc:
        raise TransientError("broker_unreachable", str(exc)) from exc
