"""The sizing rule replayed at past origins: what it would have recommended then, and how it would have fared.

At each origin only what was known then speaks: the forecast of that day, errors of origins whose outcome was complete,
the sizes of error and states of that day. The size it would have given is then held against what came.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.actions.needs import RESOURCES, needs_of
from capforecast.actions.rightsize import rightsize
from capforecast.actions.sizes import Sizes
from capforecast.risk.moment import LEAST_ORIGINS, past
from capforecast.schema import METRIC, QUANTILE_LEVELS, SERVER_ID, ErrorPaths, Forecast, Panel
from capforecast.settings import Settings, SizingSettings

Array = npt.NDArray[np.float64]
COLUMNS = (
    SERVER_ID, "origin", "action", "vcpus", "memory_gib", "to_vcpus", "to_memory_gib", "need_vcpus", "need_memory_gib",
    "periods", "over_size", "over_need",
)  # fmt: skip
_MEDIAN = QUANTILE_LEVELS.index(0.5)


def replayed(
    panel: Panel,
    errors: ErrorPaths,
    servers: pd.DataFrame,
    sizes: Sizes,
    settings: Settings,
    rules: SizingSettings,
    latest: int | None = None,
) -> pd.DataFrame:
    """COLUMNS, one row per server and past origin at which the rule could speak of it.

    panel: usable series, in the order of `errors`, reaching to the end of what is known.  servers: as `needs_of`; their
    sizes and tiers are today's, tiers at risk counted as such then.  latest: only so many of the newest origins whose
    outcome is complete.  periods: observed of those the forecast of then reached.  over_size: of these, CPU or memory
    above 100 % of the size recommended (0 where none was).  over_need: above what the rule says is needed, headroom
    included: a test of the rule on every server, harder than that on sizes, which are rounded up.
    """
    rows = []
    for o in _scorable(panel, errors)[:latest]:
        moment = _moment(panel, errors, o, settings)
        if moment is None:
            continue
        needs = needs_of(moment.panel, moment.forecast, moment.errors, servers, settings)
        table = rightsize(needs, sizes, rules)
        spoken = np.isfinite(needs.cpu).all(axis=0) if len(needs.cpu) else np.zeros(len(table), dtype=bool)
        table, these = table[spoken], servers[spoken]
        used = _used(panel, moment, these)
        counts = {
            "periods": np.isfinite(used[0]).sum(axis=0),
            "over_size": _over(used, table, "to_"),
            "over_need": _over(used, table, "need_"),
        }
        rows.append(table.assign(origin=errors.origins[o], **counts))
    if not rows:
        return pd.DataFrame(columns=list(COLUMNS))
    return pd.concat(rows, ignore_index=True)[list(COLUMNS)]


@dataclass(frozen=True)
class _Then:
    panel: Panel  # until the origin
    forecast: Forecast
    errors: ErrorPaths  # known by then
    after: slice  # rows of the whole panel that the forecast was of


def _scorable(panel: Panel, errors: ErrorPaths) -> list[int]:
    """Origins whose whole outcome lies within the panel and that have enough known ones behind them, newest first."""
    horizon, step = errors.errors.shape[1], panel.cadence.step
    ends = errors.origins + horizon * step
    behind = np.array([(ends <= origin).sum() for origin in errors.origins])
    return np.flatnonzero((ends <= panel.timestamps[-1]) & (behind >= LEAST_ORIGINS)).tolist()


def _moment(panel: Panel, errors: ErrorPaths, o: int, settings: Settings) -> _Then | None:
    """What was known at origin number o; None where no forecast of then is known."""
    when, horizon, step = errors.origins[o], errors.errors.shape[1], panel.cadence.step
    known = np.asarray(errors.origins + horizon * step <= when)
    nothing = np.full((len(panel.series), 2), np.nan, np.float32)
    moment = past(panel, errors, o, nothing, settings)
    able = moment.length > 0
    if not able.any():
        return None
    point = np.where(able[:, None], moment.point, np.nan).T
    quantiles = np.full((len(QUANTILE_LEVELS) + 1, horizon, len(able)), np.nan, dtype=np.float32)
    quantiles[_MEDIAN] = point
    stamps = pd.date_range(when + step, periods=horizon, freq=step)
    then = replace(
        errors, errors=errors.errors[known], origins=errors.origins[known], scale=errors.scale[known],
        states=errors.states[known], scale_now=errors.scale[o], states_now=errors.states[o],
    )  # fmt: skip
    row = int(panel.timestamps.searchsorted(when, side="right"))
    forecast = Forecast(quantiles, stamps, errors.series, panel.cadence)
    return _Then(moment.panel, forecast, then, slice(row, row + horizon))


def _used(panel: Panel, then: _Then, servers: pd.DataFrame) -> list[Array]:
    """vCPUs, and GiB, that the servers used in each period after the origin, [T, S]; NaN = not observed."""
    values, series, out = panel.values[then.after], panel.series, []
    for metric, size in RESOURCES:
        mine = np.flatnonzero(series[METRIC] == metric)
        place = pd.Index(series[SERVER_ID].iloc[mine]).get_indexer(servers[SERVER_ID])
        used = np.full((len(values), len(servers)), np.nan)
        used[:, place >= 0] = values[:, mine[place[place >= 0]]] / 100.0
        out.append(used * servers[size].to_numpy(dtype=np.float64))
    return out


def _over(used: list[Array], table: pd.DataFrame, prefix: str) -> npt.NDArray[np.int64]:
    """Periods in which either resource was above the column `<prefix><size>` of a table, [S]; NaN is never exceeded."""
    over = [
        values > table[f"{prefix}{size}"].to_numpy(dtype=np.float64)
        for values, (_, size) in zip(used, RESOURCES, strict=True)
    ]
    return np.asarray((over[0] | over[1]).sum(axis=0))
