"""Tables and sentences of the pages Warnings and Pools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from capforecast.dashboard.reading import OpenRun
from capforecast.report.data import text_column
from capforecast.report.scorecard_words import HEAD, calibration, heading, main_level, table_cells
from capforecast.report.summary import Bin, PoolSummary, Scorecard
from capforecast.report.words import count, plural, probability
from capforecast.schema import ALL_REGIONS, FLEET

RESOURCES = {"vcpu": "vCPU", "memory_gib": "GiB of memory"}
_SCOPES = {
    "fleet": "",
    "business_unit": "business unit",
    "metric": "metric",
    "criticality": "criticality",
    "region": "region",
}
_SEPARATOR = "\x1f"  # a unit separator: between scope and name


def replayed(record: Scorecard) -> str:
    """What the figures rest on."""
    dates = (
        f", {record.first_origin[:10]} to {record.last_origin[:10]}"
        if record.first_origin and record.last_origin
        else ""
    )
    part = (
        f"{count(record.servers)} of {plural(record.of_servers, 'server')}"
        if record.sampled
        else plural(record.servers, "server")
    )
    return f"Replayed: {part}, {plural(record.series, 'series', '')}, {plural(record.origins, 'past date')}{dates}."


def scopes(table: pd.DataFrame) -> dict[str, str]:
    """What a scorecard is about, by key: the fleet first."""
    pairs = dict.fromkeys(zip(text_column(table, "scope"), text_column(table, "name"), strict=True))
    ranked = sorted(
        pairs, key=lambda pair: (list(_SCOPES).index(pair[0]) if pair[0] in _SCOPES else len(_SCOPES), pair[1])
    )
    return {
        f"{scope}{_SEPARATOR}{name}": f"{_SCOPES.get(scope, scope)} {name}".strip() or "the fleet"
        for scope, name in ranked
    }


def horizons(table: pd.DataFrame) -> list[int]:
    """Horizons scored, days: 30 first, at which most is decided."""
    known = sorted({int(days) for days in table["horizon_days"]})
    return sorted(known, key=lambda days: (days != 30, days))


def _of(table: pd.DataFrame, scope: str, horizon: int) -> pd.DataFrame:
    kind, _, name = scope.partition(_SEPARATOR)
    here = (
        (text_column(table, "scope") == kind)
        & (text_column(table, "name") == name)
        & (table["horizon_days"] == horizon)
    )
    rows = table[here]
    if not len(rows):
        return rows
    level = main_level(rows.astype({"level": "str"}))
    return rows[text_column(rows, "level") == level]


def scores(table: pd.DataFrame, scope: str, horizon: int) -> pd.DataFrame:
    """Rules of a scope and horizon and how often they were right, as text."""
    rows = _of(table, scope, horizon)
    return pd.DataFrame(
        [table_cells(row) for row in rows.astype({"rule": "str"}).to_dict("records")], columns=list(HEAD)
    )


def cases(table: pd.DataFrame, scope: str, horizon: int) -> str:
    """How many cases stand behind the rows."""
    rows = _of(table, scope, horizon)
    return heading({str(k): v for k, v in rows.to_dict("records")[0].items()}) if len(rows) else ""


def bins(rows: Sequence[Bin]) -> pd.DataFrame:
    """The reliability diagram in figures."""
    return pd.DataFrame(
        [
            {
                "Within": f"{each.horizon_days} d",
                "Said": probability(each.mean_probability),
                "Came": probability(each.rate),
                "Cases": each.cases,
            }
            for each in rows
        ]
    )


def reliability_words(rows: Sequence[Bin]) -> str:
    """The diagram in words."""
    said = [f"within {b.horizon_days} d said {b.mean_probability:.0%}, came {b.rate:.0%} of {b.cases}" for b in rows]
    return f"Stated against observed frequency: {'; '.join(said)}."


def honesty(record: Scorecard | None) -> list[str]:
    """How honest the probabilities were, a sentence for each horizon."""
    if record is None:
        return []
    base = {each.horizon_days: each.base_rate for each in record.ours}
    rows = [each.model_dump() | {"base_rate": base.get(each.horizon_days)} for each in record.calibration]
    told = [(row["horizon_days"], calibration(row)) for row in rows if _stated(row)]
    return [f"Within {days} d: {text}" for days, text in told if text]


def _stated(row: dict[str, Any]) -> bool:
    """Does a row have every figure that is said?"""
    return all(row[name] is not None for name in ("mean_probability", "base_rate", "calibration_error", "chance_floor"))


def pool_table(pools: Sequence[PoolSummary]) -> pd.DataFrame:
    """Pools in figures, a row each."""
    return pd.DataFrame(
        [
            {
                "Pool": pool.name,
                "Of": RESOURCES.get(pool.resource, pool.resource),
                "Usable": pool.usable,
                "Now": pool.demand_now,
                "90 % peak": pool.peak_q90,
                "Runs out within 90 d": pool.p_90d,
                "Half odds, days": pool.days_q50,
                "To buy": pool.buy_q50,
                "Order by": pd.to_datetime(pool.buy_by) if pool.buy_by else pd.NaT,
                "Servers": pool.servers,
            }
            for pool in pools
        ]
    )


def pool_notes(pool: PoolSummary) -> list[str]:
    """Servers that are not counted as usual."""
    told = {
        "unsized": "of unknown size: in no sum",
        "unobserved": "never observed: in the supply, in no demand",
        "unforecast": "without a forecast: counted at their last demand",
    }
    return [f"{plural(getattr(pool, name), 'server')} {words}." for name, words in told.items() if getattr(pool, name)]


def demand_of(opened: OpenRun, pool: PoolSummary) -> pd.DataFrame:
    """Rows of `demand` of a pool, by date; of a sum those of the fleet."""
    is_sum = pool.region == ALL_REGIONS or pool.business_unit == FLEET
    table = opened.of_fleet("demand") if is_sum else opened.of_units("demand")
    if not len(table):
        return table
    here = pd.Series(True, index=table.index)
    for name in ("business_unit", "region", "resource"):
        here &= text_column(table, name) == getattr(pool, name)
    return table[here].sort_values("date")
