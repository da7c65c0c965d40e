"""The errors every room raises, in one tree.

    IsoglossError
    ├── TransientError      trying again later may help: a service is busy, slow or failed once
    │   └── ServiceUnavailableError    a service as a whole does not answer; waiting is all one can do
    └── PermanentError      trying again cannot help: the input or the configuration is wrong

Each room derives its own errors from these two and wraps the errors of its libraries, so that a
caller decides between "try again" and "tell the person" without knowing any library.
"""


class IsoglossError(Exception):
    """Carry a stable code for machines and translations, and a detail for staff.

    Args:
        code: short snake_case name of what went wrong, e.g. ``pdf_encrypted``. It is stored with the
            document and mapped to a translated sentence, so it never changes once released.
        detail: what staff need to find the cause. Never shown to ordinary users. What no database takes (NUL, halves of
            letters) is replaced: it may hold the words of a broken service.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        self.code = code
        self.detail = detail.replace("\0", "\ufffd").encode(errors="replace").decode()
        super().__init__(f"{code}: {self.detail}" if detail else code)

    def __reduce__(self) -> tuple[type["IsoglossError"], tuple[object, ...]]:
        return type(self), (self.code, self.detail)


class TransientError(IsoglossError):
    """Raise for what may pass by itself; the work is tried again."""


class PermanentError(IsoglossError):
    """Raise for what stays wrong until a person changes something."""


class ServiceUnavailableError(TransientError):
    """Raise when a whole service does not answer: no fault of the work at hand, so it waits uncounted."""
