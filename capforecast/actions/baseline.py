"""A finished run as scenarios start from it: its figures and the levels of its sample paths, as arrays, read once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.actions.baseline_read import MONEY, Found, find, kept_levels, money, series_of, servers_of
from capforecast.actions.scenario_kernels import held
from capforecast.actions.sizes import Sizes
from capforecast.fleet.shapes import capacity
from capforecast.forecast.threads import in_threads
from capforecast.lake.store import Store
from capforecast.risk.rule import rule_for
from capforecast.risk.thresholds import in_percent, usable_capacity
from capforecast.schema import METRIC, SERVER_ID, BoolArray, Cadence, FloatArray
from capforecast.settings import Settings

__all__ = ["MONEY", "Baseline", "open_baseline"]
Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
BLOCK = 8192  # series looked at by one thread at a time
LEVELS = ("high", "very_high")


@dataclass(frozen=True)
class Baseline:
    """A run of N series of S servers, whose sample paths are known by up to P levels in each of W spans of days.

    series: [N] columns of `risks`, and `capacity`, units at 100 %; sorted by server and metric.
    servers: [S] columns of `servers`, and MONEY; sorted by name.  place: [N], row of each series' server.
    ends: [W], last day of each span, counted from the origin.  levels: float32 [N, W, P], by sample path the largest
    level within a span that the breach rule sees exceeded; NaN beyond `paths` [N], and beyond what is reached.
    shares: [2, N, W], of all sample paths, that breach high, very_high by the end of each span.  peak_q90: [N, W].
    present: [N], level of what was observed last.
    """

    cadence: Cadence
    as_of: pd.Timestamp
    run: str  # changes whenever the run is made again
    settings: Settings
    series: pd.DataFrame
    servers: pd.DataFrame
    place: Index
    ends: Index
    levels: FloatArray
    paths: Index
    shares: Array
    peak_q90: Array
    present: Array
    sizes: Sizes
    currency: str
    missing: tuple[str, ...]  # business units that did not finish
    priced_by: str = ""  # where prices come from, in words
    memory: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)  # what was made of it once

    @property
    def origin(self) -> pd.Timestamp:
        """The last moment seen: days are counted from it."""
        return self.as_of - self.cadence.step

    @cached_property
    def starts(self) -> Index:
        """Last day before each span, [W]."""
        return np.concatenate([[0], self.ends[:-1]]).astype(np.int64)

    @cached_property
    def metrics(self) -> npt.NDArray[np.object_]:
        """Name of each series' metric, [N]."""
        names: npt.NDArray[np.object_] = self.series[METRIC].to_numpy(dtype=object)
        return names

    @cached_property
    def limits(self) -> FloatArray:
        """Thresholds high, very_high of each series, float32 [N, 2]; NaN = none."""
        return np.column_stack([self.number(f"threshold_{level}") for level in LEVELS]).astype(np.float32)

    @cached_property
    def full(self) -> Array:
        """What may be used of each series' capacity, in its metric's unit, [N]; NaN = not known."""
        return usable_capacity(self.series, self.settings)

    @cached_property
    def percent(self) -> BoolArray:
        """Is each series a percentage of its server's capacity, [N]."""
        return in_percent(self.series, self.settings)

    @cached_property
    def least(self) -> Index:
        """Days above a threshold that make a breach (k of n) of each series, [N]."""
        names = pd.unique(self.metrics)
        by_name = {name: rule_for(self.settings.metric(name), self.settings.risk, Cadence.DAILY).k for name in names}
        return np.array([by_name[name] for name in self.metrics], np.int64)

    @cached_property
    def reach(self) -> Index:
        """The last span that is known of each series and within the tier's horizon, [N]; -1 = none."""
        within = int((self.ends <= self.settings.risk.tier_horizon_days).sum())
        return np.minimum(self.reached, within) - 1

    @cached_property
    def reached(self) -> Index:
        """How many spans are known of each series, [N]."""
        return np.asarray(np.isfinite(self.levels[:, :, 0]).sum(axis=1), np.int64)

    @cached_property
    def sketch(self) -> tuple[Array, Array]:
        """What the kept paths say without any change: shares [2, N, W] and how high they go [3, N] (`held`)."""
        lead = np.full(len(self.place), self.settings.risk.lead_time_days)
        return self.held(np.arange(len(self.place)), None, None, self.limits, lead)

    @cached_property
    def costs(self) -> tuple[BoolArray, Array]:
        """Types each server may become, and what they cost an hour, [S, T]; NaN = no price."""
        typed = self.servers.assign(instance_type=self.servers["instance_type"].astype("str"))
        return self.sizes.allowed(typed, self.settings.sizing), self.sizes.costs(self.servers["region"])

    def number(self, name: str) -> Array:
        """A figure of the series, [N]."""
        return np.asarray(self.series[name].to_numpy(dtype=np.float64))

    def held(
        self, rows: Index, factor: FloatArray | None, more: FloatArray | None, limits: FloatArray, lead: Index
    ) -> tuple[Array, Array]:
        """Kept paths of some series [R] under a scenario; factor, more: [R, W], None = unchanged.  lead: [R], days."""
        shape = (len(rows), len(self.ends))
        factor = np.ones(shape, np.float32) if factor is None else factor
        more = np.zeros(shape, np.float32) if more is None else more
        last, spans = np.maximum(self.reach[rows], 0), self.span_of(lead, rows)
        limits = np.ascontiguousarray(limits, np.float32)
        shares, tops = np.full((2, *shape), np.nan), np.full((3, len(rows)), np.nan)

        def work(part: slice) -> None:
            shares[:, part], tops[:, part] = held(
                self.levels, self.paths, rows[part], factor[part], more[part], limits[part], last[part], spans[part]
            )

        parts = [slice(start, start + BLOCK) for start in range(0, len(rows), BLOCK)]
        in_threads(work, parts, self.settings.forecast.threads, "what-if")
        return shares, tops

    def span_of(self, days: Index, rows: Index) -> Index:
        """The span that holds a day of each of some series, [R]; the last that is known, for later days."""
        return np.minimum(np.searchsorted(self.ends, days), np.maximum(self.reached[rows] - 1, 0)).astype(np.int64)


def open_baseline(
    store: Store, as_of: str | pd.Timestamp | None = None, run_id: str | None = None, cadence: Cadence = Cadence.DAILY
) -> Baseline:
    """The run as of a moment, by default the newest, from the tables that its report was made of.

    run_id: that run of Prefect, whatever `as_of` and `cadence` say.  Raises UsageError where there is no such run, or
    where it keeps no levels of its sample paths (made by an earlier version), with the fix; StaleReferenceError where
    a run has replaced its tables since.
    """
    found = find(store, as_of, run_id, cadence)
    series, servers = series_of(store, found), servers_of(store, found)
    place = pd.Index(servers[SERVER_ID]).get_indexer(series[SERVER_ID]).astype(np.int64)
    kept, ends = kept_levels(store, found, series)
    priced, sizes, priced_by = money(store, found, servers)
    series["capacity"] = capacity(series, servers)
    return Baseline(
        cadence=found.cadence, as_of=found.as_of, run=found.digest, settings=found.settings, series=series,
        servers=priced, place=place, ends=ends, sizes=sizes, currency=found.settings.prices.currency,
        missing=tuple(sorted(found.problems)), priced_by=priced_by, **kept,
    )  # fmt: skip


def reopened(store: Store, baseline: Baseline) -> bool:
    """Is a baseline still that of the run as it lies in the lake?"""
    found: Found = find(store, baseline.as_of, None, baseline.cadence)
    return found.digest == baseline.run
