"""The REST API: the same services as the pages, for programs."""

from searchapp.api.routes import api

__all__ = ["api"]
