"""Typed reading of configuration: every variable once, with its type, default and help text.

Values come from layers, the first that has the name wins: the process environment, a ``.env`` file
beside ``manage.py``, and ``embedded.env`` in the data folder, in which ``manage.py serve`` writes the
addresses and keys of the parts it started. So the same settings serve every way of running, and
setting one address replaces that part and nothing else.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off", ""})


class EnvError(ValueError):
    """Say which variable is wrong and what it takes."""


@dataclass(frozen=True, slots=True)
class Variable:
    """Describe one variable, for the documentation and the test that compares it."""

    name: str
    default: str
    help: str


def read_env_file(path: Path) -> dict[str, str]:
    """Read ``NAME=value`` lines; a missing file is an empty layer.

    Blank lines and lines that start with ``#`` are passed over; one pair of quotes around a value is
    taken off. Nothing is expanded.

    Raises:
        EnvError: a line has no ``=``; the file and line number are named.
    """
    values: dict[str, str] = {}
    if not path.is_file():
        return values
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        name, separator, value = stripped.partition("=")
        if not separator:
            raise EnvError(f"{path.name} line {number}: expected NAME=value, found {stripped!r}")
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        values[name.strip()] = value
    return values


class Env:
    """Read variables from layers and remember what was asked for."""

    def __init__(self, *layers: Mapping[str, str]) -> None:
        self._layers = layers
        self.variables: dict[str, Variable] = {}

    def text(self, name: str, *, default: str = "", help: str) -> str:
        """Return the value with surrounding blanks removed, or the default."""
        self.variables[name] = Variable(name, default, help)
        for layer in self._layers:
            if name in layer and layer[name].strip():
                return layer[name].strip()
        return default

    def integer(self, name: str, *, default: int, minimum: int = 0, help: str) -> int:
        """Return a whole number.

        Raises:
            EnvError: the value is no whole number or below ``minimum``.
        """
        value = self.text(name, default=str(default), help=help)
        try:
            number = int(value)
        except ValueError as exc:
            raise EnvError(f"{name} takes a whole number, found {value!r}") from exc
        if number < minimum:
            raise EnvError(f"{name} takes a number of at least {minimum}, found {number}")
        return number

    def choice(self, name: str, allowed: Collection[str], *, default: str, help: str) -> str:
        """Return one of the allowed words, in whatever case it was written.

        Raises:
            EnvError: the value is none of them.
        """
        value = self.text(name, default=default, help=help)
        for word in allowed:
            if word.casefold() == value.casefold():
                return word
        raise EnvError(f"{name} takes one of {', '.join(allowed)}, found {value!r}")

    def time_zone(self, name: str, *, default: str, help: str) -> str:
        """Return the name of a time zone.

        Raises:
            EnvError: there is no zone of that name.
        """
        value = self.text(name, default=default, help=help)
        try:
            ZoneInfo(value)
        except (OSError, ValueError, KeyError) as exc:
            raise EnvError(f"{name} takes the name of a time zone such as Europe/Berlin, found {value!r}") from exc
        return value

    def boolean(self, name: str, *, default: bool, help: str) -> bool:
        """Return a yes or no.

        Raises:
            EnvError: the value is none of the usual words.
        """
        value = self.text(name, default="true" if default else "false", help=help).lower()
        if value in TRUE_WORDS:
            return True
        if value in FALSE_WORDS:
            return False
        raise EnvError(f"{name} takes true or false, found {value!r}")

    def items(self, name: str, *, default: str = "", help: str) -> list[str]:
        """Return the comma-separated items, blanks removed."""
        value = self.text(name, default=default, help=help)
        return [item.strip() for item in value.split(",") if item.strip()]

    def url(self, name: str, *, schemes: Collection[str] = ("http", "https"), help: str) -> str:
        """Return an address without a trailing slash, or an empty text.

        Raises:
            EnvError: the value has none of the schemes.
        """
        value = self.text(name, help=help)
        if value and not _is_address(value, schemes):
            # Without the value, which may hold a password.
            raise EnvError(f"{name} takes a full address that begins with {' or '.join(f'{s}://' for s in schemes)}")
        return value.rstrip("/")


def _is_address(value: str, schemes: Collection[str]) -> bool:
    try:
        parts = urlsplit(value)
        has_place = bool(parts.hostname or parts.path) and parts.port != 0  # reading the port checks it
    except ValueError:
        return False
    return parts.scheme in schemes and "://" in value and has_place
