"""Rolling origins: which fit a series' history, and the horizon buckets they are scored in."""

from __future__ import annotations

from dataclasses import dataclass, replace

from capforecast.forecast.base import Index
from capforecast.schema import Cadence

_EXTRA = {
    Cadence.DAILY: 6,
    Cadence.HOURLY: 3,
}  # further, older origins: they choose weights for the others, and for now
_SHORTER = {Cadence.DAILY: (365, 180, 90, 60, 30, 14, 7), Cadence.HOURLY: (720, 336, 168, 72, 48, 24)}
ENOUGH_PATHS = 20  # error paths a fleet should have: twice what a probability needs, for some are lost to gaps
_BUCKETS = {
    Cadence.DAILY: (7, 30, 60, 90, 180, 365),
    Cadence.HOURLY: (24, 72, 168, 336, 720),
}


@dataclass(frozen=True)
class Plan:
    """How a series' past is replayed: forecasts over `horizon` points, origins `step` apart, after `least` points.

    stride: every so many origins choose weights and give scales; the others, in small fleets, add error paths only.
    most: origins replayed where that is more than usual.
    """

    horizon: int
    step: int
    least: int
    stride: int = 1
    most: int = 0

    def count(self, age: int) -> int:
        """Origins that fit a history of `age` points."""
        return max(0, (age - self.horizon - self.least) // self.step + 1)

    def origins(self, total: int, most: int) -> tuple[int, ...]:
        """Origins as counts of points seen, newest first, of a panel of `total` points."""
        fit = min(max(most, self.most), self.count(total))
        return tuple(total - self.horizon - o * self.step for o in range(fit))

    @property
    def gap(self) -> int:
        """Origins that must lie between two for their outcomes not to overlap."""
        return -(-self.horizon // self.step)


def plan_for(age: int, horizon: int, cadence: Cadence) -> Plan | None:
    """The longest replay a history of `age` points supports; None when not even the shortest fits.

    A long replay is preferred only when it leaves twice as much history to learn from as it looks ahead.
    """
    per_day = cadence.per_day
    tries = (horizon, *(h for h in _SHORTER[cadence] if h < horizon))
    for ahead in tries:
        if age - ahead < 2 * ahead and ahead > 60 * per_day:
            continue
        for plan, needed in _steps(ahead, cadence):
            if plan.count(age) >= needed:
                return plan
    for ahead in tries[::-1]:
        last = Plan(ahead, 7 if per_day == 1 else 24, 28 if per_day == 1 else 168)
        if last.count(age) >= 1:
            return last
    cramped = _cramped(horizon)
    return cramped if per_day == 1 and cramped.count(age) >= 1 else None


def densified(plans: list[tuple[Plan | None, Index]], most: int) -> list[Plan | None]:
    """The plans, with origins closer together where too few error paths would be left to state a probability.

    plans: each with the ages of the series that follow it.  most: origins usually replayed. Paths over a longer
    horizon count for a shorter one. Origins closer than the horizon overlap: more paths, hardly more evidence.
    """
    result = [plan for plan, _ in plans]
    longer = 0
    for i in sorted(range(len(plans)), key=lambda i: -(plan.horizon if (plan := plans[i][0]) else 0)):
        plan, ages = plans[i]
        if plan is None:
            continue
        if longer + _paths(plan, ages, most) < ENOUGH_PATHS:
            result[i] = plan = _denser(plan, ages, ENOUGH_PATHS - longer, most)
        longer += _paths(plan, ages, most)
    return result


def _denser(plan: Plan, ages: Index, needed: int, most: int) -> Plan:
    """The plan with the widest step that leaves enough paths; the shortest of all replays if that leaves more."""
    each = -(-needed // len(ages))
    tried = plan
    for stride in (stride for stride in range(1, plan.step + 1) if plan.step % stride == 0):
        tried = replace(plan, step=plan.step // stride, stride=stride, most=max(each, most * stride))
        if _paths(tried, ages, most) >= needed:
            return tried
    cramped = _cramped(plan.horizon)
    weeks_only = plan.horizon == cramped.horizon and plan.step == cramped.step and plan != cramped
    if weeks_only and _paths(tried, ages, most) < ENOUGH_PATHS // 2:
        return _denser(cramped, ages, needed, most)
    return tried


def _paths(plan: Plan, ages: Index, most: int) -> int:
    return sum(min(plan.count(int(age)), max(most, plan.most)) for age in ages)


def _cramped(horizon: int) -> Plan:
    """Of daily data, what the first weeks allow."""
    return Plan(min(horizon, 7), 7, 14)


def _steps(ahead: int, cadence: Cadence) -> list[tuple[Plan, int]]:
    """Replays over `ahead` points from roomy to cramped, each with the number of origins that makes it worth while."""
    if cadence is Cadence.DAILY:
        return [(Plan(ahead, 30, 150), 4), (Plan(ahead, 14, 56), 4), (Plan(ahead, 7, 28), 3)]
    third = max(24, ahead // 3)
    return [(Plan(ahead, third, 336), 4), (Plan(ahead, 24, 336), 3), (Plan(ahead, 24, 168), 3)]


def origins_wanted(cadence: Cadence, daily: int, hourly: int) -> int:
    """Origins replayed: as many as choose, and older ones that choose for those."""
    return (daily if cadence is Cadence.DAILY else hourly) + _EXTRA[cadence]


def buckets(cadence: Cadence, horizon: int) -> list[tuple[str, int, int]]:
    """Horizon buckets (name, first, last point; points count from 1) up to `horizon`."""
    out, first = [], 1
    for last in (*_BUCKETS[cadence], horizon):
        last = min(last, horizon)
        if last >= first:
            out.append((f"{first}-{last}", first, last))
            first = last + 1
    return out
