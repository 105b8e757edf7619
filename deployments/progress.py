"""Where a command is, on standard error: a bar in a terminal, plain lines elsewhere; and what an interruption left."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from capforecast.schema import FLEET
from deployments.console import err

APART = 1.0  # seconds between plain lines
MOST_NAMED = 8  # business units named after an interruption
Show = Callable[[int, int | None, str], None]  # finished stages, of how many (None = not known yet), at work on


class Follower(logging.Handler):
    """Follows a command by the events in our log records, and keeps what is finished."""

    def __init__(self, show: Show, tell: Callable[[str], None] = lambda text: None) -> None:
        """`show` is called whenever there is news; `tell` with what keeps the command waiting."""
        super().__init__(logging.INFO)
        self._show, self._tell = show, tell
        self._total: int | None = None
        self._finished: dict[str, list[str]] = {}  # stages by business unit
        self._date = ""  # of a backfill: the one at work, and which of how many
        self._dates: list[str] = []  # that are done

    def emit(self, record: logging.LogRecord) -> None:
        """Follow one record."""
        event = getattr(record, "event", None)
        if getattr(record, "ahead", False):  # work for later dates of a backfill
            return
        if event == "date_started":
            self._date = f"{_of(record, 'as_of')} ({_of(record, 'number')} of {_of(record, 'dates')}) "
            self._total, self._finished = None, {}
        elif event == "date_done" and _of(record, "status") in ("done", "already done"):
            self._dates.append(_of(record, "as_of"))
        elif event == "waiting":
            self._tell(record.getMessage())
        elif event == "units":
            self._total = getattr(record, "stages", None)
        elif event in ("stage_started", "stage_done", "stage_reused"):
            stage, unit = getattr(record, "stage", ""), getattr(record, "business_unit", FLEET)
            if event != "stage_started":
                self._finished.setdefault(unit, []).append(stage)
            done = sum(map(len, self._finished.values()))
            self._show(done, self._total, self._date + (stage if unit == FLEET else f"{unit} {stage}"))

    def finished(self) -> str:
        """What was finished, in words: `finished: ingest; retail: validate, train`."""
        parts = [
            ", ".join(stages) if unit == FLEET else f"{unit}: {', '.join(stages)}"
            for unit, stages in self._finished.items()
        ]
        more = f"; and stages of {len(parts) - MOST_NAMED} more" if len(parts) > MOST_NAMED else ""
        told = f"finished: {'; '.join(parts[:MOST_NAMED])}{more}" if parts else "nothing was finished yet"
        if not self._date:
            return told
        dates = ", ".join(self._dates[-MOST_NAMED:]) or "none"
        return f"{len(self._dates)} dates are done ({dates}); {self._date.strip()}: {told}"


def _of(record: logging.LogRecord, name: str) -> str:
    return str(getattr(record, name, ""))


@contextmanager
def shown(first: str, *, quiet: bool = False, of: str = "stages") -> Iterator[None]:
    """Show where a command is while it goes, beginning with `first`; when it is interrupted, say what was finished.

    quiet: show nothing (something else does), but still say what was finished.  of: what is counted.
    """
    with _bar(first) if err.is_terminal and not quiet else _lines(first, quiet, of) as show:
        follower, library = Follower(show, lambda text: _tell(text, quiet)), logging.getLogger("capforecast")
        before = library.level
        library.addHandler(follower)
        if library.getEffectiveLevel() > logging.INFO:
            library.setLevel(logging.INFO)
        try:
            yield
        except KeyboardInterrupt:
            err.print(follower.finished(), markup=False, soft_wrap=True)
            raise
        finally:
            library.removeHandler(follower)
            library.setLevel(before)


def _tell(text: str, quiet: bool) -> None:
    if not quiet:
        err.print(text, markup=False, soft_wrap=True)


@contextmanager
def _bar(first: str) -> Iterator[Show]:
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn())  # fmt: skip
    with Progress(*columns, console=err, transient=True) as progress:
        bar = progress.add_task(first, total=None)

        def show(done: int, total: int | None, text: str) -> None:
            progress.update(bar, completed=done, total=total, description=text)

        yield show


@contextmanager
def _lines(first: str, quiet: bool, counted: str) -> Iterator[Show]:
    last = time.monotonic()

    def show(done: int, total: int | None, text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if not quiet and (now - last >= APART or done == total):
            last = now
            of = "" if total is None else f" of {total}"
            err.print(f"{done}{of} {counted} done, at {text}", markup=False, soft_wrap=True)

    if not quiet:
        err.print(first, markup=False)
    yield show


class _Detail(logging.Handler):
    """Shows what a model logs of its own progress beside the bar."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(logging.INFO)
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        """Follow one record."""
        if getattr(record, "event", None) == "progress":
            self._progress.update(self._progress.task_ids[0], detail=record.getMessage())


@contextmanager
def steps(total: int) -> Iterator[Any]:
    """A bar on standard error, a step per model and origin; plain lines where that is no terminal."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn(), TextColumn("{task.fields[detail]}", style="dim"))  # fmt: skip
    in_terminal = err.is_terminal
    with Progress(*columns, console=err, transient=True, disable=not in_terminal) as progress:
        bar = progress.add_task("reading", total=total, detail="")
        done = -1
        handler, library = _Detail(progress), logging.getLogger("capforecast")
        before = library.level
        library.addHandler(handler)
        library.setLevel(logging.INFO)

        def on_step(name: str, origin: pd.Timestamp) -> None:
            nonlocal done
            done += 1
            text = f"{name} from {origin:%Y-%m-%d %H:%M}".removesuffix(" 00:00")
            progress.update(bar, completed=done, description=text, detail="")
            if not in_terminal:
                err.print(f"{done + 1} of {total}: {text}", markup=False)

        try:
            yield on_step
        finally:
            library.removeHandler(handler)
            library.setLevel(before)
