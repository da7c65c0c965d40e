"""Load the demo."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand

from searchapp import tasks
from searchapp.services.seeding import load_demo


class Command(BaseCommand):
    """Load the demo collections that do not exist yet; doing it twice adds nothing."""

    help = "Load the demo collections and documents that come with Isogloss."

    def handle(self, *_args: Any, **_options: Any) -> None:
        owner = User.objects.filter(is_superuser=True).order_by("pk").first()
        loaded = 0
        for document_id in load_demo(Path(settings.BASE_DIR) / "demo", owner=owner):
            tasks.enqueue_indexing([document_id])
            loaded += 1
        self.stdout.write(f"Demo: {loaded} documents taken in.")
