"""What each server needs on joint sample paths: peaks of its CPU and memory, as shares of its size, path by path."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.actions.size_choice import Needs
from capforecast.fleet.bounds import physical_range
from capforecast.risk.joint_peaks import Peaks, joint_peaks
from capforecast.schema import METRIC, SERVER_ID, Cadence, ErrorPaths, FloatArray, Forecast, Panel
from capforecast.settings import Settings

PERCENT = 100.0
RESOURCES = (("cpu", "vcpus"), ("mem", "memory_gib"))
_UNSEEN = "unseen_peaks"
_WORDS = {"p95": "P95", "max": "maximum", "p99": "P99", "p50": "median", "hourly mean": "P95 of a day's hourly means"}
_Keys = list[tuple[pd.Timestamp, int]]


def needs_of(
    panel: Panel, forecast: Forecast | None, errors: ErrorPaths | None, servers: pd.DataFrame, settings: Settings
) -> Needs:
    """Needs of the servers of one business unit.

    panel: all series, unknown ones included.  forecast, errors: of the usable ones, in the same order; None = nothing
    could be forecast.  servers: one row each: server_id, tier, dimensions, and where known instance_type, vcpus,
    memory_gib, other_risk (the metric they are at risk by where it is neither CPU nor memory).
    """
    table = servers.reset_index(drop=True)
    sized = table.assign(
        instance_type=_text(table, "instance_type"), vcpus=_number(table, "vcpus"),
        memory_gib=_number(table, "memory_gib"), history_days=_history_days(panel, table),
        peaks_unseen=_unseen(panel, table), cpu_statistic=_statistic(panel, table, "cpu"),
        memory_statistic=_statistic(panel, table, "mem"), other_risk=_text(table, "other_risk"),
    )  # fmt: skip
    sized["basis"] = _basis(sized, panel.cadence, settings)
    drawn = [_peaks(name, forecast, errors, panel, settings) for name, _ in RESOURCES]
    shared = _shared([peaks for _, peaks in drawn])
    needs = []
    for series, peaks in drawn:
        out = np.full((len(shared), len(sized)), np.nan, dtype=np.float32)
        if peaks is not None and len(shared):
            place = pd.Index(sized[SERVER_ID].astype("str")).get_indexer(series[SERVER_ID].astype("str"))
            rows = pd.MultiIndex.from_arrays([peaks.origins, peaks.repeat]).get_indexer(shared)
            out[:, place[place >= 0]] = peaks.values[rows][:, place >= 0]
        needs.append((out / PERCENT).astype(np.float32))
    origins = pd.DatetimeIndex(shared.get_level_values(0))
    repeat = shared.get_level_values(1).to_numpy(dtype=np.int64)
    length = min((peaks.length for _, peaks in drawn if peaks is not None), default=0)
    sized["horizon_days"] = length / panel.cadence.per_day
    return Needs(sized, needs[0], needs[1], origins, repeat)


def _statistic(panel: Panel, servers: pd.DataFrame, metric: str) -> pd.Series:
    """The statistic that a server's metric is known by, [S]; "" = not measured. Hours show the peaks of their days."""
    names = panel.series["statistic"].astype("str").to_numpy()
    if panel.cadence is Cadence.HOURLY:
        names = np.where(names == "mean", "hourly mean", names)
    return _of_servers(panel, names, servers, {metric}).astype("str").fillna("")


def _basis(servers: pd.DataFrame, cadence: Cadence, settings: Settings) -> pd.Series:
    """By what each server is sized, in words, [S]."""
    rules, daily = settings.sizing, " of a day" if cadence is Cadence.DAILY else ""
    words = {}
    for cpu, memory in {*zip(servers["cpu_statistic"], servers["memory_statistic"], strict=True)}:
        said = [f"CPU by the {_WORDS.get(cpu, cpu)}{daily}, {rules.headroom:.0%} headroom"] if cpu else []
        if memory:
            exact = memory == "max"
            room = rules.headroom if exact else rules.headroom_memory_p95
            wider = "" if exact else ", wider as its maximum is not known"
            said.append(f"memory by the {_WORDS.get(memory, memory)}{daily}, {room:.0%} headroom{wider}")
        words[cpu, memory] = "; ".join(said)
    pairs = zip(servers["cpu_statistic"], servers["memory_statistic"], strict=True)
    return pd.Series([words[pair] for pair in pairs], index=servers.index, dtype="str")


def _peaks(
    metric: str, forecast: Forecast | None, errors: ErrorPaths | None, panel: Panel, settings: Settings
) -> tuple[pd.DataFrame, Peaks | None]:
    """The series of a metric that is a percentage, and their peaks."""
    if forecast is None or errors is None or settings.metric(metric).unit != "percent":
        return panel.series[:0], None
    mine = (errors.series[METRIC] == metric).to_numpy()
    if not mine.any():
        return panel.series[:0], None
    low, high = physical_range(panel.usable().take(mine), settings)
    part = errors.take(mine)
    found = joint_peaks(
        part, forecast.median[:, mine], low, high, settings.risk.nearest_share, settings.forecast.threads
    )
    return part.series, found


def _shared(found: list[Peaks | None]) -> pd.MultiIndex:
    """Draws (origin, repeat) that all resources have, of those that could be drawn at all."""
    keys = [pd.MultiIndex.from_arrays([peaks.origins, peaks.repeat]) for peaks in found if peaks is not None]
    if not keys:
        return pd.MultiIndex.from_arrays([[], []])
    shared = keys[0]
    for other in keys[1:]:
        shared = shared[shared.isin(other)]
    return shared


def _history_days(panel: Panel, servers: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Days since the first observation of a server's CPU, [S]; 0 = never seen."""
    seen = np.isfinite(panel.values)
    length = np.where(seen.any(axis=0), len(seen) - seen.argmax(axis=0) if len(seen) else 0, 0)
    days = _of_servers(panel, length / panel.cadence.per_day, servers, {"cpu"}).fillna(0.0)
    return np.asarray(days, dtype=np.float64)


def _unseen(panel: Panel, servers: pd.DataFrame) -> pd.Series:
    """Known peaks ahead that a server's CPU or memory has not seen, in words, [S]; "" = none."""
    words = panel.series[_UNSEEN].astype("str").to_numpy()
    found = [_of_servers(panel, words, servers, {name}).astype("str").fillna("") for name, _ in RESOURCES]
    return found[0].where(found[0] != "", found[1]).astype("str")


def _of_servers(panel: Panel, values: npt.ArrayLike, servers: pd.DataFrame, metrics: set[str]) -> pd.Series:
    """A figure of the series of some metrics, by server."""
    mine = panel.series[METRIC].isin(metrics).to_numpy()
    by_name = pd.Series(np.asarray(values)[mine], index=panel.series.loc[mine, SERVER_ID].astype("str"))
    return servers[SERVER_ID].astype("str").map(by_name[~by_name.index.duplicated()])


def _text(table: pd.DataFrame, name: str) -> pd.Series:
    return table[name].astype("str").fillna("") if name in table else pd.Series("", index=table.index, dtype="str")


def _number(table: pd.DataFrame, name: str) -> FloatArray:
    return table[name].to_numpy(dtype=np.float64) if name in table else np.full(len(table), np.nan)
