"""`capforecast scorecard`: past warnings replayed and scored beside the rules of thumb, as table, JSON and plot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from capforecast.errors import NoUsableInputError, UsageError
from capforecast.fleet import panel as panels
from capforecast.forecast import champions
from capforecast.forecast.backtest import origins_wanted
from capforecast.forecast.sampling import MOST
from capforecast.report.reliability_chart import reliability_chart
from capforecast.report.scorecard_words import HEAD, LEGEND, calibration, heading, of_fleet, table_cells
from capforecast.report.track_record import track_record
from capforecast.risk.past_warnings import sampled_warnings
from capforecast.risk.scorecard import Scorecard, score, stated_horizons
from capforecast.schema import BUSINESS_UNIT, SERVER_ID, Cadence, Panel
from capforecast.settings import Settings
from capforecast.sources.files import Batch, read_files
from deployments import console
from deployments.leaderboard import plain
from deployments.origins import panel_of, usable
from deployments.outputs import refuse_unwritable, write_text
from deployments.progress import steps

ORIGINS = 6
BEHIND = 18  # older origins, outcome known, that each replayed one should have
APART = 3  # origins between two whose outcomes do not overlap
LEVELS = ("high", "very_high", "both")


@dataclass(frozen=True)
class Replay:
    """What is asked for; None = not said."""

    source: str
    inventory: str | None
    origins: int | None
    level: str | None
    output: Path | None
    plot: Path | None


def run_scorecard(settings: Settings, asked: Replay) -> dict[str, Any]:
    """Replay, score, write what was asked for, and return all of it as plain data."""
    if asked.level is not None and asked.level not in LEVELS:
        raise UsageError(f"--level {asked.level!r}: use {', '.join(LEVELS)}")
    output = _checked(asked.output, "--output", ".csv")
    plot = _checked(asked.plot, "--plot", ".svg")
    batch = read_files(asked.source, settings, asked.inventory)
    wanted = asked.origins or ORIGINS
    settings = deep_enough(settings, batch.cadence, wanted)
    warnings, usable_series = _replayed(batch, settings, wanted)
    scored = score(warnings, settings)
    if scored.rows.empty:
        raise NoUsableInputError(_why_empty(warnings, batch, settings))
    result = {
        "cadence": str(batch.cadence), "horizons_days": list(stated_horizons(warnings)),
        "level": asked.level or "both", "origins": _origins(warnings),
        "series": usable_series, "sampled_per_metric_and_unit": MOST,
        "notes": _notes(warnings, scored.rows, batch, wanted),
        "scorecard": plain(scored.rows), "reliability": plain(scored.reliability),
    }  # fmt: skip
    if output is not None:
        write_text(output, scored.rows.to_csv(index=False))
        result["output"] = str(output)
    if plot is not None:
        write_text(plot, _diagram(scored, warnings))
        result["plot"] = str(plot)
    return result


def _diagram(scored: Scorecard, warnings: pd.DataFrame) -> str:
    """The reliability diagram of the fleet, as SVG."""
    record = track_record(scored.rows, scored.reliability, {}, warnings[SERVER_ID].nunique())
    if record is None:
        raise NoUsableInputError("no case of both levels or of `high` to draw; leave out --plot")
    return reliability_chart(record)


def _checked(path: Path | None, option: str, suffix: str) -> Path | None:
    """A file that can be written and says by its name what it is; raises UsageError."""
    if path is None:
        return None
    if path.suffix.lower() != suffix:
        kind = "table" if suffix == ".csv" else "picture"
        raise UsageError(f"{option} {path}: this is written as a {kind}; name a file that ends in {suffix}")
    refuse_unwritable(path, option)
    return path


def deep_enough(settings: Settings, cadence: Cadence, wanted: int) -> Settings:
    """The settings with enough past origins that each of `wanted` has BEHIND older ones, where history allows."""
    forecast = settings.forecast
    spare = origins_wanted(cadence, 0, 0)
    name = f"origins_{cadence}"
    origins = max(getattr(forecast, name), wanted + APART + BEHIND - spare)
    return settings.model_copy(update={"forecast": forecast.model_copy(update={name: origins})})


def _replayed(batch: Batch, settings: Settings, wanted: int) -> tuple[pd.DataFrame, int]:
    """Past warnings of every business unit, each by its own model; and how many series could be forecast."""
    end = panels.default_as_of(batch.observations, batch.cadence)
    whole = usable(panel_of(batch, end, settings))
    units = sorted(whole.series[BUSINESS_UNIT].unique())
    frames = []
    with steps(len(units)) as on_step:
        for name in units:
            on_step(name, end)
            panel = whole.take((whole.series[BUSINESS_UNIT] == name).to_numpy(dtype=bool))
            frames.append(unit_warnings(panel, settings, wanted))
    return pd.concat(frames, ignore_index=True), len(whole.series)


def unit_warnings(panel: Panel, settings: Settings, latest: int) -> pd.DataFrame:
    """Past warnings of one business unit's usable series at its `latest` origins."""
    errors = champions.train(panel, settings.horizon(panel.cadence), settings).errors
    return sampled_warnings(panel, errors, settings, latest=latest)


