"""`capforecast what-if` and `scenarios`: changes in options and files, and outcomes in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from capforecast.actions import scenario_book
from capforecast.actions.scenario import UNNAMED, Scenario
from capforecast.actions.scenario_text import parsed
from capforecast.actions.what_if import Outcome, evaluate, open_baseline
from capforecast.actions.what_if_record import differing
from capforecast.configuration import Loaded
from capforecast.errors import UsageError
from capforecast.lake.datasets import as_of_segment
from capforecast.report.scenario_words import change_words
from capforecast.report.words import NONE, is_missing, number
from capforecast.schema import TIER_ORDER, Cadence
from deployments.advice import open_store

MOST_SERVERS = 20  # that the command names
_AMOUNT = re.compile(r"(?P<metric>[^=]+)=(?P<amount>[+-]?\d+(\.\d+)?)(?P<percent>%?)")


@dataclass(frozen=True)
class Asked:
    """The options of the command."""

    name: str | None = None
    saved: str | None = None
    file: Path | None = None
    changes: list[str] = field(default_factory=list)
    growth: float | None = None
    load: list[str] = field(default_factory=list)
    threshold: list[str] = field(default_factory=list)
    lead_time: int | None = None
    quarter_end: float | None = None
    resize: str | None = None
    retire: bool = False
    new: list[str] = field(default_factory=list)
    project: list[str] = field(default_factory=list)
    start: str | None = None
    select: dict[str, list[str]] = field(default_factory=dict)


def scenario_of(loaded: Loaded, asked: Asked) -> Scenario:
    """The saved scenario, or the file's, with the changes of the options behind its own."""
    if asked.saved and asked.file:
        raise UsageError("--scenario and --file each name a scenario: give one of them")
    if asked.saved:
        given = scenario_book.read(open_store(loaded), asked.saved)
    elif asked.file:
        given = Scenario.from_text(_text(asked.file), str(asked.file))
    else:
        given = Scenario()
    changes = [*given.changes, *_of_options(asked)]
    if not changes:
        raise UsageError("nothing is asked: give --file, --scenario, or a change such as --growth 5")
    return Scenario.of({"name": asked.name or given.name, "note": given.note, "changes": changes}, "what-if")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: cannot be read ({error})") from None


def _of_options(asked: Asked) -> list[dict[str, Any]]:
    """The changes that options name, all with their `select` and `start`."""
    dated: list[dict[str, Any]] = []
    if asked.growth is not None:
        dated.append({"kind": "growth", "percent_per_month": asked.growth})
    for text in asked.load:
        metric, amount, percent = _amount("--load", text)
        dated.append({"kind": "load", "metric": metric, "percent" if percent else "amount": amount})
    if asked.resize:
        dated.append({"kind": "resize", "instance_type": asked.resize})
    if asked.retire:
        dated.append({"kind": "retire"})
    dated += [_new(text) for text in asked.new]
    if asked.project:
        parts = [_amount("--project", text) for text in asked.project]
        dated.append({"kind": "project"} | {name: amount for name, amount, _ in parts})
    undated: list[dict[str, Any]] = [_threshold(text) for text in asked.threshold]
    if asked.lead_time is not None:
        undated.append({"kind": "lead_time", "days": asked.lead_time})
    if asked.quarter_end is not None:
        undated.append({"kind": "quarter_end", "multiplier": asked.quarter_end})
    select = {"select": asked.select} if asked.select else {}
    start = {"start": asked.start} if asked.start else {}
    return [change | select | start for change in dated] + [change | select for change in undated] + _inline(asked)


def _inline(asked: Asked) -> list[dict[str, Any]]:
    """Changes written out in YAML or JSON."""
    found = []
    for text in asked.changes:
        change = parsed(text, f"--change {text[:80]!r}")
        if not isinstance(change, dict):
            raise UsageError(f"--change {text!r}: write e.g. '{{kind: growth, percent_per_month: 5}}'")
        found.append(change)
    return found


def _amount(option: str, text: str) -> tuple[str, float, bool]:
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{option} {text!r}: write a name and an amount, such as cpu=10 or cpu=10%")
    return match["metric"].strip(), float(match["amount"]), bool(match["percent"])


def _threshold(text: str) -> dict[str, Any]:
    """`cpu=75`, `cpu=75/85`, `cpu=/85`."""
    metric, _, levels = text.partition("=")
    match = re.fullmatch(r"(\d+(?:\.\d+)?)?(?:/(\d+(?:\.\d+)?))?", levels.strip())
    if not metric.strip() or match is None or not any(match.groups()):
        raise UsageError(f"--threshold {text!r}: write cpu=75 (high), cpu=75/85 (high and very high) or cpu=/85")
    given = {name: float(level) for name, level in zip(("high", "very_high"), match.groups(), strict=True) if level}
    return {"kind": "threshold", "metric": metric.strip()} | given


