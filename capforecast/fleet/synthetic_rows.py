"""Which periods of a synthetic fleet were delivered, when, and in which rows: gaps, late rows and duplicates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.fleet.synthetic_clock import Clock
from capforecast.fleet.synthetic_draws import Floats, Whole, uniform
from capforecast.fleet.synthetic_load import Lives
from capforecast.fleet.synthetic_servers import Servers
from capforecast.schema import BoolArray, Cadence, FloatArray

COLUMNS = ("cpu_p95", "cpu_mean", "mem_p95", "disk_p95", "net_in_p95", "net_out_p95")
_LOST_ROW, _LOST_CELL, _OUTAGE = 0.004, 0.003, 0.12  # shares of rows, of values, of servers
_REPEATED, _CONFLICTING, _LATE, _CORRECTED = 0.0005, 0.001, 0.005, 0.007  # upper ends of shares of rows
_DECIMALS = {"cpu": 3, "mem": 3, "disk": 3, "net": 6}  # an idle server's traffic is not quite nothing
_USUAL_DELAY = pd.Timedelta(hours=2)  # a row arrives that long after its period has ended


@dataclass(frozen=True)
class Rows:
    """Delivered rows [R]: place of the server and of the period, values per column, arrival (None = not told)."""

    server: Whole
    time: Whole
    values: dict[str, FloatArray]
    ingested_at: npt.NDArray[np.datetime64] | None


def alive(servers: Servers, clock: Clock) -> BoolArray:
    """Where [N, T] a server was there to be observed. One that is only listed never was."""
    youngest, oldest = (10, 25) if clock.cadence is Cadence.DAILY else (4, 11)
    born = np.where(servers.plays("young"), servers.draw("born", youngest, oldest), np.inf)
    gone = np.minimum(servers.draw("gone", 15, 60), clock.days / 3)
    gone = np.where(servers.plays("retired"), gone, np.where(servers.plays("listed"), np.inf, 0.0))
    there: BoolArray = (clock.age <= born[:, None]) & (clock.age > gone[:, None])
    return there


def outages(servers: Servers) -> tuple[Floats, Floats]:
    """Start (days before the end, NaN = none) and days [N] of the time in which nothing was collected."""
    has = servers.draw("outage") < _OUTAGE
    return np.where(has, servers.draw("outage_at", 0.15, 0.95) * servers.days, np.nan), servers.draw(
        "outage_days", 2, 7
    )


def delivered(servers: Servers, clock: Clock, dirty: bool) -> BoolArray:
    """Where [N, T] a row was delivered. A gappy server loses nearly half its days, dirty or not."""
    there = alive(servers, clock)
    block = np.floor(clock.age / 3).astype(np.int64)
    gappy = servers.plays("gappy")
    holes = uniform(servers.seed, "holes", servers.number[gappy], clock.days // 3 + 1)[:, block] < 0.45
    there[gappy] &= ~(holes & (clock.age > 4))
    if dirty:
        there &= uniform(servers.seed, "lost", servers.number, len(clock.age)) >= _LOST_ROW
        at, length = outages(servers)
        there &= ~((clock.age <= at[:, None]) & (clock.age > (at - length)[:, None]))
    return there


def settled(servers: Servers, lives: Lives, there: BoolArray, dirty: bool) -> dict[str, FloatArray]:
    """What holds in the end, per column [N, T]: rounded, NaN where nothing was delivered."""
    share = servers.draw("mean", 0.5, 0.75)[:, None]
    exact = {f"{metric}_p95": values for metric, values in lives.values.items()}
    exact["cpu_mean"] = exact["cpu_p95"] * share
    silent = servers.plays("silent")[:, None]
    known = {}
    for name in COLUMNS:
        kept = there & ~silent
        if dirty:
            kept = kept & (uniform(servers.seed, f"cell-{name}", servers.number, there.shape[1]) >= _LOST_CELL)
        known[name] = np.where(kept, np.round(exact[name], _DECIMALS[name.split("_")[0]]), np.nan).astype(np.float32)
    return known


def rows_of(servers: Servers, clock: Clock, known: dict[str, FloatArray], there: BoolArray, dirty: bool) -> Rows:
    """Rows in order of server and time; dirty: then, appended, those that came late, again, or as a correction.

    Of rows for one server and time, the one that arrived last, and of these the last in the file, is right.
    """
    server, time = np.nonzero(there)
    values = {name: known[name][there] for name in COLUMNS}
    if not dirty:
        return Rows(server, time, values, None)
    fate = uniform(servers.seed, "fate", servers.number, there.shape[1])[there]
    repeated, conflicting = fate < _REPEATED, (fate >= _REPEATED) & (fate < _CONFLICTING)
    late, corrected = (fate >= _CONFLICTING) & (fate < _LATE), (fate >= _LATE) & (fate < _CORRECTED)
    usual = (clock.timestamps + clock.cadence.step + _USUAL_DELAY).tz_localize(None).to_numpy().astype("M8[us]")
    arrival = usual[time]
    days = 1 + np.floor(5 * _again(fate)).astype(np.int64)
    delayed = arrival + days.astype("m8[D]")
    first = np.flatnonzero(~late)
    again = np.concatenate([np.flatnonzero(repeated), np.flatnonzero(conflicting), np.flatnonzero(late | corrected)])
    order = np.concatenate([first, again])
    arrival = np.concatenate([arrival[first], np.where(late | corrected, delayed, arrival)[again]])
    wrong = np.float32(0.9) * (conflicting | corrected)[first] + np.float32(1.0) * ~(conflicting | corrected)[first]
    for name, column in values.items():
        early = np.where(wrong < 1, np.round(column[first] * wrong, _DECIMALS[name.split("_")[0]]), column[first])
        values[name] = np.concatenate([early, column[again]]).astype(np.float32)
    return Rows(server[order], time[order], values, arrival)


def _again(drawn: Floats) -> Floats:
    """Further digits of a number in 0..1, as another one."""
    return np.asarray((drawn * 1e6) % 1.0)
