"""What accuracy.py writes: scores of every model by window and data set, and each target beside what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import page
import pandas as pd
from scoring import HINDSIGHT, OURS, Estimate, geometric

from capforecast.schema import Cadence

HORIZONS = {Cadence.DAILY: (90, 30), Cadence.HOURLY: (168, 24)}
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
    left_out: tuple[str, ...] = ()  # peers that were not run

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
        models = [model for model in self.table["model"].unique() if model not in (OURS, HINDSIGHT)]
        return sorted(models, key=lambda model: geometric(self.table, model).value)

    def of(self, dataset: str) -> pd.DataFrame:
        return self.table[self.table["dataset"] == dataset]


def cell(table: pd.DataFrame, model: str) -> str:
    """A score for the table; a dash where the data set has none."""
    value = geometric(table, model).value
    return f"{value:.3f}" if np.isfinite(value) else "-"


def scores_table(trial: Trial) -> list[str]:
    """One row per model: all, ours beside it, clipped, by window, by data set, CPU, failures."""
    windows = sorted(trial.table["window"].unique())
    head = ["", "all [95 %]", "ours / it [95 %]", "clipped", *(f"window {w}" for w in windows), *trial.datasets]
    lines = []
    for model in (OURS, *trial.peers, *([HINDSIGHT] if trial.peers else [])):
        rows = trial.table[trial.table["model"] == model]
        cells = [f"**{model}**" if model == OURS else model, str(geometric(trial.table, model))]
        cells.append("" if model == OURS else str(geometric(trial.table, OURS, against=model)))
        cells.append(f"{geometric(trial.table, model, clipped=True).value:.3f}")
        cells += [cell(trial.table[trial.table["window"] == w], model) for w in windows]
        cells += [cell(trial.of(dataset), model) for dataset in trial.datasets]
        cpu = 1000 * rows["cpu"].mean()
        cells += [f"{cpu:.1f}" if np.isfinite(cpu) else "", str(int((rows["failed"] != "").sum()))]
        lines.append(cells)
    return page.table([*head, "CPU ms", "failed"], lines)


def behind(trial: Trial) -> tuple[list[str], list[str]]:
    """Data sets on which some peer is better by more than 2 %, in words; and the same for all of them together."""
    out, overall = [], []
    for dataset in trial.datasets:
        best, ratio = None, Estimate(0, 0, 0)
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

    def met(so_far: bool) -> bool | None:
        return None if so_far and trial.left_out else so_far

    lost, overall = behind(trial)
    best = f"{geometric(trial.table, OURS, against=trial.peers[0])} times {trial.peers[0]}"
    measured = "behind: " + "; ".join(overall) if overall else best
    without = f" (not run: {', '.join(trial.left_out)})" if trial.left_out else ""
    rows.append(page.target(f"{trial.name}: ahead of every peer", measured + without, met(not overall)))
    words = f"{trial.name}: no data set where a peer is better by more than 2 %"
    rows.append(page.target(words, ("; ".join(lost) or "none") + without, met(not lost)))
    return rows


def section(found: Sequence[Trial], series: str) -> str:
    """The section of RESULTS.md."""
    command = "OMP_NUM_THREADS=1 .venv/bin/python benchmarks/accuracy.py ../shared/data/real \\\n"
    command += "    --protocol ../shared/bench/accuracy_protocol.py" + (" --unseen" if series == "unseen" else "")
    title = "Accuracy" if series == "shared" else "Accuracy on unseen series"
    lines = [f"## {title}", "", "```", command, "```", "", page.provenance(), "", *INTRODUCTION, ""]
    lines += page.targets(row for trial in found for row in target_rows(trial, series))
    for trial in found:
        count = trial.table[["dataset", "series"]].drop_duplicates()["dataset"].value_counts().sort_index()
        sizes = ", ".join(f"{name} {size}" for name, size in count.items())
        left_out = f" Not run, forecasts missing in the cache: {', '.join(trial.left_out)}." if trial.left_out else ""
        lines += ["", f"### {_capital(trial.name)}", "", f"{_capital(trial.what)}: {sizes}.{left_out}", ""]
        lines += scores_table(trial)
    return "\n".join(lines)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


INTRODUCTION = (
    "Relative MAE = error / error of seasonal naive on the same points; smaller is better. A series' figure is the",
    "geometric mean over its windows, that of many series the one over series: each counts once, however long. In",
    "brackets: 95 % of a bootstrap that draws series within their data set; series of a data set share a calendar, so",
    "the true uncertainty is wider. Window 0 ends with the data, window 1 one horizon earlier, and so on; models are",
    "fitted anew for each and see what lies before it. A peer that fails on a series is given seasonal naive, and is",
    "counted. CPU, ms per series: one fit and forecast of a peer; of ours all origins, choice and intervals, in panels",
    "so small that most of it is padding (speed.py has what a fleet costs). Hindsight: of each series and window the",
    "best peer, chosen after the fact.",
)
