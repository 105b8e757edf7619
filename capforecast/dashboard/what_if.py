"""Scenarios of the page What-if: the run they start from, what comes of them, saved ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from capforecast.actions import scenario_book
from capforecast.actions.baseline import Baseline, open_baseline
from capforecast.actions.scenario import Scenario
from capforecast.actions.what_if import Outcome, evaluate
from capforecast.dashboard.reading import Lake, OpenRun
from capforecast.lake import scenarios
from capforecast.lake.scenarios import Saved
from capforecast.report.action_words import money
from capforecast.report.data import text_column
from capforecast.report.words import NONE, count, plural
from capforecast.schema import SERVER_ID, TIER_ORDER

ROW_BYTES = 500  # of an outcome, about; to count them would take longer than to make them
TIERS = [str(tier) for tier in TIER_ORDER]
SHOWN = (
    SERVER_ID, "business_unit", "change", "tier_before", "tier", "metric", "probability_high_before",
    "probability_high", "breach_date_before", "breach_date", "order_by", "monthly_before", "monthly",
    "safe_monthly_before", "safe_monthly",
)  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """A figure before and after, in words; why it is not known."""

    label: str
    after: str
    change: str | None
    worse: bool  # when it rises
    unknown: str = ""


def baseline(opened: OpenRun) -> Baseline:
    """The run as scenarios start from it; raises UsageError where it keeps no levels of its sample paths."""
    run = opened.run
    return opened.lake.memory.get(
        ("baseline", run.folder, run.modified),
        lambda: open_baseline(opened.lake.store, run.as_of, cadence=run.cadence),
        lambda made: int(made.levels.nbytes),
    )


def outcome(opened: OpenRun, scenario: Scenario) -> Outcome:
    """What a scenario does to the run; raises UsageError for servers, metrics or types that are not there."""
    start = baseline(opened)
    changes = scenario.model_dump_json(include={"changes"})  # its name and why do not change the answer
    return opened.lake.memory.get(
        ("outcome", start.run, changes),
        lambda: evaluate(start, scenario),
        lambda made: (len(made.series) + len(made.servers)) * ROW_BYTES,
    )


def headline(found: Outcome) -> str:
    """What the scenario does, in a sentence."""
    total = found.totals.to_dict("records")[0]
    then, now = (int(total[f"critical{w}"] + total[f"high{w}"]) for w in ("_before", ""))
    moved = "as many as now" if then == now else f"{count(then)} now"
    said = f"{plural(now, 'server')} at risk of {count(total['servers'])} ({moved})."
    before, after = total["safe_monthly_before"], total["safe_monthly"]
    if total["safe_monthly_unknown"]:
        said += f" Cost cannot be compared: {total['safe_monthly_unknown']}."
    elif np.isfinite([before, after]).all():
        change = after - before
        currency = str(total["currency"] or "")
        if abs(change) >= 0.5:
            more = "more" if change > 0 else "less"
            said += f" Sizes that hold it cost {money(abs(change), currency)} a month {more}."
        else:
            said += " Sizes that hold it cost the same."
    return said


def figures(found: Outcome, scope: str = "") -> list[Figure]:
    """Servers by tier and cost, before and after; of the fleet, or of a business unit."""
    rows = found.totals[text_column(found.totals, "name") == scope]
    if not len(rows):
        return []
    total = rows.to_dict("records")[0]
    made = [
        Figure(tier, count(total[tier]), _signed(total[tier] - total[f"{tier}_before"]), tier not in ("ok",))
        for tier in TIERS
    ]
    for name, label in (("monthly", "cost as it stands"), ("safe_monthly", "cost with sizes that hold it")):
        before, after = total[f"{name}_before"], total[name]
        if total[f"{name}_unknown"]:
            made.append(Figure(label, "unknown", None, True, total[f"{name}_unknown"]))
        elif np.isfinite([before, after]).all():
            made.append(Figure(label, money(after, str(total["currency"] or "")), _signed(after - before), True))
    return made


def whose_cost(found: Outcome, scope: str = "") -> str:
    """Which servers the costs are of; "" where no price is known."""
    rows = found.totals[text_column(found.totals, "name") == scope].to_dict("records")
    if not rows or not rows[0]["priced"]:
        return ""
    priced, servers = count(rows[0]["priced"]), plural(int(rows[0]["servers"]), "server")
    return f"Cost of all {priced} of {servers} with a price, with advice or without; Money is of those with advice."


def _signed(change: float) -> str | None:
    return f"{change:+,.0f}" if abs(change) >= 0.5 else None


def scopes(found: Outcome) -> list[str]:
    """The fleet ("") and its business units."""
    return [str(name) for name in text_column(found.totals, "name")]


def totals(found: Outcome) -> pd.DataFrame:
    """Before and after by business unit, a row each."""
    rows = []
    for row in found.totals.to_dict("records"):
        told: dict[str, Any] = {"Of": row["name"] or "the fleet", "Servers": _pair(row, "servers")}
        told |= {tier: _pair(row, tier) for tier in TIERS}
        cost = "unknown" if row["safe_monthly_unknown"] else _pair(row, "safe_monthly")
        rows.append(told | {"Cost a month": cost})
    return pd.DataFrame(rows)


def _pair(row: dict[str, Any], name: str) -> str:
    before, after = row[f"{name}_before"], row[name]
    if not np.isfinite([before, after]).all():
        return NONE
    same = round(float(before)) == round(float(after))
    return count(after) if same else f"{count(before)} → {count(after)}"


def moved(found: Outcome) -> pd.DataFrame:
    """Servers in another tier, new, retired or resized, the worst first: columns of SHOWN."""
    table = found.servers
    then, now = text_column(table, "tier_before"), text_column(table, "tier")
    other = (then != now) | text_column(table, "change").isin(["new", "retired", "resized"])
    rows = table[other.to_numpy()]
    rank = {tier: place for place, tier in enumerate(TIERS)}
    order = pd.DataFrame(
        {
            "tier": text_column(rows, "tier").map(rank).fillna(len(rank)),
            "chance": -rows["probability_high"].fillna(-1.0),
            SERVER_ID: rows[SERVER_ID],
        }
    )
    return rows.loc[order.sort_values(list(order.columns)).index, [n for n in SHOWN if n in rows]].reset_index(
        drop=True
    )


def saved(lake: Lake) -> dict[str, Saved]:
    """Saved scenarios by id, the one saved last first."""
    return {each.id: each for each in scenarios.listed(lake.store, lake.memory.get)}


def load(lake: Lake, name: str) -> Scenario:
    """A saved scenario by its id; raises UsageError where there is none or it cannot be read."""
    return scenario_book.read(lake.store, name)


def save(lake: Lake, scenario: Scenario) -> str:
    """Save a scenario; its id."""
    return scenarios.save(lake.store, scenario.to_json())


def types(opened: OpenRun) -> list[str]:
    """Instance types there are."""
    return opened.remembered(
        "types", lambda: sorted(str(name) for name in baseline(opened).sizes.table["instance_type"])
    )


def metrics(opened: OpenRun) -> list[str]:
    """Metrics of the run's series; those with a threshold first."""
    return opened.remembered("metrics", lambda: _metrics(baseline(opened).series))


def _metrics(series: pd.DataFrame) -> list[str]:
    having = set(series.loc[series["threshold_high"].notna(), "metric"].astype("str"))
    return sorted(set(series["metric"].astype("str")), key=lambda name: (name not in having, name))
