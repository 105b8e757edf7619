"""Against what could be known at best: synthetic fleets with their truth, and series made by Prophet's own model.

    python benchmarks/oracle.py                          480 servers, two windows; 120 series of Prophet's model
    python benchmarks/oracle.py --servers 96 --dry       fewer, printed only

Fleets: 1,095 days of history, 90 ahead. Every series' MAE over that of the oracle (oracle_forecast.py) on the same
observed days, geometric mean over series, and sum over sum; levels shift, servers are resized and moved 10 to 160 days
before the origin, never after it.

Prophet's model: straight trends that break, yearly and weekly Fourier series, independent noise; nothing breaks in the
days forecast. Stock Prophet runs in .venv-peers, on the same series.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import peer_run
from oracle_forecast import oracle
from prophet_series import VARIANTS, draw
from results import setting, write_section
from synthetic_panels import Made, described, made, usable

from capforecast.fleet.synthetic import END, Block, Fleet
from capforecast.fleet.synthetic_load import live
from capforecast.fleet.synthetic_rows import delivered, settled
from capforecast.fleet.synthetic_servers import cast
from capforecast.forecast import engine
from capforecast.schema import Cadence, Panel
from capforecast.settings import MetricSettings, Settings

DAYS, HORIZON = 1095, 90
CHANGE_SPAN = 500  # days of which servers change in the second fifth to half: 100 to 250 before the end
ENDS = (END, END - pd.Timedelta(days=182))
BLOCK = 120  # servers made at once
TARGET = 1.05
LOAD = ("cpu", "net_in", "net_out")  # where a change of the load shows
ANY_SIGN = Settings(metrics={"load": MetricSettings(unit="", minimum=None)})  # these series may fall below zero
RESIZED = ("cpu", "mem")
KINDS = (  # name, stories, metrics in which they show
    ("steady, load", ("steady",), LOAD),
    ("idle, load", ("idle",), LOAD),
    ("growing, load", ("growing",), LOAD),
    ("near the limit, CPU", ("hot", "overloaded", "saturated"), ("cpu",)),
    ("peaks at quarter ends, load", ("peaking",), LOAD),
    ("disk that fills", ("disk_full", "disk_soon"), ("disk",)),
    ("disk that is cleaned up", ("steady", "shifted", "moved", "growing", "peaking"), ("disk",)),
)
CHANGES = (("level shift", ("shifted",), LOAD), ("resize", ("resized",), RESIZED))
RECENT = ((10, 45), (46, 90), (91, 160))  # days since a change


@dataclass(frozen=True)
class Window:
    """A fleet with a history [T, N] to learn from, days [H, N] to be judged on, and expected values of both."""

    history: Panel
    actual: np.ndarray
    made: Made


def fleet_blocks(servers: int, end: pd.Timestamp, seed: int) -> Iterator[Block]:
    """A clean fleet whose changes fell into the months before the origin."""
    fleet = Fleet(servers, DAYS + HORIZON, Cadence.DAILY, seed, end, dirty=False)
    for first in range(0, servers, BLOCK):
        some = replace(cast(first, min(first + BLOCK, servers), fleet.days, seed), days=CHANGE_SPAN)
        lives, there = live(some, fleet.clock), delivered(some, fleet.clock, dirty=False)
        yield Block(fleet, some, lives, there, settled(some, lives, there, dirty=False))


def window_of(servers: int, end: pd.Timestamp, seed: int) -> Window:
    """A fleet's usable series. Percentages before a resize are turned into those of today's capacity, as a run does."""
    whole = made(fleet_blocks(servers, end, seed))
    told = whole.told
    age = np.arange(len(whole.values), 0, -1)[:, None]
    resized = told["metric"].isin(RESIZED).to_numpy() & (age > told["change"].to_numpy())
    factor = np.where(resized, told["percent_before_resize"].to_numpy(), 1.0)
    values = (whole.values / factor).astype(np.float32)
    seen = np.isfinite(values[DAYS:]).mean(axis=0) >= 0.5
    ok = usable(values[:DAYS], Cadence.DAILY) & seen & (told["story"] != "constant").to_numpy()
    told = told[ok].reset_index(drop=True)
    kept = Made(values[:, ok], (whole.means / factor)[:, ok], told, whole.timestamps)
    series = described(told["server_id"].to_numpy(), told["metric"].to_numpy())
    panel = Panel(kept.values[:DAYS], kept.timestamps[:DAYS], series, Cadence.DAILY)
    return Window(panel, kept.values[DAYS:], kept)


def mae(actual: np.ndarray, forecast: np.ndarray) -> np.ndarray:
    """Mean absolute error [N] on observed points."""
    return np.asarray(np.nanmean(np.abs(actual - forecast), axis=0))


def scored(window: Window) -> pd.DataFrame:
    """One row per series: what it is, and the MAE of ours, of the oracle, and of the expected value alone."""
    ours = engine.train(window.history, HORIZON, Settings()).model.predict(window.history).median
    best = oracle(window.made, DAYS)
    rows = window.made.told[["server_id", "metric", "archetype", "story", "change"]].copy()
    rows["ours"], rows["oracle"] = mae(window.actual, ours), mae(window.actual, best)
    rows["expected"] = mae(window.actual, window.made.means[DAYS:])
    rows["since"] = rows["change"] - HORIZON
    varied = np.nanmin(window.actual, axis=0) < np.nanmax(window.actual, axis=0)  # a server at 100 % is no test
    return rows[varied]


def groups(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Named groups of series, the whole first."""
    yield "**all**", rows
    for metric in sorted(rows["metric"].unique()):
        yield f"metric {metric}", rows[rows["metric"] == metric]
    for kind in sorted(rows["archetype"].unique()):
        yield f"type {kind}", rows[rows["archetype"] == kind]
    for name, stories, metrics in KINDS:
        yield name, rows[rows["story"].isin(stories) & rows["metric"].isin(metrics)]
    yield "memory that leaks", rows[(rows["archetype"] == "app") & (rows["metric"] == "mem")]
    for name, stories, metrics in CHANGES:
        mine = rows[rows["story"].isin(stories) & rows["metric"].isin(metrics)]
        for first, last in RECENT:
            yield f"{name} {first}-{last} days ago", mine[mine["since"].between(first, last)]


