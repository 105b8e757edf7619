"""Do the intervals hold? Coverage by horizon and data set, on real telemetry and on stationary synthetic panels.

    python benchmarks/interval_coverage.py ../shared/data/real --protocol ../shared/bench/accuracy_protocol.py
    python benchmarks/interval_coverage.py --dry                        the synthetic panels only

Real data twice. Outer loop: the engine is trained and asked anew at each of up to ten windows a horizon apart, as a
user would have; nothing of the outcome is known to it. Replay: what the engine itself reports of its past origins
(forecast by weights, and intervals by errors, of origins that do not overlap), all origins of one training: the only
way to have several of series with room for one window, but some of its intervals are calibrated on later origins.
Peers are compared on the windows of accuracy.py, whose forecasts are cached.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import page
import pandas as pd
import peer_cache
import real_cases
import scoring
from peer_cache import PeerForecast
from results import write_section
from scoring import OURS, SETTINGS, Estimate, geometric, note, share
from stationary import PEAK, PEAK_ALLOWED, synthetic

from capforecast.forecast.engine import train
from capforecast.schema import Cadence

HORIZON = {Cadence.DAILY: 90, Cadence.HOURLY: 168}
WINDOWS = 10
PEER_WINDOWS = 3
SERIES, PANELS = 300, 3
NOMINAL = {"80": 80.0, "95": 95.0}
REAL = {"80": 5.0, "95": 3.0}  # points the pooled coverage may stray
SYNTHETIC = {"80": 3.0, "95": 2.0}


def replayed(found: Sequence[real_cases.Case]) -> pd.DataFrame:
    """Points seen and inside of the engine's own replay, one row per case and horizon bucket."""
    frames = []
    for members, panel in real_cases.panels(found):
        rows = train(panel, len(found[members[0]].actual), SETTINGS).backtest
        number = rows["server_id"].astype(int).map(dict(enumerate(members)))
        frame = pd.DataFrame(
            {
                "dataset": [found[i].dataset for i in number],
                "series": [found[i].series for i in number],
                "bucket": rows["bucket"].to_numpy(),
                "origins": rows["origins"].to_numpy(),
                "points": rows["points"].to_numpy(),
            }
        )
        for level in NOMINAL:
            frame[f"in_{level}"] = rows[f"coverage_{level}"].to_numpy() * frame["points"].to_numpy()
        frames.append(frame.dropna())  # no origin had an interval: neither hit nor miss
    table = pd.concat(frames, ignore_index=True)
    return table[table["bucket"] != "all"]


def percent(found: Estimate) -> str:
    """A coverage with its interval."""
    return f"{found.value:.1f} [{found.low:.1f}, {found.high:.1f}]"


def bucket_names(counts: pd.DataFrame) -> list[str]:
    """Horizon buckets, nearest first."""
    return sorted(counts["bucket"].unique(), key=lambda name: int(name.split("-")[0]))


def coverage_table(counts: pd.DataFrame) -> list[str]:
    """80 and 95 % by bucket: pooled with intervals, then by data set."""
    names = bucket_names(counts)
    head = ["", "series", "points", *names, "all"]
    lines = []
    sets = list(counts.groupby("dataset"))
    groups = [("pooled", counts), *(sets if len(sets) > 1 else [])]
    for level in NOMINAL:
        for name, part in groups:
            cells = [f"{level} %: {name}", str(part["series"].nunique()), f"{part['points'].sum():,}"]
            for bucket in [*names, None]:
                found = share(part if bucket is None else part[part["bucket"] == bucket], f"in_{level}")
                cells.append(percent(found) if name == "pooled" or bucket is None else f"{found.value:.1f}")
            lines.append(cells)
    return page.table(head, lines)


