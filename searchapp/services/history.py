"""The questions of late, kept to ask them again of a new index before it goes live.

Written beside the answer, never before it: by a thread of its own, and dropped where that falls behind. Who asked is
not kept. ``QUERY_HISTORY=0`` keeps nothing.
"""

import logging
import queue
import threading
from collections.abc import Sequence

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from searchapp.models import RecentQuery

logger = logging.getLogger(__name__)

# More than waits here is not worth keeping.
MAX_WAITING = 100

_waiting: "queue.Queue[RecentQuery]" = queue.Queue(MAX_WAITING)
_lock = threading.Lock()
_writer: list[threading.Thread] = []


def note_query(text: str, language: str, *, collections: Sequence[str] = ()) -> None:
    """Keep a question that was answered; returns at once, and loses it rather than wait or fail."""
    if not settings.QUERY_HISTORY:
        return
    try:
        _waiting.put_nowait(RecentQuery(text=text, language=language, collections=list(collections)))
    except queue.Full:
        return
    with _lock:
        if not _writer or not _writer[0].is_alive():
            _writer[:] = [threading.Thread(target=_write, name="query-history", daemon=True)]
            _writer[0].start()


def flush() -> None:
    """Wait until all that was noted is written."""
    _waiting.join()


def recent_queries(limit: int) -> list[RecentQuery]:
    """Return distinct questions, the latest first."""
    rows = RecentQuery.objects.order_by("-pk")[: settings.QUERY_HISTORY]
    return list({row.text: row for row in reversed(rows)}.values())[::-1][:limit]


def trim() -> None:
    """Forget all but the latest questions."""
    oldest = RecentQuery.objects.order_by("-pk").values_list("pk", flat=True)[settings.QUERY_HISTORY :][:1]
    for pk in oldest:
        RecentQuery.objects.filter(pk__lte=pk).delete()


def _write() -> None:
    while True:
        row = _waiting.get()
        try:
            row.save()
        except (DatabaseError, InterfaceError) as exc:
            logger.warning("a question was not kept: %s", exc)
        finally:
            connection.close()
            _waiting.task_done()
