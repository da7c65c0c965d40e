"""System checks: each wrong setting is named, and a right set-up is not."""

from importlib import import_module

import pytest
from django.contrib import admin
from django.contrib.admin.checks import check_admin_app
from django.core.checks import run_checks
from pytest_django.fixtures import Settings

from searchapp.models import Document


def named() -> set[str]:
    return {str(message.id) for message in run_checks() if str(message.id).startswith("searchapp.")}


@pytest.fixture(autouse=True)
def good(settings: Settings) -> None:
    settings.SECRET_KEY_IS_EPHEMERAL = False
    settings.EMBEDDING_BASE_URL = "https://embeddings.example.org/v1"
    settings.EMBEDDING_API_KEY = "key"
    settings.EMBEDDING_MODEL = "qwen3-embedding-0.6b"
    settings.QDRANT_URL = "http://qdrant:6333"
    settings.REDIS_URL = "redis://redis:6379"
    settings.DATABASE_URL = "postgres://user@database/name"
    settings.SITE_URL = "https://search.example.org"


def test_checks_right_settings_say_nothing() -> None:
    assert named() == set()


@pytest.mark.parametrize(
    ("setting", "value", "check"),
    [
        ("SECRET_KEY_IS_EPHEMERAL", True, "searchapp.W001"),
        ("EMBEDDING_BASE_URL", "http://host:30000/v1/embeddings", "searchapp.E002"),
        ("EMBEDDING_BASE_URL", "http://host:30000//v1", "searchapp.E003"),
        ("EMBEDDING_BASE_URL", "http://host:30000", "searchapp.W004"),
        ("EMBEDDING_MODEL", "qwen3:0.6b", "searchapp.W005"),
        ("SITE_LANGUAGES", ["en", "klingon"], "searchapp.E006"),
        ("EMBEDDING_BASE_URL", "http://embeddings.example.org/v1", "searchapp.W007"),
        ("QDRANT_URL", "http://qdrant:6334", "searchapp.W008"),
        ("SITE_URL", "https://example.org/search", "searchapp.E009"),
        ("DATABASE_URL", "", "searchapp.W010"),
    ],
)
def test_checks_wrong_setting_is_named(setting: str, value: object, check: str, settings: Settings) -> None:
    setattr(settings, setting, value)
    assert named() == {check}


@pytest.mark.parametrize("url", ["", "unix:///run/redis.sock", "redis://localhost:6379", "redis://127.0.0.1"])
def test_checks_database_file_with_a_broker_on_this_machine_is_right(url: str, settings: Settings) -> None:
    settings.DATABASE_URL = ""
    settings.REDIS_URL = url
    assert named() == set()


def test_admin_pages_are_found_with_the_addresses_and_pass_their_checks() -> None:
    assert import_module("searchapp.urls").urlpatterns
    assert Document in admin.site._registry
    assert check_admin_app(None) == []