def coverage_targets(counts: pd.DataFrame, allowed: dict[str, float], what: str) -> list[list[str]]:
    """Rows of the table of targets: every bucket, pooled."""
    rows = []
    for level, nominal in NOMINAL.items():
        found = [share(counts[counts["bucket"] == name], f"in_{level}").value for name in bucket_names(counts)]
        met = all(abs(value - nominal) <= allowed[level] for value in found)
        words = " / ".join(f"{value:.1f}" for value in found)
        rows.append(page.target(f"{what}: {level} % +- {allowed[level]:.0f} in every bucket", words, met))
    return rows


def peak_targets(peaks: pd.DataFrame, what: str) -> list[list[str]]:
    """Rows of the window maxima: shares at or below their median and their 90 % quantile."""
    rows = []
    for name, nominal in PEAK.items():
        found = share(peaks, name)
        target = f"{what}: window maximum below its {nominal:.0f} % quantile, +- {PEAK_ALLOWED:.0f}"
        rows.append(page.target(target, percent(found), abs(found.value - nominal) <= PEAK_ALLOWED))
    return rows


def against_peers(
    found: Sequence[real_cases.Case], made: Sequence[PeerForecast], options: argparse.Namespace
) -> tuple[list[str], list[list[str]]]:
    """Table of pinball loss and coverage of every model on the last windows, and the target's row."""
    chosen = [i for i, case in enumerate(found) if case.window < PEER_WINDOWS]
    few, mine = [found[i] for i in chosen], [made[i] for i in chosen]
    cadence, horizon = few[0].cadence, len(few[0].actual)
    requests, peers = [case.request for case in few], peer_cache.named(options.peers)
    every = {OURS: mine}
    every |= peer_cache.forecasts(requests, peers, str(cadence), horizon, options.cache, make=not options.cached)
    table = scoring.score(few, every)
    order = sorted(every, key=lambda model: geometric(table, model, column="pinball").value)
    sets = sorted(table["dataset"].unique())
    head = ["", "pinball [95 %]", "ours / it [95 %]", *sets, "80 % covers", "95 % covers"]
    lines = []
    for model in order:
        ratio = geometric(table, OURS, against=model, column="pinball")
        counts = scoring.inside(few, every[model])
        cells = [f"**{model}**" if model == OURS else model, str(geometric(table, model, column="pinball"))]
        cells.append("" if model == OURS else str(ratio))
        cells += [f"{geometric(table[table['dataset'] == s], model, column='pinball').value:.3f}" for s in sets]
        cells += [f"{share(counts, f'in_{level}').value:.1f}" for level in NOMINAL]
        lines.append(cells)
    ratios = {p: geometric(table, OURS, against=p, column="pinball") for p in order if p != OURS}
    if not ratios:
        return page.table(head, lines), []
    worst = max(ratios, key=lambda p: ratios[p].value)
    target = f"{cadence}: pinball loss no worse than any peer's"
    left_out = [peer for peer in peers if peer not in every]
    measured = f"{ratios[worst]} times {worst}" + (f" (not run: {', '.join(left_out)})" if left_out else "")
    met = None if left_out and ratios[worst].value <= 1 else ratios[worst].value <= 1
    return page.table(head, lines), [page.target(target, measured, met)]


def real(protocol: ModuleType, cadence: Cadence, options: argparse.Namespace) -> tuple[list[str], list[list[str]]]:
    """Tables of one cadence of real data, and rows of targets."""
    horizon = HORIZON[cadence]
    found = real_cases.cases(protocol, options.data, cadence, horizon, range(options.windows))
    note(f"{cadence}: outer loop, {len(found)} forecasts")
    made = scoring.ours(found)
    outer = scoring.inside(found, made)
    note(f"{cadence}: replay")
    inner = replayed([case for case in found if case.window == 0])
    title = f"{str(cadence).capitalize()} {cadence.label(horizon)}"
    origins = outer.groupby(["dataset", "series"])["window"].nunique().groupby("dataset").median()
    seen = ", ".join(f"{name} {count:.0f}" for name, count in origins.items())
    lines = [f"### {title}, outer loop", "", f"Windows per series (median): {seen}.", "", *coverage_table(outer), ""]
    seen = ", ".join(f"{name} {count:.0f}" for name, count in inner.groupby("dataset")["origins"].median().items())
    lines += [f"### {title}, replay", "", f"Origins per series (median): {seen}.", "", *coverage_table(inner), ""]
    targets = coverage_targets(outer, REAL, f"{cadence}, outer loop")
    targets += coverage_targets(inner, REAL, f"{cadence}, replay")
    note(f"{cadence}: peers")
    beside, row = against_peers(found, made, options)
    words = "Pinball loss over the five quantiles, in units of the in-sample seasonal-naive error; geometric mean over"
    words += f" series, last {PEER_WINDOWS} windows as history allows."
    return [*lines, f"### {title}, beside peers", "", words, "", *beside, ""], targets + row


