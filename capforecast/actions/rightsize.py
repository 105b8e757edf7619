"""The size each server should have: up where it is at risk, down where it is not, and why not otherwise.

A size is safe where CPU and memory of one and the same sample path stay, at their peak, below what the size holds less
headroom, on `fit_share` of the paths. What may not be decided is withheld with the reason, never guessed.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.actions.size_choice import Held, Needs, chosen
from capforecast.actions.sizes import Sizes
from capforecast.fleet.shapes import INSTANCE_TYPE
from capforecast.schema import SERVER_ID, BoolArray, Tier
from capforecast.settings import SizingSettings

MOVES = ("to_type", "to_vcpus", "to_memory_gib", "to_cpu_share", "to_memory_share", "to_hourly")  # of what moves only
FULL = 0.99  # share of the size from which on use is at its limit
AT_LIMIT = "; it runs at its limit, and may want more than could be seen"
MEAN = "mean"  # a statistic that hides peaks
TIGHT = "it is not at risk, but its peaks leave less free than wanted: nothing smaller would do"


class Action(StrEnum):
    """What to do about a server's size: exactly one for each server."""

    UPSIZE = "upsize"
    DOWNSIZE = "downsize"
    STOP = "stop"  # it is idle
    KEEP = "keep"  # the size fits
    WITHHELD = "withheld"  # something is missing that the rule needs, or its test does not bear the advice out
    NONE = "none"  # unknown: nothing is recommended


def rightsize(needs: Needs, sizes: Sizes, settings: SizingSettings) -> pd.DataFrame:
    """One row per server, in their order: action, reason, what it has and should have, how sure, and the price.

    Columns: server_id, action, reason, withheld_action (what the figures would advise), instance_type, vcpus,
    memory_gib, to_type, to_vcpus, to_memory_gib, to_cpu_share, to_memory_share (of what it has now), need_vcpus,
    need_memory_gib, need_cpu_share, need_memory_share (what `fit_share` of the paths need, headroom included), fits
    (share of the paths that the recommended size, or else the present one, holds), basis (by what it was sized, in
    words), hourly, to_hourly (list prices, NaN = none), alternatives.
    """
    servers = needs.servers.reset_index(drop=True)
    at_risk = servers["tier"].isin([Tier.CRITICAL, Tier.HIGH]).to_numpy() & (servers["other_risk"] == "").to_numpy()
    held = Held.of(needs, settings)
    rows = chosen(servers, held, sizes, settings, at_risk)
    rows = rows.assign(full=_full(needs), tight=_tight(rows, settings))
    return _decided(servers, rows, _why_not(servers, held, settings), at_risk)


def _full(needs: Needs) -> BoolArray:
    """Does a server's CPU or memory reach what there is on most paths, so that a need above it could not show, [S]."""
    out = np.zeros(needs.cpu.shape[1], dtype=bool)
    for peaks in (needs.cpu, needs.memory) if len(needs.cpu) else ():
        out |= np.median(peaks, axis=0) >= FULL  # NaN is not
    return out


def _tight(rows: pd.DataFrame, settings: SizingSettings) -> BoolArray:
    """Does the present size hold fewer of the paths than wanted, [S]."""
    return np.asarray(rows["need_cpu_share"].notna() & (rows["fits_now"] < settings.fit_share))


def _why_not(servers: pd.DataFrame, held: Held, settings: SizingSettings) -> pd.DataFrame:
    """Why nothing (`none`), no upsizing (`up`), no downsizing (`down`) may be decided, first reason; "" = it may."""
    count = len(servers)
    both = [
        (np.full(count, len(held.cpu) == 0), "needs at least 10 past forecasts whose outcome is known"),
        (~held.known_cpu, "needs a forecast of CPU"),
    ]
    means = [(servers[f"{name}_statistic"] == MEAN).to_numpy() for name in ("cpu", "memory")]
    down = [
        *both,
        ((servers["history_days"] < settings.least_history_days).to_numpy(),
         f"needs {settings.least_history_days} days of history"),
        ((servers["horizon_days"] < settings.least_horizon_days).to_numpy(),
         f"needs a forecast of {settings.least_horizon_days} days: take daily data, or a longer horizon"),
        (~held.known_memory, "needs a forecast of memory"),
        (means[0] | means[1], "needs daily peaks (P95 or maximum): means hide them"),
        ((servers["peaks_unseen"] != "").to_numpy(), "a known peak lies ahead that its history does not hold"),
    ]  # fmt: skip
    unknown = (servers["tier"] == Tier.UNKNOWN).to_numpy()
    out = pd.DataFrame({"none": np.where(unknown, "its risk is unknown: see its reason", "")}, index=servers.index)
    for name, rules in (("up", both), ("down", down)):
        out[name] = np.select([hit for hit, _ in rules], [text for _, text in rules], "")
    unseen = servers["peaks_unseen"].to_numpy(dtype=object)
    guarded = (out["down"] == down[-1][1]).to_numpy()
    out.loc[guarded, "down"] = [f"{down[-1][1]}: {words}" for words in unseen[guarded]]
    return out


