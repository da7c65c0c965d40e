"""A real Chromium in front of the real site."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from searchapp.models import Collection, Document
from searchapp.services import indexing
from tests.factories import CollectionFactory, UserFactory
from tests.integration.conftest import site, static_files

__all__ = ["site", "static_files"]

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
TIMEOUT_MS = 15_000

OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def browser(chromium: Path) -> Iterator[Browser]:
    # Playwright keeps an event loop in this thread, where Django would then refuse to touch the database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield launched
        launched.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def plain_static_files(settings: Settings) -> None:
    """Serve the static files as they are: the test server does not know their hashed names."""
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }


@pytest.fixture
def admin(site: None) -> User:
    return UserFactory.create(username="admin", is_staff=True, is_superuser=True)


@pytest.fixture
def collection(admin: User) -> Collection:
    return CollectionFactory.create(slug="handbook", name="Handbook", owner=admin)


@pytest.fixture
def open_page(browser: Browser, site: None, plain_static_files: None, live_server: LiveServer) -> Iterator[OpenPage]:
    """Return a function that opens a page; whatever any page complained about fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(path: str, *, user: User | None = None, **options: object) -> Page:
        context = browser.new_context(**{"locale": "en-GB", "viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        context.set_default_timeout(TIMEOUT_MS)
        if user:
            client = Client()
            client.force_login(user)
            cookie = client.cookies[django_settings.SESSION_COOKIE_NAME]
            context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(live_server.url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def index_queued() -> None:
    """Index what was uploaded, as a worker would."""
    for document in Document.objects.filter(status=Document.Status.QUEUED):
        indexing.index_document(document.pk)
