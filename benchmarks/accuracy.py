"""Accuracy on real telemetry beside the peers': relative MAE against seasonal naive, by horizon and data set.

    python benchmarks/accuracy.py ../shared/data/real --protocol ../shared/bench/accuracy_protocol.py
    python benchmarks/accuracy.py ... --unseen                        series that the protocol does not draw
    python benchmarks/accuracy.py ... --windows 1 --peers none --dry  a quick look at ours alone
    python benchmarks/accuracy.py --seed ../shared/data/seed/daily_120x1461.parquet

The protocol file chooses series and windows (`cases`). The engine is trained and asked once per data set, calendar and
window. Peers come from the cache; what is not there is made by .venv-peers (`make peers`), which takes an hour the
first time. A whole run writes its section of RESULTS.md. Data that is not there is skipped with a message.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import page
import pandas as pd
import peer_cache
import real_cases
import scoring
from results import write_section
from scoring import OURS, geometric, note

from capforecast.forecast.holdout import holdout
from capforecast.schema import Cadence
from capforecast.settings import Settings

HORIZONS = {Cadence.DAILY: (90, 30), Cadence.HOURLY: (168, 24)}
WINDOWS = 3
UNSEEN_SERIES = 40
MARGIN = 1.02  # a peer is better where it is so by more than 2 %
TARGETS = {  # relative MAE; series -> cadence -> at most
    "shared": {Cadence.DAILY: 0.72, Cadence.HOURLY: 0.62},
    "unseen": {Cadence.DAILY: 0.75, Cadence.HOURLY: 0.70},
}


@dataclass(frozen=True)
class Trial:
    """Scores of every model on the cases of one cadence and horizon."""

    cadence: Cadence
    horizon: int
    table: pd.DataFrame
    what: str  # which windows and series

    @property
    def name(self) -> str:
        return f"{self.cadence} {self.cadence.label(self.horizon)}"

    @property
    def main(self) -> bool:
        """Is it the longer horizon, which has a target of its own?"""
        return self.horizon == HORIZONS[self.cadence][0]

    @property
    def datasets(self) -> list[str]:
        return sorted(self.table["dataset"].unique())

    @property
    def peers(self) -> list[str]:
        """Peers by overall score, best first."""
        models = [model for model in self.table["model"].unique() if model != OURS]
        return sorted(models, key=lambda model: geometric(self.table, model).value)

    def of(self, dataset: str) -> pd.DataFrame:
        return self.table[self.table["dataset"] == dataset]


def cell(table: pd.DataFrame, model: str) -> str:
    """A score for the table; a dash where the data set has none."""
    value = geometric(table, model).value
    return f"{value:.3f}" if np.isfinite(value) else "-"


def scores_table(trial: Trial) -> list[str]:
    """One row per model: all, clipped, by window, by data set, CPU, failures."""
    windows = sorted(trial.table["window"].unique())
    head = ["", "all [95 %]", "clipped", *(f"window {w}" for w in windows), *trial.datasets, "CPU ms", "failed"]
    lines = []
    for model in (OURS, *trial.peers):
        rows = trial.table[trial.table["model"] == model]
        cells = [f"**{model}**" if model == OURS else model, str(geometric(trial.table, model))]
        cells.append(f"{geometric(trial.table, model, clipped=True).value:.3f}")
        cells += [cell(trial.table[trial.table["window"] == w], model) for w in windows]
        cells += [cell(trial.of(dataset), model) for dataset in trial.datasets]
        cells += [f"{1000 * rows['cpu'].mean():.1f}", str(int((rows["failed"] != "").sum()))]
        lines.append(cells)
    return page.table(head, lines)


def behind(trial: Trial) -> tuple[list[str], list[str]]:
    """Data sets on which some peer is better by more than 2 %, in words; and the same for all of them together."""
    out, overall = [], []
    for dataset in trial.datasets:
        best, ratio = None, scoring.Estimate(0, 0, 0)
        for peer in trial.peers:
            found = geometric(trial.of(dataset), OURS, against=peer)
            if found.value > max(ratio.value, MARGIN):
                best, ratio = peer, found
        if best:
            out.append(f"{dataset} {ratio} times {best}")
    for peer in trial.peers:
        ratio = geometric(trial.table, OURS, against=peer)
        if ratio.value >= 1:
            overall.append(f"{ratio} times {peer}")
    return out, overall


def target_rows(trial: Trial, series: str) -> list[list[str]]:
    """Rows of the table of targets."""
    rows = []
    if trial.main:
        limit = TARGETS[series][trial.cadence]
        for clipped, words in ((False, ""), (True, ", ratios clipped to 0.1-10")):
            found = geometric(trial.table, OURS, clipped)
            words = f"{trial.name}: at most {limit:.2f}{words}"
            rows.append(page.target(words, str(found), found.value <= limit))
    if not trial.peers:
        return rows
    lost, overall = behind(trial)
    best = f"{geometric(trial.table, OURS, against=trial.peers[0])} times {trial.peers[0]}"
    measured = "behind: " + "; ".join(overall) if overall else best
    rows.append(page.target(f"{trial.name}: ahead of every peer", measured, not overall))
    words = f"{trial.name}: no data set where a peer is better by more than 2 %"
    rows.append(page.target(words, "; ".join(lost) or "none", not lost))
    return rows


def run(found: Sequence[real_cases.Case], what: str, peers: Sequence[str], cache: Path) -> Trial:
    """Forecasts of all models, scored."""
    cadence, horizon = found[0].cadence, len(found[0].actual)
    note(f"{cadence} {horizon}, {what}: {len(found)} forecasts of ours")
    made = {OURS: scoring.ours(found)}
    if peers:
        note(f"{cadence} {horizon}: peers")
        made |= peer_cache.forecasts([case.request for case in found], peers, str(cadence), horizon, cache)
    return Trial(cadence, horizon, scoring.score(found, made), what)


def section(trials: Sequence[Trial], series: str, command: str) -> str:
    """The section of RESULTS.md."""
    title = "Accuracy" if series == "shared" else "Accuracy on unseen series"
    lines = [f"## {title}", "", "```", command, "```", "", page.provenance(), "", *INTRODUCTION, ""]
    lines += page.targets(row for trial in trials for row in target_rows(trial, series))
    for trial in trials:
        count = trial.table[["dataset", "series"]].drop_duplicates()["dataset"].value_counts().sort_index()
        sizes = ", ".join(f"{name} {size}" for name, size in count.items())
        lines += ["", f"### {trial.name[0].upper()}{trial.name[1:]}", "", f"{trial.what}: {sizes}.", ""]
        lines += scores_table(trial)
    return "\n".join(lines)


INTRODUCTION = (
    "Relative MAE = error / error of seasonal naive on the same points; smaller is better. A series' figure is the",
    "geometric mean over its windows, that of many series the one over series: each counts once, however long. In",
    "brackets: 95 % of a bootstrap that draws series within their data set; series of a data set share a calendar, so",
    "the true uncertainty is wider. Window 0 ends with the data, window 1 one horizon earlier, and so on; models are",
    "fitted anew for each and see what lies before it. A peer that fails on a series is given seasonal naive, and is",
    "counted. CPU, ms per series: one fit and forecast of a peer; of ours all origins, choice and intervals, in panels",
    "so small that most of it is padding (what a fleet costs is in the section on speed).",
)


def measure_seed(path: Path) -> None:
    """Print MAE on the reference fleet: train to the end of 2023, one forecast of 731 days."""
    rows = pd.read_parquet(path)
    wide = rows.pivot(index="timestamp", columns="server_id", values="cpu_p95")
    stamps, names = pd.DatetimeIndex(wide.index), list(wide.columns)
    panel = real_cases.panel_of(wide.to_numpy(), stamps, names, ["cpu"] * wide.shape[1])
    table = holdout(panel, pd.Timestamp("2023-12-31", tz="UTC"), 731, Settings())
    whole = table[table["bucket"] == "all"]
    mean = (whole["mae"] * whole["points"]).sum() / whole["points"].sum()
    print(
        f"\nreference fleet, cpu_p95, 731 days: MAE {mean:.3f} over all points, {whole['mae'].mean():.3f} mean over "
        f"series; coverage {100 * whole['coverage_80'].mean():.1f} / {100 * whole['coverage_95'].mean():.1f} %"
    )


def found_cases(
    protocol: ModuleType, options: argparse.Namespace, cadence: Cadence, horizon: int
) -> tuple[list[real_cases.Case], str]:
    """Cases of one cadence and horizon, and what they are in words."""
    windows = range(options.window, options.window + options.windows)
    if not options.unseen:
        found = real_cases.cases(protocol, options.data, cadence, horizon, windows, options.cap)
        return found, _words(windows)
    found = real_cases.unseen(protocol, options.data, cadence, horizon, windows, options.unseen)
    if found:
        return (
            found,
            f"at most {options.unseen} undrawn series per data set by hash, windows {', '.join(map(str, windows))}",
        )
    later = range(windows[-1] + 1, windows[-1] + 1 + options.windows)
    found = real_cases.cases(protocol, options.data, cadence, horizon, later, options.cap)
    return found, f"the protocol draws every series, so earlier ones stand in: {_words(later)}"


def _words(windows: Sequence[int]) -> str:
    return f"windows {', '.join(map(str, windows))}, as history allows"


def arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path, help="folder of <name>__daily.parquet and <name>__hourly.parquet")
    parser.add_argument("--protocol", type=Path, help="Python file with the accuracy protocol")
    parser.add_argument("--cadence", choices=[str(c) for c in Cadence], help="one cadence only")
    parser.add_argument("--horizon", type=int, help="one horizon only, in periods")
    parser.add_argument("--window", type=int, default=0, help="first test window, 0 = the last of the data")
    parser.add_argument("--windows", type=int, default=WINDOWS, help="how many windows")
    parser.add_argument("--cap", type=int, help="at most so many series per data set")
    parser.add_argument(
        "--unseen", type=int, nargs="?", const=UNSEEN_SERIES, help="so many undrawn series per data set"
    )
    parser.add_argument("--peers", default=",".join(peer_cache.PACKAGES), help="comma-separated; none = ours alone")
    parser.add_argument("--cache", type=Path, default=peer_cache.CACHE, help="folder of the peers' forecasts")
    parser.add_argument("--seed", type=Path, help="reference fleet: one hold-out of 731 days on cpu_p95")
    parser.add_argument("--dry", action="store_true", help="print only")
    options = parser.parse_args()
    if options.data is None and options.seed is None:
        parser.error("give a data folder, --seed, or both")
    return options


def main() -> None:
    """Measure, print, and write the section when nothing was left out."""
    options = arguments()
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
    protocol = real_cases.load_protocol(options.protocol)
    peers = [] if options.peers == "none" else options.peers.split(",")
    trials = []
    for cadence in (c for c in Cadence if options.cadence in (None, str(c))):
        every = HORIZONS[cadence][:1] if options.unseen else HORIZONS[cadence]
        for horizon in (options.horizon,) if options.horizon else every:
            found, what = found_cases(protocol, options, cadence, horizon)
            if found:
                trials.append(run(found, what, peers, options.cache))
            else:
                print(f"{cadence}: skipped, no series of that cadence below {options.data}")
    series = "unseen" if options.unseen else "shared"
    command = "OMP_NUM_THREADS=1 .venv/bin/python benchmarks/accuracy.py ../shared/data/real \\\n"
    command += "    --protocol ../shared/bench/accuracy_protocol.py" + (" --unseen" if options.unseen else "")
    body = section(trials, series, command)
    print(body)
    asked = [options.cadence, options.horizon, options.window, options.cap, options.dry]
    if (
        any(asked)
        or options.windows != WINDOWS
        or options.unseen not in (None, UNSEEN_SERIES)
        or peers != [*peer_cache.PACKAGES]
    ):
        note("not written to RESULTS.md: not the whole run")
    else:
        write_section("accuracy" if series == "shared" else "accuracy-unseen", body)


if __name__ == "__main__":
    main()