def _decided(servers: pd.DataFrame, rows: pd.DataFrame, why: pd.DataFrame, at_risk: BoolArray) -> pd.DataFrame:
    """Exactly one action for each server, with its reason."""
    up, down, none = (why[name].to_numpy(dtype=object) for name in ("up", "down", "none"))
    other = servers["other_risk"].to_numpy(dtype=object)
    other = np.where(other != "", "it is at risk by its " + other + ": another size is no remedy", "")
    more, less = _direction(rows)
    found = rows["found"].to_numpy(dtype=bool)
    cheaper = ~(rows["to_hourly"] >= rows["hourly"]).to_numpy()
    rules: list[tuple[BoolArray, Action, npt.NDArray[np.object_] | str, Action | str]] = [
        (none != "", Action.NONE, none, ""),
        (other != "", Action.KEEP, other, ""),
        (at_risk & (up != ""), Action.WITHHELD, up, ""),
        (at_risk & ~found, Action.WITHHELD, "no size that it may have holds what it needs", Action.UPSIZE),
        (at_risk & more, Action.UPSIZE, "it is at risk, and this is the least size that holds its peaks", ""),
        (at_risk, Action.KEEP, "it is at risk, but its size holds its CPU and memory: another size is no remedy", ""),
        (up != "", Action.WITHHELD, up, ""),
        (less & cheaper & (down != ""), Action.WITHHELD, down, Action.DOWNSIZE),
        (less & cheaper, Action.DOWNSIZE, "a smaller size holds its peaks", ""),
        (rows["tight"].to_numpy(dtype=bool), Action.KEEP, TIGHT, ""),
    ]
    hits = [hit for hit, _, _, _ in rules]
    action = np.select(hits, [str(kind) for _, kind, _, _ in rules], str(Action.KEEP))
    moved = np.isin(action, [str(Action.UPSIZE), str(Action.DOWNSIZE)])
    limit = np.where((action == str(Action.UPSIZE)) & rows["full"].to_numpy(dtype=bool), AT_LIMIT, "")
    out = servers[[SERVER_ID]].assign(
        action=action,
        reason=np.select(hits, [text for _, _, text, _ in rules], "the size fits").astype(object) + limit,
        withheld_action=np.select(hits, [str(kind) for _, _, _, kind in rules], ""),
    )
    out = out.join(servers[[INSTANCE_TYPE, "vcpus", "memory_gib"]])
    for name in MOVES:
        out[name] = rows[name].where(moved, "" if name == "to_type" else np.nan)
    out["fits"] = np.where(moved, rows["fits"], rows["fits_now"].where(rows["need_cpu_share"].notna()))
    for name in ("cpu_share", "memory_share"):
        out[f"need_{name}"] = rows[f"need_{name}"]
    for name, share in (("vcpus", "cpu_share"), ("memory_gib", "memory_share")):
        out[f"need_{name}"] = rows[f"need_{share}"] * servers[name].where(servers[name] > 0)
    out["basis"], out["hourly"] = servers["basis"], rows["hourly"]
    out["alternatives"] = rows["alternatives"].where(moved, "")
    return out


def _direction(rows: pd.DataFrame) -> tuple[BoolArray, BoolArray]:
    """Is any resource of the size chosen larger than now; is none larger and any smaller."""
    shares = rows[["to_cpu_share", "to_memory_share"]].to_numpy(dtype=np.float64)
    more = np.asarray((shares > 1.0).any(axis=1))
    return more, np.asarray(~more & (shares < 1.0).any(axis=1))