def section(body: Sequence[str], targets: Sequence[list[str]]) -> str:
    """The section of RESULTS.md."""
    command = "OMP_NUM_THREADS=1 .venv/bin/python benchmarks/interval_coverage.py ../shared/data/real \\\n"
    command += "    --protocol ../shared/bench/accuracy_protocol.py"
    lines = ["## Coverage", "", "```", command, "```", "", page.provenance(), "", *INTRODUCTION, ""]
    return "\n".join([*lines, *page.targets(targets), "", *body])


INTRODUCTION = (
    "Share of observed points inside the 80 and 95 % interval, pooled over points; in brackets 95 % of a bootstrap",
    "that draws whole series. **Outer loop**: trained and asked anew at up to ten windows a horizon apart. **Replay**:",
    "the engine's own report on its past origins, from weights and intervals that had not seen the outcome, though",
    "where older origins are few later ones calibrate; it gives many origins to series with room for one window only.",
)


def arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path, help="folder of <name>__daily.parquet and <name>__hourly.parquet")
    parser.add_argument("--protocol", type=Path, help="Python file with the accuracy protocol")
    parser.add_argument("--windows", type=int, default=WINDOWS, help="windows of the outer loop")
    parser.add_argument("--series", type=int, default=SERIES, help="series of a synthetic panel; 0 = none")
    parser.add_argument("--panels", type=int, default=PANELS, help="synthetic panels of each cadence")
    parser.add_argument("--peers", default=",".join(peer_cache.PACKAGES), help="comma-separated; none = ours alone")
    parser.add_argument("--cached", action="store_true", help="leave out peers whose forecasts are not all cached")
    parser.add_argument("--cache", type=Path, default=peer_cache.CACHE, help="folder of the peers' forecasts")
    parser.add_argument("--dry", action="store_true", help="print only")
    return parser.parse_args()


def main() -> None:
    """Measure, print, and write the section when nothing was left out."""
    options = arguments()
    body: list[str] = []
    targets: list[list[str]] = []
    for cadence in Cadence if options.series else ():
        counts, peaks = synthetic(cadence, HORIZON[cadence], options.series, options.panels)
        what = f"{cadence}, stationary synthetic"
        targets += coverage_targets(counts, SYNTHETIC, what) + peak_targets(peaks, what)
        body += [f"### Stationary synthetic, {cadence}", "", f"{options.panels} panels of {options.series} series.", ""]
        body += [*coverage_table(counts), ""]
    there = all(path is not None and path.exists() for path in (options.data, options.protocol))
    if not there:
        print(f"real data skipped: data folder {options.data} or --protocol {options.protocol} is not there")
    for cadence in Cadence if there else ():
        lines, rows = real(real_cases.load_protocol(options.protocol), cadence, options)
        body, targets = body + lines, targets + rows
    text = section(body, targets)
    print(text)
    asked = (options.windows, options.series, options.panels, peer_cache.named(options.peers))
    if options.dry or not there or asked != (WINDOWS, SERIES, PANELS, list(peer_cache.PACKAGES)):
        note("not written to RESULTS.md: " + ("dry" if options.dry else "not the whole run"))
    else:
        write_section("coverage", text)


if __name__ == "__main__":
    main()
