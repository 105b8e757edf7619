"""Each kind of change, applied to the effects of a scenario."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from capforecast.actions.baseline import Baseline
from capforecast.actions.scenario import Scenario
from capforecast.actions.scenario_changes import (
    AnyChange,
    Dated,
    Growth,
    LeadTime,
    Load,
    Migrate,
    NewServers,
    Project,
    QuarterEnd,
    Retire,
    Threshold,
)
from capforecast.actions.scenario_effects import SIZES, Effects, metrics_of
from capforecast.actions.scenario_resize import resize
from capforecast.actions.scenario_select import chosen, of_metrics, server_row
from capforecast.errors import UsageError
from capforecast.schema import BoolArray

Array = npt.NDArray[np.float64]


def effects_of(baseline: Baseline, scenario: Scenario) -> Effects:
    """All changes of a scenario together; raises UsageError that names the change and what it asks for in vain."""
    effects = Effects.none(baseline)
    for number, change in enumerate(scenario.changes, start=1):
        where = f"changes[{number}] ({change.kind})"
        servers = chosen(baseline, change.select, where)
        _KINDS[change.kind](effects, change, servers, where)
        about = servers | chosen(baseline, change.onto, where) if isinstance(change, Migrate) else servers
        effects.begins[about] = np.minimum(effects.begins[about], _first(effects, change))
        _late(effects, change, where)
    if (lost := effects.receiving & effects.retired).any():
        effects.note(f"load moves onto {int(lost.sum())} servers that are retired, too: it is gone with them")
    return effects


def _first(effects: Effects, change: AnyChange) -> int:
    """The first day of the forecast on which a change holds; that after the last where none does."""
    if isinstance(change, QuarterEnd):
        starts = [last - change.days + 1 for last in effects.clock.quarters(change.days)]
        return max(min(starts, default=int(effects.baseline.ends[-1]) + 1), 1)
    return max(effects.clock.day(change.start), 1) if isinstance(change, Dated) else 1


def _late(effects: Effects, change: AnyChange, where: str) -> None:
    """Note what begins before the forecast, or when it is over."""
    last = int(effects.baseline.ends[-1])
    if isinstance(change, Dated) and effects.clock.day(change.start) < 1:
        effects.note(f"{where}: it begins before the forecast: it counts from the first day of the forecast on")
    if isinstance(change, Dated) and effects.clock.day(change.start) > last:
        effects.note(
            f"{where}: it begins after the {last} days of the forecast: risk does not show it, while servers, sizes "
            "and cost are those once it holds"
        )


def _growth(effects: Effects, change: Growth, servers: BoolArray, where: str) -> None:
    rows = servers[effects.baseline.place] & of_metrics(effects.baseline, change.metrics, where)
    effects.multiply(rows, effects.clock.growth(effects.clock.day(change.start), change.percent_per_month / 100), 1.0)


def _load(effects: Effects, change: Load, servers: BoolArray, where: str) -> None:
    every = servers[effects.baseline.place] & of_metrics(effects.baseline, (change.metric,), where)
    first = effects.clock.day(change.start)
    last = None if change.end is None else effects.clock.day(change.end)
    if last is not None and last < 1:
        effects.note(f"{where}: it ends before the first day of the forecast, and changes nothing")
        return
    for least, rows in _by_rule(effects, every):
        shown = effects.clock.since(first, least, last)
        _short(effects, where, first, last, least)
        if change.percent is not None:
            effects.multiply(rows, 1.0 + change.percent / 100 * shown, 1.0 + change.percent / 100 * (first <= 1))
            continue
        by = effects.points(rows, change.units_each or 0.0) if change.amount is None else np.full(
            int(rows.sum()), change.amount
        )  # fmt: skip
        if np.isnan(by).any():
            effects.note(f"{where}: {int(np.isnan(by).sum())} servers bear none of it: their size is not known")
        effects.lift(rows, np.nan_to_num(by), shown, first <= 1)


def _short(effects: Effects, where: str, first: int, last: int | None, least: int) -> None:
    """Note a load that is over before the rule can fire on it."""
    if last is not None and last - max(first, 1) + 1 < least:
        effects.note(f"{where}: it lasts {last - max(first, 1) + 1} days, and a breach takes {least}: it shows nowhere")


def _by_rule(effects: Effects, rows: BoolArray) -> list[tuple[int, BoolArray]]:
    """The series by the days that a breach takes."""
    least = effects.baseline.least
    return [(int(days), rows & (least == days)) for days in np.unique(least[rows])]


def _project(effects: Effects, change: Project, servers: BoolArray, where: str) -> None:
    first = effects.clock.day(change.start)
    for resource in SIZES:
        units = getattr(change, resource)
        for metric in metrics_of(resource) if units else ():
            every = servers[effects.baseline.place] & (effects.baseline.metrics == metric)
            if every.any():
                by = np.zeros(len(every))
                by[every] = effects.share(every, units, resource, where)
                _spread(effects, every, by, first, change.ramp_days)
        if units and not any((effects.baseline.metrics == metric).any() for metric in metrics_of(resource)):
            effects.note(f"{where}: nothing measures {resource} here: that part changes no risk")
    if change.monthly_cost:
        effects.further_cost(servers, change.monthly_cost)


def _spread(effects: Effects, every: BoolArray, by: Array, first: int, ramp: int) -> None:
    """Lift series by [N], in their unit, from a day on."""
    for least, rows in _by_rule(effects, every):
        effects.lift(rows, by[rows], effects.clock.ramp(first, least, ramp), first <= 1 and ramp == 0)


def _migrate(effects: Effects, change: Migrate, servers: BoolArray, where: str) -> None:
    baseline, first, share = effects.baseline, effects.clock.day(change.start), change.percent / 100
    onto = chosen(baseline, change.onto, f"{where}, onto") & ~servers
    effects.receiving |= onto
    if not onto.any():
        raise UsageError(f"{where}: `onto` names no server beside those it comes from; name others")
    unknown: dict[int, list[str]] = {}
    for metric in sorted(set(baseline.metrics)):
        source = servers[baseline.place] & (baseline.metrics == metric)
        if lost := int((source & (baseline.paths == 0)).sum()):
            unknown.setdefault(lost, []).append(metric)
        target = onto[baseline.place] & (baseline.metrics == metric)
        if not (source.any() and target.any() and np.isfinite(effects.capacity(target)).any()):
            continue
        units, now = _moved(effects, source, share, metric, where)
        parts = effects.share(target, 1.0, "the load", where)
        least = int(baseline.least[source][0])
        shown, at_once = effects.clock.ramp(first, least, change.ramp_days), first <= 1 and not change.ramp_days
        effects.more[target] += (parts[:, None] * units * shown).astype(np.float32)
        if at_once:
            effects.now_more[target] += parts * now
        effects.touched[baseline.place[target]] = True
        effects.multiply(source, 1.0 - share * shown, 1.0 - share * at_once)
    for lost, metrics in unknown.items():
        effects.note(f"{where}: {', '.join(metrics)} of {lost} servers that move: not forecast, and not counted")
    if change.retire:
        effects.retired |= servers


def _moved(effects: Effects, source: BoolArray, share: float, metric: str, where: str) -> tuple[Array, float]:
    """Units of capacity that leave some series, by span [W], and of what was seen last: the means of their paths."""
    baseline = effects.baseline
    known = source & (baseline.paths > 0)
    mean = np.nansum(baseline.levels[known], axis=2) / np.maximum(baseline.paths[known], 1)[:, None]
    per = np.where(baseline.percent[known], effects.capacity(known) / 100.0, 1.0)
    if np.isnan(per).any():
        effects.note(f"{where}: {int(np.isnan(per).sum())} servers that move take no {metric} along: size not known")
    per = np.nan_to_num(per) * share
    return np.nansum(mean * per[:, None], axis=0), float(np.nansum(baseline.present[known] * per))


def _retire(effects: Effects, change: Retire, servers: BoolArray, where: str) -> None:
    effects.retired |= servers


def _new_servers(effects: Effects, change: NewServers, servers: BoolArray, where: str) -> None:
    baseline, first = effects.baseline, effects.clock.day(change.start)
    like = server_row(baseline, change.like, f"{where}, like")
    effects.new.append((change, like))
    if not change.share_load:
        return
    for metric in sorted(set(baseline.metrics)):
        if baseline.settings.metric(metric).fills_up:
            continue  # what a disk holds stays where it is
        every = servers[baseline.place] & (baseline.metrics == metric)
        own = baseline.number("capacity")[(baseline.place == like) & (baseline.metrics == metric)]
        total = np.nansum(effects.capacity(every))
        if not every.any() or not len(own) or not np.isfinite(own[0]) or total <= 0:
            continue
        kept = total / (total + change.count * own[0])
        for least, rows in _by_rule(effects, every):
            shown = effects.clock.since(first, least)
            effects.multiply(rows, 1.0 - (1.0 - kept) * shown, kept if first <= 1 else 1.0)
    if not servers[like]:
        effects.note(f"{where}: {change.like} is none of those whose load is shared: new servers bear what it bears")


def _threshold(effects: Effects, change: Threshold, servers: BoolArray, where: str) -> None:
    baseline = effects.baseline
    rows = servers[baseline.place] & of_metrics(baseline, (change.metric,), where)
    usable = np.where(baseline.percent[rows], baseline.settings.risk.usable_share, 1.0)
    for column, value in enumerate((change.high, change.very_high)):
        if value is not None:
            effects.limits[rows, column] = (value * usable).astype(np.float32)
    wrong = effects.limits[rows, 0] > effects.limits[rows, 1]
    if wrong.any():
        high, very_high = effects.limits[rows][wrong][0]
        raise UsageError(
            f"{where}: `high` would be {high:g}, above `very_high` ({very_high:g}), on {int(wrong.sum())} servers; "
            "give both"
        )
    effects.touched[baseline.place[rows]] = True


def _lead_time(effects: Effects, change: LeadTime, servers: BoolArray, where: str) -> None:
    effects.lead[servers[effects.baseline.place]] = change.days
    effects.touched |= servers
    if change.days > (last := int(effects.baseline.ends[-1])):
        effects.note(f"{where}: the forecast reaches {last} days, less than the lead time: later breaches are not seen")


def _quarter_end(effects: Effects, change: QuarterEnd, servers: BoolArray, where: str) -> None:
    every = servers[effects.baseline.place] & of_metrics(effects.baseline, change.metrics, where)
    for least, rows in _by_rule(effects, every):
        shown = effects.clock.quarter_ends(change.days, least)
        effects.multiply(rows, 1.0 + (change.multiplier - 1.0) * shown, 1.0)
        if change.days < least:
            effects.note(f"{where}: it lasts {change.days} days, and a breach takes {least}: it shows nowhere")
        elif not shown.any():
            effects.note(f"{where}: no quarter ends within the forecast")


_KINDS: dict[str, Callable[[Effects, Any, BoolArray, str], None]] = {
    "growth": _growth, "load": _load, "project": _project, "migrate": _migrate, "retire": _retire,
    "new_servers": _new_servers, "resize": resize, "threshold": _threshold, "lead_time": _lead_time,
    "quarter_end": _quarter_end,
}  # fmt: skip
