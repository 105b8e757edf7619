"""Accuracy on real telemetry: relative MAE against seasonal naive, and coverage of the intervals.

    python benchmarks/accuracy.py ../shared/data/real --protocol ../shared/bench/accuracy_protocol.py
    python benchmarks/accuracy.py --seed ../shared/data/seed/daily_120x1461.parquet

The protocol file chooses series and windows (`cases`) and names the score; this script trains the fleet engine once per
data set and calendar, and prints a table. Data that is not there is skipped with a message.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from capforecast.forecast.backtest import buckets
from capforecast.forecast.engine import train
from capforecast.forecast.holdout import holdout
from capforecast.forecast.scores import geometric_mean, relative_mae
from capforecast.schema import Cadence, Forecast, Panel
from capforecast.settings import Settings


def load_protocol(path: Path) -> ModuleType:
    """The protocol file as a module."""
    spec = importlib.util.spec_from_file_location("accuracy_protocol", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules["accuracy_protocol"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def panel_of(values: np.ndarray, timestamps: pd.DatetimeIndex, names: list[str], metrics: list[str]) -> Panel:
    """A panel of made-up servers, all usable."""
    cadence = Cadence.HOURLY if timestamps[1] - timestamps[0] < pd.Timedelta(days=1) else Cadence.DAILY
    series = pd.DataFrame({"server_id": names, "metric": metrics, "statistic": "mean", "verdict": "ok", "reason": ""})
    series = series.assign(business_unit="benchmark", region="", criticality="", flags="")
    stamps = timestamps if timestamps.tz is not None else timestamps.tz_localize("UTC")
    return Panel(values.astype(np.float32), stamps, series, cadence)


def by_calendar(cases: list[Any]) -> list[tuple[list[Any], Panel]]:
    """Cases of one data set that end together, as one panel; shorter histories start later."""
    groups: dict[tuple[str, pd.Timestamp], list[Any]] = {}
    for case in cases:
        groups.setdefault((case.dataset, case.history.index[-1]), []).append(case)
    out = []
    for members in groups.values():
        longest = max((case.history for case in members), key=len)
        values = np.full((len(longest), len(members)), np.nan)
        for column, case in enumerate(members):
            values[len(longest) - len(case.history) :, column] = case.history.to_numpy()
        names = [f"{i:04d}" for i in range(len(members))]
        out.append((members, panel_of(values, longest.index, names, [case.metric for case in members])))
    return out


def case_rows(members: list[Any], forecast: Forecast, naive: Any, cadence: Cadence) -> list[dict[str, Any]]:
    """Error ratio and coverage by horizon bucket of each case."""
    rows = []
    for column, case in enumerate(members):
        actual = case.actual
        q = forecast.quantiles[:, : len(actual), column]
        error = np.nanmean(np.abs(q[2] - actual))
        baseline = np.nanmean(np.abs(naive(case, str(cadence)) - actual))
        row = {"dataset": case.dataset, "relative": relative_mae(np.array([error]), np.array([baseline]))[0]}
        for name, first, last in buckets(cadence, len(actual)):
            window = slice(first - 1, last)
            seen = np.isfinite(actual[window])
            for level, low, high in (("80", 1, 3), ("95", 0, 4)):
                inside = (actual[window] >= q[low, window]) & (actual[window] <= q[high, window])
                row[f"{level} % {name}"] = 100 * inside[seen].mean() if seen.any() else np.nan
        rows.append(row)
    return rows


def measure(folder: Path, protocol: ModuleType, cadence: Cadence, window: int, cap: int | None) -> None:
    """Print scores of one cadence."""
    cases = protocol.cases(folder, str(cadence), cap=cap, window=window)
    if not cases:
        print(f"{cadence}: skipped, no series of that cadence below {folder}")
        return
    settings = Settings(metrics={})  # units differ: no physical range
    rows, started = [], time.process_time()
    for members, panel in by_calendar(cases):
        model = train(panel, protocol.HORIZON[str(cadence)], settings).model
        rows += case_rows(members, model.predict(panel), protocol.seasonal_naive, cadence)
    seconds = time.process_time() - started
    table = pd.DataFrame(rows)
    scored = table["relative"].notna()
    guarded = geometric_mean(table["relative"].clip(0.1, 10).to_numpy())
    print(
        f"\n{cadence}, {protocol.HORIZON[str(cadence)]} ahead, {int(scored.sum())} series: relative MAE "
        f"{geometric_mean(table['relative'].to_numpy()):.3f} (ratios clipped to 0.1-10: {guarded:.3f}), "
        f"{1000 * seconds / len(table):.0f} ms CPU per series"
    )
    summary = table.groupby("dataset").mean(numeric_only=True).round(1)
    relative = table.groupby("dataset")["relative"]
    summary["relative"] = relative.agg(lambda x: geometric_mean(x.to_numpy())).round(3)
    summary.insert(0, "series", relative.size())
    summary.loc["all"] = table.mean(numeric_only=True).round(1)
    summary.loc["all", ["series", "relative"]] = len(table), round(geometric_mean(table["relative"].to_numpy()), 3)
    print(summary.to_string())


def measure_seed(path: Path) -> None:
    """Print MAE on the reference fleet: train to the end of 2023, one forecast of 731 days."""
    rows = pd.read_parquet(path)
    wide = rows.pivot(index="timestamp", columns="server_id", values="cpu_p95")
    panel = panel_of(wide.to_numpy(), pd.DatetimeIndex(wide.index), list(wide.columns), ["cpu"] * wide.shape[1])
    table = holdout(panel, pd.Timestamp("2023-12-31", tz="UTC"), 731, Settings())
    whole = table[table["bucket"] == "all"]
    mean = (whole["mae"] * whole["points"]).sum() / whole["points"].sum()
    print(
        f"\nreference fleet, cpu_p95, 731 days: MAE {mean:.3f} over all points, {whole['mae'].mean():.3f} mean over "
        f"series; coverage {100 * whole['coverage_80'].mean():.1f} / {100 * whole['coverage_95'].mean():.1f} %"
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path, help="folder of <name>__daily.parquet and <name>__hourly.parquet")
    parser.add_argument("--protocol", type=Path, help="Python file with the accuracy protocol")
    parser.add_argument("--cadence", choices=[str(c) for c in Cadence], help="one cadence only")
    parser.add_argument("--window", type=int, default=0, help="test window, 0 = the last")
    parser.add_argument("--cap", type=int, help="at most so many series per data set")
    parser.add_argument("--seed", type=Path, help="reference fleet: one hold-out of 731 days on cpu_p95")
    options = parser.parse_args()
    if options.data is None and options.seed is None:
        parser.error("give a data folder, --seed, or both")
    if options.seed is not None and not options.seed.exists():
        print(f"skipped: {options.seed} is not there")
    elif options.seed is not None:
        measure_seed(options.seed)
    if options.data is None:
        return
    for path, what in ((options.data, "data folder"), (options.protocol, "--protocol file")):
        if path is None or not path.exists():
            print(f"skipped: {what} {path} is not there")
            return
    protocol = load_protocol(options.protocol)
    for cadence in Cadence:
        if options.cadence in (None, str(cadence)):
            measure(options.data, protocol, cadence, options.window, options.cap)


if __name__ == "__main__":
    main()
