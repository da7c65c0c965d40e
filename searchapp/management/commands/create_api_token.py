"""Print a new token of the API."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from searchapp.services.tokens import create_api_token


class Command(BaseCommand):
    """Make an API token for a user and print it; it is shown this once."""

    help = "Print a new API token that acts as the named user."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            user = User.objects.get(username=options["username"])
        except User.DoesNotExist as exc:
            raise CommandError(f"There is no user named {options['username']!r}.") from exc
        except OperationalError as exc:
            raise CommandError(
                f"The database cannot be used: {exc}. Start the site first; where it runs with --data-dir, "
                "set DATA_DIR to the same folder."
            ) from exc
        self.stdout.write(create_api_token(user))
