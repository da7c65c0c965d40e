"""What is known of the embedding service: which weights it runs."""

import secrets

import numpy as np
from django.db import models
from django.utils.translation import gettext_lazy as _
from numpy.typing import NDArray


def _new_fingerprint_id() -> str:
    return secrets.token_hex(8)


class ModelFingerprint(models.Model):
    """Weights that were met behind the embedding service, told by their vectors of a few fixed texts.

    ``probe`` holds those vectors, ``(texts, dimensions)`` little-endian float32. The id is drawn, not
    computed: the last bits of vectors change, and weights that were met again must keep theirs.
    """

    id = models.CharField(primary_key=True, max_length=32, default=_new_fingerprint_id, editable=False)
    model = models.CharField(_("model"), max_length=300)
    dimensions = models.PositiveIntegerField(_("dimensions"))
    probe = models.BinaryField()
    first_seen_at = models.DateTimeField(_("first seen"), auto_now_add=True)

    class Meta:
        verbose_name = _("embedding model")
        verbose_name_plural = _("embedding models")
        ordering = ["first_seen_at", "pk"]
        indexes = [models.Index(fields=["dimensions", "first_seen_at"])]

    def __str__(self) -> str:
        return f"{self.model} ({self.pk})"

    @property
    def vectors(self) -> NDArray[np.float32]:
        """Return the vectors of the probe, ``(texts, dimensions)`` float32, unit L2 norm."""
        return np.frombuffer(bytes(self.probe), dtype="<f4").reshape(-1, self.dimensions)


class EmbeddingCacheEntry(models.Model):
    """The vector of one text from one model, kept so that the text is embedded once.

    ``key`` is the SHA-256 of the fingerprint, the family and the text; ``vector`` little-endian float16: half
    the room of float32, and its rounding (2^-11) is below that of the bf16 that services compute in.
    """

    key = models.CharField(primary_key=True, max_length=64)
    vector = models.BinaryField()
    last_used_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["last_used_at"])]

    def __str__(self) -> str:
        return self.key


class ServiceOutage(models.Model):
    """A service that does not answer now: work that needs it waits until it is tried again.

    The row exists while the outage lasts. ``next_try_at`` is moved by compare-and-set, so that one process tries.
    """

    service = models.CharField(primary_key=True, max_length=30)
    since = models.DateTimeField()
    code = models.CharField(max_length=60)
    detail = models.TextField(blank=True)
    tries = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.service}: {self.code}"
