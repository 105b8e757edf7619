"""From a run's tables `actions`, `savings`, `bounds`, `consolidation` and `segment_sizes` to the summary's parts."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from capforecast.errors import StageError
from capforecast.report.accuracy import figure
from capforecast.report.action_words import KIND_ORDER, advice_sentence, answer
from capforecast.report.from_rows import part_of
from capforecast.report.summary_actions import (
    ActionsSummary,
    Advice,
    Bound,
    Consolidation,
    Realised,
    Saving,
    SegmentSummary,
    Withheld,
)
from capforecast.report.words import plural
from capforecast.schema import BUSINESS_UNIT, CRITICALITY, REGION, SERVER_ID, TIER_ORDER, Tier
from capforecast.settings import Settings

MOST_SAVERS = 25
MOST_REASONS = 20  # a fleet's notes on rejected advice may differ from server to server
OTHER_REASONS = "other reasons, each of few servers"
_REJECTED = "rejected on"  # how reasons begin that a note of one server follows
_ONE_SIZE = re.compile(r"^a smaller size \(.*?\) would hold its peaks, but ")  # the size of one server
_SCOPES = ("fleet", BUSINESS_UNIT)
_NOT_FEATURES = ("segment", "servers", "silhouette")


def actions_summary(
    actions: pd.DataFrame,
    savings: pd.DataFrame,
    bounds: pd.DataFrame,
    consolidation: pd.DataFrame,
    settings: Settings,
    realised: pd.DataFrame | None = None,
) -> ActionsSummary | None:
    """What to do about the run's servers; None where it decided nothing. Tables as schema.py spells them, may be empty.

    realised: advice that was followed (actions.lifecycle.REALISED_COLUMNS).

    Raises StageError when a server stands in `actions` twice.
    """
    if not len(actions):
        return None
    _once(actions)
    table = _whole(actions)
    currency = _first(table.loc[table["monthly"].notna() | table["to_monthly"].notna(), "currency"])
    sources = table.loc[table["price_source"] != "", "price_source"].value_counts()
    found = ActionsSummary(
        servers=len(table),
        counts=_counts(table["action"]),
        other_remedies=_other_remedies(table),
        headroom=settings.sizing.headroom,
        headroom_memory_p95=settings.sizing.headroom_memory_p95,
        fit_share=settings.sizing.fit_share,
        horizon_days=_reach(table),
        promised=settings.sizing.exceedance_limit,
        zombies=int((table["zombie"].eq(True) & table["action"].eq("stop")).sum()),
        priced=int(table["monthly"].notna().sum()),
        currency=currency,
        price_sources={str(name): int(sources[name]) for name in sorted(sources.index)} if currency else {},
        discount=settings.prices.discount,
        discount_factor=settings.prices.factor,
        savings=_savings(savings),
        upsizes=_advice(_by_urgency(table).head(settings.report.table_rows), currency),
        top=_advice(_by_saving(table).head(MOST_SAVERS), currency),
        withheld=_withheld(table),
        bounds=_rows(bounds, Bound, ["stratum", "test", "resource"]),
        consolidation=_consolidation(consolidation),
        states=_counts(table.loc[table["state"] != "", "state"]),
        realised=_realised(realised),
    )
    return found.model_copy(update={"sentence": answer(found)})


def _other_remedies(table: pd.DataFrame) -> dict[str, int]:
    """Servers at risk that no other size helps, by metric."""
    stay = table["tier"].isin([Tier.CRITICAL, Tier.HIGH]) & (table["action"] == "keep")
    if "risk_basis" not in table:  # of an earlier version
        return {}
    return _counts(table.loc[stay, "risk_basis"].str.split(" ").str[0].replace("", "unknown"))


def segment_summaries(sizes: pd.DataFrame) -> list[SegmentSummary]:
    """One per row of `segment_sizes`, from the least used segment to the most used; servers without one last."""
    if not len(sizes):
        return []
    features = [str(name) for name in sizes.select_dtypes("number") if name not in _NOT_FEATURES]
    ordered = sizes.assign(last=sizes["segment"] < 0).sort_values(["last", "segment"], kind="stable")
    return [
        part_of(row, SegmentSummary, centroid={name: figure(_number(row[name])) for name in features})
        for row in ordered.to_dict("records")
    ]


def in_order(actions: pd.DataFrame) -> pd.DataFrame:
    """Rows of `actions` as people read them: to enlarge, to shrink or stop, withheld, then those that stay."""
    if not len(actions):
        return actions
    table = _whole(actions)
    rest = table[~table["action"].isin(["upsize", "downsize", "stop"])]
    rest = _sorted(rest, rest["action"].map({"withheld": 0, "keep": 1}).fillna(2))
    return pd.concat([_by_urgency(table), _by_saving(table), rest])


def _once(actions: pd.DataFrame) -> None:
    twice = actions.loc[actions[SERVER_ID].duplicated(), SERVER_ID].unique()
    if len(twice):
        raise StageError(
            f"table actions: {plural(len(twice), 'server')} with more than one action, the first is {twice[0]!r}; "
            "run the stage actions again"
        )


def _whole(actions: pd.DataFrame) -> pd.DataFrame:
    """With the columns that order and count rows, even where an old table lacks them."""
    texts = ("action", "withheld_action", "reason", "tier", "state", "price_source", "currency")
    numbers = ("monthly", "to_monthly", "monthly_change", "vcpus", "memory_gib", "to_vcpus", "to_memory_gib", "fits",
               "need_cpu_share", "paths", "horizon_days")  # fmt: skip
    out = actions.copy()
    for name in texts:
        out[name] = out[name].astype("object").where(out[name].notna(), "").astype("str") if name in out else ""
    for name in numbers:
        out[name] = pd.to_numeric(out[name], errors="coerce").astype("float64") if name in out else np.nan
    return out if "zombie" in out else out.assign(zombie=False)


def _reach(table: pd.DataFrame) -> list[float]:
    """Fewest and most days that sample paths reach, of the servers that have any."""
    days = table.loc[table["paths"] > 0, "horizon_days"].dropna()
    return [float(days.min()), float(days.max())] if len(days) else []


def _counts(values: pd.Series) -> dict[str, int]:
    return {str(name): int(number) for name, number in values.value_counts().sort_index().items()}


def _first(values: pd.Series) -> str:
    return str(values.iloc[0]) if len(values) else ""


def _by_urgency(table: pd.DataFrame) -> pd.DataFrame:
    """Servers to enlarge: worst tier first, then those whose need is most above what they have, then by name."""
    mine = table[table["action"] == "upsize"]
    rank = {str(tier): place for place, tier in enumerate(TIER_ORDER)}
    more = (mine["to_vcpus"] / mine["vcpus"]).fillna(1.0) * (mine["to_memory_gib"] / mine["memory_gib"]).fillna(1.0)
    return _sorted(mine, mine["tier"].map(rank).fillna(len(rank)), -more)


def _by_saving(table: pd.DataFrame) -> pd.DataFrame:
    """Servers to shrink or stop: the largest saving first; without prices, what frees most vCPUs, then GiB."""
    mine = table[table["action"].isin(["downsize", "stop"])]
    freed = [mine[name].fillna(0.0) - mine[f"to_{name}"].fillna(0.0) for name in ("vcpus", "memory_gib")]
    return _sorted(mine, mine["monthly_change"].fillna(np.inf), -freed[0], -freed[1])


def _sorted(table: pd.DataFrame, *keys: pd.Series) -> pd.DataFrame:
    columns = {f"_{place}": key for place, key in enumerate(keys)}
    order = table[[SERVER_ID]].assign(**columns).sort_values([*columns, SERVER_ID], kind="stable")
    return table.loc[order.index]


def _advice(table: pd.DataFrame, currency: str) -> list[Advice]:
    found = [part_of(row, Advice) for row in table.to_dict("records")]
    return [advice.model_copy(update={"sentence": advice_sentence(advice, currency)}) for advice in found]


def _savings(savings: pd.DataFrame) -> list[Saving]:
    """Sums of the fleet and of the business units; other scopes are in the workbook."""
    if not len(savings):
        return []
    mine = savings[savings["scope"].isin(_SCOPES)]
    ranks = {
        "scope": {name: i for i, name in enumerate(_SCOPES)},
        "kind": {name: i for i, name in enumerate(KIND_ORDER)},
    }
    found = [part_of(row, Saving) for row in mine.to_dict("records")]
    return sorted(found, key=lambda row: (ranks["scope"][row.scope], row.name, ranks["kind"].get(row.kind, 9)))


def _withheld(table: pd.DataFrame) -> list[Withheld]:
    """By what is withheld and why, most servers first; the many reasons of single servers are counted together."""
    mine = table[table["action"] == "withheld"]
    reasons = mine["reason"].str.replace(_ONE_SIZE, "", regex=True)
    reasons = reasons.where(~reasons.str.startswith(_REJECTED), "rejected earlier")
    counts = mine.assign(reason=reasons).groupby(["withheld_action", "reason"]).size()
    rows = [Withheld(action=str(a), reason=str(r), servers=int(n)) for (a, r), n in counts.items()]
    rows.sort(key=lambda row: (-row.servers, row.action, row.reason))
    rest: dict[str, int] = {}
    for row in rows[MOST_REASONS:]:
        rest[row.action] = rest.get(row.action, 0) + row.servers
    return rows[:MOST_REASONS] + [Withheld(action=a, reason=OTHER_REASONS, servers=n) for a, n in sorted(rest.items())]


def _consolidation(table: pd.DataFrame) -> list[Consolidation]:
    """Groups that free most first, then those that free nothing, then those of which nothing can be said."""
    found = _rows(table, Consolidation, [BUSINESS_UNIT, REGION, CRITICALITY])
    return sorted(found, key=lambda row: (row.reason != "", -(row.freed or 0)))


def _realised(table: pd.DataFrame | None) -> Realised | None:
    """Promised beside achieved, over the servers of which both are known."""
    if table is None or not len(table):
        return None
    known = table[table["promised"].notna() & table["achieved"].notna()]
    sums = {name: round(float(known[name].sum()), 2) if len(known) else None for name in ("promised", "achieved")}
    return Realised(servers=len(table), known=len(known), currency=_first(known["currency"]), **sums)


def _rows(table: pd.DataFrame, part: Any, by: list[str]) -> list[Any]:
    if not len(table):
        return []
    return [part_of(row, part) for row in table.sort_values(by, kind="stable").to_dict("records")]


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
