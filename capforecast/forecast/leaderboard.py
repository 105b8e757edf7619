"""Models side by side: each fitted anew at every rolling origin on what lies before it, all scored on the same points.

A point counts only where every model that forecast anything at that origin has a forecast; what a model could not
forecast is counted beside its scores.
"""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from capforecast.errors import InputError
from capforecast.forecast import scores
from capforecast.forecast.base import Array, Mask
from capforecast.forecast.baselines import seasonal_naive
from capforecast.forecast.blocks import fill, first_rows, recent
from capforecast.forecast.kinds import Kind
from capforecast.schema import BUSINESS_UNIT, METRIC, QUANTILE_LEVELS, SERVER_ID, Cadence, Forecast, Panel
from capforecast.settings import Settings

log = logging.getLogger(__name__)

EVERYTHING = "all"
SCOPES = (METRIC, BUSINESS_UNIT)  # scores are also given for each of their values
LEADERBOARD_COLUMNS = (
    "scope", "name", "model", "series", "origins", "points", "unknown",
    "mae", "rmse", "wape", "mase", "relative_mae", "pinball", "coverage_80", "coverage_95", "cpu_seconds",
)  # fmt: skip
UNKNOWN_COLUMNS = ("model", "origin", SERVER_ID, METRIC, "reason")


@dataclass(frozen=True)
class Fold:
    """One origin: what was seen before it, all series usable, and what followed, [H, N], NaN = not observed."""

    seen: Panel
    after: Array


@dataclass(frozen=True)
class Leaderboard:
    """rows: LEADERBOARD_COLUMNS, best relative MAE first within each scope.  unknown: UNKNOWN_COLUMNS."""

    rows: pd.DataFrame
    unknown: pd.DataFrame


