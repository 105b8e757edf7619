"""Which servers are in another tier than at the run before: compared server by server, counted, the worst named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from capforecast.report.changes_words import changes_sentence
from capforecast.report.summary_changes import ChangedServer, Changes, UnitChanges
from capforecast.report.summary_parts import Tiers
from capforecast.schema import BUSINESS_UNIT, DIMENSIONS, METRIC, SERVER_ID, TIER_ORDER, Tier

SINCE = "since"  # column of earlier tables: cut-off of the run they are of
CHANGED_COLUMNS = (
    SERVER_ID, *DIMENSIONS, "change", "tier_before", "tier", METRIC, "probability_before", "probability",
    "unit_before", SINCE, "reason",
)  # fmt: skip
NEWLY, NO_LONGER, WORSE, BETTER = "newly at risk", "no longer at risk", "worse", "better"
UNKNOWN, KNOWN, NEW, GONE, SAME = "newly unknown", "known again", "new", "gone", ""
ORDER = (NEWLY, WORSE, NO_LONGER, BETTER, UNKNOWN, KNOWN, NEW, GONE)
MOST_NAMED = 10
_AT_RISK = (Tier.CRITICAL.value, Tier.HIGH.value)
_RANK = {tier.value: rank for rank, tier in enumerate(TIER_ORDER)} | {"": len(TIER_ORDER)}


def compared(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """One row per server (CHANGED_COLUMNS), the changes that matter most first; `change` is "" where there is none.

    before: servers of earlier runs, with their cut-offs in SINCE; now: servers of this run (SERVER_COLUMNS). Units
    that `before` does not have are left out, but for servers that came from one it has.
    """
    if not len(before) or not len(now):
        return pd.DataFrame(columns=list(CHANGED_COLUMNS))
    before = before.sort_values(SINCE, kind="stable").drop_duplicates(SERVER_ID, keep="last")
    mine = now[now[BUSINESS_UNIT].isin(before[BUSINESS_UNIT]) | now[SERVER_ID].isin(before[SERVER_ID])]
    both = _sided(before).merge(_sided(mine), on=SERVER_ID, how="outer", suffixes=("_before", ""))
    for name in DIMENSIONS:
        both[name] = both[name].fillna(both[f"{name}_before"])
    for name in ("tier", "tier_before", METRIC, f"{METRIC}_before", "reason", f"{BUSINESS_UNIT}_before"):
        both[name] = both[name].astype("object").where(both[name].notna(), "").astype("str")
    both[METRIC] = both[METRIC].where(both[METRIC] != "", both[f"{METRIC}_before"])
    both["unit_before"] = both[f"{BUSINESS_UNIT}_before"]
    both[SINCE] = both[BUSINESS_UNIT].map(before.groupby(BUSINESS_UNIT)[SINCE].max())
    both[SINCE] = both[SINCE].fillna(both[f"{SINCE}_before"])
    return _ordered(both.assign(change=_change(both["tier_before"], both["tier"])))[list(CHANGED_COLUMNS)]


def changes_part(table: pd.DataFrame, units: Sequence[str]) -> Changes | None:
    """The summary's part of a table of `compared`; None without rows. `units`: those of this run that have tiers."""
    if not len(table):
        return None
    since = table[SINCE]
    by_unit = _by_unit(table)
    known = {unit.business_unit for unit in by_unit}
    named = {change: _named(table, change) for change in ORDER}
    part = Changes(
        **_counts(table["tier_before"], table["tier"]),
        since=since.max().isoformat(),
        since_first=since.min().isoformat(),
        not_compared=sorted(set(units) - known),
        units=by_unit,
        top_newly_at_risk=named[NEWLY],
        top_no_longer_at_risk=named[NO_LONGER],
        top_worse=named[WORSE],
        top_better=named[BETTER],
        top_newly_unknown=named[UNKNOWN],
        top_known_again=named[KNOWN],
        top_new=named[NEW],
        top_gone=named[GONE],
    )
    return part.model_copy(update={"sentence": changes_sentence(part)})


