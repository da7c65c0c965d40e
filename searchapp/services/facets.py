"""What there is to choose from before a search, with the number of documents behind each choice."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from searchapp.models import Collection, Document

MAX_COLLECTIONS = 200
MAX_TAGS = 200
# Documents of the last week, month and year.
PERIODS_DAYS = (7, 30, 365)


@dataclass(frozen=True, slots=True)
class Facets:
    """Choices with counts of documents that can be found now, whatever the question is.

    ``collections`` are slug, name and count; ``languages`` and ``kinds`` code and count; ``tags`` name and count,
    of so many of the most frequent ones, by name; ``periods`` the number of days back from today and the count.
    """

    collections: Sequence[tuple[str, str, int]]
    languages: Sequence[tuple[str, int]]
    kinds: Sequence[tuple[str, int]]
    tags: Sequence[tuple[str, int]]
    periods: Sequence[tuple[int, int]]


def facets(visible: QuerySet[Collection]) -> Facets:
    """Return what there is to choose from in the collections that a viewer may see."""
    live = Document.objects.filter(collection__in=visible, live_version__isnull=False).order_by()
    counted = Count("documents", filter=Q(documents__live_version__isnull=False))
    periods = {f"last_{days}": Count("pk", filter=Q(created_at__date__gte=first_day(days))) for days in PERIODS_DAYS}
    recent = live.aggregate(**periods)
    return Facets(
        list(visible.annotate(number=counted).values_list("slug", "name", "number")[:MAX_COLLECTIONS]),
        list(live.values_list("language").annotate(number=Count("pk"))),
        sorted(live.values_list("kind").annotate(number=Count("pk"))),
        _tags(live),
        [(days, recent[f"last_{days}"]) for days in PERIODS_DAYS],
    )


def _tags(live: QuerySet[Document]) -> list[tuple[str, int]]:
    counted = live.filter(tags__isnull=False).values_list("tags__key", "tags__name").annotate(number=Count("pk"))
    most = sorted(counted.order_by("-number", "tags__key")[:MAX_TAGS])
    return [(name, number) for _key, name, number in most]


def first_day(days: int) -> date:
    """Return the first day of a period of so many days that ends today."""
    return timezone.localdate() - timedelta(days=days - 1)
