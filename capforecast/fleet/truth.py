"""What is true of a synthetic fleet: who its servers are, what happened to them, and when they really breached."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from capforecast.fleet import synthetic_traits as traits
from capforecast.fleet.synthetic_clock import Clock
from capforecast.fleet.synthetic_draws import Floats, Whole
from capforecast.fleet.synthetic_load import Lives
from capforecast.fleet.synthetic_rows import alive, outages
from capforecast.fleet.synthetic_servers import Servers
from capforecast.schema import METRIC, SERVER_ID, BoolArray, Cadence, FloatArray
from capforecast.settings import Settings

LOAD_METRICS = ("cpu", "net_in", "net_out")  # what an event of the load shows in; memory follows it weakly
EVENT_COLUMNS = (SERVER_ID, METRIC, "kind", "start", "end", "size")
BREACH_COLUMNS = (SERVER_ID, METRIC, "level", "threshold", "rule", "date")
_HOURS = 24
_PEAK = 0.95  # quantile of a day's hourly values that stands for the day


def truth_servers(servers: Servers, clock: Clock) -> pd.DataFrame:
    """One row per server: archetype, story and the parameters behind its values; times where it changed."""
    changed = servers.plays("shifted", "resized", "moved")
    now, fill = traits.disk_now(servers)
    return pd.DataFrame(
        {
            SERVER_ID: servers.server_id,
            "archetype": servers.kind,
            "story": servers.story,
            "business_unit": servers.unit_now,
            "changed_at": pd.Series(clock.at(servers.change.astype(np.float64))).where(changed),
            "level": traits.level_of(servers),
            "noise": traits.jitter_of(servers),
            "weekend_dip": traits.dip_of(servers),
            "quarter_end_rise": traits.closing_of(servers),
            "season_rise": traits.season_of(servers),
            "yearly_wave": traits.wave_of(servers),
            "growth_per_year": traits.pace_of(servers),
            "rise_per_day": traits.ramp_of(servers),
            "load_before_shift": traits.shift_of(servers),
            "percent_before_resize": servers.scale_before,
            "memory_base": traits.memory_base(servers),
            "memory_follows": traits.memory_follows(servers),
            "memory_leak_per_day": traits.leak_of(servers),
            "disk_now": now,
            "disk_fill_per_day": fill,
            "disk_cleaned": traits.cleaned_of(servers),
            "net_in": traits.net_scale(servers, "in"),
            "net_out": traits.net_scale(servers, "out"),
        }
    )


def truth_events(servers: Servers, clock: Clock, lives: Lives, dirty: bool) -> pd.DataFrame:
    """One row per event, server and metric it shows in (EVENT_COLUMNS), sorted; metric "" = the whole server.

    kind: level_shift, resize (size = new over old value), incident (factor on the load), spike, quarter_end,
    seasonal_peak (share on top), restart, cleanup (points freed), move, outage, first_seen, retired (no size).
    end is exclusive, and NaT where the change stayed. Only what a living server could show is listed.
    """
    step = clock.cadence.step / pd.Timedelta(days=1)
    events = _Events(servers, clock)
    change = servers.change.astype(np.float64)
    lasting = np.full(len(change), np.nan)
    everyone = np.arange(len(change))
    for story, kind, metrics, size in (
        ("shifted", "level_shift", LOAD_METRICS, 1 / traits.shift_of(servers)),
        ("resized", "resize", ("cpu", "mem"), 1 / servers.scale_before),
        ("moved", "move", ("",), lasting),
    ):
        chosen = servers.plays(story)
        events.add(kind, metrics, everyone[chosen], change[chosen], lasting[chosen], size[chosen])
    place, slot = np.nonzero(np.isfinite(lives.incident_at))
    at, length = lives.incident_at[place, slot], lives.incident_days[place, slot]
    events.add("incident", LOAD_METRICS, place, at, at - length, lives.incident_size[place, slot])
    place, time = np.nonzero(lives.spike)
    events.add("spike", LOAD_METRICS, place, clock.age[time], clock.age[time] - step, lives.spike[place, time])
    for kind, share, periods in (
        ("quarter_end", traits.closing_of(servers), clock.quarters),
        ("seasonal_peak", traits.season_of(servers), clock.seasons),
    ):
        chosen = share > 0
        for start, end in periods:
            ages = [np.full(chosen.sum(), (clock.end - when) / pd.Timedelta(days=1)) for when in (start, end)]
            events.add(kind, LOAD_METRICS, everyone[chosen], ages[0], ages[1], share[chosen])
    leak = traits.leak_of(servers)
    events.repeat("restart", "mem", leak > 0, traits.restart_of(servers), traits.RESTART_DAYS, leak)
    cleaned = traits.cleaned_of(servers)
    events.repeat(
        "cleanup", "disk", cleaned > 0, traits.clean_day_of(servers), traits.CLEAN_DAYS, cleaned / traits.CLEAN_DAYS
    )
    if dirty:
        at, length = outages(servers)
        has = np.isfinite(at)
        events.add("outage", ("",), everyone[has], at[has], (at - length)[has], lasting[has])
    there = alive(servers, clock)
    for story, kind, first in (("young", "first_seen", True), ("retired", "retired", False)):
        chosen = servers.plays(story) & there.any(axis=1)
        edge = there.argmax(axis=1) if first else there.shape[1] - there[:, ::-1].argmax(axis=1) - 1
        when = clock.age[edge[chosen]] - (0.0 if first else step)
        events.add(kind, ("",), everyone[chosen], when, lasting[chosen], lasting[chosen], always=True)
    return events.frame()


class _Events:
    """Collects events as arrays; times as days before the end."""

    def __init__(self, servers: Servers, clock: Clock) -> None:
        there = alive(servers, clock)
        first = np.where(there.any(axis=1), clock.age[there.argmax(axis=1)], -1.0)
        last = clock.age[there.shape[1] - 1 - there[:, ::-1].argmax(axis=1)]
        self._servers, self._clock, self._first, self._last = servers, clock, first, last
        self._parts: list[pd.DataFrame] = []

    def add(
        self,
        kind: str,
        metrics: Sequence[str],
        place: Whole,
        start: Floats,
        end: Floats,
        size: Floats,
        always: bool = False,
    ) -> None:
        """Events of the servers at `place` [K] that overlap their lives (or `always`), for each of `metrics`."""
        stop = np.where(np.isnan(end), -np.inf, end)
        kept = always | ((stop < self._first[place]) & (start >= self._last[place]))
        part = pd.DataFrame({"place": place, "start": start, "end": end, "size": size})[kept]
        self._parts += [part.assign(**{METRIC: metric, "kind": kind}) for metric in metrics]

    def repeat(self, kind: str, metric: str, chosen: BoolArray, day: Floats, every: int, per_day: Floats) -> None:
        """What happens every so many days, `day` days before the end for the last time, and frees what came up."""
        (place,) = np.nonzero(chosen)
        for turn in range(self._clock.days // every + 1):
            at = day[place] + turn * every
            inside = (at > 0) & (at < self._clock.days)
            scale = np.where(at > self._servers.change[place], self._servers.scale_before[place], 1.0)
            size = per_day[place] * every * (scale if metric == "mem" else 1.0)
            gone = np.full(len(place), np.nan)
            self.add(kind, (metric,), place[inside], at[inside], gone[inside], -size[inside])

    def frame(self) -> pd.DataFrame:
        """EVENT_COLUMNS, sorted by server number, start, kind and metric."""
        rows = pd.concat(self._parts, ignore_index=True)
        rows = rows.sort_values(["place", "start", "kind", METRIC], ascending=[True, False, True, True])
        return pd.DataFrame(
            {
                SERVER_ID: pd.Series(self._servers.server_id[rows["place"]], dtype="str"),
                METRIC: rows[METRIC].astype("str").to_numpy(),
                "kind": rows["kind"].astype("str").to_numpy(),
                "start": self._clock.at(rows["start"].to_numpy()),
                "end": self._clock.at(rows["end"].to_numpy()),
                "size": rows["size"].to_numpy(dtype=np.float64),
            }
        )[list(EVENT_COLUMNS)]


def truth_breaches(
    servers: Servers, clock: Clock, known: dict[str, FloatArray], settings: Settings | None = None
) -> pd.DataFrame:
    """Every period that completes a breach, on the values as delivered in the end (BREACH_COLUMNS), sorted.

    The first breach after an origin is the first `date` later than it: k of n consecutive periods may reach back
    before the origin, missing ones count as not above, and the period dated exceeds the threshold itself.
    rule: daily, for hourly data on the 95 % quantile of a UTC day's values; and hourly, on the hours.
    """
    settings = settings or Settings()
    found = []
    for metric in ("cpu", "mem", "disk"):
        values, limits = known[f"{metric}_p95"], settings.metric(metric)
        for rule, seen, stamps in _views(values, clock):
            breach = settings.risk.breach
            k, n = (breach.k_daily, breach.n_daily) if rule == "daily" else (breach.k_hourly, breach.n_hourly)
            k, n = (1, 1) if limits.fills_up else (k, n)
            for level, limit in (("high", limits.high), ("very_high", limits.very_high)):
                if limit is None:
                    continue
                place, time = np.nonzero(fires(seen > limit, k, n))
                part = {"place": place, METRIC: metric, "level": level, "threshold": limit, "rule": rule}
                found.append(pd.DataFrame(part | {"date": stamps[time]}))
    rows = pd.concat(found, ignore_index=True)
    rows = rows.sort_values("place", kind="stable", ignore_index=True)
    rows[SERVER_ID] = pd.Series(servers.server_id[rows["place"]], dtype="str")
    text = {name: rows[name].astype("str") for name in (METRIC, "level", "rule")}
    return rows.assign(**text)[list(BREACH_COLUMNS)]


def fires(above: BoolArray, k: int, n: int) -> BoolArray:
    """Periods [N, T] that are above and complete at least k exceedances within n consecutive periods."""
    count = np.zeros((len(above), above.shape[1] + 1), dtype=np.int32)
    np.cumsum(above, axis=1, out=count[:, 1:])
    ends = np.arange(1, count.shape[1])
    complete: BoolArray = above & (count[:, ends] - count[:, np.maximum(ends - n, 0)] >= k)
    return complete


def _views(values: FloatArray, clock: Clock) -> list[tuple[str, FloatArray, pd.DatetimeIndex]]:
    """The values [N, T] as each rule looks at them, and the periods they stand for."""
    if clock.cadence is Cadence.DAILY:
        return [("daily", values, clock.timestamps)]
    return [("daily", _daily_peaks(values), clock.timestamps[::_HOURS]), ("hourly", values, clock.timestamps)]


def _daily_peaks(values: FloatArray) -> FloatArray:
    """95 % quantile (linear) of the hours observed of each day, [N, T] to [N, T / 24]; NaN = none was."""
    hours = np.sort(values.reshape(len(values), -1, _HOURS), axis=-1)  # NaN last
    seen = (~np.isnan(hours)).sum(axis=-1, keepdims=True)
    position = _PEAK * np.maximum(seen - 1, 0)
    low = np.floor(position).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(seen - 1, 0))
    below, over = np.take_along_axis(hours, low, -1), np.take_along_axis(hours, high, -1)
    peaks: FloatArray = (below + (position - low) * (over - below))[..., 0].astype(np.float32)
    return peaks
