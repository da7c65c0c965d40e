"""A service that does not answer: work waits together instead of trying one by one, and goes on by itself.

The row says so to all processes. While it stands, no messages are sent for documents; `try_again`, called by the
maintenance of the site, asks the service when it is time, and its first answer lets everything go on at once.
"""

import logging
import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from searchapp.errors import IsoglossError, PermanentError, ServiceUnavailableError
from searchapp.models import Document, ServiceOutage
from searchapp.services import generations
from searchapp.services.collections import Viewer, visible_to
from searchapp.services.fingerprints import distrust_fingerprints

logger = logging.getLogger(__name__)

EMBEDDING = "embedding"
FIRST_DELAY_S = 5.0
LONGEST_DELAY_S = 20.0
PROBE_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Outage:
    """What a person sees of an outage.

    ``next_try_s`` is 0 where the try is under way or due.
    """

    since: datetime
    code: str
    waiting: int
    next_try_s: int


def note_failure(exc: ServiceUnavailableError) -> None:
    """Remember that the embedding service does not answer. Calling again while it stands changes only the reason."""
    distrust_fingerprints()
    now = timezone.now()
    reason = {"code": exc.code, "detail": exc.detail}
    _outage, is_new = ServiceOutage.objects.get_or_create(
        service=EMBEDDING, defaults={**reason, "since": now, "next_try_at": now + _delay(0)}
    )
    if is_new:
        logger.warning("the embedding service does not answer; documents wait: %s", exc)
    else:
        ServiceOutage.objects.filter(service=EMBEDDING).exclude(**reason).update(**reason)


def is_embedding_out() -> bool:
    """Return whether work that needs the embedding service has to wait."""
    return ServiceOutage.objects.filter(service=EMBEDDING).exists()


def note_answer() -> None:
    """End the outage, if there was one, and let the documents that waited for it go on now."""
    if not is_embedding_out():
        return
    ended, _rows = ServiceOutage.objects.filter(service=EMBEDDING).delete()
    if ended:
        waiting = _waiting().update(next_attempt_at=None, enqueued_at=None)
        logger.warning("the embedding service answers again", extra={"documents": waiting})


def try_again() -> None:
    """Ask the service if it is time and no other process does; what it answers ends the outage."""
    now = timezone.now()
    outage = ServiceOutage.objects.filter(service=EMBEDDING, next_try_at__lte=now).first()
    if outage is None:
        return
    tries = outage.tries + 1
    is_ours = ServiceOutage.objects.filter(service=EMBEDDING, next_try_at=outage.next_try_at).update(
        tries=tries, next_try_at=now + timedelta(seconds=PROBE_TIMEOUT_S) + _delay(tries)
    )
    if not is_ours:
        return
    try:
        generations.live_embedder().embed_documents(["try"], timeout_s=PROBE_TIMEOUT_S)
    except (ServiceUnavailableError, PermanentError) as exc:
        if isinstance(exc, ServiceUnavailableError):
            # From the end of the try, which may have taken its whole time.
            ServiceOutage.objects.filter(service=EMBEDDING).update(
                code=exc.code, detail=exc.detail, next_try_at=timezone.now() + _delay(tries)
            )
            return
        logger.warning("the embedding service answers, but refuses: %s", exc)
    except IsoglossError as exc:
        logger.warning("the embedding service answers, but breaks: %s", exc)
    note_answer()


def embedding_outage(viewer: Viewer) -> Outage | None:
    """Return the outage as a person may see it, None while all is well."""
    outage = ServiceOutage.objects.filter(service=EMBEDDING).first()
    if outage is None:
        return None
    waiting = Document.objects.filter(collection__in=visible_to(viewer), status=Document.Status.QUEUED).count()
    seconds = round((outage.next_try_at - timezone.now()).total_seconds())
    return Outage(since=outage.since, code=outage.code, waiting=waiting, next_try_s=max(0, seconds))


def _waiting() -> QuerySet[Document]:
    reasons = Q(error_code="") | Q(error_code__startswith="embedding_")
    return Document.objects.filter(reasons, status=Document.Status.QUEUED)


def _delay(tries: int) -> timedelta:
    seconds = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(tries, 10))
    return timedelta(seconds=seconds * random.uniform(0.8, 1.0))  # noqa: S311 - no secret
