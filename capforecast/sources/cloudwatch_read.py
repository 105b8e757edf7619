"""All batches of a window, a few at a time, and their values as one table."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.errors import SourceError, SourceRefusedError
from capforecast.schema import SERVER_ID, TIMESTAMP, Cadence
from capforecast.sources import cloudwatch_data
from capforecast.sources.cloudwatch_batches import COLUMN, Batch
from capforecast.sources.cloudwatch_calls import Calls, Counts, Place
from capforecast.sources.cloudwatch_data import Got, Values
from capforecast.sources.remote import Pace, Window

IN_A_ROW = 3  # requests of one account and region that fail, each after all its retries, before the rest is not tried


@dataclass(frozen=True)
class Read:
    """A batch that was asked for: values by row of the table of series, why others failed, and what else was said."""

    rows: dict[int, Values]
    failed: dict[int, str]
    got: Got


def read_all(calls: Calls, plan: list[Batch], cadence: Cadence, counts: Counts, pace: Pace, at_once: int) -> list[Read]:
    """Of each batch the values by row, why rows failed, and what else was said; a few batches at a time."""
    down = _Down()

    def one(batch: Batch) -> Read:
        got = down.answer(batch) or cloudwatch_data.ask(calls, batch, counts, pace)
        down.learn(batch.place, got)
        rows, failed = dict[int, Values](), dict[int, str]()
        for each in batch.series:
            reasons = [got.failed[query] for query in each.queries if query in got.failed]
            if reasons:
                failed[each.row] = reasons[0]
            else:
                rows[each.row] = cloudwatch_data.series_values(each, got, batch.span, cadence)
        got.values.clear()
        return Read(rows, failed, got)

    with ThreadPoolExecutor(at_once, thread_name_prefix="cloudwatch") as threads:
        try:
            return list(threads.map(one, plan))
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise


class _Down:
    """Places whose requests failed several times in a row, each after all retries: the rest is not tried any more."""

    def __init__(self) -> None:
        self._failed: dict[Place, tuple[int, SourceError]] = {}
        self._lock = threading.Lock()

    def answer(self, batch: Batch) -> Got | None:
        """What to say of a batch without asking; None = ask."""
        with self._lock:
            count, error = self._failed.get(batch.place, (0, None))
        if error is None or (count < IN_A_ROW and not isinstance(error, SourceRefusedError)):
            return None
        return Got(failed=dict.fromkeys(batch.queries, str(error)), problem=error)

    def learn(self, place: Place, got: Got) -> None:
        """How a batch went."""
        with self._lock:
            if got.problem is None:
                self._failed.pop(place, None)
            else:
                self._failed[place] = (self._failed.get(place, (0, got.problem))[0] + 1, got.problem)


def observations(
    series: pd.DataFrame, values: npt.NDArray[np.float32], window: Window, cadence: Cadence
) -> pd.DataFrame:
    """Wide rows, sorted by server and time; none without a value."""
    servers = np.array(sorted(series[SERVER_ID].unique()), dtype=object)
    place = pd.Index(servers).get_indexer(series[SERVER_ID])
    periods = values.shape[1]
    columns = {}
    for column in sorted(series[COLUMN].unique()):
        mine = (series[COLUMN] == column).to_numpy(dtype=bool)
        grid = np.full((len(servers), periods), np.nan, dtype=np.float32)
        grid[place[mine]] = values[mine]
        columns[column] = grid.ravel()
    times = pd.date_range(window.since, periods=periods, freq=cadence.step, unit="us")
    keep = np.zeros(len(servers) * periods, dtype=bool)
    for each in columns.values():
        keep |= np.isfinite(each)
    at = np.flatnonzero(keep)
    named = pd.Series(servers[at // periods] if periods else servers[:0], dtype="str")
    frame = pd.DataFrame({SERVER_ID: named, TIMESTAMP: times[at % periods] if periods else times[:0]})
    return frame.assign(**{column: each[at] for column, each in columns.items() if np.isfinite(each).any()})
