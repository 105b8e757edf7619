"""Asks Prometheus for values of periods, in pieces that it can bear; what is too heavy is halved until it passes.

The value of the period [t, t + step) is that of a range query at t + step (sources/promql.py). Statistics are computed
by the server, or here of the expression's single values, by the same rule, where the settings say so and where the
server cannot do it for one server and one period.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.errors import SourceError, SourceRefusedError
from capforecast.schema import Cadence, FloatArray
from capforecast.settings_sources import PrometheusSettings
from capforecast.sources.http import Work
from capforecast.sources.prometheus_api import Api, Reply, Series, TooMuchError, WrongQueryError
from capforecast.sources.prometheus_asks import Ask, Identity
from capforecast.sources.prometheus_values import Values, empty, gathered, statistic_of
from capforecast.sources.promql import over_period
from capforecast.sources.remote import Missed, Window

MOST_VALUES = 500_000  # of one answer: about 12 MB of JSON
_TRIES = 8  # servers that fail one by one, and none passes: then the whole column is given up


@dataclass(frozen=True)
class Piece:
    """One question: a statistic of some servers in some periods."""

    ask: Ask
    column: str
    statistic: str
    servers: tuple[Identity, ...]
    window: Window

    def halves(self, step: pd.Timedelta, *, in_time: bool = True) -> tuple[Piece, ...]:
        """Two smaller questions: half the servers, else half the periods; none where it is the smallest."""
        if len(self.servers) > 1 and self.ask.divisible:
            middle = len(self.servers) // 2
            return replace(self, servers=self.servers[:middle]), replace(self, servers=self.servers[middle:])
        periods = (self.window.until - self.window.since) // step
        if periods < 2 or not in_time:
            return ()
        cut = self.window.since + periods // 2 * step
        return tuple(replace(self, window=w) for w in (Window(self.window.since, cut), Window(cut, self.window.until)))


@dataclass
class _Column:
    """What is known of asking for one column: how much passes at a time, what failed at the smallest."""

    limit: float
    failed: int = 0
    passed: int = 0
    given_up: str = ""


class Reader:
    """Reads statistics of periods.  minutes: between the values that a period's statistic is of."""

    def __init__(self, api: Api, settings: PrometheusSettings, cadence: Cadence, minutes: int) -> None:
        self.api, self.settings, self.cadence, self.minutes = api, settings, cadence, minutes
        self.each = int(cadence.step / pd.Timedelta(minutes=minutes))  # values of a period
        self.lock = threading.Lock()

    def pieces(self, asks: Iterable[Ask], series: pd.DataFrame, window: Window) -> list[Piece]:
        """Questions for all series (server_id, column, ask, identity) in the window."""
        by_key, made = {ask.key: ask for ask in asks}, []
        for (key, column), rows in series.groupby(["ask", "column"], sort=True):
            servers = tuple(sorted(rows["identity"]))
            whole = Piece(by_key[str(key)], str(column), str(column).rpartition("_")[2], servers, window)
            made += self._cut(whole)
        return made

    def read(self, pieces: list[Piece], series: pd.DataFrame, window: Window, work: Work) -> Values:
        """Ask all of it. Raises SourceError where nothing at all was answered, SourceRefusedError."""
        self.values = empty(series, window, self.cadence)
        self.rows = {name: row for row, name in enumerate(self.values.server_ids)}
        self.ids = dict(zip(zip(series["ask"], series["identity"], strict=True), series["server_id"], strict=True))
        self.columns = {column: _Column(float("inf")) for column in self.values.tables}
        self.work = work
        with ThreadPoolExecutor(self.settings.at_once, "prometheus") as pool:
            for _ in pool.map(self._run, pieces):
                pass
        missed = self.values.missed
        if missed and not work.answered:
            raise SourceError(missed[0].reason)
        self.values.missed = gathered(missed)
        return self.values

    def _cut(self, whole: Piece) -> list[Piece]:
        """Pieces within the limits: values gone through, points of a series, values of an answer."""
        settings, step = self.settings, self.cadence.step
        each = self.each if settings.aggregate == "here" else 1
        most = max(1, settings.max_points // each)
        periods = (whole.window.until - whole.window.since) // step
        length = min(periods, most)
        cells = max(1, min(settings.max_samples // self.each, MOST_VALUES // each))
        count = max(1, cells // length) if whole.ask.divisible else len(whole.servers)
        length = max(1, min(length, cells // min(count, len(whole.servers))))
        windows = [
            Window(whole.window.since + begin * step, whole.window.since + min(begin + length, periods) * step)
            for begin in range(0, periods, length)
        ]
        parts = [whole.servers[begin : begin + count] for begin in range(0, len(whole.servers), count)]
        return [replace(whole, servers=servers, window=window) for window in windows for servers in parts]

    def _run(self, piece: Piece) -> None:
        state, step = self.columns[piece.column], self.cadence.step
        size = len(piece.servers) * ((piece.window.until - piece.window.since) // step)
        if state.given_up:
            self._miss(piece, state.given_up)
            return
        if size > state.limit and (halves := piece.halves(step)):
            self._each(halves)
            return
        fetch = self._fetch_here if self.settings.aggregate == "here" else self._fetch
        try:
            self._ask(fetch, piece)
        except TooMuchError as error:
            state.limit = min(state.limit, max(1, size // 2))
            if halves := piece.halves(step):
                self._each(halves)
            elif not self._as_last(piece):
                self._fail(piece, str(error))
        except WrongQueryError as error:
            if error.everywhere:
                state.given_up = str(error)
            if (halves := piece.halves(step, in_time=False)) and not error.everywhere:
                self._each(halves)
            else:
                self._fail(piece, str(error))
        except SourceRefusedError:
            raise
        except SourceError as error:
            self._miss(piece, str(error))

    def _each(self, halves: tuple[Piece, ...]) -> None:
        for half in halves:
            self._run(half)

    def _as_last(self, piece: Piece) -> bool:
        """Ask for the single values of what is too heavy as a subquery."""
        if self.settings.aggregate == "here":
            return False
        try:
            self._ask(self._fetch_here, piece)
        except SourceRefusedError:
            raise
        except SourceError:
            return False
        return True

    def _ask(self, fetch: Callable[[Piece], None], piece: Piece) -> None:
        fetch(piece)
        self.columns[piece.column].passed += 1

    def _fail(self, piece: Piece, reason: str) -> None:
        """The smallest question did not pass."""
        state = self.columns[piece.column]
        state.failed += 1
        if state.failed >= _TRIES and not state.passed:
            state.given_up = reason
        self._miss(piece, reason)

    def _miss(self, piece: Piece, reason: str) -> None:
        names = tuple(sorted({self.ids[piece.ask.key, identity] for identity in piece.servers}))
        with self.lock:
            self.values.missed.append(Missed(piece.window, reason, names, piece.column))

    def _fetch(self, piece: Piece) -> None:
        """Statistics computed by the server."""
        step, window = self.cadence.step, piece.window
        expression = piece.ask.query(self.settings, piece.servers)
        query = over_period(piece.statistic, expression, self.cadence, self.minutes)
        reply = self.api.range(query, window.since + step, window.until, step, self.work)
        self._keep(piece, self._table(piece, reply, step, (window.until - window.since) // step))

    def _fetch_here(self, piece: Piece) -> None:
        """Single values from the server, their statistics computed here."""
        step, window = pd.Timedelta(minutes=self.minutes), piece.window
        expression = piece.ask.query(self.settings, piece.servers)
        reply = self.api.range(expression, window.since + step, window.until, step, self.work)
        single = self._table(piece, reply, step, (window.until - window.since) // step)
        self._keep(piece, statistic_of(piece.statistic, single.reshape(len(single), -1, self.each)))

    def _table(self, piece: Piece, reply: Reply, step: pd.Timedelta, points: int) -> FloatArray:
        """Values of an answer, float64 [servers of the piece, points]; what is no number is nothing."""
        table = np.full((len(piece.servers), points), np.nan)
        row_of = {identity: row for row, identity in enumerate(piece.servers)}
        first, width = (piece.window.since + step).timestamp(), step.total_seconds()
        remarks, seen = set(reply.remarks), set()
        for labels, at, values in map(self._numbers, reply.series):
            row = row_of.get(tuple(labels.get(name, "") for name in piece.ask.by))
            if row is None:
                if not any(labels.get(name) for name in piece.ask.by):
                    remarks.add(f"{piece.column}: a series without the label {piece.ask.by[0]} was left out")
                continue
            if row in seen:
                remarks.add(f"{piece.column}: several series of one server, the largest value was taken; "
                            "aggregate them in remote.prometheus.metrics by $by")  # fmt: skip
            seen.add(row)
            at = (at - first) / width
            place = np.rint(at).astype(np.int64)
            if (np.abs(at - place) * width > 1).any() or place.min(initial=0) < 0 or place.max(initial=0) >= points:
                raise SourceError(f"{self.settings.url}: answered for other times than were asked: a cache in between "
                                  "moves them to its steps")  # fmt: skip
            table[row, place] = np.fmax(table[row, place], values)
        endless = np.abs(table) > np.finfo(np.float32).max  # as the lake keeps them
        if endless.any():
            remarks.add(f"{piece.column}: infinite values were left out")
            table[endless] = np.nan
        with self.lock:
            self.values.remarks |= remarks
        return table

    def _numbers(self, one: Series) -> tuple[dict[str, str], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Labels, seconds and values of one series; raises SourceError for what is none."""
        try:
            labels, pairs = one
            at = np.array([pair[0] for pair in pairs], dtype=np.float64)
            return labels, at, np.array([float(pair[1]) for pair in pairs])
        except (TypeError, ValueError, LookupError):
            raise SourceError(f"{self.settings.url}: answered with something else than series of numbers") from None

    def _keep(self, piece: Piece, table: npt.NDArray[np.floating]) -> None:
        """Enter values; where two series stand for one server, the larger one (said by discover)."""
        step = self.cadence.step
        begin = (piece.window.since - self.values.periods[0]) // step
        rows = [self.rows[self.ids[piece.ask.key, identity]] for identity in piece.servers]
        target = self.values.tables[piece.column]
        with self.lock:
            for row, values in zip(rows, table.astype(np.float32), strict=True):
                part = target[row, begin : begin + len(values)]
                np.fmax(part, values, out=part)
