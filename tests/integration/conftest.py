"""A whole site without pages: database, files and the real local servers, empty at the start of each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from pytest_django import Settings
from qdrant_client import QdrantClient

from searchapp import backends
from searchapp.models import Collection, Membership
from searchapp.models.knowledge import Visibility
from searchapp.services import generations, history, indexing
from tests.factories import CollectionFactory, MembershipFactory, UserFactory


def forget_backends() -> None:
    """Have the engines made anew, after their settings changed."""
    backends.forget()
    generations.forget()
    indexing.forget_outages()


@pytest.fixture(scope="session")
def static_files() -> None:
    """Collect the static files, as `manage.py serve` does."""
    call_command("collectstatic", interactive=False, verbosity=0)


@pytest.fixture
def site(
    transactional_db: None, local_servers: None, static_files: None, settings: Settings, tmp_path: Path
) -> Iterator[None]:
    settings.MEDIA_ROOT = tmp_path / "files"
    forget_backends()
    store = QdrantClient(url=settings.QDRANT_URL, headers={"api-key": settings.QDRANT_API_KEY})
    for found in store.get_collections().collections:
        store.delete_collection(found.name)
    yield
    history.flush()  # before the database is emptied
    forget_backends()


@pytest.fixture
def collection(site: None) -> Collection:
    return CollectionFactory.create(slug="handbook")


@pytest.fixture
def alice(site: None) -> User:
    """Own the restricted collection."""
    return UserFactory.create(username="alice")


@pytest.fixture
def bob(site: None) -> User:
    """Have a share in it."""
    return UserFactory.create(username="bob")


@pytest.fixture
def charlie(site: None) -> User:
    """Must see nothing of it."""
    return UserFactory.create(username="charlie")


@pytest.fixture
def restricted(alice: User, bob: User) -> Collection:
    collection = CollectionFactory.create(slug="secret", owner=alice, visibility=Visibility.RESTRICTED)
    MembershipFactory.create(collection=collection, user=bob, role=Membership.Role.VIEWER)
    return collection
