"""Changes of a scenario in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from capforecast.actions.scenario_changes import AnyChange
from capforecast.report.words import number

_UNITS = {"vcpus": "vCPU", "memory_gib": "GiB of memory", "disk_gib": "GiB of disk", "network_mbps": "Mbit/s"}


def change_words(change: AnyChange) -> str:
    """What a change is, for whom and from when: `load grows by 5 % a month: payments, from 2026-12-01`."""
    about: Any = change  # one field of each kind is not another's
    said = _SAID[change.kind](about)
    days = f", from {about.start}" if getattr(about, "start", None) else ""
    days += f" to {about.end}" if getattr(about, "end", None) else ""
    if change.kind == "new_servers" and not about.share_load:  # it is about none of those there are
        return f"{said}{days}"
    return f"{said}: {change.select.words()}{days}"


def _figure(value: float) -> str:
    return number(value, 0 if float(value).is_integer() else 2)


def _of(metrics: tuple[str, ...]) -> str:
    return f" of {', '.join(metrics)}" if metrics else ""


def _growth(change: Any) -> str:
    grows = "grows" if change.percent_per_month >= 0 else "shrinks"
    return f"load{_of(change.metrics)} {grows} by {_figure(abs(change.percent_per_month))} % a month"


def _load(change: Any) -> str:
    if change.percent is not None:
        return f"{_figure(change.percent)} % more {change.metric}"
    if change.amount is not None:
        return f"{_figure(change.amount)} more of {change.metric}, each"
    return f"{_figure(change.units_each)} units more of {change.metric}, each"


def _needs(change: Any) -> str:
    needs = [f"{_figure(getattr(change, name))} {unit}" for name, unit in _UNITS.items() if getattr(change, name)]
    needs += [f"{_figure(change.monthly_cost)} a month besides servers"] if change.monthly_cost else []
    ramp = f", over {change.ramp_days} days" if change.ramp_days else ""
    return f"project {change.name or 'without a name'} with {', '.join(needs)} in all{ramp}"


def _migrate(change: Any) -> str:
    share = "the load moves" if change.percent == 100 else f"{_figure(change.percent)} % of the load moves"
    return f"{share} onto {change.onto.words()}" + (", and what bore it is switched off" if change.retire else "")


def _resize(change: Any) -> str:
    parts = [f"{_figure(getattr(change, name))} {_UNITS[name]}" for name in ("vcpus", "memory_gib", "disk_gib")
             if getattr(change, name) is not None]  # fmt: skip
    return f"size {', '.join(([change.instance_type] if change.instance_type else []) + parts)}"


def _threshold(change: Any) -> str:
    levels = (("high", change.high), ("very high", change.very_high))
    return f"thresholds of {change.metric}: " + ", ".join(f"{n} {_figure(v)}" for n, v in levels if v is not None)


def _new(change: Any) -> str:
    shares = ", which take over load" if change.share_load else ""
    return f"{change.count} new servers like {change.like}{shares}"


_SAID: dict[str, Callable[[Any], str]] = {
    "growth": _growth, "load": _load, "project": _needs, "migrate": _migrate, "resize": _resize, "new_servers": _new,
    "threshold": _threshold, "retire": lambda change: "switched off",
    "lead_time": lambda change: f"procurement takes {change.days} days",
    "quarter_end": lambda change: f"the last {change.days} days of a quarter bear {_figure(change.multiplier)} times "
    f"the load{_of(change.metrics)}",
}  # fmt: skip
