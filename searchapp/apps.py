"""The Django application."""

from django.apps import AppConfig


class SearchAppConfig(AppConfig):
    """Name the application and load its system checks."""

    name = "searchapp"
    verbose_name = "Isogloss"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from searchapp import checks  # noqa: F401 - registers itself
