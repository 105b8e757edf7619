"""The form of the page What-if as a scenario, and back: in it all changes hold for one selection, from one day on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import date
from typing import Any, get_args

from capforecast.actions.scenario import Scenario
from capforecast.actions.scenario_changes import AnyChange, Dated
from capforecast.errors import UsageError

_KINDS = {kind.model_fields["kind"].default: kind for kind in get_args(get_args(AnyChange)[0])}
FILTERS = ("business_units", "regions", "criticalities", "tiers", "segments")


@dataclass(frozen=True)
class Answers:
    """What is set in the form; as it is here, nothing is changed. None: left as it is."""

    servers: str = ""  # names, a line or comma each
    business_units: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    criticalities: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    start: date | None = None
    growth: float = 0.0  # percent a month
    load_percent: float = 0.0
    load_metric: str = "cpu"
    load_end: date | None = None
    quarter_end: float = 1.0  # multiplier
    threshold: float | None = None  # `high`
    threshold_metric: str = "cpu"
    lead_time: int | None = None  # days
    project_vcpus: float = 0.0
    project_memory: float = 0.0  # GiB
    project_disk: float = 0.0  # GiB
    ramp_days: int = 0
    retire: bool = False
    new_count: int = 0
    new_like: str = ""
    new_share: bool = False
    onto: str = ""  # business unit that takes the load
    onto_percent: float = 100.0
    resize: str = ""  # instance type


def names_of(text: str) -> list[str]:
    """Names in a text, one a line; or on a single line, with commas between."""
    lines = text.splitlines() if "\n" in text.strip() else text.split(",")
    return list(dict.fromkeys(name.strip() for name in lines if name.strip()))


def scenario_of(answers: Answers, name: str = "unnamed", note: str = "") -> Scenario:
    """The scenario that the form says; raises UsageError that names the field."""
    chosen = {each: list(getattr(answers, each)) for each in FILTERS if getattr(answers, each)}
    if named := names_of(answers.servers):
        chosen["servers"] = named
    whom = {"select": chosen} if chosen else {}
    when = {} if answers.start is None else {"start": answers.start.isoformat()}
    changes = [
        change | whom | (when if issubclass(_KINDS[change["kind"]], Dated) else {}) for change in _changes(answers)
    ]
    return Scenario.of({"name": name.strip() or "unnamed", "note": note.strip(), "changes": changes}, "the form")


def _changes(a: Answers) -> list[dict[str, Any]]:
    """The changes, without whom and when."""
    made: list[dict[str, Any]] = []
    if a.growth:
        made.append({"kind": "growth", "percent_per_month": a.growth})
    if a.load_percent:
        end = {"end": a.load_end.isoformat()} if a.load_end else {}
        made.append({"kind": "load", "metric": a.load_metric, "percent": a.load_percent} | end)
    if a.quarter_end != 1.0:
        made.append({"kind": "quarter_end", "multiplier": a.quarter_end})
    if a.threshold is not None:
        made.append({"kind": "threshold", "metric": a.threshold_metric, "high": a.threshold})
    if a.lead_time is not None:
        made.append({"kind": "lead_time", "days": a.lead_time})
    if a.project_vcpus or a.project_memory or a.project_disk:
        units = {"vcpus": a.project_vcpus, "memory_gib": a.project_memory, "disk_gib": a.project_disk}
        made.append({"kind": "project", "ramp_days": a.ramp_days} | {k: v for k, v in units.items() if v})
    if a.new_count and a.new_like.strip():
        made.append(
            {"kind": "new_servers", "count": a.new_count, "like": a.new_like.strip(), "share_load": a.new_share}
        )
    if a.onto:
        whole = a.retire and a.onto_percent == 100.0
        made.append(
            {"kind": "migrate", "onto": {"business_units": [a.onto]}, "percent": a.onto_percent, "retire": whole}
            | ({"ramp_days": a.ramp_days} if a.ramp_days else {})
        )
    elif a.retire:
        made.append({"kind": "retire"})
    if a.resize:
        made.append({"kind": "resize", "instance_type": a.resize})
    return made


def answers_of(scenario: Scenario) -> Answers | None:
    """The form filled so that it says a scenario; None where the form cannot say it."""
    content = json.loads(scenario.to_json())
    selects = [change.get("select", {}) for change in content["changes"]]
    starts = {change["start"] for change in content["changes"] if "start" in change}
    if any(select != selects[0] for select in selects) or len(starts) > 1:
        return None
    filled = Answers(start=date.fromisoformat(starts.pop()) if starts else None)
    for name, values in (selects[0] if selects else {}).items():
        if name not in (*FILTERS, "servers"):
            return None
        whom: dict[str, Any] = {name: "\n".join(values) if name == "servers" else tuple(values)}
        filled = replace(filled, **whom)
    for change in content["changes"]:
        filled = replace(filled, **_filled(change))
    try:
        again = scenario_of(filled, scenario.name, scenario.note)
    except UsageError:
        return None
    return filled if again.to_json() == scenario.to_json() else None


def _filled(change: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of the form that say a change."""
    of_kind: dict[str, dict[str, str]] = {
        "growth": {"growth": "percent_per_month"},
        "load": {"load_percent": "percent", "load_metric": "metric"},
        "quarter_end": {"quarter_end": "multiplier"},
        "threshold": {"threshold": "high", "threshold_metric": "metric"},
        "lead_time": {"lead_time": "days"},
        "project": {"project_vcpus": "vcpus", "project_memory": "memory_gib", "project_disk": "disk_gib",
                    "ramp_days": "ramp_days"},
        "new_servers": {"new_count": "count", "new_like": "like", "new_share": "share_load"},
        "migrate": {"onto_percent": "percent", "ramp_days": "ramp_days", "retire": "retire"},
        "resize": {"resize": "instance_type"},
    }  # fmt: skip
    found = {field: change[name] for field, name in of_kind.get(change["kind"], {}).items() if name in change}
    if change["kind"] == "retire":
        found["retire"] = True
    if change["kind"] == "migrate":
        found["onto"] = next(iter(change["onto"].get("business_units", [])), "")
    if change["kind"] == "load" and "end" in change:
        found["load_end"] = date.fromisoformat(change["end"])
    return found


def as_values(answers: Answers) -> dict[str, Any]:
    """The answers by field, tuples as lists."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(answers).items()}


def from_values(values: Mapping[str, Any]) -> Answers:
    """The answers from the fields of a form; what is not among them stays as it is."""
    known = {field.name for field in fields(Answers)}
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items() if k in known}
    return Answers(**given)
