"""What each server needs on joint sample paths: peaks of its CPU and memory, in vCPU and GiB, path by path."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.actions.rightsize import Needs
from capforecast.fleet.bounds import physical_range
from capforecast.risk.joint_peaks import Peaks, joint_peaks
from capforecast.schema import METRIC, SERVER_ID, ErrorPaths, FloatArray, Forecast, Panel
from capforecast.settings import Settings

PERCENT = 100.0
RESOURCES = (("cpu", "vcpus"), ("mem", "memory_gib"))
_UNSEEN = "unseen_peaks"
_Keys = list[tuple[pd.Timestamp, int]]


def needs_of(
    panel: Panel, forecast: Forecast | None, errors: ErrorPaths | None, servers: pd.DataFrame, settings: Settings
) -> Needs:
    """Needs of the servers of one business unit.

    panel: all series, unknown ones included.  forecast, errors: of the usable ones, in the same order; None = nothing
    could be forecast.  servers: one row each: server_id, tier, dimensions, and where known instance_type, vcpus,
    memory_gib.
    """
    table = servers.reset_index(drop=True)
    sized = table.assign(
        instance_type=_text(table, "instance_type"), vcpus=_number(table, "vcpus"),
        memory_gib=_number(table, "memory_gib"), history_days=_history_days(panel, table),
        peaks_unseen=_unseen(panel, table),
    )  # fmt: skip
    drawn = [_peaks(name, forecast, errors, panel, settings) for name, _ in RESOURCES]
    shared = _shared([peaks for _, peaks in drawn])
    needs = []
    for (series, peaks), (_, size) in zip(drawn, RESOURCES, strict=True):
        out = np.full((len(shared), len(sized)), np.nan, dtype=np.float32)
        if peaks is not None and len(shared):
            place = pd.Index(sized[SERVER_ID].astype("str")).get_indexer(series[SERVER_ID].astype("str"))
            rows = pd.MultiIndex.from_arrays([peaks.origins, peaks.repeat]).get_indexer(shared)
            out[:, place[place >= 0]] = peaks.values[rows][:, place >= 0]
        capacity = sized[size].to_numpy(dtype=np.float64)
        needs.append((out * (np.where(capacity > 0, capacity, np.nan) / PERCENT)).astype(np.float32))
    return Needs(sized, *needs)


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
    found = [_of_servers(panel, words, servers, {name}).fillna("") for name, _ in RESOURCES]
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
