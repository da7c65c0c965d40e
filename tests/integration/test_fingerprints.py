"""Which weights the service runs, kept in rows."""

import numpy as np
import pytest

from searchapp.backends import configured_embedder
from searchapp.embedding import PROBE_TEXTS, describe_service, probe
from searchapp.models import ModelFingerprint
from searchapp.services.fingerprints import current_fingerprint

pytestmark = pytest.mark.usefixtures("site")


def test_current_fingerprint_same_weights_are_found_again() -> None:
    first = current_fingerprint(configured_embedder())
    assert current_fingerprint(configured_embedder()) == first
    assert ModelFingerprint.objects.count() == 1
    np.testing.assert_allclose(first.vectors, probe(configured_embedder()), atol=1e-5)
    assert first.vectors.shape == (len(PROBE_TEXTS), configured_embedder().dimensions)


def test_current_fingerprint_other_weights_under_the_same_name_are_another() -> None:
    first = current_fingerprint(configured_embedder())
    # As if what was met before had been of other weights: its vectors with their dimensions shuffled.
    other = np.random.default_rng(0).permutation(first.vectors, axis=1)
    ModelFingerprint.objects.filter(pk=first.pk).update(probe=other.tobytes())
    second = current_fingerprint(configured_embedder())
    assert second != first
    assert second.model == first.model
    assert current_fingerprint(configured_embedder()) == second


def test_current_fingerprint_two_rows_of_the_same_weights_lead_to_the_first() -> None:
    first = current_fingerprint(configured_embedder())
    ModelFingerprint.objects.create(model=first.model, dimensions=first.dimensions, probe=first.probe)
    assert current_fingerprint(configured_embedder()) == first


def test_describe_service_local_server_tells_all_but_needs_its_key(settings: object) -> None:
    info = describe_service(settings.EMBEDDING_BASE_URL, api_key=settings.EMBEDDING_API_KEY)
    assert info.hidden_size == configured_embedder().dimensions
    assert info.has_tokenize
    assert info.supports_dimensions is True
    assert info.is_embedding is True
    assert len(info.fingerprint) == 64
    unknown = describe_service(settings.EMBEDDING_BASE_URL, api_key="wrong")
    assert (unknown.model_path, unknown.is_embedding, unknown.has_tokenize) == ("", None, False)


def test_describe_service_nobody_there_tells_nothing() -> None:
    assert describe_service("http://127.0.0.1:9/v1").model_path == ""
