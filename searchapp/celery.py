"""The Celery application: `celery --app searchapp.celery worker`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "searchapp.settings")
app = Celery("isogloss")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
