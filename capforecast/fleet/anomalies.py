"""Spikes and level shifts, marked from the past alone: what is marked at t is known at t.

Each value is compared with the same phase of the seasons before it (median), in units of how far values usually stray
from that (median absolute deviation): robust z, after Iglewicz & Hoaglin (1993). A spike strays by itself. A shift is
a run of values that has moved as a whole: medians of the last and of the earlier values are compared, as in
two-sample median tests for change points (Page 1954 for the idea of watching a process), dated when the run is long
enough to tell, with an estimate of when it began.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.schema import BoolArray, Cadence, FloatArray

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

SPIKE_Z = 5.0  # robust z from which a single value is a spike
SHIFT_Z = 3.0  # distance of medians, in units of usual scatter, from which a run is a shift
SHIFT_SHARE = 0.1  # and as a share of the level: smaller moves do not matter for capacity
_TO_SIGMA = 1.4826  # median absolute deviation of a normal value to its standard deviation
_FLOOR = 0.005  # scatter is at least this share of the level: a series that hardly moves is not all anomalies
_ALONE = 3  # a value like the middle of the last three belongs to a run, it is no spike
_MOST = 0.75  # of a run's values lie beyond the middle between the levels: it moved as a whole
_BYTES = 64_000_000  # of one sorted window at a time


@dataclass(frozen=True)
class Windows:
    """Periods. season: lag of like with like; seasons: how many of them are looked at; level: values around which a
    season swings; run: values that must have moved; before: values they are compared with; scale: values that tell
    the usual scatter; stride: long medians are taken anew every so many periods, and hold until then."""

    season: int
    seasons: int
    level: int
    run: int
    before: int
    scale: int
    stride: int

    @property
    def reach(self) -> int:
        """How far back a mark looks."""
        return self.level + self.season * self.seasons + self.run + self.before + self.scale


WINDOWS = {
    Cadence.DAILY: Windows(season=7, seasons=5, level=35, run=8, before=28, scale=56, stride=1),
    Cadence.HOURLY: Windows(season=168, seasons=3, level=168, run=48, before=168, scale=336, stride=6),
}


@dataclass(frozen=True)
class Marks:
    """spikes, shifts: bool [T, N]; a shift is marked once, at the first period at which it could be told.

    began: int [T, N], where `shifts` is true the estimated row of the shift's first period, else -1.
    sizes: float32 [T, N], where `shifts` is true how far the level moved, in the series' unit, else NaN.
    """

    spikes: BoolArray
    shifts: BoolArray
    began: npt.NDArray[np.int32]
    sizes: FloatArray

    def last_shift(self) -> Whole:
        """Estimated row [N] at which the last shift of each series began; -1 = none."""
        told: Whole = np.where(self.shifts, self.began, -1).max(axis=0, initial=-1).astype(np.int64)
        return told


def mark(values: npt.ArrayLike, timestamps: pd.DatetimeIndex, cadence: Cadence) -> Marks:
    """Marks of a panel [T, N] (NaN = missing) on a regular grid; a missing value is never marked.

    Rows after t change nothing at or before t, and values times a positive constant give the same marks. The first
    weeks of a series, too short to tell what is usual, have none.
    """
    panel = np.asarray(values)
    if panel.ndim != 2 or len(panel) != len(timestamps):
        raise ValueError(f"values {panel.shape} do not fit {len(timestamps)} timestamps; give [T, N]")
    spikes, shifts = np.zeros(panel.shape, dtype=np.bool_), np.zeros(panel.shape, dtype=np.bool_)
    began, sizes = np.full(panel.shape, -1, dtype=np.int32), np.full(panel.shape, np.nan, dtype=np.float32)
    for columns in _slices(panel, WINDOWS[cadence]) if panel.size else ():
        block = np.ascontiguousarray(panel[:, columns].T, dtype=np.float64)  # [N, T]: windows lie in one piece
        part = _mark(block, WINDOWS[cadence])
        spikes[:, columns], shifts[:, columns] = part[0].T, part[1].T
        began[:, columns], sizes[:, columns] = part[2].T, part[3].T
    return Marks(spikes, shifts, began, sizes)


def _slices(panel: npt.NDArray[np.generic], windows: Windows) -> Iterator[slice]:
    longest = max(windows.scale, windows.before, windows.run)
    width = max(_BYTES // max(len(panel) * longest * 8, 1), 1)
    for start in range(0, panel.shape[1], width):
        yield slice(start, start + width)


def _mark(values: Floats, windows: Windows) -> tuple[BoolArray, BoolArray, npt.NDArray[np.int32], Floats]:
    """spikes, shifts, began and sizes of series [N, T]."""
    level = sliding_median(values, windows.level, windows.stride)
    flat = values - _phase(values - level, windows)  # without the season
    before = _shifted(sliding_median(flat, windows.before, windows.stride), 1)
    stray = np.abs(flat - before)
    scatter = _TO_SIGMA * _shifted(sliding_median(stray, windows.scale, windows.stride), 1)
    floor = _FLOOR * np.abs(before)
    with np.errstate(invalid="ignore"):
        spikes = _spikes(flat, before, np.maximum(scatter, floor))
        shifts, began, sizes = _shifts(flat, scatter, windows)
    return spikes & ~np.isnan(values), shifts, began, sizes


def _phase(stray: Floats, windows: Windows) -> Floats:
    """What the same phase of earlier seasons usually adds to the level [N, T]; 0 where there are fewer than two."""
    earlier = np.full((windows.seasons, *stray.shape), np.nan)
    for turn in range(windows.seasons):
        earlier[turn] = _shifted(stray, (turn + 1) * windows.season)
    count = (~np.isnan(earlier)).sum(axis=0)
    return np.where(count >= 2, _middle(np.sort(earlier, axis=0), count, 0), 0.0)


def _spikes(flat: Floats, before: Floats, scatter: Floats) -> BoolArray:
    """Far from the level before, and from the values just before it: the second or third of a run is no spike."""
    near = _shifted(sliding_median(flat, _ALONE, least=2), 1)
    far = np.abs(flat - before) > SPIKE_Z * scatter
    alone: BoolArray = far & ~(np.abs(flat - near) <= SPIKE_Z * scatter)
    return alone


def _shifts(flat: Floats, scatter: Floats, windows: Windows) -> tuple[BoolArray, npt.NDArray[np.int32], Floats]:
    """Where [N, T] the last `run` values have moved as a whole against those before; began and sizes there."""
    now = sliding_median(flat, windows.run, windows.stride)
    old = _shifted(sliding_median(flat, windows.before, windows.stride), windows.run)
    usual = _shifted(scatter, windows.run - 1)  # as it was before the run
    size = now - old
    moved = (np.abs(size) > np.maximum(SHIFT_Z * usual, SHIFT_SHARE * np.abs(old))) & ~np.isnan(flat)
    half = old + size / 2
    place, time = np.nonzero(moved)
    moved[place, time] = _share_beyond(flat, half, np.sign(size), place, time, windows.run) >= _MOST
    start = _edges(moved, windows.run + windows.before // 2)
    began = np.full(flat.shape, -1, dtype=np.int32)
    place, time = np.nonzero(start)
    began[place, time] = time - _periods_since(flat, half, np.sign(size), place, time, windows.run)
    return start, began, np.where(start, size, np.nan)


def _recent(flat: Floats, half: Floats, side: Floats, place: Whole, time: Whole, count: int) -> Floats:
    """How far the last `count` values before each place and time [K] lie beyond the middle then, [K, count]."""
    rows = time[:, None] - np.arange(count)[::-1]
    seen = np.where(rows >= 0, flat[place[:, None], np.maximum(rows, 0)], np.nan)
    return np.asarray((seen - half[place, time][:, None]) * side[place, time][:, None])


def _share_beyond(flat: Floats, half: Floats, side: Floats, place: Whole, time: Whole, run: int) -> Floats:
    """Share [K] of the last `run` values observed that lie beyond the middle between old and new level."""
    recent = _recent(flat, half, side, place, time, run)
    return np.asarray((recent > 0).sum(axis=1) / np.maximum((~np.isnan(recent)).sum(axis=1), 1))


def _edges(moved: BoolArray, rest: int) -> BoolArray:
    """Where [N, T] `moved` is true after at least `rest` periods in which it was not."""
    count = np.zeros((len(moved), rest + 1 + moved.shape[1]), dtype=np.int32)
    np.cumsum(moved, axis=1, out=count[:, rest + 1 :])
    fresh: BoolArray = moved & (count[:, rest:-1] == count[:, : moved.shape[1]])
    return fresh


def _periods_since(flat: Floats, half: Floats, side: Floats, place: Whole, time: Whole, run: int) -> Whole:
    """How many periods before `time` [K] the run began: the split of the last 2 x run values that leaves the fewest
    on the wrong side of the middle."""
    recent = _recent(flat, half, side, place, time, 2 * run)
    over, under = (recent > 0).astype(np.int64), (recent < 0).astype(np.int64)
    wrong_before: Whole = np.cumsum(over, axis=1) - over  # values beyond, before the split
    wrong_after: Whole = np.cumsum(under[:, ::-1], axis=1)[:, ::-1]  # values short of it, from the split on
    return np.asarray(2 * run - 1 - (wrong_before + wrong_after).argmin(axis=1))


def sliding_median(values: Floats, window: int, stride: int = 1, least: int | None = None) -> Floats:
    """Median [N, T] of the last `window` values that were observed, itself included; NaN where fewer than `least`
    (half) were. Taken in every `stride`-th row and held until the next."""
    needed = (window + 1) // 2 if least is None else least
    padded = np.concatenate([np.full((len(values), window - 1), np.nan), values], axis=1)
    view = np.lib.stride_tricks.sliding_window_view(padded, window, axis=1)[:, ::stride]
    ordered = np.sort(view, axis=-1)  # NaN last
    count = (~np.isnan(ordered)).sum(axis=-1)
    medians = np.where(count >= max(needed, 1), _middle(ordered, count, -1), np.nan)
    return medians if stride == 1 else np.repeat(medians, stride, axis=1)[:, : values.shape[1]]


def _middle(ordered: Floats, count: Whole, axis: int) -> Floats:
    """Median of the first `count` values along an axis of sorted values."""
    low = np.expand_dims(np.maximum(count - 1, 0) // 2, axis)
    high = np.expand_dims(np.minimum(count // 2, ordered.shape[axis] - 1), axis)
    pair = np.take_along_axis(ordered, low, axis) + np.take_along_axis(ordered, high, axis)
    return np.squeeze(pair, axis=axis) / 2


def _shifted(values: Floats, lag: int) -> Floats:
    """Values [N, T] `lag` periods later; NaN where there is none."""
    if lag == 0:
        return values
    moved = np.full(values.shape, np.nan)
    moved[:, lag:] = values[:, :-lag]
    return moved
