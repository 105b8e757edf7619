"""What-if answers: how far they are from those of all sample paths, and how long the whole fleet takes.

A synthetic fleet is forecast by the engine; a scenario's answer from the levels that a run keeps is held against the
same scenario on every sample path and day. For the time, its rows are repeated up to 10,000 servers x 5 metrics.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace

import numpy as np
import pandas as pd
from action_speed import sizes_of
from results import setting, write_section
from synthetic_panels import fleet_panel

from capforecast.actions.baseline import MONEY, Baseline
from capforecast.actions.scenario import Scenario
from capforecast.actions.what_if import evaluate
from capforecast.forecast import champions
from capforecast.risk.breach import assess
from capforecast.risk.moment import present
from capforecast.risk.passage import Bundle, Counts
from capforecast.risk.path_levels import PathLevels, spans
from capforecast.risk.rule import Rule, breach_fires
from capforecast.risk.simulate import simulate
from capforecast.risk.thresholds import thresholds
from capforecast.risk.tiers import server_tiers
from capforecast.schema import Cadence, FloatArray
from capforecast.settings import Settings

SERVERS, DAYS, HORIZON, SEED = 240, 730, 90, 7
FLEET, REPEATS = 10_000, 9
CHANGED = ("cpu", "disk", "mem")
BANDWIDTH = 1562.0  # Mbit/s
AT = (30, 90)  # days
Days = np.ndarray  # [H], factors or amounts by day


@dataclass(frozen=True)
class Case:
    """A scenario, and the same by day: factor and amount [H], and other thresholds (high), of a series' own."""

    name: str
    change: dict
    factor: Days
    more: Days
    high: float = 1.0


def cases(first: pd.Timestamp) -> list[Case]:
    """The scenarios that are compared. first: day 1 of the forecast."""
    days, one, none = np.arange(1, HORIZON + 1), np.ones(HORIZON), np.zeros(HORIZON)

    def after(day: int) -> str:
        return (first + pd.Timedelta(days=day - 1)).date().isoformat()

    every = list(CHANGED)
    grown = {p: {"kind": "growth", "percent_per_month": p, "metrics": every} for p in (3, 10, -5)}
    found = [
        Case(f"growth of {p:+d} % a month", grown[p], (1 + p / 100) ** (days / (365.25 / 12)), none) for p in grown
    ]
    later = np.where(days >= 40, 10.0, 0.0)
    week = np.where((days >= 40) & (days < 54), 20.0, 0.0)
    load = [{"kind": "load", "metric": metric} for metric in every]
    return [
        *found,
        Case("10 % more at once", [one_ | {"percent": 10} for one_ in load], one * 1.1, none),
        Case("10 points more from day 40", [x | {"amount": 10, "start": after(40)} for x in load], one, later),
        Case(
            "20 points more for 14 days from day 40",
            [x | {"amount": 20, "start": after(40), "end": after(53)} for x in load], one, week,
        ),
        Case(
            "thresholds of 70", [{"kind": "threshold", "metric": metric, "high": 70} for metric in every], one, none,
            0.875,
        ),
    ]  # fmt: skip


@dataclass(frozen=True)
class Exact(PathLevels):
    """Path levels that also work out every case on all sample paths: shares by case [2, N], of AT."""

    limits: FloatArray = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    asked: list[Case] = field(default_factory=list)
    found: dict[str, np.ndarray] = field(default_factory=dict)

    def put(
        self, where: np.ndarray, bundle: Bundle, recent: FloatArray, rule: Rule, first: Counts, cadence: Cadence
    ) -> None:  # fmt: skip
        super().put(where, bundle, recent, rule, first, cadence)
        paths = bundle.pool[bundle.nearest] * bundle.scale[:, None, None] + bundle.point[:, None]
        paths = np.clip(paths, bundle.low[:, None, None], bundle.high[:, None, None])
        before = recent[:, len(recent[0]) - (rule.n - 1) :]
        for case in self.asked:
            at_once = case.factor[0] if case.name.endswith("at once") else 1.0  # holds for what was observed, too
            high = self.limits[where, 0, None, None] * np.float32(case.high)
            seen = np.broadcast_to((before * at_once)[:, None], (*paths.shape[:2], before.shape[1]))
            days = paths * case.factor[: paths.shape[2]] + case.more[: paths.shape[2]]
            fires = breach_fires(np.concatenate([seen, days], axis=2) > high, rule.k, rule.n, before.shape[1])
            for number, day in enumerate(AT):
                self.found[case.name][number, where] = ((fires >= 0) & (fires < day)).mean(axis=1)


