"""Log lines of the Lambda function: one JSON object each, with the id of the request they belong to."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

OURS = ("capforecast", "deployments")
_USUAL = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """A record as one line of JSON: time, level, logger, message, request_id, and what was given as `extra`.

    The request is kept here, not in the thread: leases are renewed, and units computed, in threads of their own.
    """

    request_id = ""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": self.request_id,
        }
        line |= {name: value for name, value in vars(record).items() if name not in _USUAL and name not in line}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


_FORMATTER = JsonLines()


class _Lines(logging.StreamHandler[Any]):
    """To standard output as it is now: CloudWatch takes every line of it as an event."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stdout  # not setStream: it flushes the one before, which may be closed
        super().emit(record)


_HANDLER = _Lines(sys.stdout)
_HANDLER.setFormatter(_FORMATTER)


def begin(request_id: str, level: str = "INFO") -> None:
    """Write the lines of this request, in place of what the runtime has set up; other libraries' from WARNING on."""
    _FORMATTER.request_id = request_id
    root = logging.getLogger()
    root.handlers[:] = [_HANDLER]
    root.setLevel(logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(level)