def _origins(warnings: pd.DataFrame) -> list[str]:
    """Origins at which something was stated, newest first."""
    stated = warnings[[f"p_{horizon}d" for horizon in stated_horizons(warnings)]].notna().any(axis=1)
    return [origin.isoformat() for origin in sorted(warnings.loc[stated, "origin"].unique(), reverse=True)]


def _why_empty(warnings: pd.DataFrame, batch: Batch, settings: Settings) -> str:
    if warnings.empty:
        return (
            "no series with a threshold could be replayed: none has one (`metrics.<name>.high`), or their history "
            "holds no past origin with its outcome; give more history or a shorter --horizon"
        )
    label = batch.cadence.label(settings.horizon(batch.cadence))
    return (
        f"{warnings['origin'].nunique()} past origins with {label} after them, but none has older ones behind it whose "
        "outcome had come by then; give more history or a shorter --horizon"
    )


def _notes(warnings: pd.DataFrame, rows: pd.DataFrame, batch: Batch, wanted: int) -> list[str]:
    """What a reader must know besides the figures."""
    notes = []
    origins, longest = len(_origins(warnings)), max(stated_horizons(warnings))
    if origins < wanted:
        notes.append(f"{origins} of {wanted} origins fit: history holds no more with older ones behind them")
    scored = sorted(rows["horizon_days"].unique())
    if batch.cadence is Cadence.HOURLY:
        notes.append(f"hourly input is judged by the 95 % quantile of each 24 hours, up to {scored[-1]} d ahead")
    elif scored[-1] < longest:
        notes.append(f"nothing could be stated beyond {scored[-1]} d: histories support no more")
    if origins < BEHIND // 3:
        notes.append("few origins: one season decides; read the intervals")
    return notes


def show_scorecard(result: dict[str, Any]) -> None:
    """A table per horizon for people: ours beside each rule, with the counts that stand behind."""
    rows = pd.DataFrame(result["scorecard"])
    level = result["level"] if result["level"] in set(rows["level"]) else None
    for horizon, part in of_fleet(rows, level).groupby("horizon_days", sort=True):
        found = part.to_dict("records")
        console.out.print(f"\n[bold]breach within {horizon} d[/]: {heading(found[0])}", soft_wrap=True)
        console.out.print(f"  {calibration(found[0])}", soft_wrap=True)
        console.show_table([dict(zip(HEAD, table_cells(row), strict=True)) for row in found])
    origins = [origin[:10] for origin in result["origins"]]
    when = f"{len(origins)} origins, {origins[-1]} to {origins[0]}" if len(origins) > 1 else origins[0]
    most = f"at most {result['sampled_per_metric_and_unit']} series of a metric and business unit"
    console.out.print(f"\nreplayed from {when}, {most}. {LEGEND}", soft_wrap=True)
    for note in result["notes"]:
        console.out.print(f"[yellow]note[/] {note}", soft_wrap=True)
    for name in ("output", "plot"):
        if name in result:
            console.out.print(f"{name} in {result[name]}", soft_wrap=True)
