"""What the site knows about its own running: signs of life, and the doctor's reports."""

from django.db import models
from django.db.models import Q


class Heartbeat(models.Model):
    """When a part that cannot be asked was last seen at work."""

    MAINTENANCE = "maintenance"
    """A worker did what beat had sent it: both are alive."""

    name = models.CharField(max_length=40, unique=True)
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} {self.seen_at:%Y-%m-%d %H:%M:%S}"


class DoctorReport(models.Model):
    """One examination of the site. The sentences are not kept: each reader gets them in the language of the pages."""

    class Depth(models.TextChoices):
        FAST = "fast"
        FULL = "full"

    depth = models.CharField(max_length=8, choices=Depth.choices)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    step = models.CharField(max_length=60, blank=True)
    error_count = models.PositiveIntegerField(default=0)
    warning_count = models.PositiveIntegerField(default=0)
    content = models.JSONField(default=dict)

    class Meta:
        ordering = ["-started_at", "-pk"]
        constraints = [models.CheckConstraint(condition=Q(depth__in=["fast", "full"]), name="report_depth_is_known")]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M} {self.depth}"
