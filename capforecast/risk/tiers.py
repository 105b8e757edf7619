"""Risk tiers of series and servers, and their roll-ups. Servers are counted, never rows; every total reconciles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from capforecast.errors import StageError
from capforecast.schema import DIMENSIONS, METRIC, SERVER_ID, TIER_ORDER, UNASSIGNED, Reason, Tier, Verdict
from capforecast.settings import Settings

# A server whose threshold metrics are unknown for several reasons is counted under the first of these.
REASON_ORDER = (
    Reason.NOT_TRAINED, Reason.NO_EVIDENCE, Reason.GAPPY, Reason.TOO_SHORT, Reason.STALE, Reason.ALL_MISSING,
    Reason.NO_THRESHOLD, Reason.NO_OBSERVATIONS,
)  # fmt: skip

# What a server shows of its deciding series.
FIGURES = (
    METRIC, "statistic", "last_value", "threshold_high", "threshold_very_high", "in_breach_high",
    "in_breach_very_high", "probability_high", "probability_very_high", "days_q10", "days_q50", "days_q90",
    "horizon_days", "peak_q50", "peak_q90", "capacity_remaining",
    "capacity_remaining_units", "paths", "relative_mae", "coverage_80",
)  # fmt: skip
SERVER_COLUMNS = (SERVER_ID, *DIMENSIONS, "tier", "reason", "detail", *FIGURES)
PROBABILITY_PREFIXES = ("p_high_", "p_very_high_")


def series_tiers(risks: pd.DataFrame, settings: Settings) -> tuple[pd.Series, pd.Series]:
    """Tier and reason of each row of a risks frame, as text columns.

    critical: in breach of `very_high` now, or its probability reaches risk.critical_probability.  high, watch: the
    same for `high` with risk.high_probability and risk.watch_probability.  A series that is unknown stays unknown;
    one with a threshold but no probability is unknown for `no_evidence`, unless it is in breach now: then the tier
    is the least it can be. A series without threshold is ok (and decides nothing about its server).
    """
    rules = settings.risk
    critical = risks["in_breach_very_high"] | (risks["probability_very_high"] >= rules.critical_probability)
    high = risks["in_breach_high"] | (risks["probability_high"] >= rules.high_probability)
    watch = risks["probability_high"] >= rules.watch_probability
    unproven = _has_threshold(risks) & risks["horizon_days"].isna()
    unusable = risks["verdict"] != Verdict.OK
    tier = np.select(
        [unusable, critical, high, watch, unproven],
        [Tier.UNKNOWN.value, Tier.CRITICAL.value, Tier.HIGH.value, Tier.WATCH.value, Tier.UNKNOWN.value],
        Tier.OK.value,
    )
    tiers = pd.Series(tier, index=risks.index, dtype="str")
    silent = ~unusable & (tiers == Tier.UNKNOWN)
    return tiers, risks["reason"].astype("str").mask(silent, Reason.NO_EVIDENCE.value)


def server_tiers(risks: pd.DataFrame, servers: pd.DataFrame) -> pd.DataFrame:
    """One row per server of the inventory (SERVER_COLUMNS), sorted by id: its worst ok metric that has a threshold.

    risks: rows of `assess`; servers: server_id and, where known, business_unit, region and criticality. The deciding
    metric's probabilities by horizon follow, then whatever else the inventory holds. Among
    metrics of one tier the deciding one is in breach, then more probable, then closer to full. A server without a
    deciding metric is `unknown`: `reason` is the most telling of its threshold metrics' reasons (REASON_ORDER), or
    `no_threshold`, or `no_observations`; `detail` lists them all by metric.

    Raises StageError when a server stands twice in the inventory, or has risks but is not in it.
    """
    table = _inventory(servers)
    _check_known(risks, table)
    deciding = risks[_has_threshold(risks) & (risks["tier"] != Tier.UNKNOWN)]
    worst = order_by_risk(deciding).drop_duplicates(SERVER_ID)
    by_horizon = [name for name in risks.columns if name.startswith(PROBABILITY_PREFIXES)]
    shown = worst[[SERVER_ID, "tier", *FIGURES, *by_horizon]]
    result = table.merge(shown, on=SERVER_ID, how="left", validate="one_to_one")
    reasons = _reasons(risks)
    result = result.merge(reasons, on=SERVER_ID, how="left", validate="one_to_one")
    unknown = result["tier"].isna()
    result["reason"] = result["reason"].fillna(Reason.NO_OBSERVATIONS.value).where(unknown, "").astype("str")
    result["detail"] = result["detail"].fillna("").astype("str")
    result["tier"] = result["tier"].astype("str").fillna(Tier.UNKNOWN.value)
    for name in ("in_breach_high", "in_breach_very_high"):
        result[name] = result[name].eq(True)
    result["paths"] = result["paths"].fillna(0).astype(np.int64)
    return _with_labels(result[[*SERVER_COLUMNS, *by_horizon]], servers)


def order_by_risk(table: pd.DataFrame) -> pd.DataFrame:
    """Rows worst first: tier, in breach, probability, capacity remaining, last value; ties by server and metric."""
    keys = pd.DataFrame(
        {
            "tier": table["tier"].map({tier.value: rank for rank, tier in enumerate(TIER_ORDER)}),
            "breach": -table["in_breach_very_high"].astype(int) - table["in_breach_high"].astype(int),
            "very_high": -table["probability_very_high"].where(table["tier"] == Tier.CRITICAL, 0.0).fillna(0.0),
            "high": -table["probability_high"].fillna(0.0),
            "remaining": table["capacity_remaining"].fillna(np.inf),
            "over": -_by_threshold(table),
            SERVER_ID: table[SERVER_ID],
            METRIC: table[METRIC].astype("str").fillna(""),
        },
        index=table.index,
    )
    return table.loc[keys.sort_values(list(keys.columns), kind="stable").index]


def _by_threshold(table: pd.DataFrame) -> pd.Series:
    """Last value by the threshold `high`; 0 where either is not known."""
    if not {"last_value", "threshold_high"} <= set(table):
        return pd.Series(0.0, index=table.index)
    share = table["last_value"].astype("float64") / table["threshold_high"].astype("float64")
    return share.replace([np.inf, -np.inf], np.nan).fillna(0.0)


def count_tiers(servers: pd.DataFrame) -> dict[str, int]:
    """Servers by tier, every tier named, from a table of `server_tiers`."""
    counts = servers["tier"].value_counts()
    return {tier.value: int(counts.get(tier.value, 0)) for tier in TIER_ORDER}


def roll_up(servers: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Servers and tiers of each combination of the dimensions `by`: by..., servers, critical ... unknown.

    Raises StageError when the cells do not add up to the servers given.
    """
    names = [tier.value for tier in TIER_ORDER]
    flags = pd.DataFrame({name: (servers["tier"] == name).astype(np.int64) for name in names}, index=servers.index)
    cells = pd.concat([servers[list(by)].astype("str").fillna(UNASSIGNED), flags], axis=1)
    cells.insert(len(by), "servers", np.int64(1))
    result = cells.groupby(list(by), sort=True).sum().reset_index()
    counted = int(result["servers"].sum())
    tiered = int(result[names].to_numpy().sum())
    if not counted == tiered == len(servers) == servers[SERVER_ID].nunique():
        raise StageError(
            f"roll-up by {', '.join(by)}: {servers[SERVER_ID].nunique()} servers in {len(servers)} rows, "
            f"{counted} counted, {tiered} with a tier; each server must stand once, with one known tier"
        )
    return result


