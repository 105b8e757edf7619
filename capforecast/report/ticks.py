"""Where axes are marked, and how the marks read: few, round, never touching, in English whatever the locale."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.report.words import MONTHS

_STEPS = ("h", "3h", "6h", "12h", "D", "2D", "W-MON", "2W-MON", "MS", "2MS", "3MS", "6MS", "YS", "2YS", "5YS")


def dates(start: float, end: float, most: int = 7) -> list[tuple[float, str]]:
    """Ticks between two times (days since 1970): at most `most`, as (time, label), clear of both ends."""
    first, last = (pd.Timestamp(day, unit="D") for day in (start, end))
    margin = (last - first) * 0.03
    found = pd.DatetimeIndex([])
    for step in _STEPS:
        if (last - first) / pd.Timedelta(days=1) > _days_of(step) * (most + 2):
            continue
        found = pd.date_range(first.floor("D") - pd.Timedelta(days=1), last, freq=step)
        found = found[(found >= first + margin) & (found <= last - margin)]
        if len(found) <= most:
            years = [None, *found.year[:-1]]
            pairs = zip(found, years, strict=True)
            return [(t.timestamp() / 86_400, _label(t, step, t.year != before)) for t, before in pairs]
    return []


def _days_of(step: str) -> float:
    digits = step[: len(step) - len(step.lstrip("0123456789"))]
    size = {"h": 1 / 24, "D": 1.0, "W-MON": 7.0, "MS": 30.4, "YS": 365.25}[step[len(digits) :]]
    return size * int(digits or 1)


def _label(when: pd.Timestamp, step: str, new_year: bool) -> str:
    """Hour, day, month or year, with the next larger unit where it starts or comes into view."""
    if step.endswith("YS"):
        return str(when.year)
    month = MONTHS[when.month - 1]
    if step.endswith("MS"):
        return f"{month}\n{when.year}" if new_year else month
    if step.endswith(("D", "W-MON")) or when.hour == 0:
        return f"{when.day} {month}"
    return f"{when.hour}:00"


def round_values(low: float, high: float, most: int = 5) -> list[float]:
    """Round values between two limits, at most `most` + 1 of them."""
    span = high - low
    if not np.isfinite(span) or span <= 0:
        return []
    raw = span / most
    power = 10.0 ** np.floor(np.log10(raw))
    step = next(float(power * m) for m in (1, 2, 2.5, 5, 10) if power * m >= raw * (1 - 1e-9))
    count = int(np.floor(high / step + 1e-9)) - int(np.ceil(low / step - 1e-9)) + 1
    return [round((np.ceil(low / step - 1e-9) + i) * step, 10) for i in range(max(count, 0))]


def value_limits(
    history: npt.ArrayLike, quantiles: npt.ArrayLike, thresholds: Iterable[float | None], unit: str
) -> tuple[float, float]:
    """Limits of the value axis: from zero (or the lowest value below it) to a little above everything that matters.

    The 95 % band may be cut off at the top: one wild upper quantile must not flatten what is to be read. Where all of
    it lies in the upper half, the axis starts at a round value well below the lowest, not at zero.
    """
    past, future = np.asarray(history, dtype=float), np.asarray(quantiles, dtype=float)
    inner = future[1:4] if future.size else future  # 10 to 90 %
    matter = [v for v in thresholds if v is not None and np.isfinite(v)]
    matter += [float(np.nanmax(a)) for a in (past, inner) if np.isfinite(a).any()]
    top = max(matter, default=1.0) * 1.06
    outer = float(np.nanmax(future)) if np.isfinite(future).any() else top
    top = min(max(top, outer * 1.02), top * 1.25)
    if unit == "percent" and top > 80:
        top = max(top, 100.0)
    drawn = [float(np.nanmin(a)) for a in (past, future) if np.isfinite(a).any()]
    lowest = min([*drawn, *matter], default=0.0)
    if lowest > 0.5 * top:
        step = 10.0 ** np.floor(np.log10(top - lowest))
        return float(np.floor((lowest - 0.6 * (top - lowest)) / step) * step), top
    lowest = min([0.0, *(float(np.nanmin(a)) for a in (past, inner) if np.isfinite(a).any())])
    return lowest, top if top > lowest else lowest + 1.0
