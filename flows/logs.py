"""The library's log lines, seen in Prefect."""

from __future__ import annotations

import logging

from prefect.logging.handlers import APILogHandler


def library_logs_to_prefect() -> None:
    """Show the library's log lines in the Prefect log, also when PREFECT_LOGGING_EXTRA_LOGGERS is not set."""
    library = logging.getLogger("capforecast")
    if not any(isinstance(handler, APILogHandler) for handler in library.handlers):
        library.addHandler(APILogHandler())
    if library.level == logging.NOTSET or library.level > logging.INFO:
        library.setLevel(logging.INFO)
    logging.getLogger("prefect.task_runs").addFilter(_without_timeout_notice)


def _without_timeout_notice(record: logging.LogRecord) -> bool:
    """Every task in a thread is told that its timeout waits for the current array operation to end: once is enough."""
    return "Timeouts in worker threads" not in record.getMessage()
