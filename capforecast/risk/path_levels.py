"""What a run keeps of its sample paths for what-if questions: a few dozen levels by series and span of days.

A level answers for every threshold (level_kernels.py), so that a scenario that scales or lifts the load, moves a
threshold or a horizon is held against the same paths as the published probabilities. Kept beside them: the exact shares
of paths that breached the published thresholds by the end of each span, against which scenarios are calibrated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.risk.level_kernels import kept_levels
from capforecast.risk.passage import Bundle, Counts
from capforecast.risk.rule import Rule
from capforecast.schema import METRIC, SERVER_ID, Cadence, FloatArray
from capforecast.settings import Settings

MOST = 64  # sample paths kept of a series
LONGEST_SPAN = 8  # days
FEWEST_SPANS = 12
COLUMNS = (
    SERVER_ID, METRIC,
    "paths",  # sample paths kept
    "present",  # level of what was observed last: in breach now of every threshold below it
    "days",  # last day of each span, from the origin
    "share_high", "share_very_high",  # of all sample paths, by the end of each span; NaN = no threshold, not reached
    "peak_q90",  # of all sample paths, largest value by the end of each span
    "levels",  # by span, then by path
)  # fmt: skip
Index = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PathLevels:
    """Levels of N series in W spans.  ends: [W], last day of each.

    levels: float32 [N, W, P], NaN = no such path, or not reached.  shares: [2, N, W] of high, very_high.
    peak_q90: [N, W].  present: [N].
    """

    ends: Index
    levels: FloatArray
    shares: Numbers
    peak_q90: Numbers
    present: Numbers

    @classmethod
    def unknown(cls, count: int, settings: Settings, cadence: Cadence) -> PathLevels:
        """Of so many series, nothing is known yet."""
        ends = spans(settings, cadence)
        return cls(
            ends, np.full((count, len(ends), MOST), np.nan, np.float32), np.full((2, count, len(ends)), np.nan),
            np.full((count, len(ends)), np.nan), np.full(count, np.nan),
        )  # fmt: skip

    def put(
        self, where: Index, bundle: Bundle, recent: FloatArray, rule: Rule, first: Counts, cadence: Cadence
    ) -> None:
        """Take in the sample paths of some series; first: their first breaches by day [M, 2, L], by the rule of days.

        recent: [M, R], days observed before the origin.
        """
        levels, peaks = kept_levels(bundle, recent, rule, self.ends, MOST, cadence)
        self.levels[where] = rounded(levels)
        self.peak_q90[where] = np.quantile(peaks, 0.9, axis=2)
        fired = np.cumsum(first, axis=2)[:, :, np.minimum(self.ends, first.shape[2]) - 1] / bundle.drawn
        reached = np.isfinite(peaks[:, None, :, 0])
        self.shares[:, where] = np.moveaxis(np.where(reached, fired, np.nan), 1, 0)
        self.present[where] = present_levels(recent, rule)

    def table(self, series: pd.DataFrame) -> pd.DataFrame:
        """COLUMNS, one row per series that has any; series: [N] server_id, metric."""
        kept = np.isfinite(self.levels[:, 0]).sum(axis=1)
        rows = np.flatnonzero(kept)
        flat = [self.levels[i, :, : kept[i]].reshape(-1) for i in rows]
        single = {"share_high": self.shares[0], "share_very_high": self.shares[1], "peak_q90": self.peak_q90}
        return pd.DataFrame(
            {
                SERVER_ID: series[SERVER_ID].to_numpy()[rows], METRIC: series[METRIC].astype("str").to_numpy()[rows],
                "paths": kept[rows], "present": self.present[rows], "days": [self.ends] * len(rows),
                **{name: list(values[rows].astype(np.float32)) for name, values in single.items()}, "levels": flat,
            },
            columns=list(COLUMNS),
        )  # fmt: skip


def spans(settings: Settings, cadence: Cadence) -> Index:
    """Last days of the spans, ascending: all horizons that anything is stated for, and days between them."""
    risk, reach = settings.risk, -(-settings.horizon(cadence) // cadence.per_day)
    asked = risk.horizons_daily if cadence is Cadence.DAILY else [-(-hours // 24) for hours in risk.horizons_hourly]
    known = {risk.tier_horizon_days, risk.critical_horizon_days, risk.lead_time_days, *asked}
    marks = sorted({min(days, reach) for days in known})
    longest = min(-(-marks[-1] // FEWEST_SPANS), LONGEST_SPAN)
    ends, start = [], 0
    for mark in marks:
        parts = -(-(mark - start) // longest)
        ends += [start + ((mark - start) * (i + 1)) // parts for i in range(parts)]
        start = mark
    return np.array(ends, np.int64)


def present_levels(recent: FloatArray, rule: Rule) -> Numbers:
    """k-th largest of the last n days observed, [M]: the rule has fired on every threshold below it; NaN = too few."""
    last = np.sort(np.where(np.isnan(recent[:, -rule.n :]), -np.inf, recent[:, -rule.n :]), axis=1)
    if last.shape[1] < rule.k:
        return np.full(len(last), np.nan)
    found = last[:, -rule.k].astype(np.float64)
    return np.where(np.isfinite(found), found, np.nan)


def rounded(values: FloatArray) -> FloatArray:
    """Floats of 13 binary digits (0.01 % at the most off), of which the rest compresses to nothing."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    out: FloatArray = np.where(np.isfinite(values), (bits + np.uint32(0x400)) & np.uint32(0xFFFFF800), bits).view(
        np.float32
    )
    return out
