"""The Celery application: `celery --app searchapp.celery worker`."""

import atexit
import gc
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "searchapp.settings")
app = Celery("isogloss")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def keep_logging(**_options: Any) -> None:
    """Leave the log as Django's settings have it; without a receiver Celery would set a level of its own."""


setup_logging.connect(keep_logging)
# The collector would look through every object once more before the process ends, which takes most of a
# second, and a whole site has to stop within five.
atexit.register(gc.freeze)
