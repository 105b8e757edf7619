"""Columns of the tables of an outcome, and how arrays become them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.actions.baseline import LEVELS, Baseline
from capforecast.actions.scenario_figures import Figures
from capforecast.schema import DIMENSIONS, METRIC, SERVER_ID, TIER_ORDER, BoolArray

# Figures of a series; each stands there as published (`<name>_before`) and in the scenario (`<name>`).
SERIES_FIGURES = (
    "tier",
    "threshold_high", "threshold_very_high",  # metric's unit, NaN = none
    "in_breach_high", "in_breach_very_high",  # bool
    "probability_high", "probability_very_high",  # 0..1, as in `risks`: behind the tier
    "probability_lead",  # 0..1, P(breach of `high` within the procurement lead time)
    "days_q10", "days_q50",  # days from the origin to the first breach of `high`; NaN = later than the horizon
    "breach_date",  # day of days_q50, UTC; NaT = later
    "order_by",  # last day to order so that it is there by days_q10, UTC; NaT = no need
    "peak_q50", "peak_q90", "capacity_remaining",  # as in `risks`
)  # fmt: skip
SERIES_COLUMNS = (
    SERVER_ID, METRIC, *DIMENSIONS,
    "changed",  # bool: the scenario touches it
    *(f"{name}{which}" for name in SERIES_FIGURES for which in ("_before", "")),
)  # fmt: skip
OF_SERVER = ("probability_high", "days_q10", "days_q50", "breach_date", "order_by", "capacity_remaining")
SERVER_COLUMNS = (
    SERVER_ID, *DIMENSIONS,
    "change",  # "" | new | retired | resized | changed
    "tier_before", "tier",  # missing = not there
    "metric_before", "metric",  # which decides the tier; "" = none
    *(f"{name}{which}" for name in OF_SERVER for which in ("_before", "")),  # of that metric
    "instance_type_before", "instance_type",
    "monthly_before", "monthly",  # cost as it stands, a month of 730 hours; NaN = not known
    "safe_monthly_before", "safe_monthly",  # with the sizes advised
    "currency",
)  # fmt: skip
TOTAL_COLUMNS = (
    "scope", "name",  # fleet | business_unit; which one ("" = fleet)
    "servers_before", "servers",
    *(f"{tier}{which}" for tier in TIER_ORDER for which in ("_before", "")),
    "priced_before", "priced",  # servers with a known cost
    "monthly_before", "monthly", "safe_monthly_before", "safe_monthly", "currency",
    "monthly_unknown", "safe_monthly_unknown",  # why the sum in the scenario is NaN; "" = it is known
)  # fmt: skip
MONEY = ("monthly", "safe_monthly")
Index = npt.NDArray[np.int64]
Array = npt.NDArray[np.float64]


def figure_columns(baseline: Baseline, figures: Figures, lead: Index) -> dict[str, Any]:
    """SERIES_FIGURES as arrays."""
    days = figures.days
    out: dict[str, Any] = {"tier": tier_column(figures.tier), "probability_lead": figures.lead}
    for number, level in enumerate(LEVELS):
        out[f"threshold_{level}"], out[f"in_breach_{level}"] = figures.limits[number], figures.in_breach[number]
        out[f"probability_{level}"] = figures.probability[number]
    out |= {"days_q10": days[0], "days_q50": days[1], "peak_q50": figures.peaks[0], "peak_q90": figures.peaks[1]}
    out["capacity_remaining"] = figures.remaining
    out["breach_date"], out["order_by"] = _dates(baseline, days[1]), _dates(baseline, days[0] - lead)
    return out


def _dates(baseline: Baseline, days: Array) -> npt.NDArray[np.datetime64]:
    """The day that lies so many days after the origin; NaT for NaN."""
    origin = np.datetime64(baseline.origin.tz_localize(None).to_datetime64(), "us")
    known = np.isfinite(days)
    found = origin + (np.where(known, days, 0.0) * 86_400_000_000).astype("timedelta64[us]")
    return np.where(known, found.astype("datetime64[D]").astype("datetime64[us]"), np.datetime64("NaT", "us"))


def tier_column(codes: npt.NDArray[np.int8]) -> pd.Categorical:
    return pd.Categorical.from_codes(codes, categories=[str(tier) for tier in TIER_ORDER], ordered=True)


def blanked(values: Any, rows: Index, there: int, hidden: BoolArray | None) -> Any:
    """Values of the rows of a table; missing from row `there` on, and in the first rows where these are hidden."""
    blank = np.arange(len(rows)) >= there
    if hidden is not None:
        blank[: len(hidden)] |= hidden
    whole = len(rows) == len(values)
    if isinstance(values, pd.Categorical):
        codes = np.where(blank, -1, values.codes if whole else values.codes[rows])
        return pd.Categorical.from_codes(codes, dtype=values.dtype)
    taken = values if whole else values[rows]
    if values.dtype.kind == "M":
        taken = np.where(blank, np.datetime64("NaT", "us"), taken) if blank.any() else taken
        return pd.DatetimeIndex(taken).tz_localize("UTC")
    if values.dtype.kind == "b":
        return taken & ~blank
    return np.where(blank, np.nan, taken) if blank.any() else taken


def why_unknown(lost: int, gained: int) -> str:
    """Why a sum of costs does not compare with the published one: prices that lack then, or before; "" = it does."""
    parts = [
        f"{servers} {'server has' if servers == 1 else 'servers have'} no price {when}"
        for servers, when in ((lost, "in the scenario"), (gained, "as published"))
        if servers
    ]
    return ", ".join(parts)


def summed(code: Index, weights: npt.NDArray[Any], count: int) -> Array:
    return np.bincount(code, weights=weights.astype(np.float64), minlength=count).astype(np.float64)