def world() -> tuple[Baseline, Exact]:
    """The run, and the exact answers of its cases."""
    settings = Settings()
    panel = fleet_panel(SERVERS, DAYS, Cadence.DAILY, SEED)
    traffic = panel.series["metric"].str.startswith("net").to_numpy()
    series = panel.series.assign(unseen_peaks="", capacity=np.where(traffic, BANDWIDTH, 4.0), observed=DAYS)
    panel = replace(panel, series=series)
    model = champions.train(panel, HORIZON, settings).model
    predicted = model.predict(panel)
    errors = model.error_paths(panel, predicted)
    limits, asked = thresholds(panel.series, settings), cases(predicted.timestamps[0])
    blank = PathLevels.unknown(len(limits), settings, Cadence.DAILY)
    found = {case.name: np.full((len(AT), len(limits)), np.nan) for case in asked}
    exact = Exact(*(getattr(blank, part.name) for part in fields(PathLevels)), limits, asked, found)
    simulate(present(panel, predicted, errors, limits, settings), settings, exact)
    return _baseline(settings, panel, assess(panel, predicted, errors, settings), exact), exact


def _baseline(settings: Settings, panel, risks: pd.DataFrame, exact: Exact) -> Baseline:
    names = pd.unique(risks["server_id"])
    inventory = pd.DataFrame({"server_id": names, "business_unit": "benchmark", "region": "eu-west-1"})
    servers = server_tiers(risks, inventory)
    servers = servers.assign(
        instance_type="m6i.xlarge", vcpus=4.0, memory_gib=16.0, disk_gib=500.0, network_mbps=BANDWIDTH, environment="",
        owner="",
        **{name: "keep" if name == "action" else "" if name in ("to_type", "segment") else np.nan for name in MONEY},
    )  # fmt: skip
    servers = servers.assign(monthly=140.0, to_monthly=140.0, need_cpu_share=0.7, need_memory_share=0.7)
    place = pd.Index(servers["server_id"]).get_indexer(risks["server_id"]).astype(np.int64)
    known = risks.assign(capacity=panel.series["capacity"])
    return Baseline(
        Cadence.DAILY, panel.timestamps[-1] + pd.Timedelta(days=1), "", settings, known, servers, place,
        spans(settings, Cadence.DAILY), exact.levels, np.isfinite(exact.levels[:, 0]).sum(axis=1), exact.shares,
        exact.peak_q90, exact.present, sizes_of(settings), "USD", (),
    )  # fmt: skip


def accuracy(baseline: Baseline, exact: Exact) -> list[str]:
    """Rows of a table: how far the answers are from those of all paths."""
    lines = []
    at = [list(baseline.ends).index(day) for day in AT]
    for case in exact.asked:
        changes = case.change if isinstance(case.change, list) else [case.change]
        outcome = evaluate(baseline, Scenario.of({"changes": changes}))
        told = outcome.series["probability_high"].to_numpy(), exact.found[case.name][1]
        known = np.isfinite(told[0]) & np.isfinite(told[1]) & np.isin(baseline.metrics.astype(str), CHANGED)
        error = (told[0] - told[1])[known]
        before = baseline.shares[0, :, at[1]][known]
        open_ = (told[1][known] > 0) & (told[1][known] < 1) | (before > 0) & (before < 1)
        tiers = [np.digitize(part[known], (0.1, 0.5)) for part in told]
        row = (
            f"| {case.name} | {before.mean():.3f} | {told[1][known].mean():.3f} | {told[0][known].mean():.3f} | "
            f"{np.abs(error[open_]).mean():.3f} | {np.quantile(np.abs(error[open_]), 0.95):.3f} | "
            f"{np.abs(error).max():.3f} | {100 * (tiers[0] == tiers[1]).mean():.1f} % |"
        )
        lines.append(row)
    return lines


