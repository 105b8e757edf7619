"""Servers of one business unit, region and criticality packed onto fewer hosts or instances, hour by hour.

Peaks at different hours do not add up, so only hours of the same clock are added: hourly means or maxima, never a
percentile. A packing is proposed where it frees something with a spare host kept, and its rule is replayed: packed on
all but the last weeks, held against those.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.actions.consolidation_money import money_of
from capforecast.actions.consolidation_plan import Group, Plan, plan_of
from capforecast.actions.exceedance import exceedance
from capforecast.actions.instance_choice import change
from capforecast.actions.packing import loads
from capforecast.actions.packing_targets import HOST, host_table, in_words
from capforecast.actions.prices import PriceList
from capforecast.actions.sizes import Sizes
from capforecast.errors import StageError
from capforecast.schema import CONSOLIDATION_COLUMNS, DIMENSIONS, PACKING_COLUMNS, SERVER_ID, Cadence, FloatArray
from capforecast.settings import ConsolidationSettings

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
ADDABLE = ("mean", "max")  # statistics of an hour that may be added up over servers; of maxima the sum is the safe side
_WEEK = 7 * 24
_COUNTS = ("servers", "packed", "hosts", "hosts_needed", "spare", "freed", "replayed_hours", "replayed_over")
_NUMBERS = (
    "vcpus", "memory_gib", "busiest", "replayed_rate", "replayed_upper", "monthly", "to_monthly", "monthly_change",
)  # fmt: skip
_KINDS = (
    dict.fromkeys(CONSOLIDATION_COLUMNS, "str") | dict.fromkeys(_COUNTS, "Int64") | dict.fromkeys(_NUMBERS, "float64")
)
NOTHING_FREED = "nothing would be freed"


@dataclass(frozen=True)
class Use:
    """What servers use: vcpus, memory_gib, float32 [T, S], the newest period last; NaN = not seen.

    statistic: of each period, as in the column's name: mean, max, p95 ...
    """

    vcpus: FloatArray
    memory_gib: FloatArray
    statistic: str
    cadence: Cadence


@dataclass(frozen=True)
class Consolidation:
    """rows: CONSOLIDATION_COLUMNS, one for each group.  packing: PACKING_COLUMNS, one for each server that is packed in
    a group where something is freed; peaks are those it is packed by, growth included.
    """

    rows: pd.DataFrame
    packing: pd.DataFrame


def consolidate(
    use: Use,
    servers: pd.DataFrame,
    inventory: pd.DataFrame,
    costs: pd.DataFrame,
    sizes: Sizes,
    prices: PriceList,
    settings: ConsolidationSettings,
) -> Consolidation:
    """Which hosts, or instances, each business unit, region and criticality could do without.

    servers: [S] server_id, business_unit, region, criticality, vcpus, memory_gib, growth_cpu, growth_memory (factor by
    which the projected peak exceeds the one seen; below 1 counts as 1, NaN = not forecast, not packed), and where known
    host_id, instance_type, tier (unknown: not packed).  inventory: of the whole fleet, as far as known: the same but
    growth, and hourly_cost; tells which hosts carry servers of others, and what a host holds and costs whose name is a
    server_id there. Such a row is a host, not one of the servers to pack.  costs: of `prices.costs`, in the order of
    the servers.

    Hours in which a server was not seen count with its largest value: the safe side. The replay packs without growth,
    which is known only since, and so is the harder test.
    A server that may not be packed stays where it is, and so does all that shares its host. Where no host is the
    group's own, its servers are packed onto instances of one size: the one that the settings name, else the best that
    its servers have (`instance_choice`), which the replay chooses anew from what was known then.  Proposed is what
    frees something, costs less where prices are known (else is no larger in all), and was above 100 % in no more than
    `exceedance_limit` of the hours replayed.

    Raises StageError where servers and columns do not match or a server_id stands there twice, ConfigError where
    `settings.instance_type` is in no catalogue.
    """
    _check(use, servers, costs)
    servers, inventory = in_words(servers), in_words(inventory)
    every = pd.concat([servers[HOST], inventory[HOST]])
    order = np.argsort(servers[SERVER_ID].to_numpy(dtype="str"), kind="stable")
    order = order[~servers[SERVER_ID].isin(every).to_numpy()[order]]
    servers, costs = (table.iloc[order].reset_index(drop=True) for table in (servers, costs))
    cannot = _cannot(use, settings)
    hosts = host_table(servers, inventory) if not cannot else pd.DataFrame()
    rows, packing = [], []
    for _, place in sorted(servers.groupby(list(DIMENSIONS), sort=False).indices.items()):
        mine = servers.iloc[place].reset_index(drop=True)
        group = Group(mine, costs.iloc[place].reset_index(drop=True), inventory, hosts, sizes, prices, settings)
        row, packed = _row(group, use, order[place]) if not cannot else (group.row(cannot), None)
        rows.append({**row, "statistic": use.statistic})
        packing += [] if packed is None else [packed]
    table = pd.DataFrame(rows, columns=list(CONSOLIDATION_COLUMNS)).astype(_KINDS)
    peaks = {name: "float64" if name.startswith("peak") else "str" for name in PACKING_COLUMNS}
    moves = pd.concat(packing, ignore_index=True) if packing else pd.DataFrame(columns=list(PACKING_COLUMNS))
    return Consolidation(table, moves.astype(peaks))


def _check(use: Use, servers: pd.DataFrame, costs: pd.DataFrame) -> None:
    widths = {len(servers), len(costs), use.vcpus.shape[1], use.memory_gib.shape[1]}
    if len(widths) > 1 or use.vcpus.shape != use.memory_gib.shape:
        raise StageError(
            f"consolidation: {len(servers)} servers, {len(costs)} costs, use of shape {use.vcpus.shape} (vCPU) and "
            f"{use.memory_gib.shape} (GiB); give one column of use and one row of costs for each server"
        )
    if servers[SERVER_ID].duplicated().any():
        twice = servers.loc[servers[SERVER_ID].duplicated(), SERVER_ID].iloc[0]
        raise StageError(f"consolidation: server {twice} stands there twice; give one row for each server")


def _cannot(use: Use, settings: ConsolidationSettings) -> str:
    """Why nothing can be said of any group; "" = it can."""
    if use.cadence is not Cadence.HOURLY or use.statistic not in ADDABLE:
        return "withheld: needs hourly mean or maximum"
    if len(use.vcpus) < settings.weeks * _WEEK:
        return f"withheld: needs {settings.weeks} weeks of hours; there are {len(use.vcpus) / _WEEK:.1f}"
    return ""


def _row(group: Group, use: Use, columns: Index) -> tuple[dict[str, object], pd.DataFrame | None]:
    """The row of a group whose use stands in these columns, and where its servers go."""
    settings, servers = group.settings, group.servers
    if len(servers) < settings.least_servers:
        return group.row(f"fewer than {settings.least_servers} servers"), None
    unnamed = int((servers[HOST] == "").sum())
    if 0 < unnamed < len(servers):
        return group.row(f"withheld: needs host_id of all servers or of none; {unnamed} have none"), None
    hours = slice(-settings.weeks * _WEEK, None)
    used = np.stack([values[hours, columns].T for values in (use.vcpus, use.memory_gib)], axis=1)
    growth = servers[["growth_cpu", "growth_memory"]].to_numpy(dtype=np.float64)
    plan = plan_of(group, used, growth)
    if not plan.packed.any():
        return group.row(f"withheld: no server can be packed ({plan.left()})"), None
    about = {**plan.counts(), "onto": plan.onto(), **plan.targets.size()}
    if not about["freed"]:
        return group.row(NOTHING_FREED, **about), None
    worse = _worse(group, plan)
    if worse:
        return group.row(worse, **about | {"freed": 0}), None
    replay = _replay(group, used)
    failed = _failed(replay, settings.exceedance_limit)
    if failed:
        return group.row(failed, **about | {"freed": 0} | replay), None
    money = money_of(servers, group.costs, plan.targets, plan.used, group.inventory, group.prices)
    gained = about | {"packed": int(plan.packed.sum()), "busiest": plan.busiest()}
    return group.row("", **gained | replay | money.columns()), _packing(group, plan)


def _worse(group: Group, plan: Plan) -> str:
    """Why a packing onto instances is no gain though they are fewer; "" = it is one, as far as is known."""
    if plan.targets.instance is None:
        return ""
    count = len(plan.used) + len(plan.targets.bins.spare_names)
    why = change(group.amounts, plan.packed, plan.packed, plan.targets.instance, count).worse()
    return f"{NOTHING_FREED}: {why}" if why else ""


def _failed(replay: dict[str, float], limit: float) -> str:
    """Why the replay does not bear a packing out; "" = it does."""
    if not replay["replayed_hours"]:
        return "withheld: needs held-out hours on which its packing can be replayed"
    rate = replay["replayed_rate"]
    return f"withheld: its hosts were above 100 % in {rate:.1%} of the held-out hours" if rate > limit else ""


def _replay(group: Group, used: FloatArray) -> dict[str, float]:
    """The rule's packing of all but the held-out hours, and how full its hosts were in these.

    Counted are hours of hosts in which at least one of their servers was seen; the others then count with their largest
    value. Nothing where the servers did not fit then.
    """
    held = group.settings.held_out_weeks * _WEEK
    before, after = used[:, :, :-held], used[:, :, -held:]
    plan = plan_of(group, before, np.ones(used.shape[:2]))
    if not plan.complete:
        return {"replayed_hours": 0}
    seen = ~np.isnan(after)
    peak = plan.load.max(axis=2, initial=0.0)[:, :, None]
    load = np.where(seen, after, peak)
    bins = plan.used
    over = (loads(load, plan.place, len(plan.targets.bins.names)) > plan.targets.bins.capacity[:, :, None]).any(axis=1)
    known = np.zeros_like(over)
    for b in bins:
        known[b] = seen[plan.place == b].all(axis=1).any(axis=0)
    found = exceedance((over & known)[bins].sum(axis=1), known[bins].sum(axis=1), np.arange(len(bins)))
    return {
        "replayed_hours": found.periods, "replayed_over": found.over, "replayed_rate": found.rate,
        "replayed_upper": found.upper,
    }  # fmt: skip


def _packing(group: Group, plan: Plan) -> pd.DataFrame:
    """Where each packed server goes."""
    mine = group.servers[plan.packed].reset_index(drop=True)
    peak = plan.load[plan.packed].max(axis=2)
    names = np.array(plan.targets.bins.names, dtype=object)
    return mine.assign(
        host_from=mine[HOST], host_to=names[plan.place[plan.packed]],
        peak_vcpus=peak[:, 0].astype(np.float64), peak_memory_gib=peak[:, 1].astype(np.float64),
    )[list(PACKING_COLUMNS)]  # fmt: skip
