"""The doctor finds nothing wrong with a service that is served rightly, whatever its weights mean."""

import os

import pytest

from searchapp.embedding.doctor import MEANING_CODES, Endpoint, Severity, examine


@pytest.mark.live
def test_examine_service_of_the_environment_finds_no_fault_but_of_meaning() -> None:
    if not os.environ.get("EMBEDDING_BASE_URL"):
        pytest.skip("EMBEDDING_BASE_URL does not name a service")
    endpoint = Endpoint(
        os.environ["EMBEDDING_BASE_URL"].rstrip("/"),
        os.environ.get("EMBEDDING_MODEL", "qwen3-embedding-0.6b"),
        os.environ.get("EMBEDDING_API_KEY", "EMPTY"),
    )
    findings = [found for found in examine(endpoint).findings if found.severity is not Severity.INFO]
    assert [found for found in findings if found.code not in MEANING_CODES] == []
