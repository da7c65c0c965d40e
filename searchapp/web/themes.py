"""The colour theme a visitor chose, kept in a cookie so that the first byte of a page has it."""

from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse

COOKIE_NAME: Final = "isogloss_theme"
COOKIE_MAX_AGE_S: Final = 365 * 24 * 3600
# The first follows the device.
THEMES: Final = ("auto", "light", "dark")


def current_theme(request: HttpRequest) -> str:
    """Return the chosen theme; the first where none, or none that exists, was chosen."""
    chosen = request.COOKIES.get(COOKIE_NAME, "")
    return chosen if chosen in THEMES else THEMES[0]


def remember_theme(response: HttpResponse, theme: str) -> None:
    """Keep the chosen theme with the visitor."""
    response.set_cookie(
        COOKIE_NAME,
        theme,
        max_age=COOKIE_MAX_AGE_S,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
    )
