"""The words that people put on documents to find them by."""

import unicodedata
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable

from searchapp.errors import PermanentError
from searchapp.language import clean_text
from searchapp.models import Document, Tag

MAX_TAGS = 20
MAX_TAG_CHARACTERS = 50


class TagsRejectedError(PermanentError):
    """Raise for tags that a document cannot have: ``tags_too_many``, ``tag_too_long``."""


def tag_key(name: str) -> str:
    """Return a name as it is compared: case, width and white space do not count."""
    return " ".join(unicodedata.normalize("NFKC", clean_text(name)).casefold().split())


def clean_tags(names: Iterable[str]) -> dict[str, str]:
    """Return the names as they are shown, by key, in their order; each may hold several, with commas between.

    Raises:
        TagsRejectedError: there are too many, or one is too long.
    """
    found: dict[str, str] = {}
    for name in ",".join(names).replace("，", ",").replace("、", ",").replace("\x00", "").split(","):
        if key := tag_key(name):
            found.setdefault(key, " ".join(clean_text(name).split()))
    if len(found) > MAX_TAGS:
        raise TagsRejectedError("tags_too_many", f"{len(found)} tags")
    if any(len(name) > MAX_TAG_CHARACTERS for name in found.values()):
        raise TagsRejectedError("tag_too_long")
    return found


def put_tags(document: Document, tags: dict[str, str]) -> None:
    """Give a document these tags, by key, and no others; the index has to be told apart (`documents.set_tags`)."""
    # By key: two that make the same tags in another order would wait for each other.
    made = [Tag(key=key, name=name) for key, name in sorted(tags.items())]
    Tag.objects.bulk_create(made, ignore_conflicts=True)
    document.tags.set(Tag.objects.filter(key__in=tags))


def tag_names(document_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, tuple[str, ...]]:
    """Return the names of the tags of documents, for those that have any; one query."""
    rows = Document.tags.through.objects.filter(document__in=list(document_ids)).order_by("tag__key")
    found: dict[uuid.UUID, list[str]] = defaultdict(list)
    for document_id, name in rows.values_list("document_id", "tag__name"):
        found[document_id].append(name)
    return {document_id: tuple(names) for document_id, names in found.items()}
