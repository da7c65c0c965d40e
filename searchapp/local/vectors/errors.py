"""Say no to a request, or to a start, in one sentence.

PermanentError
├── RequestError 400            the request is wrong; ``detail`` is what the client reads
│   ├── NotFoundError 404
│   ├── ConflictError 409
│   └── UnsupportedError 501    right for a Qdrant server, but not spoken here
└── DataDirError                the data folder cannot be used; the program ends
TransientError
└── EngineError 503             the engine could not do it now; trying again may help
"""

from searchapp.errors import PermanentError, TransientError


class RequestError(PermanentError):
    status = 400


class NotFoundError(RequestError):
    status = 404


class ConflictError(RequestError):
    status = 409


class UnsupportedError(RequestError):
    status = 501


class DataDirError(PermanentError):
    pass


class EngineError(TransientError):
    status = 503