def _has_threshold(risks: pd.DataFrame) -> pd.Series:
    return risks["threshold_high"].notna() | risks["threshold_very_high"].notna()


def _inventory(servers: pd.DataFrame) -> pd.DataFrame:
    twice = servers.loc[servers[SERVER_ID].duplicated(), SERVER_ID]
    if len(twice):
        raise StageError(
            f"server {twice.iloc[0]} stands more than once in the inventory in force; keep one row per server"
        )
    table = pd.DataFrame({SERVER_ID: servers[SERVER_ID].astype("str")})
    for name in DIMENSIONS:
        table[name] = servers[name].astype("str").fillna(UNASSIGNED) if name in servers else UNASSIGNED
    return table.astype("str").sort_values(SERVER_ID, kind="stable").reset_index(drop=True)


def _with_labels(table: pd.DataFrame, servers: pd.DataFrame) -> pd.DataFrame:
    """The table with the further columns of the inventory (owner, instance type ...)."""
    further = [name for name in servers.columns if name == SERVER_ID or name not in table.columns]
    labels = servers[further].assign(**{SERVER_ID: servers[SERVER_ID].astype("str")})
    return table.merge(labels, on=SERVER_ID, how="left", validate="one_to_one")


def _check_known(risks: pd.DataFrame, table: pd.DataFrame) -> None:
    strangers = risks.loc[~risks[SERVER_ID].isin(table[SERVER_ID]), SERVER_ID].unique()
    if len(strangers):
        raise StageError(
            f"{len(strangers)} servers have risks but are not in the inventory in force, e.g. {strangers[0]}; "
            "add them to the inventory table first"
        )


def _reasons(risks: pd.DataFrame) -> pd.DataFrame:
    """Reason and detail of each observed server, as if it were unknown: server_id, reason, detail."""
    limited = _has_threshold(risks)
    unknown = risks["tier"] == Tier.UNKNOWN
    has_limited = limited.groupby(risks[SERVER_ID]).transform("any").astype(bool)
    usable = (~unknown).groupby(risks[SERVER_ID]).transform("any").astype(bool)
    reason = risks["reason"].mask(~has_limited & usable, Reason.NO_THRESHOLD.value)
    relevant = ~has_limited | (limited & unknown)
    rank = {value.value: position for position, value in enumerate(REASON_ORDER)}
    rows = pd.DataFrame({SERVER_ID: risks[SERVER_ID], "reason": reason, "rank": reason.map(rank)})[relevant]
    first = rows.sort_values([SERVER_ID, "rank"], kind="stable").drop_duplicates(SERVER_ID)
    silent = risks[unknown].sort_values([SERVER_ID, METRIC], kind="stable")
    words = silent[METRIC].astype("str") + ": " + silent["reason"].astype("str")
    detail = words.groupby(silent[SERVER_ID]).agg("; ".join).rename("detail").reset_index()
    return first[[SERVER_ID, "reason"]].merge(detail, on=SERVER_ID, how="outer", validate="one_to_one")