def _sided(servers: pd.DataFrame) -> pd.DataFrame:
    """What is compared of a table of servers; columns that it lacks are empty."""
    names = [SERVER_ID, *DIMENSIONS, "tier", METRIC, "reason", SINCE]
    table = servers.reindex(columns=names)
    table["probability"] = servers.get("probability_high", np.nan)
    return table


def _change(before: pd.Series, now: pd.Series) -> pd.Series:
    """What became of each server, by its tiers (text, "" = not there)."""
    risky_then, risky_now = before.isin(_AT_RISK), now.isin(_AT_RISK)
    worse = now.map(_RANK) < before.map(_RANK)
    unknown_then, unknown_now = before == Tier.UNKNOWN, now == Tier.UNKNOWN
    label = np.select(
        [now == "", risky_now & ~risky_then, before == "", before == now, unknown_now, unknown_then,
         risky_then & ~risky_now, worse],
        [GONE, NEWLY, NEW, SAME, UNKNOWN, KNOWN, NO_LONGER, WORSE],
        BETTER,
    )  # fmt: skip
    return pd.Series(label, index=now.index, dtype="str")


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """By change as in ORDER, then the worse tier of the two, then the chance of a breach; ties by server."""
    keys = pd.DataFrame(
        {
            "change": table["change"].map({name: at for at, name in enumerate((*ORDER, SAME))}),
            "tier": np.minimum(table["tier"].map(_RANK), table["tier_before"].map(_RANK)),
            "chance": -np.fmax(table["probability"].fillna(0.0), table["probability_before"].fillna(0.0)),
            SERVER_ID: table[SERVER_ID],
        }
    )
    return table.loc[keys.sort_values(list(keys.columns), kind="stable").index].reset_index(drop=True)


def _counts(before: pd.Series, now: pd.Series) -> dict[str, int | Tiers]:
    """The fields of TierChanges."""
    change = _change(before, now)
    by_change = change.value_counts()
    risky = before.isin(_AT_RISK)
    counted = {
        "newly_at_risk": NEWLY, "no_longer_at_risk": NO_LONGER, "worse": WORSE, "better": BETTER,
        "newly_unknown": UNKNOWN, "known_again": KNOWN, "gone": GONE,
    }  # fmt: skip
    return {
        "tiers_before": _tiers(before),
        "tiers": _tiers(now),
        **{field: int(by_change.get(label, 0)) for field, label in counted.items()},
        "new": int((before == "").sum()),
        "new_at_risk": int(((before == "") & (change == NEWLY)).sum()),
        "lost_at_risk": int((risky & (change == UNKNOWN)).sum()),
        "gone_at_risk": int((risky & (change == GONE)).sum()),
    }


def _tiers(tiers: pd.Series) -> Tiers:
    counts = tiers.value_counts()
    return Tiers(**{tier.value: int(counts.get(tier.value, 0)) for tier in TIER_ORDER})


def _by_unit(table: pd.DataFrame) -> list[UnitChanges]:
    """Each unit that both runs have, in itself: who moved between units is gone from one and new in the other."""
    moved = (table["unit_before"] != table[BUSINESS_UNIT]) & (table["unit_before"] != "") & (table["tier"] != "")
    movers = table[moved]
    left = movers.assign(**{BUSINESS_UNIT: movers["unit_before"], "tier": ""})
    came = table.assign(tier_before=table["tier_before"].mask(moved, ""))
    rows = pd.concat([came, left], ignore_index=True)
    known = rows[rows[BUSINESS_UNIT].isin(table["unit_before"])]
    since: Mapping[str, pd.Timestamp] = table[~moved].groupby(BUSINESS_UNIT)[SINCE].max().to_dict()
    return [
        UnitChanges(
            business_unit=str(name),
            since=since.get(str(name), part[SINCE].max()).isoformat(),
            **_counts(part["tier_before"], part["tier"]),
        )
        for name, part in known.groupby(BUSINESS_UNIT, sort=True)
    ]


def _named(table: pd.DataFrame, change: str) -> list[ChangedServer]:
    worst = table[table["change"] == change].head(MOST_NAMED)
    names = (SERVER_ID, BUSINESS_UNIT, "tier_before", "tier", METRIC, "reason")
    return [ChangedServer(**{name: str(row[name]) for name in names}) for row in worst.to_dict("records")]
