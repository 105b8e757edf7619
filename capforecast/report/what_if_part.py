"""A what-if outcome as part of a report: in its summary, on its own page and sheet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from capforecast.actions.what_if import Outcome
from capforecast.actions.what_if_record import differing
from capforecast.report.columns import Column
from capforecast.report.data import ReportData
from capforecast.report.scenario_words import change_words
from capforecast.report.sheets import Sheets
from capforecast.report.summary import RunSummary
from capforecast.report.summary_parts import Tiers
from capforecast.report.summary_what_if import WhatIf, WhatIfRow
from capforecast.report.words import NONE, count, date_text, is_missing, number, plural
from capforecast.schema import BUSINESS_UNIT, TIER_ORDER

_MONEY = ("monthly_before", "monthly", "safe_monthly_before", "safe_monthly")
SHEET = (
    Column("server_id", "Server", "Name of the server; of a new one, what it is like.", width=26),
    Column("business_unit", "Business unit", "The unit in force at the cut-off; of a new server, its unit.", width=22),
    Column("change", "In the scenario", "new, retired, resized, changed, or empty: as it is.", width=14),
    Column("tier_before", "Tier published", "As on the sheet Servers; empty = the server is new.", "tier", 11),
    Column("tier", "Tier then", "In the scenario; empty = the server is gone.", "tier", 10),
    Column("metric", "Deciding then", "The metric that the tier rests on, in the scenario.", width=10),
    Column("probability_high_before", "P(high) published", "Breach of `high`, as published.", "probability", 11),
    Column("probability_high", "P(high) then", "Breach of `high`, in the scenario.", "probability", 11),
    Column("breach_date_before", "50 % by, published", "Day by which half of the paths breach.", "date", 12),
    Column("breach_date", "50 % by, then", "The same in the scenario.", "date", 12),
    Column("order_by", "Order by, then", "Last day to order, for the 10 % date and the lead time.", "date", 12),
    Column("instance_type", "Type then", "Instance type in the scenario.", width=14),
    Column("monthly_before", "Cost published", "A month of 730 hours, as it stands.", "figure", 11),
    Column("monthly", "Cost then", "A month, with the sizes of the scenario.", "figure", 11),
    Column("safe_monthly_before", "As advised, published", "A month, with the sizes advised.", "figure", 11),
    Column("safe_monthly", "As advised, then", "A month, with sizes that hold what is then needed.", "figure", 11),
)  # fmt: skip
_SAME = "No server's figures differ in this scenario."


def with_scenario(data: ReportData, outcome: Outcome, unit: str | None = None) -> ReportData:
    """The report with a scenario in it; `unit`: only its servers of this business unit."""
    table = differing(outcome)
    if unit is not None:
        table = table[table[BUSINESS_UNIT] == unit].reset_index(drop=True)
    part = _part(outcome, unit, len(table))
    return replace(data, summary=data.summary.model_copy(update={"what_if": part}), what_if=table)


def _part(outcome: Outcome, unit: str | None, servers: int) -> WhatIf:
    totals = [_row(row) for row in outcome.totals.to_dict("records")]
    units = [row for row in totals[1:] if unit in (None, row.name)]
    fleet = totals[0] if unit is None else units[0].model_copy(update={"name": ""})
    scenario = outcome.scenario
    return WhatIf(
        name=scenario.name, scenario=scenario.id, note=scenario.note, currency=outcome.baseline.currency, fleet=fleet,
        changes=[change_words(change) for change in scenario.changes], units=units, differing=servers,
        notes=list(outcome.notes), sentence=_sentence(fleet, outcome.baseline.currency),
    )  # fmt: skip


def _row(row: dict[Any, Any]) -> WhatIfRow:
    was, then = (Tiers(**{str(t): int(row[f"{t}{which}"]) for t in TIER_ORDER}) for which in ("_before", ""))
    money: dict[str, Any] = {name: None if is_missing(row[name]) else round(float(row[name]), 2) for name in _MONEY}
    money |= {name: str(row[name]) for name in ("monthly_unknown", "safe_monthly_unknown")}
    return WhatIfRow(
        name=row["name"], servers_before=int(row["servers_before"]), servers=int(row["servers"]), tiers_before=was,
        tiers=then, **money,
    )  # fmt: skip


def _sentence(fleet: WhatIfRow, currency: str) -> str:
    was, then = (tiers.critical + tiers.high for tiers in (fleet.tiers_before, fleet.tiers))
    return (
        f"{plural(then, 'server')} at risk of {count(fleet.servers)}, {count(was)} of {count(fleet.servers_before)} as "
        f"published; cost a month {_cost(fleet, 'monthly', currency)}, with the sizes advised "
        f"{_cost(fleet, 'safe_monthly', currency)}."
    )


def _cost(row: WhatIfRow, name: str, currency: str) -> str:
    """A sum and its change with its currency; why it is not known, where it is not."""
    unknown = getattr(row, f"{name}_unknown")
    return f"unknown ({unknown})" if unknown else f"{currency} {_money(row, name)}"


def _money(row: WhatIfRow, name: str) -> str:
    then, change = _sum(row, name)
    return f"{then} ({change})" if change else then


def _sum(row: WhatIfRow, name: str) -> tuple[str, str]:
    """A sum in the scenario, and its change; "" = none, or not known."""
    was, then = getattr(row, f"{name}_before"), getattr(row, name)
    if then is None:
        return "unknown", ""
    change = round(then - was)
    return number(then, 0), f"{'+' if change > 0 else ''}{number(change, 0)}" if change else ""


def what_if_page(data: ReportData, most: int) -> dict[str, Any] | None:
    """The page in words and rows; None where the report shows no scenario."""
    part = data.summary.what_if
    if part is None:
        return None
    shown = data.what_if.head(most)
    return {
        "part": part, "rows": [_total(row) for row in [part.fleet, *part.units]],
        "servers": [_server(row) for row in shown.to_dict("records")], "of": part.differing,
    }  # fmt: skip


def _total(row: WhatIfRow) -> dict[str, Any]:
    tiers = [_pair(count(getattr(row.tiers_before, t)), count(getattr(row.tiers, t))) for t in TIER_ORDER]
    return {
        "name": row.name or "Fleet", "servers": _pair(count(row.servers_before), count(row.servers)), "tiers": tiers,
        "costs": [_sum(row, "monthly"), _sum(row, "safe_monthly")],
    }  # fmt: skip


def _server(row: dict[Any, Any]) -> dict[str, str]:
    chances = (_chance(row["probability_high_before"]), _chance(row["probability_high"]))
    return {
        "server": str(row["server_id"]), "unit": str(row[BUSINESS_UNIT]),
        "tier": _pair(_text(row["tier_before"]), _text(row["tier"])), "metric": row["metric"] or row["metric_before"],
        "chance": _pair(*chances), "date": _pair(_day(row["breach_date_before"]), _day(row["breach_date"])),
        "cost": _pair(*(NONE if is_missing(row[name]) else number(row[name], 0) for name in _MONEY[2:])),
    }  # fmt: skip


def _pair(was: str, then: str) -> str:
    return then if was == then else f"{was} → {then}"


def _text(value: Any) -> str:
    return NONE if is_missing(value) else str(value)


def _chance(value: Any) -> str:
    return NONE if is_missing(value) else f"{100 * value:.0f} %"


def _day(value: Any) -> str:
    return NONE if is_missing(value) else date_text(value)


def what_if_fact(summary: RunSummary) -> tuple[str, str] | None:
    """A line for the front page."""
    part = summary.what_if
    return None if part is None else (f"What-if: {part.name}", part.sentence)


def write_what_if(sheets: Sheets, data: ReportData) -> None:
    """Write the sheet What-if; none where the report shows no scenario."""
    if data.summary.what_if is None:
        return
    frame = data.what_if.reindex(columns=[column.key for column in SHEET])
    for name in ("tier_before", "tier"):
        frame[name] = frame[name].astype("str").where(frame[name].notna(), "")
    sheets.table("What-if", pd.DataFrame(frame), list(SHEET), _SAME, len(SHEET))
