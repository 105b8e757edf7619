"""From a panel to blocks: causal gap filling, trailing spike removal, fixed-size padded tiles."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.fleet.calendar import calendar_features
from capforecast.forecast.base import TILE, Array, Block, Index, Mask
from capforecast.schema import METRIC, Cadence, Panel
from capforecast.settings import CalendarSettings, ForecastSettings

_HEAD_WEEKS = {Cadence.DAILY: 4, Cadence.HOURLY: 1}  # first weeks whose shape stands in before the first observation


def recent(panel: Panel, settings: ForecastSettings) -> Panel:
    """The panel cut to the history the engine looks at."""
    longest = settings.history_days if panel.cadence is Cadence.DAILY else settings.history_hours
    if len(panel.timestamps) <= longest:
        return panel
    return Panel(panel.values[-longest:], panel.timestamps[-longest:], panel.series, panel.cadence)


def observations(panel: Panel, columns: Index) -> Array:
    """Some series of a panel, float64 [T, n]; what is not finite counts as missing."""
    values = panel.values[:, columns].astype(np.float64)
    values[np.isinf(values)] = np.nan
    return values


def first_rows(values: npt.NDArray[np.floating[Any]]) -> Index:
    """Row of the first observation [N]; the number of rows where there is none."""
    seen = np.isfinite(values)
    return np.where(seen.any(axis=0), seen.argmax(axis=0), len(values)).astype(np.int64)


def fill(values: Array, birth: Index, cadence: Cadence) -> Array:
    """Gaps of [T, N] filled causally: with the value a week before, before the first weeks with their usual shape."""
    week = 7 * cadence.per_day
    filled = values.copy()
    _fill_heads(filled, birth, week, _HEAD_WEEKS[cadence])
    _repeat_weeks(filled, week)
    return filled


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _fill_heads(filled: Array, birth: Index, week: int, weeks: int) -> None:
    """Write the first weeks' usual shape before each first observation and into gaps of the very first week."""
    total = len(filled)
    for j in range(filled.shape[1]):
        start = birth[j]
        if start >= total:
            filled[:, j] = 0.0
            continue
        end = min(start + week, total)
        if not np.isnan(filled[:end, j]).any():
            continue
        head = filled[start : start + weeks * week, j].copy()
        for slot in range(week):
            usual = np.nanmedian(head[slot::week]) if slot < len(head) else np.nan
            if np.isnan(usual):
                usual = np.nanmedian(head)
            for t in range((start + slot) % week, end, week):
                if np.isnan(filled[t, j]):
                    filled[t, j] = usual


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _repeat_weeks(filled: Array, week: int) -> None:
    for t in range(week, len(filled)):
        for j in range(filled.shape[1]):
            if np.isnan(filled[t, j]):
                filled[t, j] = filled[t - week, j]


def winsorise(values: Array, window: int = 7, spread: int = 29, limit: float = 4.0) -> Array:
    """Daily values [T, N] cut to the trailing `window`-day median +- `limit` scaled deviations of `spread` days.

    Windows end at the row itself, so one pass serves every origin.
    """
    centre = trailing_median(values, window)
    band = limit * 1.4826 * trailing_median(np.abs(values - centre), spread)
    return np.asarray(centre + np.clip(values - centre, -band, band))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def trailing_median(values: Array, window: int) -> Array:
    """Median of the last `window` (odd) rows of [T, N] at each row; before the first row its values repeat."""
    total, width = values.shape
    out = np.empty((total, width))
    before, row = np.empty(width), np.empty(width)
    ordered = np.empty((window + 1, width))  # each column's window in order, and infinity
    ordered[:window] = values[0]
    ordered[window] = np.inf
    for t in range(total):
        before[:] = -np.inf
        leaving = values[max(t - window, 0)]
        for i in range(window):
            row[:] = ordered[i]
            _replaced(before, row, ordered[i + 1], leaving, values[t], ordered[i])
            before[:] = row
        out[t] = ordered[window // 2]
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _replaced(before: Array, row: Array, after: Array, leaving: Array, coming: Array, out: Array) -> None:
    """One row of sorted columns once one value of each column has been replaced, from it and the rows beside it, [N].

    Without a branch, so that the compiler makes vector instructions of it.
    """
    for j in range(len(row)):
        new, old, here = coming[j], leaving[j], row[j]
        lower = min(max(before[j], new), here) if here <= old else here
        upper = max(min(after[j], new), here) if here >= old else here
        out[j] = upper if new > old else lower


def calendar_of(panel: Panel, horizon: int, settings: CalendarSettings) -> pd.DataFrame:
    """Calendar features of the panel's timestamps and the `horizon` that follow."""
    step = panel.cadence.step
    ahead = pd.date_range(panel.timestamps[-1] + step, periods=horizon, freq=step)
    timestamps = panel.timestamps.append(ahead)
    return calendar_features(timestamps, settings)


Memo = dict[Hashable, Any]  # what no series changes; shared by the blocks of one panel and one tuple of origins


def block_of(
    values: Array, cadence: Cadence, origins: tuple[int, ...], horizon: int, calendar: pd.DataFrame, memo: Memo
) -> Block:
    """Series [T, n] as a block, padded to whole tiles; what stands beyond column n - 1 is of no use."""
    width = values.shape[1]
    padded = np.zeros((len(values), -(-max(width, 1) // TILE) * TILE))
    padded[:, :width] = values
    observed: Mask = np.isfinite(padded)
    birth = first_rows(padded)
    filled = fill(padded, birth, cadence)
    clean = winsorise(filled) if cadence is Cadence.DAILY else filled
    return Block(filled, observed, clean, birth, origins, horizon, calendar, cadence, memo=memo)


def tiles(columns: Index, size: int) -> list[Index]:
    """Columns cut into pieces of whole tiles, at most `size` (rounded up) each, in order."""
    step = -(-size // TILE) * TILE
    return [columns[start : start + step] for start in range(0, len(columns), step)]


def blocks(
    values: Array, cadence: Cadence, origins: tuple[int, ...], horizon: int, calendar: pd.DataFrame, size: int
) -> Iterator[tuple[slice, Block]]:
    """Blocks of at most `size` series (rounded up to whole tiles) with their place."""
    memo: Memo = {}
    for columns in tiles(np.arange(values.shape[1]), size):
        place = slice(int(columns[0]), int(columns[-1]) + 1)
        yield place, block_of(values[:, place], cadence, origins, horizon, calendar, memo)


def group_numbers(series: pd.DataFrame) -> Index:
    """Number of the pool each series belongs to, [N]: metric and statistic."""
    pool = (series[METRIC].astype(str) + "|" + series["statistic"].astype(str)).to_numpy(dtype=object)
    return np.unique(pool, return_inverse=True)[1].astype(np.int64).reshape(-1)
