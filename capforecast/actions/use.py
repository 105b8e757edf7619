"""What servers use, hour by hour, in vCPU and GiB, and how much more is to come: what packing starts from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.actions.consolidate import Use
from capforecast.actions.needs import PERCENT, RESOURCES
from capforecast.actions.size_choice import Needs
from capforecast.schema import METRIC, SERVER_ID, Cadence, FloatArray, Panel

_WEEK_DAYS = 7


def use_of(panel: Panel, servers: pd.DataFrame, needs: Needs, weeks: int) -> tuple[Use, pd.DataFrame]:
    """Use of the servers [T, S] of a panel, and `servers` with growth_cpu, growth_memory.

    Growth is the median projected peak by the largest one of the last `weeks`, peaks being P95s of a day as the sizing
    rule has them; NaN where there is no forecast.
    """
    ids, used, growth = servers[SERVER_ID].astype("str"), [], []
    for (metric, size), peaks in zip(RESOURCES, (needs.cpu, needs.memory), strict=True):
        mine = np.flatnonzero((panel.series[METRIC] == metric).to_numpy())
        place = pd.Index(panel.series[SERVER_ID].iloc[mine].astype("str")).get_indexer(ids)
        share = np.full((len(panel.values), len(ids)), np.nan, dtype=np.float32)
        share[:, place >= 0] = panel.values[:, mine[place[place >= 0]]] / np.float32(PERCENT)
        used.append((share * servers[size].to_numpy(dtype=np.float32)).astype(np.float32))
        growth.append(_growth(share, peaks, panel.cadence, weeks))
    grown = servers.assign(growth_cpu=growth[0], growth_memory=growth[1])
    return Use(used[0], used[1], _statistic(panel), panel.cadence), grown


def _growth(share: FloatArray, peaks: FloatArray, cadence: Cadence, weeks: int) -> npt.NDArray[np.float64]:
    """Median projected peak by the largest daily P95 of the last weeks, [S]."""
    lately = share[-weeks * _WEEK_DAYS * cadence.per_day :]
    days = lately[: len(lately) // cadence.per_day * cadence.per_day].reshape(-1, cadence.per_day, share.shape[1])
    if not len(days) or not len(peaks):
        return np.full(share.shape[1], np.nan)
    ordered = np.sort(np.where(np.isnan(days), -np.inf, days), axis=1)
    seen = ordered[:, int(0.95 * (cadence.per_day - 1))].max(axis=0).astype(np.float64)
    middle = np.median(peaks, axis=0).astype(np.float64)
    return np.where(seen > 0, middle / np.where(seen > 0, seen, 1.0), np.where(np.isnan(middle), np.nan, 1.0))


def _statistic(panel: Panel) -> str:
    """The statistic of CPU and memory: one that cannot be added up wins, then the mean."""
    metrics = [metric for metric, _ in RESOURCES]
    names = set(panel.series.loc[panel.series[METRIC].isin(metrics), "statistic"].astype("str"))
    others = sorted(names - {"mean", "max"})
    return others[0] if others else ("mean" if "mean" in names else "max" if names else "")
