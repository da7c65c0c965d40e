"""Keys of the API."""

import hashlib
import secrets

from django.contrib.auth.models import User

from searchapp.models import ApiToken

PREFIX = "isogloss_"


def create_api_token(user: User) -> str:
    """Make a token that acts as the user and return it; only its hash is kept."""
    token = PREFIX + secrets.token_urlsafe(32)
    ApiToken.objects.create(user=user, token_sha256=_digest(token))
    return token


def find_user(token: str) -> User | None:
    """Return the active user a token stands for, or None."""
    row = ApiToken.objects.select_related("user").filter(token_sha256=_digest(token), user__is_active=True).first()
    return row.user if row else None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