def ratio(rows: pd.DataFrame, over: str = "oracle", of: str = "ours") -> float:
    """Geometric mean of the series' ratios, each clipped to 0.1-10."""
    return float(np.exp(np.log((rows[of] / rows[over]).clip(0.1, 10)).mean()))


def ratio_line(name: str, rows: pd.DataFrame) -> str:
    """A line of the table: geometric mean of ratios, ratio of sums within a metric (geometric mean over metrics)."""
    sums = rows.groupby("metric")[["ours", "oracle"]].sum()
    pooled, ours = float(np.exp(np.log(sums["ours"] / sums["oracle"]).mean())), ratio(rows)
    met = "met" if ours <= TARGET else f"{100 * (ours - 1):.0f} % above"
    return f"| {name} | {len(rows):,} | {ours:.3f} | {pooled:.3f} | {ratio(rows, of='expected'):.3f} | {met} |"


def fleet_lines(servers: int, ends: tuple[pd.Timestamp, ...]) -> list[str]:
    """Tables of the synthetic fleets."""
    parts = []
    for number, end in enumerate(ends):
        began = time.monotonic()
        parts.append(scored(window_of(servers, end, seed=11 + number)))
        print(f"fleet of {end.date()}: {len(parts[-1]):,} series, {time.monotonic() - began:.0f} s", flush=True)
    rows = pd.concat(parts, ignore_index=True)
    whole = ratio(rows)
    table = [ratio_line(name, part) for name, part in groups(rows) if len(part)]
    return [
        "### Synthetic fleets",
        "",
        "| target | measured | |",
        "|---|---|---|",
        f"| ours : oracle <= 1.05 over all | {whole:.3f} | {'met' if whole <= TARGET else '**not met**'} |",
        "",
        f"{servers:,} servers a window, origins "
        f"{' and '.join(str((end - pd.Timedelta(days=HORIZON)).date()) for end in ends)}, {len(rows):,} series. "
        "Oracle: expected value given the true parameters, and what the autocorrelated noise of the last 30 days says "
        "of the next; `expected` is the first part alone. Geometric means of the series' ratios, each clipped to "
        "0.1-10; series that did not move in the 90 days are left out.",
        "",
        "| | series | ours : oracle | summed | expected : oracle | target 1.05 |",
        "|---|---|---|---|---|---|",
        *table,
    ]


