"""From what the sizing rule says to what is advised: idle servers stop, advice that fails its test is withheld."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from capforecast.actions.needs import RESOURCES
from capforecast.actions.rightsize import MOVES, Action
from capforecast.schema import SERVER_ID, TIER_ORDER, Tier

IDLE = "it has been idle: ask its owner, then stop it"
ZOMBIE = "it has been idle and nobody owns it: find out whose it is, then stop it"
CPU_ONLY = "needs network traffic or disk activity: a quiet CPU alone does not show that it is idle"
NO_TEST = "the rule could not be tested on servers like it: too few past forecasts whose outcome is known"
EVIDENCE = ("bound_servers", "bound_periods", "bound_over", "bound_rate", "bound_upper", "size_periods", "size_over")
_MAY_STOP = (Tier.OK, Tier.WATCH)


def risk_basis(servers: pd.DataFrame) -> list[str]:
    """What the tier of each server (risk.tiers) rests on, in words; "" of those that are ok or unknown."""
    said = []
    shown = ["tier", "metric", "statistic", "threshold_high", "threshold_very_high", "in_breach_high",
             "in_breach_very_high", "probability_high", "probability_very_high", "horizon_days", "paths"]  # fmt: skip
    for row in servers[shown].itertuples(index=False):
        if row.tier not in (Tier.CRITICAL, Tier.HIGH, Tier.WATCH):
            said.append("")
            continue
        what, top = f"{row.metric} {row.statistic}", row.tier == Tier.CRITICAL
        level = row.threshold_very_high if top else row.threshold_high
        if row.in_breach_very_high if top else row.in_breach_high:
            said.append(f"{what} is above {level:g} now")
        else:
            chance = row.probability_very_high if top else row.probability_high
            within = "" if top else f" within {row.horizon_days:g} days"
            said.append(f"{what} will pass {level:g}{within} with probability {_chance(chance, row.paths)}")
    return said


def sized_risks(servers: pd.DataFrame, risks: pd.DataFrame) -> pd.DataFrame:
    """Of each server (risk.tiers), in its order: risk_basis, and `other_risk`, the metric that it is at risk by where
    neither its CPU nor its memory is; "" = these are, or nothing is.

    risks: rows of risk.breach. The basis is that of CPU or memory where these are at risk, as they decide on a size.
    """
    at_risk = risks["tier"].isin([Tier.CRITICAL, Tier.HIGH]) & risks["metric"].isin([name for name, _ in RESOURCES])
    order = {str(tier): place for place, tier in enumerate(TIER_ORDER)}
    own = risks[at_risk].sort_values("tier", key=lambda tier: tier.map(order), kind="stable")
    own = own.drop_duplicates(SERVER_ID).set_index(SERVER_ID).reindex(servers[SERVER_ID]).reset_index()
    sized = own["tier"].notna().to_numpy(dtype=bool)
    shown = servers.reset_index(drop=True).astype(object)
    for name in set(own) & set(shown) - {SERVER_ID}:
        shown[name] = shown[name].where(~sized, own[name].astype(object))
    critical = servers["tier"].isin([Tier.CRITICAL, Tier.HIGH]).to_numpy(dtype=bool)
    other = np.where(critical & ~sized, servers["metric"].astype("str"), "")
    return pd.DataFrame({"risk_basis": risk_basis(shown), "other_risk": other}, index=servers.index)


def _chance(chance: float, paths: float) -> str:
    """A probability in percent, never finer than the number of paths behind it can tell, so never certain."""
    finest = math.ceil(100 * max(0.01, 1 / max(paths, 1)) - 1e-9) / 100
    if chance > 1 - finest:
        return f"> {1 - finest:.0%}"
    return f"< {finest:.0%}" if chance < finest else f"{chance:.0%}"


def with_idle(sizing: pd.DataFrame, idle: pd.DataFrame) -> pd.DataFrame:
    """`sizing` (rightsize and tier) with idle, zombie, idle_basis; servers that are idle and not at risk are to stop.
    Where only CPU is measured that is withheld: it may serve a disk or a network all day.

    idle: of actions.idle.idle, in the same order. Another size that was advised becomes an alternative.
    """
    seen = idle["idle"].to_numpy(dtype=bool) & sizing["tier"].isin(_MAY_STOP).to_numpy()
    alone = idle["cpu_only"].to_numpy(dtype=bool)
    stop, doubt = seen & ~alone, seen & alone & (sizing["action"] == Action.KEEP).to_numpy()
    sizing = sizing.assign(
        action=sizing["action"].where(~doubt, str(Action.WITHHELD)),
        reason=sizing["reason"].where(~doubt, CPU_ONLY),
        withheld_action=sizing["withheld_action"].where(~doubt, str(Action.STOP)),
    )
    smaller = stop & (sizing["action"] == Action.DOWNSIZE).to_numpy()
    out = sizing.assign(
        action=sizing["action"].where(~stop, str(Action.STOP)),
        reason=sizing["reason"].where(~stop, np.where(idle["zombie"], ZOMBIE, IDLE)),
        withheld_action=sizing["withheld_action"].where(~stop, ""),
        alternatives=sizing["alternatives"].where(~smaller, "a smaller size, should it be needed: " + _size(sizing)),
        idle=idle["idle"].to_numpy(dtype=bool), zombie=idle["zombie"].to_numpy(dtype=bool),
        idle_basis=idle["idle_basis"].to_numpy(dtype=object),
    )  # fmt: skip
    return _without_size(out, stop)


def tested(actions: pd.DataFrame, stratum: pd.Series, verdicts: pd.DataFrame, promised: float) -> pd.DataFrame:
    """`actions` with the evidence behind a smaller size: stratum, EVIDENCE, promised. Advice that has none, or that the
    replay of the rule does not bear out, is withheld, and says so.

    stratum: by server_id; verdicts: by stratum, of actions.bounds.
    """
    own = actions[SERVER_ID].map(stratum).fillna("").astype("str")
    found = verdicts.reindex(own).reset_index(drop=True)
    smaller = ((actions["action"] == Action.DOWNSIZE) | (actions["withheld_action"] == Action.DOWNSIZE)).to_numpy()
    evidence = {name: found[name].astype("float64").where(smaller).to_numpy() for name in EVIDENCE}
    lacking = found["bound_upper"].isna().to_numpy(dtype=bool)
    failed = (actions["action"] == Action.DOWNSIZE).to_numpy() & ~(found["kept"] == True).to_numpy(dtype=bool)  # noqa: E712
    size, reasons = _size(actions), actions["reason"].to_numpy(dtype=object, copy=True)
    for i in np.flatnonzero(failed):
        why = NO_TEST if lacking[i] else _why(found.iloc[i], own.iloc[i], promised)
        reasons[i] = f"a smaller size ({size.iloc[i]}) would hold its peaks, but {why}"
    out = actions.assign(
        action=actions["action"].where(~failed, str(Action.WITHHELD)), reason=reasons,
        withheld_action=actions["withheld_action"].where(~failed, str(Action.DOWNSIZE)),
        alternatives=actions["alternatives"].where(~failed, ""),
        stratum=own.where(smaller, ""), promised=np.where(smaller, promised, np.nan), **evidence,
    )  # fmt: skip
    return _without_size(out, failed)


def _why(row: pd.Series, stratum: str, promised: float) -> str:
    """Why a stratum's replay is not good enough, in words."""
    if row["bound_upper"] > promised:
        return (
            f"{int(row['bound_servers'])} servers replayed ({stratum}) cannot rule out that {row['bound_upper']:.1%} "
            f"of periods lie above what the rule said they need; at most {promised:.1%} is promised"
        )
    share = row["size_over"] / max(row["size_periods"], 1)
    if share <= promised:
        return NO_TEST  # of one of the resources
    over = f"of servers like it ({stratum}) {share:.1%} of periods lay above such a size"
    return f"{over}; at most {promised:.1%} is promised"


def _size(table: pd.DataFrame) -> pd.Series:
    """The size advised, in words."""
    cpu, memory = (table[name].map("{:.0%}".format) for name in ("to_cpu_share", "to_memory_share"))
    units = table["to_vcpus"].map("{:g} vCPU, ".format) + table["to_memory_gib"].map("{:g} GiB".format)
    known = table[["to_vcpus", "to_memory_gib"]].notna().all(axis=1)
    words = (cpu + " of its CPU, " + memory + " of its memory").where(~known, units)
    return words.where(table["to_type"] == "", table["to_type"]).astype("str")


def _without_size(table: pd.DataFrame, which: np.ndarray) -> pd.DataFrame:
    """The table without the sizes of some servers: nothing is advised to them that has one."""
    return table.assign(**{name: table[name].where(~which, "" if name == "to_type" else np.nan) for name in MOVES})
