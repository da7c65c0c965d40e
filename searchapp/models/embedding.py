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
