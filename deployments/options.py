"""Options that several commands share, and how they become settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from capforecast.errors import UsageError

if TYPE_CHECKING:  # settings pull in pandas: --help must not wait for it
    from capforecast.configuration import Loaded

Source = Annotated[
    str,
    typer.Option(
        "--source", help="Observations: a Parquet or CSV file (also .gz), a folder, or a glob.", metavar="PATH"
    ),
]
SourceOrLake = Annotated[
    str | None,
    typer.Option(
        "--source",
        help="Observations: a Parquet or CSV file (also .gz), a folder, or a glob. "
        "Default: what the lake holds (capforecast ingest).",
        metavar="PATH",
    ),
]
Inventory = Annotated[
    str | None,
    typer.Option(
        "--inventory", help="Servers' business unit, region, criticality, sizes (CSV or Parquet).", metavar="PATH"
    ),
]
Store = Annotated[
    str | None,
    typer.Option(
        "--store", help="Folder or s3://bucket/prefix of the lake. Default: the setting `store`.", metavar="STORE"
    ),
]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        help="Exclusive cut-off in UTC; of flows also `scheduled` or `business-day`. "
        "Default: the end of the last complete period.",
        metavar="DATE",
    ),
]
KnownAt = Annotated[
    str | None,
    typer.Option(
        "--known-at",
        help="See only rows that had arrived by then (UTC), or by the cut-off (as_of). Default: all that is there.",
        metavar="DATE",
    ),
]
Units = Annotated[
    list[str] | None, typer.Option("--business-unit", help="Only this business unit; may be repeated.", metavar="NAME")
]
Horizon = Annotated[
    str | None,
    typer.Option(
        "--horizon", help="How far to look: 30d, 168h; a bare number counts periods of the input.", metavar="SPAN"
    ),
]
Models = Annotated[
    str | None,
    typer.Option(
        "--models",
        help="Models side by side, separated by commas: fleet, prophet, trees, random-forest, seasonal-naive. "
        "Default of the comparison: fleet,seasonal-naive.",
        metavar="NAMES",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="What forecasts: fleet (default), prophet, trees, random-forest or seasonal-naive.",
        metavar="NAME",
    ),
]
Origins = Annotated[
    int | None,
    typer.Option("--origins", help="How many rolling origins the models are compared at. Default: 3.", min=1),
]
Step = Annotated[
    str | None, typer.Option("--step", help="Distance between origins. Default: the horizon.", metavar="SPAN")
]
Plot = Annotated[
    Path | None,
    typer.Option("--output", help="Where the plot of --models goes, .svg. Default: leaderboard.svg.", metavar="FILE"),
]
Profile = Annotated[str | None, typer.Option("--profile", help="Settings profile: local or aws.", metavar="NAME")]
Local = Annotated[bool, typer.Option("--local", help="Short for --profile local.")]
Aws = Annotated[bool, typer.Option("--aws", help="Short for --profile aws.")]
Config = Annotated[Path | None, typer.Option("--config", help="A settings file of your own.", metavar="FILE")]
Json = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON on standard output, all else on standard error.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show every log line, and tracebacks.")]
Retrain = Annotated[
    str | None,
    typer.Option(
        "--retrain",
        help="always (default), when_needed, or never: forecast with the champions. Default: `models.retrain`.",
        metavar="WHEN",
    ),
]
Refresh = Annotated[bool, typer.Option("--refresh", help="Run every stage anew, whatever is cached.")]


def chosen_profile(profile: str | None, local: bool, aws: bool) -> str | None:
    """The profile meant by --profile, --local and --aws; raises UsageError where they contradict."""
    wanted = {name for name, on in (("local", local), ("aws", aws)) if on} | ({profile} if profile else set())
    if len(wanted) > 1:
        raise UsageError(f"--profile, --local and --aws name different profiles: {', '.join(sorted(wanted))}; give one")
    return next(iter(wanted), None)


def span(text: str, option: str) -> tuple[int, int]:
    """Days and hours of a span such as `30d`. Hours become whole days, rounded up, should the input be daily."""
    match = re.fullmatch(r"\s*(\d{1,6})\s*(d|h|)\s*", text.lower())
    if match is None or int(match[1]) == 0:
        raise UsageError(f"{option} {text!r}: write 30d, 168h, or a number of periods such as 30")
    count, unit = int(match[1]), match[2]
    return -(-count // 24) if unit == "h" else count, count * 24 if unit == "d" else count


def horizon_settings(text: str | None) -> dict[str, Any]:
    """Settings for `--horizon`."""
    if text is None:
        return {}
    days, hours = span(text, "--horizon")
    return {"forecast.horizon_days": days, "forecast.horizon_hours": hours}


def model_settings(name: str | None) -> dict[str, Any]:
    """Settings for `--model`."""
    return {} if name is None else {"forecast.model": name}


def load_settings(
    profile: str | None, local: bool, aws: bool, config: Path | None, overrides: dict[str, Any]
) -> Loaded:
    """Settings from all layers."""
    from capforecast import configuration

    return configuration.load(chosen_profile(profile, local, aws), config, overrides=overrides)


def absolute(path: str | None) -> str | None:
    """A path that means the same from every folder, so that a retry finds it; addresses stay as they are."""
    return path if path is None or "://" in path else str(Path(path).expanduser().absolute())
