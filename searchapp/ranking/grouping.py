"""Keep one document from filling the page."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

Item = TypeVar("Item")


def limit_per_group(items: Iterable[Item], group_of: Callable[[Item], Hashable | None], *, most: int) -> list[Item]:
    """Return the items in order, at most ``most`` of each group; those of group None are all kept."""
    seen: Counter[Hashable] = Counter()
    kept: list[Item] = []
    for item in items:
        group = group_of(item)
        if group is not None:
            seen[group] += 1
            if seen[group] > most:
                continue
        kept.append(item)
    return kept
