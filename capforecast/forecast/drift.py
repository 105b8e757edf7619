"""Drift: did the forecast change, did it come true, and is what comes in still what the model was trained on?

Pure functions of frames and arrays. Each check gives the rows that say what was found (DRIFT_COLUMNS) and the series
over their own limit (DRIFT_SERIES_COLUMNS).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from capforecast.forecast.base import Array, Index, Mask
from capforecast.forecast.input_drift import moved
from capforecast.schema import (
    DRIFT_COLUMNS,
    DRIFT_SERIES_COLUMNS,
    METRIC,
    QUANTILE_LEVELS,
    SERVER_ID,
    DriftCheck,
    Forecast,
    Panel,
    Tier,
)
from capforecast.settings import DriftSettings

_LOW, _HIGH = (QUANTILE_LEVELS.index(level) for level in (0.1, 0.9))
_NARROWEST = 0.1  # half-width of an interval below which a change is nothing, in the metric's unit


@dataclass(frozen=True)
class Found:
    """What a check found: rows of the unit, and of its series over their limit."""

    rows: pd.DataFrame
    series: pd.DataFrame

    @staticmethod
    def joined(parts: list[Found]) -> Found:
        """Several checks' findings, one below the other."""
        rows, series = ([getattr(part, name) for part in parts] for name in ("rows", "series"))
        filled = [part for part in series if len(part)]
        return Found(
            pd.concat(rows, ignore_index=True)[list(DRIFT_COLUMNS)],
            pd.concat(filled, ignore_index=True) if filled else _series_rows(DriftCheck.FORECAST, *_NOTHING),
        )


def forecast_change(new: Forecast, old: Forecast | None, unit_of: dict[str, str], limits: DriftSettings) -> Found:
    """How far the median forecast of the same future periods moved since the earlier run, by metric.

    A series is over its limit when it moved, on average, by more than `limits.forecast_change` times the half-width of
    its earlier 80 % interval. unit_of: unit of each metric, for the words.
    """
    check = DriftCheck.FORECAST
    if old is None:
        return _silent(check, "There is no earlier run to compare the forecast with.")
    here, there = _shared(new.series, old.series)
    when = new.timestamps.intersection(old.timestamps)
    if not len(here) or not len(when):
        return _silent(check, "The earlier run forecast none of these periods and series.")
    rows = [forecast.timestamps.get_indexer(when) for forecast in (new, old)]
    after, before = new.median[rows[0]][:, here], old.median[rows[1]][:, there]
    change = np.abs(after.astype(np.float64) - before).mean(axis=0)
    half = 0.5 * (old.quantiles[_HIGH] - old.quantiles[_LOW])[rows[1]][:, there].mean(axis=0)
    ratio = change / np.maximum(half, _NARROWEST)
    series = new.series.iloc[here].reset_index(drop=True)
    found = _series_rows(check, series, ratio, limits.forecast_change, before.mean(axis=0), after.mean(axis=0))

    def said(metric: str, mine: Mask, over: int) -> str:
        return (
            f"The {metric} forecasts of the same {len(when)} periods moved by {change[mine].mean():.2g} "
            f"{unit_of.get(metric, '')} on average since the earlier run; {over} of {mine.sum()} moved by more than "
            f"their uncertainty then."
        )

    return Found(_by_metric(check, series, ratio > limits.forecast_change, limits, said), found)


def tier_change(new: pd.DataFrame, old: pd.DataFrame | None, limits: DriftSettings) -> Found:
    """Share of servers whose tier is another than in the earlier run; both frames: server_id, tier."""
    check = DriftCheck.TIERS
    if old is None:
        return _silent(check, "There is no earlier run to compare the tiers with.")
    both = new[[SERVER_ID, "tier"]].merge(old[[SERVER_ID, "tier"]], on=SERVER_ID, suffixes=("", "_before"))
    both = both[(both["tier"] != Tier.UNKNOWN) & (both["tier_before"] != Tier.UNKNOWN)]
    if both.empty:
        return _silent(check, "No server had a tier in the earlier run and now.")
    changed = both[both["tier"] != both["tier_before"]]
    share = len(changed) / len(both)
    alarm = share > limits.tier_change_share and len(changed) >= limits.least_series
    said = f"{len(changed)} of {len(both)} servers have another tier than in the earlier run."
    example = str(changed[SERVER_ID].min()) if len(changed) else ""
    row = (check, "", share, limits.tier_change_share, alarm, len(both), len(changed), example, said)
    return Found(_rows([row]), _series_rows(check, *_NOTHING))


