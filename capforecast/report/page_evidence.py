"""The pages on warnings, pools and anomalies in words and rows, ready to print. Missing parts say why."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from capforecast.report.anomaly_marks import KIND_NAMES
from capforecast.report.data import ReportData, as_of_time, text_column
from capforecast.report.evidence_sheets import NO_POOL, NO_RECORD
from capforecast.report.odds import in_words
from capforecast.report.pictures import picture
from capforecast.report.pool_charts import demand_of, pool_alt, pool_chart
from capforecast.report.pooling import RESOURCE_NAMES, is_short, pool_place, resource_unit
from capforecast.report.reliability_chart import reliability_alt, reliability_chart
from capforecast.report.summary import PoolSummary, RuleScore, Scorecard
from capforecast.report.track_record import is_ours, rule_name, verdicts
from capforecast.report.words import (
    NBSP,
    NONE,
    count,
    date_text,
    is_missing,
    number,
    plural,
    probability,
    quantity,
    rate,
)
from capforecast.schema import BUSINESS_UNIT, METRIC, REGION, SERVER_ID, Cadence

_MOST_POOLS = 20  # rows in print; the workbook lists all
_YEAR_AHEAD = 300  # days from which a date carries its year
_MOST_POOL_CHARTS = 6
_MOST_ANOMALIES = 15


def warnings_page(data: ReportData) -> dict[str, Any]:
    """How good the warnings were: diagram, verdict, and a table of rules for each horizon."""
    record = data.summary.warnings
    if record is None:
        return {"missing": NO_RECORD}
    return {
        "missing": "",
        "sentence": record.sentence,
        "replayed": _replayed(record),
        "verdicts": verdicts(record),
        "picture": picture(reliability_chart(record), reliability_alt(record)) if record.reliability else None,
        "horizons": [_horizon(record, score) for score in record.ours],
    }


def _replayed(record: Scorecard) -> str:
    of = f"{count(record.servers)} of the {plural(record.of_servers, 'server')} that could be forecast"
    part = f"{of}{' (a sample, or the others too young)' if record.sampled else ''}" if record.of_servers else ""
    return f"Replayed: {part or plural(record.servers, 'server')}, {count(record.series)} series, " + plural(
        record.origins, "past date"
    )


def _horizon(record: Scorecard, score: RuleScore) -> dict[str, Any]:
    days = score.horizon_days
    stated = next(each for each in record.calibration if each.horizon_days == days)
    rules = [rule for rule in record.rules if rule.horizon_days == days]
    facts = [
        f"{plural(score.events, 'breach', 'es')} in {plural(score.cases, 'case')}, base rate {rate(score.base_rate)}"
    ]
    if stated.mean_probability is not None:
        facts.append(f"stated on average {rate(stated.mean_probability)}")
    if stated.brier_skill is not None:
        facts.append(f"Brier skill {number(stated.brier_skill, 2)}{_interval(stated.skill_low, stated.skill_high, 2)}")
    if stated.calibration_error is not None:
        floor = "" if stated.chance_floor is None else f" (by chance alone {number(stated.chance_floor, 3)})"
        facts.append(f"calibration error {number(stated.calibration_error, 3)}{floor}")
    return {"days": days, "facts": "; ".join(facts) + ".", "rows": [_rule(rule) for rule in [score, *rules]]}


def _rule(rule: RuleScore) -> dict[str, Any]:
    ours = is_ours(rule.rule)
    ratio = NONE if ours else number(rule.recall_ratio, 2)
    return {
        "name": rule_name(rule.rule),
        "ours": ours,
        "warned": count(rule.warned),
        "came": count(rule.came_true),
        "false": count(rule.false),
        "precision": probability(rule.precision),
        "recall": probability(rule.recall),
        "recall_interval": _interval(rule.recall_low, rule.recall_high, 0, 100),
        "false_alarms": number(rule.false_alarms),
        "lead": NONE if rule.lead_days is None else f"{rule.lead_days:.0f}{NBSP}d",
        "our_recall": NONE if ours else probability(rule.our_recall),
        "ratio": ratio,
        "ratio_interval": "" if ratio == NONE else _interval(rule.ratio_low, rule.ratio_high, 2),
    }


def _interval(low: float | None, high: float | None, digits: int, scale: float = 1) -> str:
    if low is None or high is None:
        return ""
    return f" [{number(scale * low, digits)} to {number(scale * high, digits)}]"


def pools_page(data: ReportData) -> dict[str, Any]:
    """Pools, tightest first: charts of the tightest, a table of when they run out and what to order."""
    pools = data.summary.pools
    if not pools:
        return {"missing": NO_POOL}
    drawn = [(pool, demand_of(data.demand, pool)) for pool in pools]
    drawn = [(pool, rows) for pool, rows in drawn if len(rows) and pool.usable is not None][:_MOST_POOL_CHARTS]
    origin = as_of_time(data.summary) - Cadence(data.summary.cadence).step
    paths = _paths(data)
    places = {(pool.business_unit, pool.region) for pool in pools}
    short = {(pool.business_unit, pool.region) for pool in pools if is_short(pool)}
    return {
        "missing": "",
        "lead": f"{count(len(short))} of {plural(len(places), 'pool')} {'needs' if len(short) == 1 else 'need'} more "
        "CPU or memory to fit the 90 % peak of demand with headroom."
        if short
        else "Every pool fits the 90 % peak of its demand with headroom.",
        "charts": [
            {"title": pool.name, "pool": pool, "why": _said(pool),
             "picture": picture(pool_chart(pool, rows), pool_alt(pool, rows))}
            for pool, rows in drawn
        ],
        "rows": [_pool_row(pool, origin, paths) for pool in pools[:_MOST_POOLS]],
        "of": len(pools),
        "totals": _totals(data.summary.pool_sums) or _added(pools),
    }  # fmt: skip


def _said(pool: PoolSummary) -> str:
    """Its sentence below its name."""
    text = pool.sentence.removeprefix(f"{pool.name}: ")
    return text[:1].upper() + text[1:]


def _paths(data: ReportData) -> dict[tuple[str, str, str], int]:
    if not len(data.pools):
        return {}
    keyed = data.pools.set_index([BUSINESS_UNIT, REGION, "resource"])["paths"]
    return {(str(a), str(b), str(c)): int(paths) for (a, b, c), paths in keyed.items()}


def _pool_row(pool: PoolSummary, origin: pd.Timestamp, paths: dict[tuple[str, str, str], int]) -> dict[str, Any]:
    chance = pool.p_90d if pool.p_90d is not None else pool.p_30d
    number_of = paths.get((pool.business_unit, pool.region, pool.resource), 0)
    short_now = pool.demand_now is not None and pool.usable is not None and pool.demand_now > pool.usable
    return {
        "place": pool_place(pool),
        "resource": RESOURCE_NAMES.get(pool.resource, pool.resource),
        "unit": resource_unit(pool.resource),
        "servers": count(pool.servers),
        "left_out": _left_out(pool),
        "usable": number(pool.usable, 0),
        "now": number(pool.demand_now, 0),
        "peak": number(pool.peak_q90, 0),
        "chance": "short now" if short_now else NONE if chance is None else _short(in_words(chance, number_of)),
        "dates": [_date(origin, days) for days in (pool.days_q10, pool.days_q50, pool.days_q90)],
        "buy": NONE if not pool.buy_q90 else _order(pool.buy_q50, pool.buy_q90),
        "buy_by": NONE if pool.buy_by is None else _order_by(pd.Timestamp(pool.buy_by), origin),
    }


def _order(half: float | None, most: float) -> str:
    """What to order, in whole units: for the median to the 90 % peak."""
    low, high = math.ceil(half or 0.0), math.ceil(most)
    return count(high) if low == high else f"{count(low)} to {count(high)}"


def _left_out(pool: PoolSummary) -> str:
    parts = [f"{count(pool.unsized)} of unknown size"] if pool.unsized else []
    parts += [f"{count(pool.unforecast)} not forecast"] if pool.unforecast else []
    parts += [f"{count(pool.unobserved)} not observed"] if pool.unobserved else []
    return ", ".join(parts)


def _short(odds: str) -> str:
    return odds.replace("less than", "<").replace("more than", ">")


def _date(origin: pd.Timestamp, days: float | None) -> str:
    return (
        "later" if days is None else date_text((origin + pd.Timedelta(days=days)).floor("D"), year=days > _YEAR_AHEAD)
    )


def _order_by(day: pd.Timestamp, origin: pd.Timestamp) -> str:
    return "now" if day <= origin else date_text(day, year=(day - origin).days > _YEAR_AHEAD)


def _totals(sums: list[PoolSummary]) -> list[dict[str, str]]:
    """Rows of the fleet, along joint paths, so that its peak is that of the sum."""
    return [
        _total(pool.resource, pool.servers, pool.usable, pool.demand_now, pool.peak_q90)
        for pool in sums
        if pool_place(pool) == "Fleet"
    ]


def _added(pools: list[PoolSummary]) -> list[dict[str, str]]:
    """The same where the run has no joint sums: what adds up is added up, a peak is not."""
    rows = []
    for resource in sorted({pool.resource for pool in pools}):
        mine = [pool for pool in pools if pool.resource == resource]
        usable, now = (sum(getattr(pool, name) or 0.0 for pool in mine) for name in ("usable", "demand_now"))
        rows.append(_total(resource, sum(pool.servers for pool in mine), usable, now, None))
    return rows


def _total(resource: str, servers: int, usable: float | None, now: float | None, peak: float | None) -> dict[str, str]:
    return {
        "resource": RESOURCE_NAMES.get(resource, resource),
        "unit": resource_unit(resource),
        "servers": count(servers),
        "usable": number(usable, 0),
        "now": number(now, 0),
        "peak": number(peak, 0),
    }


def anomalies_part(data: ReportData, units: dict[str, str]) -> dict[str, Any]:
    """Marks on the history: how many, and the last level shifts and largest spikes of servers at risk first."""
    found = data.summary.anomalies
    names = [f"{plural(number_of, KIND_NAMES.get(kind, kind))}" for kind, number_of in sorted(found.items())]
    return {"counts": names, "rows": _marks(data, units), "of": sum(found.values())}


def _marks(data: ReportData, units: dict[str, str]) -> list[dict[str, str]]:
    """The latest marks, those of servers at risk first."""
    if not len(data.anomalies):
        return []
    bad = set(data.servers.loc[text_column(data.servers, "tier").isin(["critical", "high", "watch"]), SERVER_ID])
    frame = data.anomalies.assign(bad=~data.anomalies[SERVER_ID].isin(bad))
    frame = frame.sort_values(["bad", "began", SERVER_ID, METRIC], ascending=[True, False, True, True], kind="stable")
    return [_mark(row, units.get(str(row[METRIC]), "")) for row in frame.head(_MOST_ANOMALIES).to_dict("records")]


def _mark(row: dict[Any, Any], unit: str) -> dict[str, str]:
    size = row["size"]
    sign = "+" if not is_missing(size) and size > 0 else ""
    return {
        "server": str(row[SERVER_ID]),
        "metric": str(row[METRIC]),
        "kind": KIND_NAMES.get(str(row["kind"]), str(row["kind"])),
        "began": date_text(pd.Timestamp(row["began"])),
        "told": date_text(pd.Timestamp(row["told"])),
        "value": quantity(row["value"], unit),
        "usual": quantity(row["usual"], unit),
        "size": NONE if is_missing(size) else f"{sign}{quantity(size, 'points' if unit == 'percent' else unit)}",
    }
