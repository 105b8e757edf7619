"""How much a server did in the last days: CPU, network traffic and disk activity, at its busiest day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.schema import METRIC, SERVER_ID, TIMESTAMP, BoolArray, Cadence
from capforecast.settings import Settings

CPU, NETWORK, DISK_IO = "cpu", "net", "disk_io"
NETWORK_IN, NETWORK_OUT = "net_in", "net_out"
STATISTICS = ("mean", "max", "p95")  # the first that is known enough; a maximum is stricter, a P95 overlooks bursts
ACTIVITY_COLUMNS = (SERVER_ID, METRIC, "statistic", "days", "peak")

_SECONDS = 86_400
# By unit, what a metric is multiplied by: to percent, MB a day, MB/s. In any other unit it cannot be judged.
_TRAFFIC = {"Mbit/s": _SECONDS / 8, "MB/s": float(_SECONDS)}
_FACTORS: dict[str, dict[str, float]] = {
    CPU: {"percent": 1.0}, NETWORK: _TRAFFIC, NETWORK_IN: _TRAFFIC, NETWORK_OUT: _TRAFFIC, DISK_IO: {"MB/s": 1.0},
}  # fmt: skip
_P95 = 0.95

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Window:
    """names: servers seen in it [S], sorted.  inside: which rows.  cells: of these, places in `shape`, flat.

    shape: servers, days, periods of a day.
    """

    names: npt.NDArray[np.object_]
    cells: Whole
    inside: BoolArray
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class _Days:
    """values: [S, D], NaN = nothing seen.  seen: [S, D], at least half of the day.  statistic: [S], of STATISTICS."""

    values: Array
    seen: BoolArray
    statistic: Whole

    @property
    def known(self) -> BoolArray:
        """Servers [S] of which anything is known."""
        return np.asarray(np.isfinite(self.values).any(axis=1))


def activity(observations: pd.DataFrame, cadence: Cadence, cut_off: pd.Timestamp, settings: Settings) -> pd.DataFrame:
    """What servers did in the last `settings.idle.days` days before `cut_off` (exclusive), whole periods only.

    observations: server_id, timestamp (UTC, on the grid), <metric>_<statistic> ...; one row per server and time.
    Returns ACTIVITY_COLUMNS, one row per server and metric of which anything is known, sorted by both:
    metric: `cpu`; `net`, in and out together (or `net_in` or `net_out` where only one direction is measured);
    `disk_io`.  statistic: of STATISTICS the first with `least_days` days, else the one with the most.
    days: of which at least half was seen.  peak: largest daily value, percent, MB a day, MB/s. A day of hours is the
    mean of their means, the largest of their maxima, the 95 % quantile of their P95s; of traffic, what the mean rate of
    the hours seen makes in 24. Days end at the cut-off's time of day. A day of which less was seen is none of `days`,
    but counts in `peak`: what was seen on it was work.
    """
    window = _window(observations, cadence, cut_off, settings.idle.days)
    least = settings.idle.least_days
    daily = {name: _daily(observations, name, window, settings) for name in _FACTORS}
    into, out = daily[NETWORK_IN], daily[NETWORK_OUT]
    both = into.known & out.known
    traffic = _first([daily[NETWORK], _sum(into, out, both)], least)
    one = ~traffic.known
    parts = [
        _rows(window.names, CPU, daily[CPU], daily[CPU].known),
        _rows(window.names, NETWORK, traffic, traffic.known),
        _rows(window.names, NETWORK_IN, into, into.known & one),
        _rows(window.names, NETWORK_OUT, out, out.known & one),
        _rows(window.names, DISK_IO, daily[DISK_IO], daily[DISK_IO].known),
    ]
    return pd.concat(parts).sort_values([SERVER_ID, METRIC], ignore_index=True)


def _window(observations: pd.DataFrame, cadence: Cadence, cut_off: pd.Timestamp, days: int) -> _Window:
    stop = int(cut_off.floor(cadence.frequency).as_unit("us").asm8.astype(np.int64))
    periods = days * cadence.per_day
    times = pd.DatetimeIndex(observations[TIMESTAMP]).as_unit("us").asi8
    step = cadence.step // pd.Timedelta(microseconds=1)
    place = periods - (stop - times + step - 1) // step  # the last period before the cut-off is periods - 1
    inside = np.asarray((place >= 0) & (place < periods), dtype=np.bool_)
    codes, names = pd.factorize(observations.loc[inside, SERVER_ID].astype("str"), sort=True)
    cells = codes.astype(np.int64) * periods + place[inside]
    return _Window(np.asarray(names, dtype=object), cells, inside, (len(names), days, cadence.per_day))


def _daily(observations: pd.DataFrame, metric: str, window: _Window, settings: Settings) -> _Days:
    """A metric by server and day, by the statistic that each server has; nothing where its unit is not known."""
    factors = _FACTORS[metric]
    factor = factors.get(settings.metric(metric).unit or next(iter(factors)))
    found = [
        _by_day(observations[column].to_numpy(dtype=np.float64)[window.inside], window, which)
        for which, column in enumerate(f"{metric}_{name}" for name in STATISTICS)
        if factor is not None and column in observations
    ]
    if factor is None or not found:
        return _nothing(window)
    chosen = _first(found, settings.idle.least_days)
    return _Days(chosen.values * factor, chosen.seen, chosen.statistic)


def _nothing(window: _Window) -> _Days:
    values = np.full(window.shape[:2], np.nan)
    return _Days(values, np.isfinite(values), np.zeros(len(values), dtype=np.int64))


def _by_day(values: Array, window: _Window, statistic: int) -> _Days:
    """The values [rows] of one column by server and day."""
    finite = np.isfinite(values)
    cube = np.full(int(np.prod(window.shape)), np.nan)
    cube[window.cells[finite]] = values[finite]
    cube = np.sort(cube.reshape(window.shape), axis=2)  # missing ones last
    count = np.isfinite(cube).sum(axis=2)
    with np.errstate(invalid="ignore"):  # 0 / 0 of a day without any
        days = (_mean, _largest, _quantile)[statistic](cube, count)
    return _Days(days, count * 2 >= window.shape[2], np.full(len(cube), statistic, dtype=np.int64))


def _mean(cube: Array, count: Whole) -> Array:
    return np.asarray(np.nansum(cube, axis=2) / count)


def _largest(cube: Array, count: Whole) -> Array:
    return _at(cube, count - 1)


def _quantile(cube: Array, count: Whole) -> Array:
    """The 95 % quantile, linear between its neighbours."""
    place = (count - 1) * _P95
    low = np.floor(place).astype(np.int64)
    left, right = _at(cube, low), _at(cube, np.minimum(low + 1, count - 1))
    return np.asarray(left + (right - left) * (place - low))


def _at(cube: Array, place: Whole) -> Array:
    """The value at a place of each day, [S, D]; of a day without any, NaN."""
    return np.asarray(np.take_along_axis(cube, np.maximum(place, 0)[..., None], axis=2)[..., 0])


def _first(options: list[_Days], least: int) -> _Days:
    """For each server the first option with `least` days, else that with the most days, else the first with any."""
    days = np.stack([option.seen.sum(axis=1) for option in options])
    enough = days >= least
    most = (2 * days + np.stack([option.known for option in options])).argmax(axis=0)
    best, row = np.where(enough.any(axis=0), enough.argmax(axis=0), most), np.arange(days.shape[1])
    return _Days(
        np.stack([option.values for option in options])[best, row],
        np.stack([option.seen for option in options])[best, row],
        np.stack([option.statistic for option in options])[best, row],
    )


def _sum(one: _Days, other: _Days, both: BoolArray) -> _Days:
    """Traffic of both directions; of a day with one of them, that one. Named by the statistic that says less."""
    seen = np.stack([one.values, other.values])
    some = np.isfinite(seen).any(axis=0) & both[:, None]
    return _Days(
        np.where(some, np.nansum(seen, axis=0), np.nan),
        one.seen & other.seen & both[:, None],
        np.maximum(one.statistic, other.statistic),
    )


def _rows(names: npt.NDArray[np.object_], metric: str, days: _Days, which: BoolArray) -> pd.DataFrame:
    """ACTIVITY_COLUMNS of a metric, for some servers [S]."""
    rows = np.flatnonzero(which)
    statistics = np.array(STATISTICS, dtype=object)[days.statistic[rows]]
    out = pd.DataFrame({SERVER_ID: pd.Series(names[rows], dtype="str")})
    out[METRIC] = pd.Series(metric, index=out.index, dtype="str")
    out["statistic"] = pd.Series(statistics, index=out.index, dtype="str")
    return out.assign(days=days.seen[rows].sum(axis=1), peak=np.fmax.reduce(days.values[rows], axis=1))