def prophet_lines(count: int) -> list[str]:
    """Table of the series of Prophet's model."""
    rows, drawn = [], {name: draw(variant, count, DAYS, HORIZON, seed) for seed, (name, variant) in enumerate(VARIANTS)}
    for name, (values, truth, stamps) in drawn.items():
        names = np.array([f"{i:04d}" for i in range(count)])
        panel = Panel(values[:DAYS], stamps[:DAYS], described(names, np.full(count, "load")), Cadence.DAILY)
        ours = engine.train(panel, HORIZON, ANY_SIGN).model.predict(panel).median
        actual = values[DAYS:].astype(np.float64)
        theirs = np.full_like(ours, np.nan)
        if peer_run.there():
            asked = {"Prophet": {"series": count, "repeats": 1, "cuts": [0]}}
            theirs = peer_run.run(values[:DAYS], stamps[0], Cadence.DAILY, HORIZON, asked)["Prophet/point"]
        errors = [mae(actual, forecast) for forecast in (ours, theirs, truth[DAYS:])]
        rows.append(prophet_line(name, errors))
        print(rows[-1], flush=True)
    return [
        "### Series of Prophet's own model",
        "",
        f"Target: ours better than stock Prophet. {count} series each, MAE, geometric mean of the series' ratios.",
        "",
        "| | ours : Prophet | ours : truth | Prophet : truth | ours better on | target < 1 |",
        "|---|---|---|---|---|---|",
        *rows,
    ]


def prophet_line(name: str, errors: list[np.ndarray]) -> str:
    """A line of the table."""
    ours, theirs, truth = errors
    if np.isnan(theirs).all():
        return f"| {name} | not run | {_geometric(ours / truth):.3f} | not run | | .venv-peers is not there |"
    ratio = _geometric(ours / theirs)
    cells = f"{ratio:.3f} | {_geometric(ours / truth):.3f} | {_geometric(theirs / truth):.3f}"
    return f"| {name} | {cells} | {100 * (ours < theirs).mean():.0f} % | {'met' if ratio < 1 else '**not met**'} |"


def _geometric(ratios: np.ndarray) -> float:
    return float(np.exp(np.log(ratios).mean()))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", type=int, default=480, help="of each fleet")
    parser.add_argument("--series", type=int, default=40, help="of each variant of Prophet's model; 0 = none")
    parser.add_argument("--windows", type=int, default=len(ENDS), help="fleets; 0 = none")
    parser.add_argument("--dry", action="store_true", help="print only")
    options = parser.parse_args()
    body = ["## Against the oracle", "", "```", ".venv/bin/python benchmarks/oracle.py", "```", "", setting()]
    if options.windows:
        body += ["", *fleet_lines(options.servers, ENDS[: options.windows])]
    if options.series:
        body += ["", *prophet_lines(options.series)]
    print("\n".join(body))
    if not options.dry and options.windows and options.series:
        write_section("oracle", "\n".join(body))


if __name__ == "__main__":
    main()
