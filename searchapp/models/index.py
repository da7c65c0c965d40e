"""Which vectors there are: the generations of the index, and which documents each of them holds."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class IndexGeneration(models.Model):
    """All passages of the site in the vectors of one model, cut in one way: one collection of the vector store.

    Exactly one is live and answers every search; the row decides which. At most one other is on its way to
    become live. A former live one is kept up to date until ``prune_at``, so that going back takes no time.
    ``fingerprint`` tells whether a service still has the weights that the generation was made with; ``family`` is
    how its texts are framed, as `EMBEDDING_FAMILY` has it.
    """

    class Status(models.TextChoices):
        BUILDING = "building", _("Being built")
        PAUSED = "paused", _("Paused")
        BUILT = "built", _("Complete")
        LIVE = "live", _("Answers searches")
        RETIRED = "retired", _("Kept for going back")
        FAILED = "failed", _("Failed")
        DROPPING = "dropping", _("Being deleted")
        DROPPED = "dropped", _("Deleted")

    # On the way to become live: at most one.
    CANDIDATE = (Status.BUILDING, Status.PAUSED, Status.BUILT, Status.FAILED)
    # New and changed documents go into these.
    WRITABLE = (Status.LIVE, Status.BUILDING, Status.BUILT, Status.RETIRED)
    # What these miss is written from the database.
    CATCHING_UP = (Status.BUILDING, Status.BUILT, Status.RETIRED)
    WITH_VECTORS = (Status.LIVE, *CANDIDATE, Status.RETIRED)

    model = models.CharField(_("model"), max_length=200)
    dimensions = models.PositiveIntegerField(_("dimensions"))
    fingerprint = models.ForeignKey("searchapp.ModelFingerprint", on_delete=models.PROTECT, related_name="+")
    family = models.CharField(_("instruction policy"), max_length=20)
    chunking = models.CharField(_("chunking"), max_length=24)
    schema_version = models.PositiveIntegerField(_("index version"))
    collection = models.CharField(_("collection in the vector store"), max_length=255, unique=True)

    status = models.CharField(_("status"), max_length=12, choices=Status.choices, default=Status.BUILDING)
    error_code = models.CharField(max_length=60, blank=True)
    error_detail = models.TextField(blank=True)
    rate = models.PositiveIntegerField(_("passages a second"), default=0)
    throttled_until = models.DateTimeField(null=True)
    worker_until = models.DateTimeField(null=True)
    report = models.JSONField(null=True)
    report_lease = models.UUIDField(null=True)
    report_lease_expires_at = models.DateTimeField(null=True)

    created_at = models.DateTimeField(_("begun"), auto_now_add=True)
    built_at = models.DateTimeField(null=True)
    live_at = models.DateTimeField(null=True)
    retired_at = models.DateTimeField(null=True)
    prune_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("index generation")
        verbose_name_plural = _("index generations")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["status"], condition=Q(status="live"), name="generation_one_is_live"),
            # Over a constant, since the statuses of a candidate are several.
            models.UniqueConstraint(
                models.Case(models.When(status__in=["building", "paused", "built", "failed"], then=models.Value(1))),
                name="generation_one_is_candidate",
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=["building", "paused", "built", "live", "retired", "failed", "dropping", "dropped"]
                ),
                name="generation_status_is_known",
            ),
            models.CheckConstraint(
                condition=~Q(status="failed") | ~Q(error_code=""), name="generation_failed_has_reason"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk}: {self.model}, {self.dimensions}"

    @property
    def chunk_tokens(self) -> int:
        """Return the token budget of its passages."""
        return int(self.chunking.partition(":")[2])


class GenerationDocument(models.Model):
    """That a generation holds a document as it is now, or that someone is at work on it.

    No row, or an open one, is what the generation still misses. When the passages of a document change, the
    rows of all generations that did not get the new ones go away in the same transaction; so whoever was at
    work on the former passages finds at the end that its row is gone.
    """

    class State(models.TextChoices):
        OPEN = "open"
        DONE = "done"
        FAILED = "failed"

    generation = models.ForeignKey(IndexGeneration, on_delete=models.CASCADE, related_name="documents")
    document = models.ForeignKey("searchapp.Document", on_delete=models.CASCADE, related_name="generations")
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    passage_count = models.PositiveIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    lease = models.UUIDField(null=True)
    lease_expires_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=60, blank=True)
    error_detail = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["generation", "document"], name="generation_document_is_unique"),
        ]
        indexes = [models.Index(fields=["generation", "state"])]

    def __str__(self) -> str:
        return f"{self.generation_id}: {self.document_id} {self.state}"


class RecentQuery(models.Model):
    """A question that was asked of late, to be asked again of a new generation before it goes live."""

    text = models.TextField()
    language = models.CharField(max_length=16)
    collections = models.JSONField(default=list)
    asked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.asked_at:%F %T} {self.language}"
