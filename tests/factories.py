"""Rows for tests: people, collections and documents."""

import itertools

import factory
from django.contrib.auth.models import User
from django.core.files.base import ContentFile

from searchapp.backends import get_index
from searchapp.index import VectorIndex
from searchapp.models import Collection, Document, Membership
from searchapp.services import documents, generations, indexing
from searchapp.services.documents import Upload

_numbers = itertools.count(1)


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = User
        django_get_or_create = ("username",)

    username = factory.Sequence(lambda number: f"user{number}")


class CollectionFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Collection

    slug = factory.Sequence(lambda number: f"collection-{number}")
    name = factory.LazyAttribute(lambda collection: collection.slug.replace("-", " ").title())


class MembershipFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Membership

    collection = factory.SubFactory(CollectionFactory)
    user = factory.SubFactory(UserFactory)


def upload(collection: Collection, text: str | bytes, *, name: str = "", **options: object) -> Upload:
    """Take a text into a collection, as a page would."""
    content = text.encode() if isinstance(text, str) else text
    source_name = name or f"document-{next(_numbers)}.md"
    return documents.create_document(collection, ContentFile(content), source_name=source_name, **options)


def index(collection: Collection, text: str | bytes, *, name: str = "", **options: object) -> Document:
    """Take a text in and index it, as a worker would."""
    document = upload(collection, text, name=name, **options).document
    indexing.index_document(document.pk)
    document.refresh_from_db()
    return document


def live_index() -> VectorIndex:
    """Return the index that answers searches."""
    return get_index(generations.live_or_first())
