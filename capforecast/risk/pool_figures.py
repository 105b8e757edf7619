"""Figures of pools, read off their joint sample paths: when capacity runs out, and how much to buy by when."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.risk.joint import Array
from capforecast.risk.pools import PoolPaths
from capforecast.risk.rule import NEVER, breach_fires
from capforecast.schema import DEMAND_COLUMNS, POOL_COLUMNS, QUANTILE_LEVELS, QUANTILE_NAMES
from capforecast.settings import RiskSettings

WITHIN = {"p_30d": 30, "p_90d": 90}
DAYS = {"days_q10": 10, "days_q50": 50, "days_q90": 90}


def pool_table(paths: Sequence[PoolPaths], settings: RiskSettings) -> pd.DataFrame:
    """One row per pool and resource, POOL_COLUMNS, sorted by pool and resource.

    A pool runs out when the breach rule fires on its daily demand over `usable`. Purchases are in units of supply, so
    the policy buffer applies to them too.
    """
    if not paths:
        return _empty(POOL_COLUMNS)
    tables = [_pools(part, settings) for part in paths]
    whole = pd.concat(tables, ignore_index=True)
    return whole.sort_values(list(POOL_COLUMNS[:3]), kind="stable", ignore_index=True)[list(POOL_COLUMNS)]


def demand_table(paths: Sequence[PoolPaths]) -> pd.DataFrame:
    """One row per pool, resource and day ahead, DEMAND_COLUMNS; none of pools of which nothing can be said."""
    if not paths:
        return _empty(DEMAND_COLUMNS)
    tables = [_demand(part) for part in paths]
    whole = pd.concat(tables, ignore_index=True)
    return whole.sort_values(list(DEMAND_COLUMNS[:4]), kind="stable", ignore_index=True)[list(DEMAND_COLUMNS)]


def _empty(columns: Sequence[str]) -> pd.DataFrame:
    """No rows, with the types that rows have."""
    kinds = dict.fromkeys(POOL_COLUMNS[:4], "str") | dict.fromkeys(("date", "buy_by"), "datetime64[us, UTC]")
    kinds |= dict.fromkeys(("servers", "unsized", "unobserved", "unforecast", "paths"), "int64")
    return pd.DataFrame({name: pd.Series(dtype=kinds.get(name, "float64")) for name in columns})


def _pools(part: PoolPaths, settings: RiskSettings) -> pd.DataFrame:
    known = np.array([reason == "" for reason in part.reasons], dtype=bool)
    observed = np.array([reason not in ("no_sizes", "no_observations") for reason in part.reasons], dtype=bool)
    figures = {name: np.where(known, values, np.nan) for name, values in _figures(part, settings).items()}
    columns = {
        "resource": part.resource, "reason": pd.Series(part.reasons, dtype="str"), "servers": part.servers,
        "unsized": part.unsized, "unobserved": part.unobserved, "unforecast": part.unforecast, "supply": part.supply,
        "usable": part.usable, "demand_now": np.where(observed, part.recent[:, -1], np.nan),
        "paths": np.where(known, 0 if part.draws is None else len(part.draws.values), 0).astype(np.int64),
        "buy_by": _buy_by(part, pd.Series(figures["days_q10"]), settings.lead_time_days),
    }  # fmt: skip
    return pd.DataFrame(dict(part.names.items()) | columns | figures)


def _figures(part: PoolPaths, settings: RiskSettings) -> dict[str, Array]:
    """Figures that come from the paths, [P] each; NaN without any."""
    names = [*WITHIN, *DAYS, "horizon_days", "peak_q50", "peak_q90", "buy_q50", "buy_q90"]
    if part.draws is None:
        return {name: np.full(len(part.names), np.nan) for name in names}
    demand, rules = part.draws.values, settings.pool
    first = _first(part, settings)
    found = {name: _share(first, days) for name, days in WITHIN.items()} | _dates(first)
    found["horizon_days"] = np.full(len(part.names), part.horizon_days)
    for name, level in (("q50", 0.5), ("q90", 0.9)):
        peak = np.quantile(demand.max(axis=1), level, axis=0)
        short = peak / (1.0 - rules.headroom_share) - part.usable
        found[f"peak_{name}"], found[f"buy_{name}"] = peak, np.maximum(short, 0.0) / (1.0 - rules.buffer_share)
    return found


def _first(part: PoolPaths, settings: RiskSettings) -> npt.NDArray[np.int32]:
    """First day on which the rule fires [P, J], from 0, or NEVER; days before the origin fill its window."""
    assert part.draws is not None
    rule = settings.breach
    seen = rule.n_daily - 1
    ahead = part.draws.values.transpose(2, 0, 1)
    over = np.empty((*ahead.shape[:2], seen + ahead.shape[2]), np.bool_)
    over[..., :seen] = (part.recent[:, part.recent.shape[1] - seen :] > part.usable[:, None])[:, None]
    np.greater(ahead, part.usable[:, None, None], out=over[..., seen:])
    return breach_fires(over, rule.k_daily, rule.n_daily, observed=seen)


def _share(first: npt.NDArray[np.int32], within: int) -> Array:
    share: Array = ((first != NEVER) & (first < within)).mean(axis=1)
    return share


def _dates(first: npt.NDArray[np.int32]) -> dict[str, Array]:
    """Days by which 10, 50 and 90 % of the paths have run out [P]; NaN where fewer do within the horizon."""
    days = np.sort(np.where(first == NEVER, np.inf, first + 1.0), axis=1)
    found = {name: days[:, -(-percent * days.shape[1] // 100) - 1] for name, percent in DAYS.items()}
    return {name: np.where(np.isinf(date), np.nan, date) for name, date in found.items()}


def _buy_by(part: PoolPaths, days: pd.Series, lead_days: int) -> pd.Series:
    """Last day to order: the 10 % date less the lead time, or the day of the origin where that is past; NaT = none."""
    if part.draws is None:
        return pd.Series(pd.NaT, index=days.index, dtype="datetime64[us, UTC]")
    origin = (part.dates[0] - pd.Timedelta(days=1)).normalize()
    order = origin + pd.to_timedelta((days - lead_days).clip(lower=0.0), unit="D")
    return order.astype("datetime64[us, UTC]")


def _demand(part: PoolPaths) -> pd.DataFrame:
    known = np.flatnonzero([reason == "" for reason in part.reasons])
    if part.draws is None:
        known = known[:0]
    days, count = len(part.dates), len(known)
    names = part.names.iloc[known.repeat(days)].reset_index(drop=True)
    dates = pd.DatetimeIndex(np.tile(part.dates.tz_localize(None).to_numpy(), count)).tz_localize("UTC").as_unit("us")
    columns = {"resource": part.resource, "date": dates, "usable": part.usable[known].repeat(days)}
    values = np.zeros((0, days, len(part.names))) if part.draws is None else part.draws.values
    for name, level in zip(QUANTILE_NAMES, QUANTILE_LEVELS, strict=True):
        by_day = np.quantile(values[:, :, known], level, axis=0).T.ravel() if count else np.zeros(0)
        columns[f"demand_{name}"] = by_day
    return pd.DataFrame(dict(names.items()) | columns)
