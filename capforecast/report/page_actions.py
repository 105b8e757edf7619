"""The section on what to do in words and rows, ready to print: sizes, money, evidence, packing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from capforecast.actions.bounds import EVERYONE, NEED
from capforecast.report import action_words as words
from capforecast.report.pictures import picture
from capforecast.report.savings_chart import savings_alt, savings_chart, savings_title
from capforecast.report.style import shorten
from capforecast.report.summary import RunSummary
from capforecast.report.summary_actions import (
    ActionsSummary,
    Advice,
    Bound,
    Consolidation,
    Saving,
)
from capforecast.report.words import NBSP, NONE, count, listed, number, percent, place, plural, probability

_MOST_UPSIZES = 25  # rows in print; the workbook lists all
_MOST_UNITS = 12
_MOST_REASONS = 12
_MOST_BOUNDS = 12
_MOST_GROUPS = 12


def actions_page(summary: RunSummary) -> dict[str, Any] | None:
    """What to do; None where the run decided nothing."""
    found = summary.actions
    if found is None:
        return None
    moved = found.counts.get("downsize", 0) + found.counts.get("stop", 0)
    upsizes, gains = found.upsizes[:_MOST_UPSIZES], "savings" if found.currency else "cuts"
    return {
        "answer": found.sentence,
        "rule": _rule(found),
        "prices": words.priced_by(found),
        "currency": found.currency,
        "discount": found.discount != "none" and bool(found.currency),
        "money": _money(found),
        **_waterfall(found),
        "units": [_sum(row, row.name) for row in _changed(found)[:_MOST_UNITS]],
        "units_of": _units_note(found),
        "upsizes": [_row(advice) for advice in upsizes],
        "upsizes_of": _of(len(upsizes), found.counts.get("upsize", 0)),
        "smaller": [_row(advice) for advice in found.top if advice.action != "stop"],
        "stops": [_row(advice) for advice in found.top if advice.action == "stop"],
        "top_of": f"The largest {gains}: {of}" if (of := _of(len(found.top), moved)) else "",
        "withheld": _withheld(found),
        "bounds": _bounds(found.bounds),
        "states": listed([f"{count(n)} {s}" for s, n in found.states.items() if s != words.PROPOSED]),
        "followed": words.followed(found.realised),
        "packing": _packing(found.consolidation),
        "kept": found.counts.get("keep", 0),
        "none": found.counts.get("none", 0),
    }


def actions_fact(summary: RunSummary) -> tuple[str, str] | None:
    """Page 1: the answer."""
    return ("Actions", summary.actions.sentence) if summary.actions else None


def _waterfall(found: ActionsSummary) -> dict[str, Any]:
    chart = savings_chart(found)
    return {
        "waterfall": picture(chart, savings_alt(found)) if chart else None,
        "waterfall_title": savings_title(found) if chart else "",
    }


def _rule(found: ActionsSummary) -> str:
    """What a size must hold, how far ahead, and the test of a smaller one."""
    wider = found.headroom_memory_p95
    memory = f" ({probability(wider)} of memory known by its P95 alone)" if wider > found.headroom else ""
    days = " to ".join(dict.fromkeys(f"{number(each, 0)}" for each in found.horizon_days))
    ahead, paths = f" of the next {days}{NBSP}d" if days else "", probability(found.fit_share)
    return (
        f"A size must hold the projected peak{ahead} on {paths} of the sample paths with "
        f"{probability(found.headroom)} free{memory}, CPU and memory together. A smaller one is advised only where the "
        f"rule, replayed, keeps what it promises: at most {_percent(found.promised)} of periods above 100 % of the new "
        "size."
    )


def _money(found: ActionsSummary) -> list[dict[str, Any]]:
    """The fleet's sums by kind. Nothing without prices, or where nothing moves."""
    if not found.currency or not any(row.servers for row in found.savings):
        return []
    fleet = [row for row in found.savings if row.scope == "fleet" and (row.servers or row.kind == "all")]
    return [_sum(row, words.KIND_NAMES.get(row.kind, row.kind)) | {"total": row.kind == "all"} for row in fleet]


def _changed(found: ActionsSummary) -> list[Saving]:
    """Business units with a change, the largest first; none where there is only one."""
    if not found.currency:
        return []
    units = [row for row in found.savings if row.scope == "business_unit" and row.kind == "all" and row.servers]
    return sorted(units, key=lambda row: (-abs(row.monthly_change or 0.0), row.name)) if len(units) > 1 else []


def _units_note(found: ActionsSummary) -> str:
    units = len(_changed(found))
    return f"The {_MOST_UNITS} of {units} business units that change most." if units > _MOST_UNITS else ""


def _sum(row: Saving, name: str) -> dict[str, str]:
    known = row.priced > 0
    low, high = (row.change_q10, row.change_q90) if known else (None, None)
    return {
        "name": name,
        "servers": count(row.servers),
        "priced": count(row.priced),
        "now": words.money(row.monthly if known else None),
        "then": words.money(row.to_monthly if known else None),
        "change": words.change(row.monthly_change if known else None),
        "discounted": words.change(row.monthly_change_discounted if known else None),
        "range": words.change_range(low, high),
    }


