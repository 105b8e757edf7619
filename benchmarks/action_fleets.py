"""What whole runs advise on the Bitbrains fleet and the reference fleets: `capforecast run` as a user calls it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from page import table
from scoring import note

from capforecast.actions.bounds import EVERYONE, NEED
from capforecast.actions.rightsize import Action

ROOT = Path(__file__).parents[1]
_RUN = "import sys; from deployments.cli import main; sys.exit(main())"
_HEAD = (
    "fleet", "servers", "upsize", "downsize", "stop", "keep", "withheld", "none", "why withheld, most often",
    "above the need, limit", "consolidation", "change a month",
)  # fmt: skip
_COUNTED = (Action.UPSIZE, Action.DOWNSIZE, Action.STOP, Action.KEEP, Action.WITHHELD, Action.NONE)


def runs(bitbrains: Path, seed: Path) -> Iterator[tuple[str, list[str]]]:
    """Names of runs, and options of `capforecast run`."""
    for cadence, horizon in (("daily", "30d"), ("hourly", "168h")):
        source = bitbrains / f"observations_{cadence}.parquet"
        config = ROOT / "config" / "examples" / "bitbrains.yaml"
        options = ["--source", source, "--inventory", bitbrains / "inventory.csv", "--config", config]
        yield f"Bitbrains, {cadence}", [*(str(option) for option in options), "--horizon", horizon]
    for path in sorted(seed.glob("*.parquet")):
        yield f"reference, {path.stem.split('_')[0]}", ["--source", str(path), "--horizon", "90d"]


def fleet_table(bitbrains: Path, seed: Path) -> list[str]:
    """Lines of a table, a row for each run; raises SystemExit with the output of a run that fails."""
    rows = []
    for name, options in runs(bitbrains, seed):
        note(f"run of {name}")
        with tempfile.TemporaryDirectory() as folder:
            lake = Path(folder) / "lake"
            environment = os.environ | {"PREFECT_HOME": str(Path(folder) / "prefect"), "PYTHONPATH": str(ROOT)}
            command = [sys.executable, "-c", _RUN, "run", *options, "--store", str(lake)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
            if done.returncode:
                raise SystemExit(f"{name} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
            rows.append([name, *row(*(read(lake, name) for name in ("actions", "bounds", "consolidation", "savings")))])
    return table(_HEAD, rows)


def read(lake: Path, dataset: str) -> pd.DataFrame:
    """All rows of a dataset of a lake that holds one run."""
    return pd.concat([pd.read_parquet(path) for path in sorted((lake / dataset).rglob("*.parquet"))], ignore_index=True)


def row(actions: pd.DataFrame, bounds: pd.DataFrame, packed: pd.DataFrame, savings: pd.DataFrame) -> list[str]:
    """Cells of a run: servers by action, why advice is withheld, the limit proven, consolidation, money."""
    counts = [str(int((actions["action"] == kind).sum())) for kind in _COUNTED]
    whole = bounds[(bounds["stratum"] == EVERYONE) & (bounds["test"] == NEED)]
    limit = f"{100 * whole['upper'].max():.2f} %" if len(whole) else "not replayed"
    freed = int(packed["freed"].sum())
    said = f"{freed} of {int(packed['hosts'].sum())} freed" if freed else _most(packed["reason"])
    changes = savings.loc[(savings["scope"] == "fleet") & (savings["kind"] == "all"), "monthly_change"].dropna()
    money = f"{changes.iloc[0]:+,.0f}" if len(changes) else "no prices: sizes only"
    withheld = _most(actions.loc[actions["action"] == Action.WITHHELD, "reason"])
    return [str(len(actions)), *counts, withheld, limit, said, money]


def _most(reasons: pd.Series) -> str:
    """The most frequent reason and how often it was given."""
    counts = reasons[reasons != ""].value_counts()
    return f"{counts.index[0]} ({counts.iloc[0]})" if len(counts) else "-"
