"""What can go wrong at the embedding service.

ServiceUnavailableError
└── EmbeddingUnavailableError    no connection, no answer in time, or it says that it cannot serve now
TransientError
└── EmbeddingBusyError           it broke over the request
PermanentError
└── EmbeddingRefusedError        the request is refused, or the vectors cannot be right
    └── EmbeddingItemError       ... because of one text, whose position is known
"""

from searchapp.errors import PermanentError, ServiceUnavailableError, TransientError


class EmbeddingUnavailableError(ServiceUnavailableError):
    """Raise when the service cannot be reached, does not answer in time, or says that it cannot serve now."""


class EmbeddingBusyError(TransientError):
    """Raise when the service broke over the request (500 and the like)."""


class EmbeddingRefusedError(PermanentError):
    """Raise when the service refuses the request, or answers with vectors that cannot be right."""


class EmbeddingItemError(EmbeddingRefusedError):
    """Raise when one text is at fault and its neighbours are not.

    Args:
        code: as of every error.
        detail: as of every error.
        position: place of the text among those that were to be embedded.
    """

    def __init__(self, code: str, detail: str = "", position: int = 0) -> None:
        super().__init__(code, detail)
        self.position = position

    def __reduce__(self) -> tuple[type["EmbeddingItemError"], tuple[object, ...]]:
        return type(self), (self.code, self.detail, self.position)
