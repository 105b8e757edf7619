"""Spikes and level shifts, marked from the past alone: what is marked at t is known at t.

Each value is compared with the same phase of the seasons before it (median), in units of how far values usually stray
from that: robust z by the median absolute deviation, after Iglewicz & Hoaglin (1993), or by the 95 % quantile of the
strays where that is more, so that bursts are no anomalies of a series that often bursts. A spike strays by itself. A
shift is a run of values that has moved as a whole: medians of the last and of the earlier values are compared, as in
two-sample median tests for change points (Page 1954 for the idea of watching a process), dated when the run is long
enough to tell, with an estimate of when it began.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.fleet.anomaly_kernels import Limits, Whole, Windows, mark_series
from capforecast.schema import BoolArray, Cadence, FloatArray

_BYTES = 64_000_000  # of one block's tables at a time

WINDOWS = {
    Cadence.DAILY: Windows(season=7, seasons=5, short=7, shorts=5, level=35, run=8, before=28, scale=56, least=21),
    Cadence.HOURLY: Windows(
        season=168, seasons=3, short=24, shorts=7, level=168, run=48, before=168, scale=336, least=48
    ),
}
LIMITS = Limits(spike_z=4.5, spike_tail=1.5, shift_z=3.0, shift_tail=1.0, shift_share=0.1)


@dataclass(frozen=True)
class Marks:
    """spikes, shifts: bool [T, N]; a shift is marked once, at the first period at which it could be told; a value that
    tells a shift is no spike.

    began: int [T, N], where `shifts` is true the estimated row of the shift's first period, else -1.
    usual, sizes: float32 [T, N], in the series' unit, where a mark stands, else NaN: of a spike the value expected then
    and how far the one seen lies from it; of a shift the level before and how far it moved.
    """

    spikes: BoolArray
    shifts: BoolArray
    began: npt.NDArray[np.int32]
    usual: FloatArray
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
    marks = Marks(
        spikes=np.zeros(panel.shape, dtype=np.bool_),
        shifts=np.zeros(panel.shape, dtype=np.bool_),
        began=np.full(panel.shape, -1, dtype=np.int32),
        usual=np.full(panel.shape, np.nan, dtype=np.float32),
        sizes=np.full(panel.shape, np.nan, dtype=np.float32),
    )
    for columns in _slices(panel) if panel.size else ():
        block = np.ascontiguousarray(panel[:, columns].T, dtype=np.float64)  # [N, T]: windows lie in one piece
        spikes, shifts = np.zeros(block.shape, dtype=np.bool_), np.zeros(block.shape, dtype=np.bool_)
        began = np.full(block.shape, -1, dtype=np.int64)
        usual, sizes = np.full(block.shape, np.nan), np.full(block.shape, np.nan)
        mark_series(block, WINDOWS[cadence], LIMITS, spikes, shifts, began, usual, sizes)
        marks.spikes[:, columns], marks.shifts[:, columns], marks.began[:, columns] = spikes.T, shifts.T, began.T
        marks.usual[:, columns], marks.sizes[:, columns] = usual.T, sizes.T
    return marks


def _slices(panel: npt.NDArray[np.generic]) -> Iterator[slice]:
    width = max(_BYTES // max(len(panel) * 40, 1), 1)
    for start in range(0, panel.shape[1], width):
        yield slice(start, start + width)
