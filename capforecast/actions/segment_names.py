"""Segments in words: what kind of servers a centroid stands for, and what to do about them.

The cut-offs are ours, in points of percent of capacity; docs/data-dictionary.md lists them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.actions.features import DAILY, LEVEL, PEAK, QUARTER_END, SPREAD, TREND, WEEKLY
from capforecast.settings import Settings

IDLE_PEAK = 10.0  # CPU P95 on all but one day in twenty
HOT_LEVEL = 0.8  # of the threshold `high`: the ordinary day
GROWING, FILLING = 1.0, 1.5  # points a month
BURSTS, BURST_RATIO = 15.0, 1.6  # the peak is so many points, and so many times, above the ordinary day
WEEKEND_WORK = -5.0  # working day less weekend day
CLOSING = 6.0  # points at quarter ends, and no less than the week's swing
WORKING_DAYS, WORKING_SHARE = 6.0, 0.2  # points, and share of the level, by which weekends are lower
WORKING_HOURS = 15.0  # points between the busiest and the quietest hour
STEADY = 6.0  # points of standard deviation

ACTIONS = {
    "hot": "add capacity or move load before the thresholds are passed; no consolidation onto these",
    "memory-bound": "add memory or move to a memory-optimised family; the CPU alone would mislead",
    "growing": "plan the next size or further servers; check when the threshold is reached",
    "filling": "extend or clean the disk; check the retention of what fills it",
    "idle": "ask the owner, then switch off or consolidate",
    "batch": "shift jobs in time, or use burstable or spot capacity; size by the peak, not by the mean",
    "quarter-end": "size by the quarter end; scale up for the closing days only, where that is possible",
    "business-hours": "schedule: scale down or stop at nights and weekends",
    "steady": "candidates for right-sizing and for reserved prices",
    "variable": "size by the projected peak; find out what drives the load",
    "unknown": "none: no series of theirs can be forecast; see the reasons under quality",
    "undescribed": "measure CPU or memory: without them nothing can be advised",
}


def base_name(centroid: Mapping[str, float] | pd.Series, settings: Settings) -> str:
    """Kind of a segment (a key of ACTIONS) from its centroid in the metrics' units; the first rule that holds.

    A feature that is not there makes no rule hold. CPU speaks for the load, else memory.
    """

    def of(metric: str, kind: str) -> float:
        value = centroid.get(f"{metric}_{kind}", np.nan)
        return float(np.nan if value is None else value)

    main = "mem" if np.isnan(of("cpu", LEVEL)) else "cpu"
    level, peak = of(main, LEVEL), of(main, PEAK)
    high = {metric: settings.metric(metric).high or np.inf for metric in ("cpu", "mem")}
    rules = (
        ("hot", of("cpu", PEAK) >= high["cpu"] and of("cpu", LEVEL) >= HOT_LEVEL * high["cpu"]),
        ("memory-bound", of("mem", PEAK) >= high["mem"] and of("mem", LEVEL) >= HOT_LEVEL * high["mem"]),
        ("growing", max_known(of("cpu", TREND), of("mem", TREND)) >= GROWING),
        ("filling", of("disk", TREND) >= FILLING),
        ("idle", main == "cpu" and peak <= IDLE_PEAK),
        ("batch", of(main, WEEKLY) <= WEEKEND_WORK),
        ("quarter-end", of(main, QUARTER_END) >= CLOSING and not of(main, WEEKLY) > of(main, QUARTER_END)),
        ("business-hours", of(main, WEEKLY) >= max(WORKING_DAYS, WORKING_SHARE * level)),
        ("business-hours", of(main, DAILY) >= WORKING_HOURS),
        ("batch", peak - level >= BURSTS and peak >= BURST_RATIO * level),
        ("steady", of(main, SPREAD) <= STEADY),
        ("undescribed", bool(np.isnan(level))),
    )
    return next((name for name, holds in rules if holds), "variable")


def max_known(*values: float) -> float:
    """Largest of the values that are known; NaN where none is."""
    known = [value for value in values if not np.isnan(value)]
    return max(known, default=np.nan)


def told_apart(bases: Sequence[str], middles: npt.NDArray[np.float64], names: Sequence[str]) -> tuple[str, ...]:
    """Unique names: segments of one kind are told apart by the feature in which they differ most.

    middles: [K, D] centroids in scaled features; names: [D]. A level or peak is easier to picture than a swing, so the
    difference of any other feature counts half.
    """
    told = list(bases)
    weights = np.array([1.0 if name.endswith((f"_{LEVEL}", f"_{PEAK}")) else 0.5 for name in names])
    for base in sorted(set(bases)):
        same = [place for place, name in enumerate(bases) if name == base]
        if len(same) == 1:
            continue
        best = int(np.argmax(np.ptp(middles[same], axis=0) * weights))
        ranked = sorted(same, key=lambda place: (middles[place, best], place))
        for rank, place in enumerate(ranked):
            told[place] = f"{base}, {_rank_word(rank, len(same))} {_in_words(names[best])}"
    return tuple(told)


def _rank_word(rank: int, count: int) -> str:
    if count == 2:
        return ("lower", "higher")[rank]
    words = {0: "lowest", count - 1: "highest"}
    return words.get(rank, "middle" if count == 3 else f"{_ORDINALS.get(rank + 1, f'{rank + 1}th')} lowest")


def _in_words(feature: str) -> str:
    metric, kind = next(
        (feature.removesuffix(f"_{kind}"), word) for kind, word in _WORDS.items() if feature.endswith(f"_{kind}")
    )
    return f"{_METRICS.get(metric, metric)} {kind}"


_ORDINALS = {2: "2nd", 3: "3rd"}
_METRICS = {
    "cpu": "CPU",
    "mem": "memory",
    "net": "traffic",
    "net_in": "incoming traffic",
    "net_out": "outgoing traffic",
}
_WORDS = {
    LEVEL: "level", PEAK: "peak", SPREAD: "spread", WEEKLY: "weekly swing", QUARTER_END: "quarter-end rise",
    TREND: "growth", DAILY: "daily swing",
}  # fmt: skip
