"""`capforecast backtest --models`: models side by side at rolling origins, as table, JSON and plot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from capforecast.errors import UsageError
from capforecast.fleet import panel as panels
from capforecast.forecast.kinds import Kind
from capforecast.forecast.leaderboard import EVERYTHING, Fold, contest, folds_of, origins_back
from capforecast.forecast.models import model_kind
from capforecast.report.leaderboard_chart import leaderboard_chart
from capforecast.schema import METRIC, TIMESTAMP, Cadence
from capforecast.settings import Settings
from capforecast.sources.files import Batch, read_files
from deployments import console
from deployments.origins import at_origin, cut_after
from deployments.outputs import refuse_unwritable, write_text
from deployments.progress import steps

COUNTS = ("series", "origins", "points", "unknown")  # columns that are whole numbers
MODELS, ORIGINS, PLOT = "fleet,seasonal-naive", 3, "leaderboard.svg"


@dataclass(frozen=True)
class Contest:
    """What is asked for; None = not said. step: (days, hours) between origins."""

    source: str
    inventory: str | None
    models: str | None
    origins: int | None
    step: tuple[int, int] | None
    train_until: str | None
    output: Path | None


def run_contest(settings: Settings, asked: Contest) -> dict[str, Any]:
    """Compare the models, write the plot, and return all of it as plain data."""
    kinds = chosen(MODELS if asked.models is None else asked.models)
    if asked.train_until is not None and (asked.origins is not None or asked.step is not None):
        raise UsageError("--train-until is one origin; leave out --origins and --step, or leave out --train-until")
    plot = asked.output or Path(PLOT)
    if plot.suffix.lower() != ".svg":
        raise UsageError(f"--output {plot}: the plot is an SVG picture; name a file that ends in .svg")
    refuse_unwritable(plot, "--output")
    batch = read_files(asked.source, settings, asked.inventory)
    horizon = settings.horizon(batch.cadence)
    cuts = _cuts(batch, asked, horizon, settings)
    with steps(len(cuts) * len(kinds)) as on_step:
        board = contest(_folds(batch, cuts, horizon, settings), kinds, horizon, settings, on_step)
    ahead = batch.cadence.label(horizon)
    title = f"{len(cuts)} origin{'s' if len(cuts) > 1 else ''}, {ahead} ahead, {batch.cadence} data"
    write_text(plot, leaderboard_chart(board.rows, title))
    return {
        "cadence": str(batch.cadence), "horizon": ahead, "origins": [cut.isoformat() for cut in cuts],
        "leaderboard": plain(board.rows), "unknown": plain(board.unknown), "plot": str(plot),
    }  # fmt: skip


def chosen(text: str) -> list[Kind]:
    """The models named in a comma-separated list, each once; raises UsageError."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UsageError(f"--models {text!r} names no model; write for example {MODELS}")
    return [model_kind(name) for name in dict.fromkeys(names)]


def _cuts(batch: Batch, asked: Contest, horizon: int, settings: Settings) -> list[pd.Timestamp]:
    """Exclusive cut-offs, newest first."""
    end = panels.default_as_of(batch.observations, batch.cadence)
    if asked.train_until is not None:
        return [cut_after(batch, asked.train_until, end)[1]]
    daily = batch.cadence is Cadence.DAILY
    step = horizon if asked.step is None else asked.step[0 if daily else 1]
    first = pd.Timestamp(batch.observations[TIMESTAMP].min()).floor(batch.cadence.frequency)
    days = settings.quality.min_days_daily if daily else settings.quality.min_days_hourly
    total = int((end - first) / batch.cadence.step)
    back = origins_back(total, horizon, step, asked.origins or ORIGINS, days * batch.cadence.per_day, batch.cadence)
    return [end - (total - origin) * batch.cadence.step for origin in back]


def _folds(batch: Batch, cuts: list[pd.Timestamp], horizon: int, settings: Settings) -> Iterator[Fold]:
    for cut in cuts:
        judged, whole = at_origin(batch, cut, cut + horizon * batch.cadence.step, settings)
        origin = int(whole.timestamps.searchsorted(judged.timestamps[-1], side="right"))
        yield from folds_of(whole, horizon, [origin])


def show_contest(result: dict[str, Any]) -> None:
    """Tables for people: all scores over everything, then relative MAE by metric and business unit."""
    rows = pd.DataFrame(result["leaderboard"])
    whole = rows[rows["scope"] == EVERYTHING].drop(columns=["scope", "name"])
    console.show_scores(_shown(whole))
    parts = rows[rows["scope"] != EVERYTHING]
    if len(parts):
        console.out.print("\n[bold]relative MAE[/] by metric and business unit")
        table = parts.pivot(index=["scope", "name"], columns="model", values="relative_mae")[list(whole["model"])]
        console.show_table(_shown(table.sort_index(ascending=[False, True]).reset_index()))
    origins = len(result["origins"])
    console.out.print(f"\n{result['horizon']} ahead from {origins} origin{'s' if origins > 1 else ''}; relative MAE "
                      "below 1 beats repeating the last week (hourly: day)", soft_wrap=True)  # fmt: skip
    console.out.print(_legend(rows), soft_wrap=True)
    if result["unknown"]:
        first = result["unknown"][0]
        console.out.print(
            f"[yellow]note[/] {len(result['unknown'])} forecasts could not be made and nobody is scored there, first "
            f"{first['model']} of {first['server_id']} {first['metric']}: {first['reason']}", soft_wrap=True
        )  # fmt: skip
    console.out.print(f"plot in {result['plot']}", soft_wrap=True)


def _legend(rows: pd.DataFrame) -> str:
    """Units, and what coverage should be."""
    mixed = rows.loc[rows["scope"] == METRIC, "name"].nunique() > 1
    units = "mix the units of all metrics (--json has them by metric)" if mixed else "are in the metric's unit"
    return f"mae, rmse and pinball {units}; coverage should be near 0.80 and 0.95"


def _shown(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows for a table: a dash for what is not there, counts as whole numbers."""
    whole = rows.astype({name: "Int64" for name in COUNTS if name in rows}).astype(object)
    return [{str(key): value for key, value in row.items()} for row in whole.fillna("-").to_dict("records")]


def plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows for JSON: null for what is not there, counts as whole numbers."""
    whole = frame.astype({name: "Int64" for name in COUNTS if name in frame})
    found: list[dict[str, Any]] = json.loads(whole.to_json(orient="records", date_format="iso", double_precision=6))
    return found
