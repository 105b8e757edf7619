"""Figures of every series, as published and under a scenario.

What the kept paths say changes by the scenario; what is published stands for all paths. So a probability is published,
moved as the kept paths move: where these fire less, its share of them; where more, the rest likewise. No change gives
what is published, and paths that never or always fire give 0 or 1.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from capforecast.actions.baseline import LEVELS, Baseline
from capforecast.actions.scenario_effects import Effects
from capforecast.actions.scenario_kernels import calibrated
from capforecast.schema import TIER_ORDER, BoolArray, FloatArray, Tier, Verdict

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
DATES = (0.1, 0.5)  # shares of the paths whose first breach is dated: days_q10, days_q50
_CODE = {tier: code for code, tier in enumerate(TIER_ORDER)}
_CLOSE = 1e-6  # less than the share of one sample path: what rounding leaves


@dataclass
class Figures:
    """Of N series; NaN = not stated.  limits, in_breach, probability: [2, N] high, very_high.

    tier: place in TIER_ORDER.  lead: P(breach of high within the lead time).  days: [2, N] to the first breach, of
    DATES.  peaks: [2, N] q50, q90.  remaining: capacity.
    """

    tier: npt.NDArray[np.int8]
    limits: Array
    in_breach: BoolArray
    probability: Array
    lead: Array
    days: Array
    peaks: Array
    remaining: Array

    def take(self, rows: npt.NDArray[np.bool_] | Index) -> Figures:
        """Those of some series."""
        return Figures(*(getattr(self, part.name)[..., rows] for part in fields(self)))


def published(baseline: Baseline) -> Figures:
    """The figures of the run, made once; do not change them."""
    if "published" not in baseline.memory:
        baseline.memory["published"] = _published(baseline)
    found: Figures = baseline.memory["published"]
    return found


def _published(baseline: Baseline) -> Figures:
    tiers = baseline.series["tier"].astype("str").map({str(tier): code for tier, code in _CODE.items()})
    lead = np.full(len(baseline.place), baseline.settings.risk.lead_time_days)
    return Figures(
        tier=tiers.fillna(_CODE[Tier.UNKNOWN]).to_numpy(dtype=np.int8),
        limits=np.stack([baseline.number(f"threshold_{level}") for level in LEVELS]),
        in_breach=np.stack([baseline.series[f"in_breach_{level}"].to_numpy(dtype=bool) for level in LEVELS]),
        probability=np.stack([baseline.number(f"probability_{level}") for level in LEVELS]),
        lead=_at_day(baseline, baseline.shares[0], lead, np.arange(len(lead))),
        days=np.stack([baseline.number(name) for name in ("days_q10", "days_q50")]),
        peaks=np.stack([baseline.number(name) for name in ("peak_q50", "peak_q90")]),
        remaining=baseline.number("capacity_remaining"),
    )  # fmt: skip


def under(baseline: Baseline, effects: Effects, before: Figures) -> tuple[Figures, BoolArray]:
    """The figures under a scenario, and which series it touches, [N]."""
    touched = _touched(baseline, effects)
    rows = np.flatnonzero(touched)
    after = Figures(*(getattr(before, part.name).copy() for part in fields(before)))
    if len(rows):
        new = _moved(baseline, effects, before.take(rows), rows)
        for part in fields(after):
            getattr(after, part.name)[..., rows] = getattr(new, part.name)
    return after, touched


def _touched(baseline: Baseline, effects: Effects) -> BoolArray:
    now = (effects.now_factor != 1) | (effects.now_more != 0) | (effects.now_size != 1)
    other = effects.lead != baseline.settings.risk.lead_time_days
    return np.asarray(_loaded(baseline, effects) | now | other)


def _loaded(baseline: Baseline, effects: Effects) -> BoolArray:
    """Series whose load or thresholds are others, [N]."""
    limits = (effects.limits != baseline.limits) & ~(np.isnan(effects.limits) & np.isnan(baseline.limits))
    load = (effects.factor != 1).any(axis=1) | (effects.more != 0).any(axis=1) | (effects.size != 1).any(axis=1)
    return np.asarray(load | limits.any(axis=1))


def _moved(baseline: Baseline, effects: Effects, old: Figures, rows: Index) -> Figures:
    factor, more = effects.factor[rows] * effects.size[rows], effects.more[rows] * effects.size[rows]
    limits, lead = effects.limits[rows], effects.lead[rows]
    if _loaded(baseline, effects)[rows].any():
        shares, tops = baseline.held(rows, factor, more, limits, lead)
    else:  # only the lead time is another
        shares, tops = (part[:, rows] for part in baseline.sketch)
    curves = calibrated(baseline.shares, baseline.sketch[0], shares, rows, baseline.reached, limits)
    reach = baseline.reach[rows]
    critical = np.minimum(reach, _within(baseline, baseline.settings.risk.critical_horizon_days))
    probability = np.stack([
        _probability(old.probability[level], _at(curves[level], span), _at(baseline.shares[level], span, rows))
        for level, span in enumerate((reach, critical))
    ])  # fmt: skip
    in_breach = _now(baseline, effects, old, rows)
    peaks, remaining = _heights(baseline, effects, old, rows, factor, tops)
    wide = limits.T.astype(np.float64)
    return Figures(
        tier=_tiers(baseline, wide, in_breach, probability, rows), limits=wide, in_breach=in_breach,
        probability=probability, lead=_at_day(baseline, curves[0], lead, rows),
        days=_dates(baseline, effects.begins[baseline.place[rows]], old.days, curves[0], rows),
        peaks=peaks, remaining=remaining,
    )  # fmt: skip


def _probability(old: Array, new: Array, was: Array) -> Array:
    """Published probabilities [R], moved as their curves move; the curves' own where none is published.

    Curves are kept in single precision: so what does not move is to the last digit as published.
    """
    moved = old + (new - was)
    return np.where(np.isnan(new), np.nan, np.where(np.isnan(moved), new, np.clip(moved, 0.0, 1.0)))


def _within(baseline: Baseline, days: int) -> int:
    """The last span that ends within so many days; -1 = none."""
    return int((baseline.ends <= days).sum() - 1)


def _at(curve: Array, span: Index, rows: Index | None = None) -> Array:
    """Value of each curve [R, W], or of some rows of them, at a span [R]; NaN for -1."""
    rows = np.arange(len(span)) if rows is None else rows
    return np.where(span >= 0, curve[rows, np.maximum(span, 0)], np.nan)


def _at_day(baseline: Baseline, curve: Array, day: Index, rows: Index) -> Array:
    """Value of each curve [R, W] on a day [R], between span ends in proportion; that of the last span beyond it."""
    span = baseline.span_of(day, rows)
    until = curve[np.arange(len(curve)), span]
    since = np.where(span > 0, curve[np.arange(len(curve)), np.maximum(span - 1, 0)], 0.0)
    part = np.clip((day - baseline.starts[span]) / (baseline.ends[span] - baseline.starts[span]), 0.0, 1.0)
    return np.where(baseline.reached[rows] > 0, since + (until - since) * part, np.nan)


def _now(baseline: Baseline, effects: Effects, old: Figures, rows: Index) -> BoolArray:
    """Does the rule fire on what was observed last, had the change held then, [2, R]."""
    factor, more, size = (part[rows] for part in (effects.now_factor, effects.now_more, effects.now_size))
    level, limits = baseline.present[rows], effects.limits[rows].T
    fires = (level * factor + more) * size > limits
    same = (factor == 1) & (more == 0) & (size == 1) & (limits == baseline.limits[rows].T)
    return np.where(same | np.isnan(level), old.in_breach & ~np.isnan(limits), fires)


def _dates(baseline: Baseline, begins: Index, old: Array, curve: Array, rows: Index) -> Array:
    """Days to the first breach, [2, R]: as published, moved as the curves [R, W] move; none is brought about before
    the changes begin [R], whatever a span of days spreads.
    """
    reach, out = baseline.reach[rows], np.full(old.shape, np.nan)
    if "crossing" not in baseline.memory:
        every = [_crossing(baseline, baseline.shares[0], baseline.reach, share) for share in DATES]
        baseline.memory["crossing"] = np.stack(every)
    for number, share in enumerate(DATES):
        before, after = baseline.memory["crossing"][number, rows], _crossing(baseline, curve, reach, share)
        known = np.isfinite(before) & np.isfinite(old[number])
        moved = np.where(known, old[number] + after - before, after)
        moved = np.where(old[number] < begins, moved, np.maximum(moved, begins))
        out[number] = np.clip(np.round(moved), 1.0, np.maximum(baseline.ends[np.maximum(reach, 0)], 1))
    return out


def _crossing(baseline: Baseline, curve: Array, reach: Index, share: float) -> Array:
    """Day on which each curve [R, W] reaches a share, in proportion within its span; NaN = not by span `reach`."""
    there = (curve >= share - _CLOSE) & (np.arange(curve.shape[1]) <= reach[:, None])
    span, row = there.argmax(axis=1), np.arange(len(curve))
    until, since = curve[row, span], np.where(span > 0, curve[row, np.maximum(span - 1, 0)], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(until > since, (share - since) / (until - since), 1.0)
    day = baseline.starts[span] + part * (baseline.ends[span] - baseline.starts[span])
    return np.where(there.any(axis=1), day, np.nan)


def _heights(
    baseline: Baseline, effects: Effects, old: Figures, rows: Index, factor: FloatArray, tops: Array
) -> tuple[Array, Array]:
    """Peaks [2, R] and capacity remaining [R]: what is published lies above the levels by what the rule lets pass."""
    known, lead = baseline.sketch[1][:, rows], effects.lead[rows]
    moved = np.flatnonzero(lead != baseline.settings.risk.lead_time_days)
    if len(moved) and _loaded(baseline, effects)[rows].any():
        limits = baseline.limits[rows[moved]]
        known = known.copy()
        known[2, moved] = baseline.held(rows[moved], None, None, limits, lead[moved])[1][2]
    span, row = baseline.span_of(lead, rows), np.arange(len(rows))
    by = factor[row, np.maximum(baseline.reach[rows], 0)]
    low, high = _range(baseline, old, rows)
    peaks = np.clip(tops[:2] + (old.peaks - known[:2]) * by, low, high)
    at_lead = baseline.peak_q90[rows, span]
    at_lead = np.clip(tops[2] + (at_lead - known[2]) * factor[row, span], low, high)
    full = effects.full[rows]
    return peaks, 100.0 * np.maximum(full - at_lead, 0.0) / full


def _range(baseline: Baseline, old: Figures, rows: Index) -> tuple[Array, Array]:
    """Least and largest value that is possible of some series, [R]."""
    names = baseline.metrics[rows]
    kinds = {name: baseline.settings.metric(name) for name in set(names)}
    limits = {
        name: (-np.inf if kind.minimum is None else kind.minimum, np.nan if kind.maximum is None else kind.maximum)
        for name, kind in kinds.items()
    }
    low, high = np.array([limits[name] for name in names], np.float64).reshape(-1, 2).T
    usual = np.where(baseline.percent[rows], np.fmax(old.peaks[1], 100.0), np.inf)
    return low, np.where(np.isnan(high), usual, high)


def _tiers(
    baseline: Baseline, limits: Array, in_breach: BoolArray, probability: Array, rows: Index
) -> npt.NDArray[np.int8]:
    """As risk.tiers.series_tiers, over arrays."""
    rules = baseline.settings.risk
    unusable = (baseline.series["verdict"].to_numpy(dtype=object) != Verdict.OK.value)[rows]
    unproven = np.isfinite(limits).any(axis=0) & np.isnan(baseline.number("horizon_days")[rows])
    with np.errstate(invalid="ignore"):
        conditions = [
            unusable,
            in_breach[1] | (probability[1] >= rules.critical_probability - _CLOSE),
            in_breach[0] | (probability[0] >= rules.high_probability - _CLOSE),
            probability[0] >= rules.watch_probability - _CLOSE,
            unproven,
        ]
    codes = [_CODE[tier] for tier in (Tier.UNKNOWN, Tier.CRITICAL, Tier.HIGH, Tier.WATCH, Tier.UNKNOWN)]
    return np.select(conditions, codes, _CODE[Tier.OK]).astype(np.int8)
