"""Commands on reports that are there. As in `cli`, heavy modules are imported inside commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deployments import console
from deployments.options import Aws, Config, Json, Local, Profile, Store, Verbose, absolute, load_settings

PANEL = "One step at a time"
app = typer.Typer()
Day = Annotated[str, typer.Option("--as-of", help="Cut-off of the run that made the report.", metavar="DATE")]
Cadence = Annotated[str, typer.Option(help="daily or hourly.")]
Units = Annotated[
    list[str] | None,
    typer.Option(
        "--business-unit",
        help="The report of this business unit. Repeated: of a run of just these. Default: the whole fleet's.",
        metavar="NAME",
    ),
]


@app.command(rich_help_panel=PANEL)
def report(
    as_of: Day,
    cadence: Cadence = "daily",
    business_unit: Units = None,
    formats: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="pdf, xlsx, json, html, separated by commas. Default: the setting `report.formats`.",
            metavar="NAMES",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", help="Folder to write into. Default: its place in the lake.", metavar="FOLDER"),
    ] = None,
    scenario: Annotated[
        str | None,
        typer.Option(
            "--scenario", help="Show a saved what-if scenario, by name or id; needs --output.", metavar="NAME"
        ),
    ] = None,
    store: Store = None,
    profile: Profile = None,
    local: Local = False,
    aws: Aws = False,
    config: Config = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Draw a finished run's report anew, from exactly the tables it was made of. Nothing is computed again.

    Title, paper, number of rows and the like are those of the settings now.

    Example: capforecast report --as-of 2026-11-23 --store lake

    Example: capforecast report --as-of 2026-11-23 --business-unit payments --format pdf,html --output .

    Example: capforecast report --as-of 2026-11-23 --scenario "third quarter" --output q3
    """
    from deployments.reports import Wanted, formats_of, render_again

    loaded = load_settings(profile, local, aws, config, {"store": absolute(store)} if store else {})
    wanted = Wanted(as_of, cadence, tuple(business_unit or ()), scenario or "")
    made = render_again(loaded, wanted, formats_of(formats, loaded.settings), output)
    console.show_json(made) if as_json else console.show_table([{"format": k, "file": v} for k, v in made.items()])


@app.command(rich_help_panel=PANEL)
def deliver(
    as_of: Day,
    cadence: Cadence = "daily",
    business_unit: Units = None,
    store: Store = None,
    profile: Profile = None,
    local: Local = False,
    aws: Aws = False,
    config: Config = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Send a published report again: by webhook and e-mail, as the settings `delivery` say.

    Ends with exit code 1 where something could not be sent.

    Example: capforecast deliver --as-of 2026-11-23 --store lake
    """
    from deployments.reports import Wanted, send_again

    loaded = load_settings(profile, local, aws, config, {"store": absolute(store)} if store else {})
    rows = send_again(loaded, Wanted(as_of, cadence, tuple(business_unit or ())))
    console.show_json(rows) if as_json else console.show_table(rows)
    raise typer.Exit(0 if all(row["sent"] for row in rows) else 1)
