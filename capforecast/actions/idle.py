"""Servers that do nothing, and those of them that nobody owns.

A server is idle when CPU, network and disk activity, as far as they are measured, stayed at or below their limits on
every day of the window. What was measured, and by which statistic, is said; without CPU nothing is idle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.fleet.activity import CPU, DISK_IO, NETWORK, NETWORK_IN, NETWORK_OUT
from capforecast.schema import METRIC, SERVER_ID, BoolArray
from capforecast.settings import IdleSettings

_NETWORK = (NETWORK, NETWORK_IN, NETWORK_OUT)  # of a server one of them, the latter where the other is not measured
_DIRECTIONS = {NETWORK_IN: "network in", NETWORK_OUT: "network out"}
_OTHER_DIRECTION = {NETWORK_IN: "network out", NETWORK_OUT: "network in"}
_STATISTICS = {"max": " maximum", "p95": " P95"}
_MOST_DIGITS = 6  # after the point

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Resource:
    """One thing a server may be busy with, for all servers [S].

    rows: metric, statistic, days, peak, missing where it is not measured.  works: the limit was exceeded.
    short: measured and below it, but on too few days.
    """

    name: str
    unit: str
    rows: pd.DataFrame
    measured: BoolArray
    works: BoolArray
    short: BoolArray


def idle(activity: pd.DataFrame, servers: pd.DataFrame, settings: IdleSettings) -> pd.DataFrame:
    """Which servers are idle, one row each, in their order.

    activity: as fleet.activity.activity returns it.  servers: server_id, owner (blank or missing = nobody).
    Columns: server_id; idle; zombie: idle and nobody's; cpu_only: nothing but its CPU is measured; idle_basis: what was
    measured, on how many days, and its busiest day, in words, of servers that work too; needs: what is missing to judge
    a server, "" = nothing.
    A maximum above the limit of a mean counts as work, though the mean may be below: some that are idle are not told.
    A P95 at or below it counts as idle and is named: work in less than 5 % of a day does not show in it.
    """
    resources = [
        _resource("CPU", " %", activity, servers, (CPU,), settings.cpu_percent, settings),
        _resource("network", " MB a day", activity, servers, _NETWORK, settings.network_mb, settings),
        _resource("disk activity", " MB/s", activity, servers, (DISK_IO,), settings.disk_io_mb_s, settings),
    ]
    works = np.any([each.works for each in resources], axis=0)
    short = np.any([each.short for each in resources], axis=0)
    blind = ~resources[0].measured
    is_idle = ~works & ~short & ~blind
    return pd.DataFrame(
        {
            SERVER_ID: servers[SERVER_ID].to_numpy(),
            "idle": is_idle,
            "zombie": is_idle & _nobody(servers),
            "cpu_only": ~resources[1].measured & ~resources[2].measured,
            "idle_basis": pd.Series(_basis(resources, settings), dtype="str"),
            "needs": pd.Series(_needs(resources, ~works & (short | blind), settings), dtype="str"),
        }
    )


def _resource(
    name: str, unit: str, activity: pd.DataFrame, servers: pd.DataFrame, metrics: tuple[str, ...], limit: float,
    settings: IdleSettings,
) -> _Resource:  # fmt: skip
    mine = activity[activity[METRIC].isin(metrics)].drop_duplicates(SERVER_ID)
    place = pd.Index(mine[SERVER_ID].astype("str")).get_indexer(servers[SERVER_ID].astype("str"))
    rows = mine.reset_index(drop=True).reindex(place).reset_index(drop=True)  # -1 is no row of it
    measured = place >= 0
    works = measured & (rows["peak"] > limit).to_numpy(dtype=np.bool_)
    short = measured & ~works & (rows["days"] < settings.least_days).to_numpy(dtype=np.bool_)
    return _Resource(name, unit, rows, measured, works, short)


def _nobody(servers: pd.DataFrame) -> BoolArray:
    """Servers [S] without an owner."""
    owner = servers["owner"]
    return np.asarray(owner.isna() | (owner.astype("str").str.strip() == ""), dtype=np.bool_)


def _needs(resources: list[_Resource], which: BoolArray, settings: IdleSettings) -> npt.NDArray[np.object_]:
    """The first thing that is missing to judge a server [S]; "" where `which` is false."""
    out = np.full(len(which), "", dtype=object)
    for each in reversed(resources):
        days = each.rows["days"].to_numpy()
        out[each.short] = [
            f"needs {each.name} on {settings.least_days} of the last {settings.days} days (seen on {count:.0f})"
            for count in days[each.short]
        ]
    out[~resources[0].measured] = f"needs CPU on {settings.least_days} of the last {settings.days} days (not measured)"
    out[~which] = ""
    return out


def _basis(resources: list[_Resource], settings: IdleSettings) -> list[str]:
    """What was looked at and found, in words, for each server."""
    days = np.stack([each.rows["days"].to_numpy(dtype=np.float64, na_value=np.nan) for each in resources])
    most = np.nan_to_num(days).max(axis=0)
    said = zip(*(_words(each, most) for each in resources), strict=True)
    gone = zip(*(_unmeasured(each) for each in resources), strict=True)
    weak = np.any([each.rows["statistic"] == "p95" for each in resources], axis=0)
    return [
        f"{count:.0f} of {settings.days} days: {', '.join(filter(None, there))}"
        f"{'; P95 for want of a mean' if is_weak else ''}{_listed([*filter(None, missing)])}"
        if any(there)
        else f"nothing measured in the last {settings.days} days"
        for count, there, is_weak, missing in zip(most, said, weak, gone, strict=True)
    ]


def _words(resource: _Resource, days: Array) -> list[str]:
    """`CPU mean at most 2.1 %` for each server, with its days where these are not `days` [S]; "" = not measured."""
    rows = resource.rows
    names = rows[METRIC].map(_DIRECTIONS).fillna(resource.name)
    # Traffic of a day is a sum, and disk activity is nil or not: their means need no name.
    plain = " mean" if resource.name == "CPU" else ""
    statistics = rows["statistic"].map(_STATISTICS | {"mean": plain})
    own = rows["days"].to_numpy(dtype=np.float64, na_value=np.nan)
    peaks = rows["peak"].to_numpy(dtype=np.float64, na_value=np.nan)
    most = ["" if np.isnan(peak) else f"at most {_number(peak)}{resource.unit}" for peak in peaks]
    return [
        f"{name}{statistic} {words}{'' if mine == count else ' on ' + _days(mine)}" if words else ""
        for name, statistic, words, mine, count in zip(names, statistics, most, own, days, strict=True)
    ]


def _unmeasured(resource: _Resource) -> list[str]:
    """What is not measured of it, for each server; "" = nothing."""
    other = resource.rows[METRIC].map(_OTHER_DIRECTION)
    return [*other.where(resource.measured, resource.name).fillna("").astype("str")]


def _days(count: float) -> str:
    return f"{count:.0f} day{'' if count == 1 else 's'}"


def _number(value: float) -> str:
    """Rounded up, so that `at most` is true; a stored 1.1 (1.10000002) stays 1.1, and 0.003 does not become 0.1."""
    small = 0 < value < 1
    digits = min(int(np.ceil(-np.log10(value))), _MOST_DIGITS) if small else int(value < 100)
    up = np.ceil(value * 10**digits * (1 - 1e-6)) / 10**digits
    return f"{up:,.{max(digits, int(small))}f}"


def _listed(names: list[str]) -> str:
    """What is not measured, as the end of a sentence."""
    if not names:
        return ""
    return f"; {', '.join(names[:-1])}{' and ' if names[1:] else ''}{names[-1]} not measured"