def _new(text: str) -> dict[str, Any]:
    match = re.fullmatch(r"\s*(\d+)\s*[x:]\s*(\S.*?)\s*", text)
    if match is None:
        raise UsageError(f"--new-servers {text!r}: write how many and like which server, such as 3:web-1")
    return {"kind": "new_servers", "count": int(match[1]), "like": match[2]}


def answered(loaded: Loaded, scenario: Scenario, as_of: str | None, run_id: str | None, cadence: str) -> Outcome:
    """The scenario held against a run of the lake."""
    try:
        step = Cadence(cadence)
    except ValueError:
        raise UsageError(f"--cadence {cadence!r}: use daily or hourly") from None
    return evaluate(open_baseline(open_store(loaded), as_of, run_id, step), scenario)


def headline(outcome: Outcome) -> str:
    """The fleet before and after, in a line."""
    fleet, base = outcome.totals.iloc[0], outcome.baseline
    was, then = (int(fleet[f"critical{w}"] + fleet[f"high{w}"]) for w in ("_before", ""))
    money, safe = (_cost(fleet, name) + _why(fleet[f"{name}_unknown"]) for name in ("monthly", "safe_monthly"))
    name = outcome.scenario.name
    if name == UNNAMED:
        name = "; ".join(change_words(change) for change in outcome.scenario.changes)
    return (
        f"{name}, as of {as_of_segment(base.as_of)}: {then} of {int(fleet['servers'])} servers at "
        f"risk, {was} of {int(fleet['servers_before'])} without it; cost {money} a month, with the sizes advised {safe}"
    )


def total_rows(outcome: Outcome) -> list[dict[str, Any]]:
    """The totals as people read them: `5 -> 7` where a figure differs."""
    rows = []
    for row in outcome.totals.to_dict("records"):
        counts = {name: _pair(row[f"{name}_before"], row[name], 0) for name in ("servers", *map(str, TIER_ORDER))}
        rows.append(
            {"": row["name"] or "fleet"} | counts
            | {"a month": _cost(row, "monthly"), "as advised": _cost(row, "safe_monthly")}
        )  # fmt: skip
    return rows


def server_rows(outcome: Outcome, most: int = MOST_SERVERS) -> tuple[list[dict[str, Any]], int]:
    """The servers that differ most, and how many more there are."""
    table = differing(outcome)
    rows = [
        {
            "server": row["server_id"], "business unit": row["business_unit"],
            "tier": _pair(_text_of(row["tier_before"]), _text_of(row["tier"]), None),
            "by": row["metric"] or row["metric_before"] or NONE,
            "P(breach)": _pair(_percent(row["probability_high_before"]), _percent(row["probability_high"]), None),
            "50 % by": _pair(_day(row["breach_date_before"]), _day(row["breach_date"]), None),
            "a month": _pair(row["monthly_before"], row["monthly"], 2),
        }
        for row in table.head(most).to_dict("records")
    ]  # fmt: skip
    return rows, max(0, len(table) - most)


def _pair(was: Any, then: Any, digits: int | None) -> str:
    one, other = (value if digits is None else NONE if is_missing(value) else number(value, digits)
                  for value in (was, then))  # fmt: skip
    return str(other) if one == other else f"{one} -> {other}"


def _why(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _cost(total: Mapping[Any, Any], name: str) -> str:
    """A sum of costs and its change, `unknown` where the two would not compare."""
    if total[f"{name}_unknown"]:
        return "unknown"
    then, currency = total[name], total["currency"]
    change = round(then - total[f"{name}_before"], 2)
    moved = f" ({'+' if change > 0 else ''}{number(change, 0)})" if change else ""
    return f"{currency} {number(then, 0)}{moved}"


def _text_of(value: Any) -> str:
    return NONE if is_missing(value) else str(value)


def _percent(value: Any) -> str:
    return NONE if is_missing(value) else f"{value:.0%}".replace("%", " %")


def _day(value: Any) -> str:
    return NONE if is_missing(value) else f"{value:%Y-%m-%d}"


def saved_rows(loaded: Loaded) -> list[dict[str, Any]]:
    """The saved scenarios."""
    return [
        {
            "id": entry.id, "name": entry.scenario.name if entry.scenario else NONE,
            "saved": f"{entry.saved:%Y-%m-%d %H:%M}",
            "changes": ", ".join(change.kind for change in entry.scenario.changes) if entry.scenario else entry.problem,
            "note": entry.scenario.note if entry.scenario else "",
        }
        for entry in scenario_book.listed(open_store(loaded))
    ]  # fmt: skip
