"""`capforecast backfill`. As in `cli`, heavy modules are imported inside the command."""

from __future__ import annotations

from typing import Annotated

import typer

from deployments.options import (
    Aws,
    Config,
    Horizon,
    Inventory,
    Json,
    Local,
    Profile,
    Refresh,
    Retrain,
    SourceOrLake,
    Store,
    Units,
    Verbose,
)

app = typer.Typer()


@app.command(
    rich_help_panel="Start here",
    epilog="Exit codes: 0 all dates done, 1 all failed, 2 bad usage or settings, 3 no usable input, 4 some failed.",
)
def backfill(
    start: Annotated[str, typer.Option("--start", help="First date, a cut-off as of `run --as-of`.", metavar="DATE")],
    end: Annotated[str, typer.Option("--end", help="Last date, where the steps from --start meet it.", metavar="DATE")],
    every: Annotated[
        str, typer.Option("--every", help="day, week, month, or a number of days such as 14d.", metavar="STEP")
    ] = "week",
    source: SourceOrLake = None,
    inventory: Inventory = None,
    store: Store = None,
    business_unit: Units = None,
    known_at: Annotated[
        str,
        typer.Option(
            "--known-at",
            help="as_of: each date sees only what had arrived by it, where the source says so; or a date; or all.",
            metavar="DATE",
        ),
    ] = "as_of",
    max_concurrent: Annotated[
        int, typer.Option("--max-concurrent", min=1, max=8, help="Dates worked on at once; reports keep their order.")
    ] = 2,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the dates. Needs nothing but them.")] = False,
    horizon: Horizon = None,
    retrain: Retrain = None,
    profile: Profile = None,
    local: Local = False,
    aws: Aws = False,
    config: Config = None,
    refresh: Refresh = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Make the reports of past dates, each as if it had been made then: nothing later is visible.

    Dates go in order, since a report looks at the one before it; later ones may be trained meanwhile. Finished dates
    are not done again: when something failed or was interrupted, give the same command again. A champion that has seen
    later data keeps its place.

    Example: capforecast backfill --start 2026-01-04 --end 2026-11-22 --every week --dry-run

    Example: capforecast backfill --start 2026-01-04 --end 2026-11-22 --source data/ --store lake
    """
    from deployments import backfill as work

    dates = work.dates_of(start, end, every)
    if dry_run:
        work.show_dates(dates, end, as_json)
        return
    from deployments.options import absolute, chosen_profile, horizon_settings

    parameters = {
        "source": absolute(source),
        "inventory": absolute(inventory),
        "store": absolute(store),
        "start": dates[0],
        "end": dates[-1],
        "every": every,
        "business_units": business_unit or None,
        "known_at": None if known_at == "all" else known_at,
        "max_concurrent": max_concurrent,
        "profile": chosen_profile(profile, local, aws),
        "config": absolute(str(config)) if config else None,
        "overrides": horizon_settings(horizon) or None,
        "retrain": retrain,
        "refresh": refresh,
    }
    raise typer.Exit(work.run_backfill(parameters, dates, as_json=as_json, verbose=verbose))
