"""Who may see and change which collections, and making, changing and deleting them."""

from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.text import slugify

from searchapp.errors import PermanentError
from searchapp.models import Collection, Membership
from searchapp.models.knowledge import Task, Visibility
from searchapp.services import documents

Viewer = User | AnonymousUser


class CollectionRejectedError(PermanentError):
    """Raise for a collection that cannot be made as asked."""


@dataclass(frozen=True, slots=True)
class CollectionSpec:
    """What a person says about a collection."""

    slug: str
    name: str
    description: str = ""
    task: str = Task.WEB
    instruction: str = ""
    visibility: str = Visibility.PUBLIC


def visible_to(viewer: Viewer) -> QuerySet[Collection]:
    """Return the collections that the viewer may search."""
    if viewer.is_active and viewer.is_superuser:
        return Collection.objects.all()
    if not viewer.is_authenticated or not viewer.is_active:
        return Collection.objects.filter(visibility=Visibility.PUBLIC)
    is_open = Q(visibility__in=[Visibility.PUBLIC, Visibility.SIGNED_IN])
    memberships = Membership.objects.filter(user_id=viewer.pk).values("collection_id")
    return Collection.objects.filter(is_open | Q(owner_id=viewer.pk) | Q(pk__in=memberships))


def editable_by(viewer: Viewer) -> QuerySet[Collection]:
    """Return the collections whose documents the viewer may add, replace and delete."""
    if viewer.is_active and viewer.is_superuser:
        return Collection.objects.all()
    if not viewer.is_authenticated or not viewer.is_active:
        return Collection.objects.none()
    editing = Membership.objects.filter(user_id=viewer.pk, role=Membership.Role.EDITOR).values("collection_id")
    return Collection.objects.filter(Q(owner_id=viewer.pk) | Q(pk__in=editing))


def can_create(viewer: Viewer) -> bool:
    """Return whether the viewer may make collections: staff and those who were given the permission."""
    return viewer.is_active and (viewer.is_staff or viewer.has_perm("searchapp.add_collection"))


def can_administer(viewer: Viewer, collection: Collection) -> bool:
    """Return whether the viewer may change, share and delete the collection itself."""
    return viewer.is_active and (viewer.is_superuser or (viewer.pk is not None and collection.owner_id == viewer.pk))


def create_collection(spec: CollectionSpec, *, owner: User | None) -> Collection:
    """Make a collection.

    Raises:
        CollectionRejectedError: ``collection_invalid`` with the reasons as detail, ``collection_exists``.
    """
    collection = Collection(owner=owner, **_fields(spec))
    _validate(collection)
    try:
        with transaction.atomic():
            collection.save()
    except IntegrityError as exc:
        raise CollectionRejectedError("collection_exists", spec.slug) from exc
    return collection


def update_collection(collection: Collection, spec: CollectionSpec) -> None:
    """Change a collection; its documents stay.

    Raises:
        CollectionRejectedError: as `create_collection`.
    """
    for name, value in _fields(spec).items():
        setattr(collection, name, value)
    _validate(collection)
    try:
        with transaction.atomic():
            collection.save()
    except IntegrityError as exc:
        raise CollectionRejectedError("collection_exists", spec.slug) from exc


def delete_collection(collection: Collection) -> None:
    """Delete a collection with all its documents and their files; search forgets them at once."""
    with transaction.atomic():
        documents.delete_documents(collection.documents.all())
        collection.delete()


def add_member(collection: Collection, user: User, *, role: str) -> None:
    """Give a person a place in a collection; one who has a place gets the new role."""
    Membership.objects.update_or_create(collection=collection, user=user, defaults={"role": role})


def remove_member(collection: Collection, membership_id: int) -> None:
    """Take a person's place in a collection away; one that is gone already is no error."""
    collection.memberships.filter(pk=membership_id).delete()


def suggest_slug(name: str) -> str:
    """Return a short name made from a name; empty where the name has no Latin letters or digits."""
    return slugify(name)[:80]


def _fields(spec: CollectionSpec) -> dict[str, str]:
    return {
        "slug": spec.slug,
        "name": spec.name.strip(),
        "description": spec.description.strip(),
        "task": spec.task,
        "instruction": " ".join(spec.instruction.split()),
        "visibility": spec.visibility,
    }


def _validate(collection: Collection) -> None:
    try:
        collection.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as exc:
        reasons = "; ".join(f"{field}: {' '.join(texts)}" for field, texts in exc.message_dict.items())
        raise CollectionRejectedError("collection_invalid", reasons) from exc