def live_error(panel: Panel, old: Forecast | None, promised: pd.DataFrame, limits: DriftSettings) -> Found:
    """How the earlier forecast fared on what came since, by metric: its error by the one its backtest promised.

    promised: server_id, metric, mae of the backtest for the first periods. Alarms, where at least
    `limits.least_points` values came, when the median over the series of a metric is above `limits.live_error_ratio`,
    or above 1 and less than `limits.least_coverage_80` of the values lay in the 80 % intervals; both with an allowance
    for few series.
    """
    check = DriftCheck.LIVE
    if old is None:
        return _silent(check, "There is no earlier forecast that could have come true.")
    when = panel.timestamps.intersection(old.timestamps)
    here, there = _shared(panel.series, old.series)
    if not len(when) or not len(here):
        return _silent(check, "Nothing has been observed yet of what the earlier run forecast.")
    actual = panel.values[panel.timestamps.get_indexer(when)][:, here].astype(np.float64)
    at = old.timestamps.get_indexer(when)
    error = np.abs(actual - old.median[at][:, there])
    low, high = (old.quantiles[q][at][:, there] for q in (_LOW, _HIGH))
    inside = np.where(np.isfinite(actual), (actual >= low) & (actual <= high), np.nan)
    series = panel.series.iloc[here].reset_index(drop=True)
    expected = series[[SERVER_ID, METRIC]].merge(promised, on=[SERVER_ID, METRIC], how="left")["mae"].to_numpy()
    mean = _mean(error)
    ratio = mean / np.maximum(expected, _NARROWEST)
    rows = []
    for metric in sorted(series[METRIC].unique()):
        mine = (series[METRIC] == metric).to_numpy() & np.isfinite(ratio)
        points = int(np.isfinite(error[:, mine]).sum())
        if points < limits.least_points:
            said = f"Only {points} values of {metric} have come since the earlier run: too few to judge it by."
            rows.append((check, metric, np.nan, limits.live_error_ratio, False, int(mine.sum()), 0, "", said))
            continue
        # Series of one metric rise and fall together: the fewer there are, the more a unit may miss by chance.
        chance = 1.0 / math.sqrt(mine.sum())
        limit = limits.live_error_ratio * (1.0 + 2.0 * chance)
        typical, covered = float(np.median(ratio[mine])), float(np.nanmean(inside[:, mine]))
        alarm = typical > limit or (typical > 1.0 and covered < limits.least_coverage_80 - 0.5 * chance)
        over = mine & (ratio > limits.live_error_ratio)
        said = (
            f"Half of the earlier {metric} forecasts missed what came in {len(when)} periods by more than "
            f"{typical:.2g} times what their backtest promised; {covered:.0%} of the values lay in the 80 % intervals."
        )
        counts = int(mine.sum()), int(over.sum()), _worst(series, ratio, over)
        rows.append((check, metric, typical, limit, alarm, *counts, said))
    middle = old.median[at][:, there].mean(axis=0)
    return Found(_rows(rows), _series_rows(check, series, ratio, limits.live_error_ratio, middle, _mean(actual)))


def input_drift(panel: Panel, limits: DriftSettings) -> Found:
    """Series whose level or spread in the latest weeks is unlike before, by metric; see input_drift.moved."""
    shift = moved(panel)
    return Found.joined(
        [
            _moved_series(DriftCheck.LEVEL, panel.series, shift.level, (shift.usual, shift.now), limits),
            _moved_series(
                DriftCheck.SPREAD, panel.series, shift.spread, (shift.spread_usual, shift.spread_now), limits
            ),
        ]
    )


