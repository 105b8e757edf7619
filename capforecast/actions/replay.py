"""The sizing rule replayed at past origins: what it would have recommended then, and how it would have fared.

At each origin only what was known then speaks: the forecast of that day, errors of origins whose outcome was complete,
the sizes of error and states of that day. The size it would have given is then held against what came.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.actions.needs import RESOURCES, needs_of
from capforecast.actions.rightsize import rightsize
from capforecast.actions.sizes import SHARE_STEPS, Sizes
from capforecast.risk.moment import LEAST_ORIGINS, past
from capforecast.schema import METRIC, QUANTILE_LEVELS, SERVER_ID, ErrorPaths, FloatArray, Forecast, Panel, Tier
from capforecast.settings import Settings, SizingSettings

Array = npt.NDArray[np.float64]
COLUMNS = (
    SERVER_ID, "origin", "action", "to_cpu_share", "to_memory_share", "need_cpu_share", "need_memory_share",
    "periods_cpu", "periods_memory", "periods",  # observed of CPU, of memory, of either
    "over_size_cpu", "over_size_memory", "over_size", "over_need_cpu", "over_need_memory", "over_need",
)  # fmt: skip
SHARES = ("cpu", "memory")
_MEDIAN = QUANTILE_LEVELS.index(0.5)


def replayed(
    panel: Panel,
    errors: ErrorPaths,
    servers: pd.DataFrame,
    sizes: Sizes,
    settings: Settings,
) -> pd.DataFrame:
    """COLUMNS, one row per server and past origin at which the rule could speak of it.

    panel: usable series, in the order of `errors`, reaching to the end of what is known.  servers: as `needs_of`;
    their sizes are today's. Their tiers are not looked at: a server that has come to be at risk since was none of
    them then, and a smaller size would have been the worst for it. So more is made smaller than would have been.
    The newest sizing.replay_origins origins whose outcome is complete count. periods: observed of those the
    forecast of then reached. over_size: of these, above 100 % of the size recommended (0 where none was).
    over_need: above what the rule says is needed, headroom included, or below the least size there is: a test of
    the rule on every server, harder than that on sizes, which are rounded up.
    """
    rows, then = [], servers.assign(tier=str(Tier.OK))
    for o in _scorable(panel, errors)[: settings.sizing.replay_origins]:
        moment = _moment(panel, errors, o, settings)
        if moment is None:
            continue
        needs = needs_of(moment.panel, moment.forecast, moment.errors, then, settings)
        table = rightsize(needs, sizes, settings.sizing)
        spoken = np.isfinite(needs.cpu).all(axis=0) if len(needs.cpu) else np.zeros(len(table), dtype=bool)
        table, these = _at_least(table[spoken], settings.sizing), servers[spoken]
        rows.append(table.assign(origin=errors.origins[o], **_counts(_used(panel, moment, these), table)))
    if not rows:
        return pd.DataFrame(columns=list(COLUMNS))
    return pd.concat(rows, ignore_index=True)[list(COLUMNS)]


def _at_least(table: pd.DataFrame, rules: SizingSettings) -> pd.DataFrame:
    """The rule's rows, needs not below the least size that it would ever recommend."""
    floors = {"cpu": rules.least_vcpus / table["vcpus"], "memory": rules.least_memory_gib / table["memory_gib"]}
    needs = {
        f"need_{name}_share": np.maximum(
            table[f"need_{name}_share"],
            np.minimum(floor.where(np.isfinite(floor), SHARE_STEPS[0]), 1.0),
        )
        for name, floor in floors.items()
    }
    return table.assign(**needs)


def _counts(used: list[Array], table: pd.DataFrame) -> dict[str, npt.NDArray[np.int64]]:
    """Periods observed, and over what was recommended and needed, by resource and of either."""
    seen = [np.isfinite(values) for values in used]
    counts = {f"periods_{name}": each.sum(axis=0) for name, each in zip(SHARES, seen, strict=True)}
    counts["periods"] = (seen[0] | seen[1]).sum(axis=0)
    for prefix, test in (("to", "over_size"), ("need", "over_need")):
        over = [
            values > table[f"{prefix}_{name}_share"].to_numpy(dtype=np.float64)  # NaN is never exceeded
            for values, name in zip(used, SHARES, strict=True)
        ]
        counts |= {f"{test}_{name}": each.sum(axis=0) for name, each in zip(SHARES, over, strict=True)}
        counts[test] = (over[0] | over[1]).sum(axis=0)
    return counts


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
    """Share of its CPU, and memory, that each server used in each period after the origin, [T, S]; NaN = not observed.

    Of hourly series the P95 of each day, as the rule's own peaks are.
    """
    values, series, out = _days(panel.values[then.after], panel.cadence.per_day), panel.series, []
    for metric, _ in RESOURCES:
        mine = np.flatnonzero(series[METRIC] == metric)
        place = pd.Index(series[SERVER_ID].iloc[mine]).get_indexer(servers[SERVER_ID])
        used = np.full((len(values), len(servers)), np.nan)
        used[:, place >= 0] = values[:, mine[place[place >= 0]]] / 100.0
        out.append(used)
    return out


def _days(values: FloatArray, per_day: int) -> Array:
    """P95 of the hours of each whole day [T, N]; days that come as such stay as they are."""
    if per_day == 1:
        return values.astype(np.float64)
    whole = values[: len(values) // per_day * per_day].astype(np.float64).reshape(-1, per_day, values.shape[1])
    seen = np.isfinite(whole).sum(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # days without any hour
        level = np.nanquantile(whole, 0.95, axis=1)
    return np.where(seen >= per_day // 2, level, np.nan)
