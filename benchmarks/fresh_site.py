"""A site of its own for a benchmark, in a data folder of its own."""

import os
from pathlib import Path


def set_up(data_dir: Path) -> None:
    """Set Django up on a data folder; to be called once, before anything reads the settings."""
    data_dir.mkdir(parents=True, exist_ok=True)
    os.environ |= {"DATA_DIR": str(data_dir.absolute()), "DJANGO_SETTINGS_MODULE": "searchapp.settings"}
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    import django

    django.setup()
