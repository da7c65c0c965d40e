#!/usr/bin/env python3
"""Run Django's management commands, in the project's virtual environment where there is one."""

import importlib.util
import os
import sys
from pathlib import Path

VENV_PYTHON = Path(__file__).resolve().parent / ".venv" / "bin" / "python"


def main() -> None:
    if importlib.util.find_spec("django") is None:
        if VENV_PYTHON.exists() and Path(sys.prefix) != VENV_PYTHON.parent.parent:
            os.execv(VENV_PYTHON, [str(VENV_PYTHON), *sys.argv])  # noqa: S606 - the same program, one interpreter on
        sys.exit("Django is not installed. Run script/setup first.")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "searchapp.settings")
    from django.core.management import execute_from_command_line

    from searchapp.env import EnvError

    try:
        execute_from_command_line(sys.argv)
    except EnvError as exc:
        sys.exit(str(exc))


if __name__ == "__main__":
    main()
