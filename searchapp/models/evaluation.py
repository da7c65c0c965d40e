"""What measurements leave in the database."""

from django.db import models
from django.db.models import Q


class EvaluationBase(models.Model):
    """A collection that an evaluation made for itself.

    ``kept_as`` is the name that it is kept under for the next evaluation; empty, it goes with this one.
    ``contents_sha256`` tells of what and how it was indexed. While an evaluation runs it keeps moving
    ``lease_expires_at`` on, so one that died can be told.
    """

    collection = models.OneToOneField(
        "searchapp.Collection", on_delete=models.CASCADE, primary_key=True, related_name="evaluation_base"
    )
    kept_as = models.CharField(max_length=80, blank=True)
    contents_sha256 = models.CharField(max_length=64)
    lease_expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kept_as"], condition=~Q(kept_as=""), name="evaluation_base_name_is_unique")
        ]

    def __str__(self) -> str:
        return self.kept_as or str(self.collection_id)
