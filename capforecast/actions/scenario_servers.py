"""Servers under a scenario: which of their series decides, and what they cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from capforecast.actions.baseline import Baseline
from capforecast.actions.prices import monthly
from capforecast.actions.rightsize import Action
from capforecast.actions.scenario_effects import Effects
from capforecast.actions.scenario_figures import Figures
from capforecast.schema import TIER_ORDER, BoolArray, Tier

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
_UNKNOWN, _HIGH = TIER_ORDER.index(Tier.UNKNOWN), TIER_ORDER.index(Tier.HIGH)
_CRITICAL = TIER_ORDER.index(Tier.CRITICAL)
_ALIKE = 1e-6


def deciding(baseline: Baseline, figures: Figures) -> Index:
    """Row of the series that decides about each server, [S], as risk.tiers.order_by_risk has it; -1 = none."""
    able = np.flatnonzero(np.isfinite(figures.limits).any(axis=0) & (figures.tier != _UNKNOWN))
    part = figures.take(able)
    with np.errstate(divide="ignore", invalid="ignore"):
        over = np.nan_to_num(baseline.number("last_value")[able] / part.limits[0], posinf=0.0, neginf=0.0)
    worst = np.where(part.tier == _CRITICAL, np.nan_to_num(part.probability[1]), 0.0)
    keys = (
        able, -over, np.nan_to_num(part.remaining, nan=np.inf), -np.nan_to_num(part.probability[0]), -worst,
        -part.in_breach.sum(axis=0), part.tier, baseline.place[able],
    )  # fmt: skip
    order = np.lexsort(keys)
    place = baseline.place[able][order]
    first = np.concatenate([[True], place[1:] != place[:-1]]) if len(place) else np.zeros(0, np.bool_)
    out = np.full(len(baseline.servers), -1, np.int64)
    out[place[first]] = able[order][first]
    return out


def costs(
    baseline: Baseline, effects: Effects, before: Figures, after: Figures
) -> dict[str, Array]:  # fmt: skip
    """Cost of a month of each server, [S]: `monthly` as it stands, `safe_monthly` with the sizes advised; both before.

    safe: as the run advises, as long as that holds what is then needed; a server that comes to be at risk by CPU or
    memory costs what the cheapest size does that holds it. Retired ones cost what they would.
    """
    servers = baseline.servers
    now, advised = (servers[name].to_numpy(dtype=np.float64) for name in ("monthly", "to_monthly"))
    paid = np.where(np.isnan(effects.hourly), now, monthly(effects.hourly))
    paid = np.where(np.isinf(paid), np.nan, paid)
    safe = _safe(baseline, effects, before, after, paid, advised)
    return {"monthly_before": now, "monthly": paid, "safe_monthly_before": advised, "safe_monthly": safe}


def _safe(
    baseline: Baseline, effects: Effects, before: Figures, after: Figures, paid: Array, advised: Array
) -> Array:  # fmt: skip
    servers, action = baseline.servers, baseline.servers["action"].to_numpy(dtype=object)
    needs, risk_now, risk_then = [], np.zeros(len(paid), np.bool_), np.zeros(len(paid), np.bool_)
    for metric, name in (("cpu", "need_cpu_share"), ("mem", "need_memory_share")):
        needs.append(servers[name].to_numpy(dtype=np.float64) * _grown(baseline, metric, before, after))
        risk_now |= _of_servers(baseline, metric, before.tier <= _HIGH, False)
        risk_then |= _of_servers(baseline, metric, after.tier <= _HIGH, False)
    holds = _hold(needs, np.ones(len(paid)), np.ones(len(paid)))
    still = _hold(needs, *(servers[f"to_{name}_share"].to_numpy(dtype=np.float64) for name in ("cpu", "memory")))
    still &= ~effects.resized & (action != Action.KEEP)
    larger = risk_then & ~holds & (~risk_now | (action == Action.UPSIZE) | effects.resized)
    stopped = (action == Action.STOP) & ~effects.resized
    as_advised = stopped | (still & np.where(action == Action.UPSIZE, larger, action == Action.DOWNSIZE))
    out = np.where(as_advised, advised, paid)
    wanted = np.flatnonzero(larger & ~as_advised)
    if len(wanted):
        out[wanted] = _cheapest(baseline, effects, [need[wanted] for need in needs], wanted)
        lost = int(np.isnan(out[wanted]).sum())
        if lost:
            effects.note(f"{lost} servers come to need a larger size, and none with a price holds them: no safe cost")
    return np.where(effects.touched, out, advised)


def _cheapest(baseline: Baseline, effects: Effects, needs: list[Array], rows: Index) -> Array:
    """Cost of a month of the cheapest size each server may have that holds what it needs, [R]; NaN = none."""
    allowed, hourly = (part[rows] for part in baseline.costs)
    fits = allowed & np.isfinite(hourly)
    for need, name in zip(needs, ("vcpus", "memory_gib"), strict=True):
        units = np.maximum(np.nan_to_num(need, nan=1.0), 1.0) * effects.sizes[name][rows]
        fits &= baseline.sizes.table[name].to_numpy(dtype=np.float64) >= units[:, None] * (1 - _ALIKE)
    if not fits.shape[1]:
        return np.full(len(rows), np.nan)
    least = np.where(fits, hourly, np.inf).min(axis=1)
    return np.where(np.isfinite(least), monthly(least), np.nan)


def _hold(needs: list[Array], cpu: Array, memory: Array) -> BoolArray:
    """Do sizes, as shares of the present one, hold what is needed, [S]; what is not known does not count."""
    with np.errstate(invalid="ignore"):
        short = [need > size * (1 + _ALIKE) for need, size in zip(needs, (cpu, memory), strict=True)]
    return np.asarray(~(short[0] | short[1]))


def _grown(baseline: Baseline, metric: str, before: Figures, after: Figures) -> Array:
    """By what factor the 90 % peak of a metric changes, [S]; 1 where it is not known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        by = np.where(before.peaks[1] > 0, after.peaks[1] / before.peaks[1], 1.0)
    return np.asarray(np.nan_to_num(_of_servers(baseline, metric, by, 1.0), nan=1.0))


def _of_servers(baseline: Baseline, metric: str, values: npt.NDArray[Any], otherwise: Any) -> npt.NDArray[Any]:
    """A figure of the series of a metric, by server, [S]."""
    rows = np.flatnonzero(baseline.metrics == metric)
    out: npt.NDArray[Any] = np.full(len(baseline.servers), otherwise, values.dtype)
    out[baseline.place[rows]] = values[rows]
    return out