def _row(advice: Advice) -> dict[str, Any]:
    bound = "" if advice.bound_upper is None else f"≤{NBSP}{_small(advice.bound_upper)}"
    return {
        "server": advice.server_id,
        "place": place(shorten(advice.business_unit, 34), shorten(advice.region, 24)),
        "tier": advice.tier,
        "risk": advice.risk_basis,
        "now": words.in_two(advice.instance_type, advice.vcpus, advice.memory_gib),
        "to": _new_size(advice),
        "why": advice.idle_basis or advice.reason,
        "owner": advice.owner or ("no owner" if advice.zombie else ""),
        "needs": words.needed(advice),
        "fits": probability(advice.fits),
        "bound": bound or NONE,
        "change": words.change(advice.monthly_change),
        "range": words.change_range(advice.change_q10, advice.change_q90),
        "no_price": advice.price_reason if advice.monthly_change is None else "",
    }


def _new_size(advice: Advice) -> tuple[str, str]:
    name, holds = words.in_two(advice.to_type, advice.to_vcpus, advice.to_memory_gib)
    if name != NONE or advice.action == "stop":
        return name, holds
    shares = [f"{what} {percent(share)}" for what, share in (("CPU", advice.to_cpu_share),
              ("memory", advice.to_memory_share)) if share is not None]  # fmt: skip
    return (", ".join(shares), "of what it has now") if shares else (NONE, "")


def _of(listed_rows: int, every: int) -> str:
    return f"{count(listed_rows)} of {count(every)}; the workbook lists all." if listed_rows < every else ""


def _withheld(found: ActionsSummary) -> dict[str, Any]:
    shown = found.withheld[:_MOST_REASONS]
    rest = sum(row.servers for row in found.withheld[_MOST_REASONS:])
    rows = [
        {"what": words.ACTION_NAMES.get(row.action, row.action), "why": _spaced(row.reason),
         "servers": count(row.servers)} for row in shown
    ]  # fmt: skip
    return {"rows": rows, "servers": found.counts.get("withheld", 0), "rest": rest}


def _spaced(text: str) -> str:
    """Percent signs as the rest of the report has them."""
    return re.sub(r"(?<=\d)%", f"{NBSP}%", text)


def _bounds(bounds: Sequence[Bound]) -> dict[str, Any]:
    """Strata: those that do not keep the promise first, then those with most servers; all together last."""
    strata = {b.stratum for b in bounds if b.stratum != EVERYONE}
    every = [b for b in bounds if b.stratum != EVERYONE or len(strata) > 1]  # else said twice
    ranked = sorted(every, key=lambda b: (b.stratum == EVERYONE, b.kept, -b.servers, b.stratum, b.test, b.resource))
    shown = min(len(ranked), _MOST_BOUNDS)
    return {
        "said": _promise(strata, {b.stratum for b in every if not b.kept}),
        "rows": [_bound_row(b) for b in ranked[:_MOST_BOUNDS]],
        "of": _of(shown, len(ranked)),
    }


def _promise(strata: set[str], broken: set[str]) -> str:
    if len(strata) == 1:
        return "The replay does not prove that the promise is kept." if broken else "The replay bears the promise out."
    return (
        f"The replay bears the promise out in {count(len(strata - broken))} of {count(len(strata))} groups of servers."
    )


def _bound_row(bound: Bound) -> dict[str, Any]:
    need = bound.test == NEED
    return {
        "stratum": bound.stratum,
        "test": "needs" if need else "sizes",
        "resource": words.RESOURCES.get(bound.resource, bound.resource),
        "servers": count(bound.servers),
        "periods": count(bound.periods),
        "over": count(bound.over),
        "rate": _small(bound.rate),
        "upper": _small(bound.upper),
        "promised": _small(bound.promised),
        "broken": "" if bound.kept else "upper" if need else "rate",
    }


def _percent(share: float) -> str:
    """A setting in percent."""
    return f"{100 * share:g}{NBSP}%"


def _small(share: float | None) -> str:
    """A small share in percent, to two decimals."""
    return NONE if share is None else f"{number(100 * share, 2)}{NBSP}%"


def _packing(rows: Sequence[Consolidation]) -> dict[str, Any] | None:
    if not rows:
        return None
    freed = [row for row in rows if row.freed and not row.reason]
    reasons: dict[str, int] = {}
    for row in rows:
        if row.reason:
            why = words.plain_reason(row)
            reasons[why] = reasons.get(why, 0) + 1
    ranked = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return {
        "answer": words.consolidation_answer(rows),
        "rows": [_group(row) for row in freed[:_MOST_GROUPS]],
        "of": _of(min(len(freed), _MOST_GROUPS), len(freed)),
        "elsewhere": "Elsewhere nothing is proposed" if freed else "Why",
        "not_said": [f"{reason} ({plural(groups, 'group')})" for reason, groups in ranked[:_MOST_REASONS]]
        if freed or len(ranked) > 1
        else [],
    }


def _group(row: Consolidation) -> dict[str, str]:
    replay = NONE
    if row.replayed_hours:
        replay = f"{_small(row.replayed_rate)} (≤{NBSP}{_small(row.replayed_upper)})"
    return {
        "unit": row.business_unit,
        "place": place(shorten(row.region, 24), shorten(row.criticality, 24)),
        "packed": f"{count(row.packed)} of {count(row.servers)}",
        "onto": row.onto,
        "hosts": NONE if row.hosts is None else count(row.hosts),
        "needed": NONE if row.hosts_needed is None else f"{count(row.hosts_needed)} + {count(row.spare or 0)}",
        "freed": count(row.freed or 0),
        "busiest": probability(row.busiest),
        "replay": replay,
        "change": words.change(row.monthly_change),
    }