def whole_fleet(baseline: Baseline) -> Baseline:
    """The run, repeated up to FLEET servers of METRICS metrics."""
    count = len(baseline.servers)
    times = -(-FLEET // count)
    rows = np.tile(np.arange(len(baseline.series)), times)
    copy = np.repeat(np.arange(times), len(baseline.series))
    series = baseline.series.iloc[rows].reset_index(drop=True)
    series["server_id"] = series["server_id"].astype("str") + "-" + pd.Series(copy).astype("str")
    servers = baseline.servers.iloc[np.tile(np.arange(count), times)].reset_index(drop=True)
    copies = pd.Series(np.repeat(np.arange(times), count)).astype("str")
    servers["server_id"] = servers["server_id"].astype("str") + "-" + copies
    servers["business_unit"] = np.array([f"unit {i % 8}" for i in range(len(servers))])
    place = pd.Index(servers["server_id"]).get_indexer(series["server_id"]).astype(np.int64)
    parts = {name: getattr(baseline, name)[rows] for name in ("levels", "paths", "peak_q90", "present")}
    return replace(
        baseline, series=series, servers=servers, place=place, shares=baseline.shares[:, rows], memory={}, **parts
    )  # fmt: skip


def speed(baseline: Baseline) -> list[str]:
    """Rows of a table: milliseconds for the whole fleet."""
    asked: list[tuple[str, dict]] = [
        ("growth of all metrics", {"kind": "growth", "percent_per_month": 5,
                                   "metrics": [*CHANGED, "net_in", "net_out"]}),
        ("growth of one business unit", {"kind": "growth", "percent_per_month": 5,
                                         "select": {"business_units": "unit 1"}}),
        ("one-off load on CPU", {"kind": "load", "metric": "cpu", "amount": 10}),
        ("thresholds of CPU", {"kind": "threshold", "metric": "cpu", "high": 70}),
        ("procurement lead time", {"kind": "lead_time", "days": 60}),
        ("quarter end", {"kind": "quarter_end", "multiplier": 1.3}),
        ("another size for all", {"kind": "resize", "instance_type": "m6i.2xlarge"}),
        ("a quarter of the fleet migrates", {"kind": "migrate", "select": {"business_units": ["unit 0", "unit 1"]},
                                             "onto": {"business_units": ["unit 2", "unit 3"]}}),
        ("one business unit retired", {"kind": "retire", "select": {"business_units": "unit 2"}}),
    ]  # fmt: skip
    lines = []
    for name, change in asked:
        scenario = Scenario.of({"changes": [change]})
        wall, cpu = _timed(lambda scenario=scenario: evaluate(baseline, scenario))
        lines.append(f"| {name} | {statistics.median(wall):.0f} | {max(wall):.0f} | {statistics.median(cpu):.0f} |")
    return lines


def _timed(work: Callable[[], object]) -> tuple[list[float], list[float]]:
    work()
    wall, cpu = [], []
    for _ in range(REPEATS):
        began, used = time.perf_counter(), time.process_time()
        work()
        wall.append(1000 * (time.perf_counter() - began))
        cpu.append(1000 * (time.process_time() - used))
    return wall, cpu


def main() -> None:
    """Measure, and write the section of RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry", action="store_true", help="only print")
    dry = parser.parse_args().dry
    baseline, exact = world()
    whole = whole_fleet(baseline)
    assert whole.sketch
    series = int(np.isin(baseline.metrics.astype(str), CHANGED).sum())
    about = (
        f"{SERVERS} synthetic servers, {series} series of CPU, memory and disk, forecast by the engine. P: of a breach "
        "of `high` within 90 days. Exact: every sample path, day by day. Errors are over series whose P is neither 0 "
        "nor 1, before or after; tiers: share of all series put into the same of `ok`, `watch` and `high`."
    )
    time_for = (
        f"Time for {len(whole.servers):,} servers, {len(whole.series):,} series (target: 300 ms); {REPEATS} calls each "
        f"after one to warm up. Levels in memory: {whole.levels.nbytes / 2**20:.0f} MiB. Load average of the machine "
        f"meanwhile: {os.getloadavg()[0]:.1f}; CPU is what it takes without others, but for their use of the caches."
    )
    body = "\n".join([
        "## What-if", "", "```", "OMP_NUM_THREADS=1 .venv/bin/python benchmarks/what_if.py", "```", "",
        setting(), "", about, "",
        "| scenario | mean P before | exact | what-if | mean error | 95 % below | largest | same tier |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |", *accuracy(baseline, exact), "", time_for, "",
        "| scenario | median, ms | worst, ms | CPU, median, ms |", "| --- | --- | --- | --- |", *speed(whole),
    ])  # fmt: skip
    print(body)
    if not dry:
        write_section("what-if", body)


if __name__ == "__main__":
    main()
