"""The largest value of each series on joint sample paths: what a server must be able to carry, path by path.

The paths are those of joint.py, draw by draw: the peaks of one draw belong together, of the CPU and memory of a server,
and of all servers of a business unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.forecast.threads import in_threads
from capforecast.risk.joint import REPEATS, Drawing, _picked
from capforecast.schema import BoolArray, ErrorPaths, FloatArray

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Peaks:
    """values: float32 [J, N], largest of each draw over `length` periods, in the metric's unit.

    origins: UTC [J], repeat [J]: which draw, as in joint.Draws.
    """

    values: FloatArray
    origins: pd.DatetimeIndex
    repeat: Index
    length: int


def joint_peaks(
    errors: ErrorPaths, median: FloatArray, low: FloatArray, high: FloatArray, nearest_share: float, threads: int = 1
) -> Peaks | None:
    """Peaks of joint sample paths of the series of `errors`; None where fewer than FEWEST_PATHS can be drawn.

    median: float32 [H, N], forecast.  low, high: [N], physical range. Of hourly series the peak is the largest P95 of a
    day (linear quantile of its hours), as the tiers have it.
    """
    drawing = Drawing.prepared(errors, len(median), nearest_share)
    if drawing is None:
        return None
    middle = np.ascontiguousarray(median[: drawing.plan.length].T)
    origins, count, day = len(drawing.plan.origins), len(middle), errors.cadence.per_day
    peaks = np.empty((origins, REPEATS, count), dtype=np.float32)

    def work(k: int) -> None:
        paths, common, candidates, usable, then = drawing.of_origin(k)
        _peaks(
            peaks[k], paths, common, candidates, usable, then, drawing.now, middle, drawing.scale, low, high,
            drawing.keys, np.uint64(drawing.seeds[k]), drawing.stretch, drawing.tries, day,
        )  # fmt: skip

    in_threads(work, range(origins), threads, "peaks of joint paths")
    return Peaks(peaks.reshape(-1, count), *drawing.draws, drawing.plan.length)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _peaks(
    out: FloatArray, paths: FloatArray, common: Array, candidates: Index, usable: BoolArray, then: Array, now: Array,
    median: FloatArray, scale: Array, low: FloatArray, high: FloatArray, keys: npt.NDArray[np.uint64], seed: np.uint64,
    stretch: Array, tries: int, day: int,
) -> None:  # fmt: skip
    """Fill out [R, N] with the peaks of one origin's draws; days are of `day` periods, a rest of one does not count."""
    count, length = median.shape
    rank = 0.95 * (day - 1)
    lower = int(rank)
    hours = np.empty(day)
    for i in range(count):
        for r in range(len(stretch)):
            pick = _picked(i, keys[i], seed, r, candidates, usable, then, now, tries)
            more = (stretch[r] - 1.0) * scale[i]
            peak = -np.inf
            for first in range(0, length - day + 1, day):
                for h in range(day):
                    value = median[i, first + h] + scale[i] * paths[pick, first + h] + more * common[first + h]
                    hours[h] = min(max(value, low[i]), high[i])
                level = hours[0]
                if day > 1:
                    ordered = np.sort(hours)
                    level = ordered[lower] + (rank - lower) * (ordered[lower + 1] - ordered[lower])
                peak = max(peak, level)
            out[r, i] = peak
