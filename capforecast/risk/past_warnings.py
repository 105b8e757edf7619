"""The warnings that would have been issued at past origins, beside what came: the cases of the scorecard.

Prequential: at each origin only what had been observed by then speaks, error paths included. A case is a series, an
origin and a threshold level; a series in breach at the origin, unseen for a week, or not yet forecast then, is none.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.forecast.sampling import spokesmen
from capforecast.risk import rules_of_thumb as rules
from capforecast.risk.error_pool import END_TOLERANCE
from capforecast.risk.outcomes import days_around, outcomes
from capforecast.risk.rule import rule_for
from capforecast.risk.said import said_at_origins
from capforecast.risk.simulate import LEVELS
from capforecast.risk.thresholds import thresholds as series_thresholds
from capforecast.schema import DIMENSIONS, METRIC, SERVER_ID, WARNING_COLUMNS, Cadence, ErrorPaths, Panel
from capforecast.settings import Settings

DEPTH = 6  # older origins, their outcome known, that an origin scored should have behind it
Index = npt.NDArray[np.int64]


def past_warnings(
    panel: Panel,
    errors: ErrorPaths,
    settings: Settings,
    *,
    thresholds: npt.NDArray[np.floating] | None = None,
    levels: tuple[str, ...] = LEVELS,
    latest: int | None = None,
) -> pd.DataFrame:
    """One row per case: WARNING_COLUMNS and the probabilities `p_<days>d`, ordered by series, origin and level.

    panel: usable series in the order of `errors`.  thresholds: [O, L, N], one for each origin, level and series; by
    default the settings'.  latest: only so many of the newest origins are spoken at.  At origins with fewer than
    DEPTH (where there are not many: half as many as the newest has) known older ones nothing is said: their
    probabilities are missing, and their outcomes only teach the logistic rule.
    """
    rows = np.asarray(panel.timestamps.get_indexer(errors.origins), np.int64)
    if thresholds is None:
        given = np.asarray(series_thresholds(panel.series, settings), np.float64).T
        thresholds = np.broadcast_to(given, (len(rows), *given.shape))
    horizons = horizons_within(settings, panel.cadence, errors.errors.shape[1])
    ahead = max(horizons)
    days = days_around(panel, rows, rules.ABOVE_DAYS, ahead)
    metrics = panel.series[METRIC]
    rule_of = {name: rule_for(settings.metric(name), settings.risk, Cadence.DAILY) for name in metrics.unique()}
    daily = [rule_of[name] for name in metrics]
    came = outcomes(days, rules.ABOVE_DAYS, thresholds, daily)
    past = days[:, : rules.ABOVE_DAYS]
    lately = np.isfinite(past[:, -rules.NEAR_DAYS :]).any(axis=1)
    forecast = np.isfinite(errors.errors).any(axis=1) & np.isfinite(errors.scale)
    case = np.isfinite(thresholds) & ~came.in_breach & (lately & forecast)[:, None]
    spoken = _spoken(errors, rows, latest)
    limits = np.asarray(thresholds, np.float32)
    said = said_at_origins(panel, errors, np.flatnonzero(spoken), limits, horizons, settings)
    come = (len(panel.timestamps) - 1 - rows) // panel.cadence.per_day
    observed = np.minimum(come[:, None], _covered(_reach(errors), horizons))
    figures = _figures(past, np.asarray(thresholds, np.float64)) | {
        "threshold": np.asarray(thresholds, np.float64), "days_q10": said.days_q10, "days_q50": said.days_q50,
        "event_days": came.first,
    }  # fmt: skip
    for j, horizon in enumerate(horizons):
        meant = (spoken[:, None] & (observed >= horizon))[:, None]
        figures[f"p_{horizon}d"] = np.where(meant, said.probabilities[:, :, j], np.nan)
    return _table(panel, errors, case, levels, figures, {"paths": said.paths, "observed_days": observed})


def sampled_warnings(panel: Panel, errors: ErrorPaths, settings: Settings, latest: int | None = None) -> pd.DataFrame:
    """`past_warnings` of the series that have a threshold, at most 256 of a metric (forecast/sampling.py).

    panel: usable series, in the order of `errors`.
    """
    errors = _within(errors, panel)
    limited = np.flatnonzero(np.isfinite(series_thresholds(panel.series, settings)).any(axis=1))
    if not len(limited) or not len(errors.origins):
        ahead = errors.errors.shape[1]
        return no_warnings(settings, panel.cadence, ahead)
    codes = pd.factorize(panel.series[METRIC], sort=True)[0].astype(np.int64)
    place = limited[spokesmen(codes[limited])]
    keep = np.zeros(len(panel.series), np.bool_)
    keep[place] = True
    return past_warnings(panel.take(keep), errors_of(errors, place), settings, latest=latest)


def errors_of(errors: ErrorPaths, place: Index) -> ErrorPaths:
    """The error paths of the series at `place` [M], in that order."""
    return replace(
        errors, errors=errors.errors[:, :, place], scale=errors.scale[:, place], scale_now=errors.scale_now[place],
        states=errors.states[:, place], states_now=errors.states_now[place],
        series=errors.series.iloc[place].reset_index(drop=True),
    )  # fmt: skip


def no_warnings(settings: Settings, cadence: Cadence, ahead: int) -> pd.DataFrame:
    """The table of a unit without cases; `ahead`: periods forecast."""
    floats = {
        name: np.empty(0)
        for name in (*WARNING_COLUMNS, *(f"p_{h}d" for h in horizons_within(settings, cadence, ahead)))
    }
    table = pd.DataFrame(floats)
    text = dict.fromkeys((SERVER_ID, METRIC, *DIMENSIONS, "level"), "str")
    whole = dict.fromkeys(("paths", "observed_days"), "int64")
    return table.astype(text | whole | {"origin": "datetime64[us, UTC]"})


def horizons_within(settings: Settings, cadence: Cadence, ahead: int) -> tuple[int, ...]:
    """Horizons in days at which warnings are scored: those of the settings that a forecast reaches, at least one."""
    days = ahead // cadence.per_day
    known = sorted(set(settings.risk.horizons_daily))
    return tuple(h for h in known if h <= days) or (max(days, 1),)


def _within(errors: ErrorPaths, panel: Panel) -> ErrorPaths:
    """The origins that the panel still shows."""
    kept = np.asarray(errors.origins.isin(panel.timestamps))
    return errors if kept.all() else replace(
        errors, errors=errors.errors[kept], origins=errors.origins[kept], scale=errors.scale[kept],
        states=errors.states[kept],
    )  # fmt: skip


def known_before(errors: ErrorPaths, rows: Index) -> Index:
    """How many older origins had their outcome known at each origin, [O]."""
    ends = rows + _reach(errors).max(axis=1, initial=0) * errors.cadence.per_day
    return np.asarray((ends[None, :] <= rows[:, None]).sum(axis=1))


def _spoken(errors: ErrorPaths, rows: Index, latest: int | None) -> npt.NDArray[np.bool_]:
    known = known_before(errors, rows)
    least = min(DEPTH, max(1, int(known.max(initial=0)) // 2))
    enough = known >= least
    return np.asarray(enough & (np.cumsum(enough) <= (len(rows) if latest is None else latest)))


def _reach(errors: ErrorPaths) -> Index:
    """Days that each error path covers, [O, N]: to its last observed value."""
    finite = np.isfinite(errors.errors)
    length = finite.shape[1]
    last = np.where(finite.any(axis=1), length - finite[:, ::-1].argmax(axis=1), 0)
    return np.asarray(-(-last // errors.cadence.per_day), np.int64)


def _figures(past: npt.NDArray[np.floating], threshold: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[np.float64]]:
    """Numbers of the rules of thumb, [O, L, N] each."""
    every = range(threshold.shape[1])

    def by_level(rule: object, *more: int) -> npt.NDArray[np.float64]:
        return np.stack([rule(past, threshold[:, level], *more) for level in every], axis=1)  # type: ignore[operator]

    lines = {f"line_{window}": by_level(rules.line_crossing, window) for window in rules.LINE_DAYS}
    return lines | {"near_share": by_level(rules.near_share), "above_share": by_level(rules.above_share)}


def _covered(reach: Index, horizons: tuple[int, ...]) -> Index:
    """Days covered, a few missing ones at the end of a horizon forgiven: they count as not above."""
    out = reach.copy()
    for horizon in horizons:
        out[(reach >= (1.0 - END_TOLERANCE) * horizon) & (reach < horizon)] = horizon
    return out


def _table(
    panel: Panel,
    errors: ErrorPaths,
    case: npt.NDArray[np.bool_],
    levels: tuple[str, ...],
    figures: dict[str, npt.NDArray[np.float64]],
    counts: dict[str, Index],
) -> pd.DataFrame:
    """Rows of the cases [O, L, N]; figures [O, L, N] and counts [O, N]."""
    n, o, level = np.nonzero(case[::-1].transpose(2, 0, 1))
    o = len(case) - 1 - o
    columns: dict[str, object] = {name: values[o, level, n] for name, values in figures.items()}
    columns |= {name: values[o, n] for name, values in counts.items()}
    columns |= {"origin": errors.origins[o], "level": np.array(levels, dtype=object)[level]}
    labels = panel.series[[SERVER_ID, METRIC, *DIMENSIONS]].iloc[n].reset_index(drop=True)
    table = pd.concat([labels, pd.DataFrame(columns)], axis=1).astype({"level": "str"})
    stated = [name for name in table if name.startswith("p_")]
    return table[[*WARNING_COLUMNS, *stated]]
