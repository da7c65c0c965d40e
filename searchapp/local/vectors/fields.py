"""Read JSON objects so that nothing a client sends is ignored in silence."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from .errors import RequestError, UnsupportedError

_Kind = TypeVar("_Kind")
_Built = TypeVar("_Built")
_Params = ParamSpec("_Params")


class Fields:
    """Hand out the members of one JSON object; refuse at the end the ones nobody asked for.

    A member that is null counts as absent, as in Qdrant. Use it as a context manager around all the
    reads of one object.

    Args:
        body: the parsed JSON value.
        what: what the object is, for the sentence of a refusal, e.g. ``filter``.

    Raises:
        RequestError: ``body`` is no object, or a member is missing or of the wrong type.
        UnsupportedError: at the end of the block, a member was not read.
    """

    def __init__(self, body: object, what: str) -> None:
        if not isinstance(body, dict):
            raise RequestError("wrong_input", f"Format error in JSON body: {what} must be an object")
        self._members = {name: value for name, value in body.items() if value is not None}
        self._what = what

    def __enter__(self) -> "Fields":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._members:
            names = ", ".join(f"`{name}`" for name in sorted(self._members))
            raise UnsupportedError("unsupported", f"Not supported by the local vector server: {names} in {self._what}")

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def names(self) -> list[str]:
        """Return the names of the members not read yet, for objects keyed by the client's own names."""
        return list(self._members)

    def optional(self, name: str, kind: type[_Kind]) -> _Kind | None:
        """Take a member if it is there; ``float`` takes whole numbers too, ``object`` anything."""
        value = self._members.pop(name, None)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if value is None:
            return None
        if not isinstance(value, kind) or (isinstance(value, bool) and kind not in (bool, object)):
            raise RequestError(
                "wrong_input",
                f"Format error in JSON body: `{name}` in {self._what} must be of type {kind.__name__}",
            )
        return value

    def required(self, name: str, kind: type[_Kind]) -> _Kind:
        """Take a member that must be there."""
        value = self.optional(name, kind)
        if value is None:
            raise RequestError("wrong_input", f"Format error in JSON body: {self._what} misses `{name}`")
        return value

    def amount(self, name: str, default: int, *, at_least: int) -> int:
        """Take a whole number with a lower bound, e.g. a limit."""
        value = self.optional(name, int)
        if value is None:
            return default
        if value < at_least:
            raise RequestError("wrong_input", f"Validation error: `{name}` must be at least {at_least}")
        return value

    def choice(self, name: str, choices: dict[str, _Kind]) -> _Kind | None:
        """Take a member that must be one of the names in ``choices`` and return what it stands for."""
        value = self.optional(name, str)
        if value is None:
            return None
        if value not in choices:
            raise UnsupportedError(
                "unsupported",
                f"Not supported by the local vector server: `{value}` as `{name}` in {self._what}",
            )
        return choices[value]


def built(factory: Callable[_Params, _Built], *args: _Params.args, **kwargs: _Params.kwargs) -> _Built:
    """Call a constructor of the engine and turn its complaint about a value into a refusal.

    Raises:
        RequestError: the engine does not take these values.
    """
    try:
        return factory(*args, **kwargs)
    except (TypeError, ValueError, OverflowError) as exc:
        raise RequestError("wrong_input", f"Wrong input: {str(exc).splitlines()[0]}") from exc


def read_list(value: object, what: str) -> list[Any]:
    """Check that a value is a JSON array.

    Raises:
        RequestError: it is something else.
    """
    if not isinstance(value, list):
        raise RequestError("wrong_input", f"Format error in JSON body: {what} must be an array")
    return value


def read_point_id(value: object) -> int | UUID:
    """Read a point id in one canonical form.

    Raises:
        RequestError: it is neither an unsigned 64-bit number nor a UUID.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64:
        return value
    if isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            pass  # one refusal for all that is no id, below
    raise RequestError(
        "wrong_input",
        f"Format error in JSON body: value {value!r} is not a valid point ID, "
        "valid values are either an unsigned integer or a UUID",
    )
