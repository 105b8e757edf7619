"""Values of periods as they are read: tables of servers x periods, their statistics, and what was missed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.schema import Cadence, FloatArray
from capforecast.sources.remote import Missed, Window


@dataclass
class Values:
    """What was read.  tables: column -> float32 [servers, periods], NaN = nothing measured."""

    server_ids: npt.NDArray[np.object_]
    periods: pd.DatetimeIndex  # begins
    tables: dict[str, FloatArray]
    missed: list[Missed] = field(default_factory=list)
    remarks: set[str] = field(default_factory=set)


def packed(series: pd.DataFrame) -> pd.DataFrame:
    """One row per server and column: server_id, column, how (all its pairs of ask and identity)."""
    pairs = pd.Series(list(zip(series["ask"], series["identity"], strict=True)), index=series.index, dtype=object)
    groups = pairs.groupby([series["server_id"], series["column"]], sort=True).agg(tuple)
    return groups.rename("how").reset_index().astype({"server_id": "str", "column": "str"})


def unpacked(series: pd.DataFrame) -> pd.DataFrame:
    """One row per server, column and what gives it: server_id, column, ask, identity."""
    packs = series[["server_id", "column", "how"]].itertuples(index=False)
    rows = [(server, column, *pair) for server, column, how in packs for pair in how]
    return pd.DataFrame(rows, columns=["server_id", "column", "ask", "identity"])


def statistic_of(statistic: str, single: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """The statistic over the last axis, of what is there; NaN where nothing is.

    Quantiles as Prometheus' quantile_over_time has them: linear between order statistics.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of periods without a value
        if statistic in ("mean", "max", "min"):
            over: Callable[..., npt.NDArray[np.floating]] = getattr(np, f"nan{statistic}")
            return over(single, axis=-1)
    ordered = np.sort(single, axis=-1)  # NaN last
    rank = int(statistic[1:]) / 100 * np.maximum((~np.isnan(single)).sum(axis=-1, keepdims=True) - 1, 0)
    below = np.floor(rank).astype(np.int64)
    low, high = (np.take_along_axis(ordered, place, axis=-1) for place in (below, np.ceil(rank).astype(np.int64)))
    return np.asarray(low + (high - low) * (rank - below))[..., 0]


def empty(series: pd.DataFrame, window: Window, cadence: Cadence) -> Values:
    """Tables for all series of the window, nothing in them yet."""
    ids = np.array(sorted(set(series["server_id"])), dtype=object)
    periods = pd.date_range(window.since, window.until, freq=cadence.step, inclusive="left")
    shape = (len(ids), len(periods))
    return Values(
        ids, periods, {str(name): np.full(shape, np.nan, np.float32) for name in sorted(set(series["column"]))}
    )


def gathered(missed: list[Missed]) -> list[Missed]:
    """Those of one column, time and reason as one, in a fixed order."""
    groups: dict[tuple[str, pd.Timestamp, pd.Timestamp, str], set[str]] = {}
    for one in missed:
        key = (one.column, one.window.since, one.window.until, one.reason)
        groups.setdefault(key, set()).update(one.server_ids)
    return [
        Missed(Window(since, until), reason, tuple(sorted(groups[column, since, until, reason])), column)
        for column, since, until, reason in sorted(groups)
    ]