def origins_back(total: int, horizon: int, step: int, wanted: int, least: int, cadence: Cadence) -> tuple[int, ...]:
    """The last `wanted` origins as counts of points seen, newest first, whose whole horizon was observed.

    total: points there are.  least: points a model must see.

    Raises:
        InputError: fewer fit; the message says how many.
    """
    fit = max((total - horizon - least) // step + 1, 0)
    if fit < wanted:
        label = cadence.label
        raise InputError(
            f"{label(total)} of history hold {fit} origin{'' if fit == 1 else 's'} {label(step)} apart with "
            f"{label(horizon)} after and {label(least)} before, not {wanted}: "
            + (f"ask for {fit}, " if fit else "")
            + "a shorter --horizon or --step, or give more history"
        )
    return tuple(total - horizon - o * step for o in range(wanted))


def folds_of(panel: Panel, horizon: int, origins: Sequence[int]) -> list[Fold]:
    """Folds of one panel; series not seen yet at an origin are left out of it."""
    found = []
    for origin in origins:
        there: Mask = np.asarray(np.isfinite(panel.values[:origin]).any(axis=0))
        kept = panel.take(there)
        seen = kept.until(kept.timestamps[origin - 1])
        found.append(Fold(seen, padded(kept.values[origin : origin + horizon], horizon)))
    return found


def padded(after: np.ndarray, horizon: int) -> Array:
    """What was observed, [H, N], with NaN where the observations end earlier."""
    out = np.full((horizon, after.shape[1]), np.nan)
    out[: len(after)] = np.where(np.isfinite(after), after, np.nan)
    return out


def contest(
    folds: Iterable[Fold],
    kinds: Sequence[Kind],
    horizon: int,
    settings: Settings,
    on_step: Callable[[str, pd.Timestamp], None] = lambda name, origin: None,
) -> Leaderboard:
    """Fit and score every kind at every fold; `on_step` is told of each before it starts."""
    tallies, unknown, spent = [], [], dict.fromkeys((kind.name for kind in kinds), 0.0)
    for fold in folds:
        origin = fold.seen.timestamps[-1]
        forecasts: dict[str, Forecast] = {}
        for kind in kinds:
            on_step(kind.name, origin)
            started = cpu_seconds()
            model = kind.fit(fold.seen, horizon, settings)
            forecasts[kind.name] = model.predict(fold.seen)
            spent[kind.name] += cpu_seconds() - started
            unknown.append(_missing(fold.seen, forecasts[kind.name], model.unknown, kind.name))
        tallies += _tallies(fold, forecasts, settings)
    listed = pd.concat(unknown, ignore_index=True) if unknown else pd.DataFrame(columns=list(UNKNOWN_COLUMNS))
    together = pd.concat(tallies, ignore_index=True) if tallies else pd.DataFrame()
    return Leaderboard(_ranked(together, listed, spent), listed)


def cpu_seconds() -> float:
    """CPU time of this process, all threads, and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _missing(seen: Panel, forecast: Forecast, reasons: pd.DataFrame, model: str) -> pd.DataFrame:
    """Series of the fold without a forecast, UNKNOWN_COLUMNS."""
    keys = [SERVER_ID, METRIC]
    lost = seen.series[~_keys(seen.series).isin(_keys(forecast.series))][keys]
    found = lost.merge(reasons, on=keys, how="left").assign(model=model, origin=seen.timestamps[-1])
    return found.fillna({"reason": "its forecast failed"})[list(UNKNOWN_COLUMNS)]


def _keys(series: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(series[[SERVER_ID, METRIC]])


def _tallies(fold: Fold, forecasts: dict[str, Forecast], settings: Settings) -> list[pd.DataFrame]:
    """Sums over the points of one fold, a row per series, for each model that forecast any."""
    horizon = len(fold.after)
    laid = {name: _laid(fold.seen, forecast, horizon) for name, forecast in forecasts.items()}
    laid = {name: quantiles for name, quantiles in laid.items() if np.isfinite(quantiles).any()}
    scored: Mask = np.isfinite(fold.after)
    for quantiles in laid.values():
        scored = scored & np.isfinite(quantiles).all(axis=0)
    cut = recent(fold.seen, settings.forecast)
    values = cut.values.astype(np.float64)
    naive = seasonal_naive(fill(values, first_rows(values), cut.cadence), horizon, cut.cadence.season)
    scale = scores.naive_scale(values, cut.cadence.season)
    actual = np.where(scored, fold.after, np.nan)
    return [
        _sums(fold.seen, actual, quantiles, naive, scale).assign(model=name, origin=fold.seen.timestamps[-1])
        for name, quantiles in laid.items()
    ]


def _laid(seen: Panel, forecast: Forecast, horizon: int) -> Array:
    """Quantiles [Q, H, N] in the order of the panel's series, NaN where there is no forecast."""
    out = np.full((len(QUANTILE_LEVELS), horizon, len(seen.series)), np.nan)
    place = _keys(seen.series).get_indexer(_keys(forecast.series))
    out[:, :, place] = forecast.quantiles[: len(QUANTILE_LEVELS), :horizon]
    return out


def _sums(seen: Panel, actual: Array, quantiles: Array, naive: Array, scale: Array) -> pd.DataFrame:
    """Sums over the scored points (finite `actual` [H, N]) of each series, and `scaled` over those with a scale."""
    known = np.isfinite(actual)
    points = known.sum(axis=0)
    point = quantiles[QUANTILE_LEVELS.index(0.5)]
    error = scores.mae(actual, point)
    means = {
        "absolute": error, "square": scores.rmse(actual, point) ** 2, "size": scores.mae(actual, np.zeros_like(actual)),
        "naive": scores.mae(actual, naive), "pinball": scores.pinball(actual, quantiles, QUANTILE_LEVELS),
        "inside_80": scores.coverage(actual, quantiles[1], quantiles[3]),
        "inside_95": scores.coverage(actual, quantiles[0], quantiles[4]),
    }  # fmt: skip
    sums = {name: np.where(points > 0, mean * points, 0.0) for name, mean in means.items()}
    has_scale = (points > 0) & (scale > 0)
    scaled = np.divide(error * points, scale, out=np.zeros(len(points)), where=has_scale)
    series = seen.series[[SERVER_ID, *SCOPES]].reset_index(drop=True)
    return series.assign(points=points, **sums, scaled=scaled, scaled_points=np.where(has_scale, points, 0))


def _ranked(tallies: pd.DataFrame, unknown: pd.DataFrame, spent: dict[str, float]) -> pd.DataFrame:
    """LEADERBOARD_COLUMNS: everything first, then each metric, then each business unit where there are several."""
    rows = []
    if len(tallies):
        tallies = tallies[tallies["points"] > 0]
        rows += _scope_rows(tallies, EVERYTHING, "")
        for scope in SCOPES:
            names = sorted(tallies[scope].unique())
            if len(names) > 1:
                rows += [row for name in names for row in _scope_rows(tallies[tallies[scope] == name], scope, name)]
    missing = [name for name in spent if not any(row["model"] == name for row in rows)]
    rows += [{"scope": EVERYTHING, "name": "", "model": name, "series": 0, "points": 0} for name in missing]
    table = pd.DataFrame(rows).reindex(columns=list(LEADERBOARD_COLUMNS))
    whole = table["scope"] == EVERYTHING
    counts = unknown["model"].value_counts()
    table["unknown"] = table["model"].map(counts).fillna(0).where(whole)
    table["cpu_seconds"] = table["model"].map(spent).where(whole)
    order = table["scope"].map({name: i for i, name in enumerate((EVERYTHING, *SCOPES))})
    table = table.assign(_order=order).sort_values(["_order", "name", "relative_mae", "model"], kind="stable")
    return table.drop(columns="_order").reset_index(drop=True)


def _scope_rows(tallies: pd.DataFrame, scope: str, name: str) -> list[dict[str, object]]:
    """A row per model. MAE, RMSE, pinball loss and coverage over all points; WAPE and MASE are the median over series,
    relative MAE is the geometric mean over series (as in the report; docs/data-dictionary.md).
    """
    rows = []
    for model, part in tallies.groupby("model", sort=True):
        series = part.groupby([SERVER_ID, METRIC], observed=True).sum(numeric_only=True)
        total, points = series.sum(), float(series["points"].sum())
        mae, naive = series["absolute"] / series["points"], series["naive"] / series["points"]
        wape = (series["absolute"] / series["size"])[series["size"] > 0]
        mase = (series["scaled"] / series["scaled_points"])[series["scaled_points"] > 0]
        relative = scores.relative_mae(mae.to_numpy(), naive.to_numpy())
        rows.append(
            {
                "scope": scope, "name": str(name), "model": model, "series": len(series),
                "origins": part["origin"].nunique(), "points": int(points),
                "mae": total["absolute"] / points, "rmse": (total["square"] / points) ** 0.5,
                "wape": wape.median(), "mase": mase.median(), "relative_mae": scores.geometric_mean(relative),
                "pinball": total["pinball"] / points,
                "coverage_80": total["inside_80"] / points, "coverage_95": total["inside_95"] / points,
            }
        )  # fmt: skip
    return rows