def _moved_series(
    check: DriftCheck, series: pd.DataFrame, strange: Array, sizes: tuple[Array, Array], limits: DriftSettings
) -> Found:
    """What of `input_drift` concerns level, or spread: sizes before and now."""
    known = np.isfinite(strange)
    if not known.any():
        return _silent(check, "No history is long enough to tell what is usual: that takes 22 weeks, 11 of hours.")
    series, size = series[known].reset_index(drop=True), np.abs(strange[known])
    word = "level" if check is DriftCheck.LEVEL else "spread"

    def said(metric: str, mine: Mask, over: int) -> str:
        return f"{over} of {mine.sum()} {metric} series changed their {word} lately far more than ever before."

    rows = _by_metric(check, series, size > limits.input_limit, limits, said)
    return Found(rows, _series_rows(check, series, size, limits.input_limit, *(part[known] for part in sizes)))


def _shared(new: pd.DataFrame, old: pd.DataFrame) -> tuple[Index, Index]:
    """Places in both of the series they share."""
    keys, known = (pd.MultiIndex.from_frame(part[[SERVER_ID, METRIC]]) for part in (new, old))
    place = known.get_indexer(keys)
    here = np.flatnonzero(place >= 0)
    return here.astype(np.int64), place[here].astype(np.int64)


def _mean(values: Array) -> Array:
    """Mean over axis 0 of what is known, NaN of nothing."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0))


def _by_metric(
    check: DriftCheck,
    series: pd.DataFrame,
    over: Mask,
    limits: DriftSettings,
    said: Callable[[str, Mask, int], str],
) -> pd.DataFrame:
    """A row per metric: the share of series that are over their limit. said(metric, its series, how many are over).

    The fewer series, the more of them chance puts over: the limit is the share allowed and its standard error.
    """
    rows, allowed = [], limits.share_limit
    for metric in sorted(series[METRIC].unique()):
        mine = (series[METRIC] == metric).to_numpy()
        hit = int((over & mine).sum())
        share, limit = hit / int(mine.sum()), allowed + math.sqrt(allowed * (1.0 - allowed) / int(mine.sum()))
        alarm = share > limit and hit >= limits.least_series
        example = str(series.loc[over & mine, SERVER_ID].min()) if hit else ""
        counts = int(mine.sum()), hit, example
        rows.append((check, metric, share, limit, alarm, *counts, said(metric, mine, hit)))
    return _rows(rows)


def _worst(series: pd.DataFrame, ratio: Array, over: Mask) -> str:
    """The server with the largest ratio of those that are over; "" = none is."""
    return str(series[SERVER_ID].iloc[int(np.argmax(np.where(over, ratio, -np.inf)))]) if over.any() else ""


def _rows(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(DRIFT_COLUMNS))
    return frame.astype(
        {"check": "str", "metric": "str", "value": "float64", "limit": "float64", "example": "str", "sentence": "str"}
    )


def _silent(check: DriftCheck, why: str) -> Found:
    """A check that could not be made, and why."""
    row = (check, "", np.nan, np.nan, False, 0, 0, "", why)
    return Found(_rows([row]), _series_rows(check, *_NOTHING))


def _series_rows(
    check: DriftCheck, series: pd.DataFrame, value: Array, limit: float, before: Array, now: Array
) -> pd.DataFrame:
    """DRIFT_SERIES_COLUMNS rows of the series whose value is above the limit, the worst first."""
    over = np.flatnonzero(np.nan_to_num(value) > limit)
    over = over[np.argsort(-value[over], kind="stable")]
    frame = series.iloc[over][[SERVER_ID, METRIC]].reset_index(drop=True)
    frame = frame.assign(check=str(check), value=value[over], limit=float(limit), before=before[over], now=now[over])
    return frame.astype({SERVER_ID: "str", METRIC: "str", "check": "str"})[list(DRIFT_SERIES_COLUMNS)]


_NONE = np.empty(0)
_NOTHING = (pd.DataFrame({SERVER_ID: [], METRIC: []}), _NONE, 0.0, _NONE, _NONE)
