"""System checks: each bad combination of settings is named before anything starts."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004

QDRANT_GRPC_PORT = 6334
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


@register(Tags.security)
def check_secret_key(**_kwargs: Any) -> list[CheckMessage]:
    """Warn when sessions would not survive a restart."""
    if not settings.SECRET_KEY_IS_EPHEMERAL:
        return []
    return [
        Warning(
            "SECRET_KEY is not set: a random one is used until this process ends.",
            hint="Start the site with script/serve, which keeps one, or set SECRET_KEY to a long random text.",
            id="searchapp.W001",
        )
    ]


@register()
def check_embedding_settings(**_kwargs: Any) -> list[CheckMessage]:
    """Name each form of the embedding service's settings that cannot work."""
    messages: list[CheckMessage] = []
    url = settings.EMBEDDING_BASE_URL
    path = url.partition("://")[2]
    if url.endswith("/embeddings"):
        messages.append(
            Error(
                "EMBEDDING_BASE_URL names the endpoint, not the service.",
                hint=f"Set it to {url.removesuffix('/embeddings')}",
                id="searchapp.E002",
            )
        )
    elif "//" in path:
        messages.append(
            Error("EMBEDDING_BASE_URL has a double slash.", hint="Take one slash out.", id="searchapp.E003")
        )
    elif url and not url.endswith("/v1"):
        messages.append(
            Warning(
                "EMBEDDING_BASE_URL does not end in /v1.",
                hint="SGLang, vLLM, TEI and most other services answer under /v1: http://host:port/v1",
                id="searchapp.W004",
            )
        )
    if ":" in settings.EMBEDDING_MODEL:
        messages.append(
            Warning(
                "EMBEDDING_MODEL has a colon, which SGLang reads as base:adapter and refuses.",
                hint="Start SGLang with --served-model-name and a name without a colon.",
                id="searchapp.W005",
            )
        )
    return messages


@register(Tags.security)
def check_plain_keys(**_kwargs: Any) -> list[CheckMessage]:
    """Warn when a key travels readable through a network."""
    messages: list[CheckMessage] = []
    for address, key in (("QDRANT_URL", "QDRANT_API_KEY"), ("EMBEDDING_BASE_URL", "EMBEDDING_API_KEY")):
        parts = urlsplit(getattr(settings, address))
        is_key = getattr(settings, key) not in ("", "EMPTY")
        if is_key and parts.scheme == "http" and "." in (parts.hostname or "") and parts.hostname != "127.0.0.1":
            messages.append(
                Warning(
                    f"{key} is sent in plain text to {parts.hostname}.",
                    hint=f"Use https in {address}, or keep the service in a private network under a name without dots.",
                    id="searchapp.W007",
                )
            )
    return messages


@register()
def check_addresses(**_kwargs: Any) -> list[CheckMessage]:
    """Warn of addresses and combinations that look right and are not."""
    messages: list[CheckMessage] = []
    if urlsplit(settings.QDRANT_URL).port == QDRANT_GRPC_PORT:
        messages.append(
            Warning(
                "QDRANT_URL names port 6334, where Qdrant speaks gRPC.",
                hint="The REST API is used, usually on port 6333.",
                id="searchapp.W008",
            )
        )
    if urlsplit(settings.SITE_URL).path:
        messages.append(
            Error(
                "SITE_URL has a path; the site needs a host name of its own.",
                hint="Set it to the scheme and host alone, e.g. https://search.example.org",
                id="searchapp.E009",
            )
        )
    is_remote_broker = settings.REDIS_URL and not settings.REDIS_URL.startswith("unix://")
    if is_remote_broker and urlsplit(settings.REDIS_URL).hostname not in LOOPBACK_HOSTS and not settings.DATABASE_URL:
        messages.append(
            Warning(
                "The broker is on another machine, the database is an SQLite file on this one.",
                hint="Workers on other machines would not see it: set DATABASE_URL to a PostgreSQL server.",
                id="searchapp.W010",
            )
        )
    return messages


@register()
def check_languages(**_kwargs: Any) -> list[CheckMessage]:
    """Name languages that the site cannot tell apart."""
    from searchapp.language import SUPPORTED_LANGUAGES

    unknown = [code for code in settings.SITE_LANGUAGES if code not in SUPPORTED_LANGUAGES]
    if not unknown:
        return []
    return [
        Error(
            f"SITE_LANGUAGES names unknown languages: {', '.join(unknown)}.",
            hint=f"Known are: {', '.join(sorted(SUPPORTED_LANGUAGES))}",
            id="searchapp.E006",
        )
    ]
