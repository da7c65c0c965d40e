"""One readable line per log record, with the context that was passed in ``extra``."""

import logging

# What logging itself and libraries put there. A request is shown with its address, and so with the question.
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "data", "color_message", "request"}


class LineFormatter(logging.Formatter):
    """Format ``time LEVEL logger: message key=value …``; values from ``extra`` follow the message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        """Return the line without the traceback, which `logging.Formatter.format` appends."""
        line = super().formatMessage(record)
        context = [f"{key}={value}" for key, value in record.__dict__.items() if key not in _STANDARD]
        return " ".join([line, *context])
