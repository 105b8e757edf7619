"""Commands on runs that are there. As in `cli`, heavy modules are imported inside commands."""

from __future__ import annotations

from typing import Annotated

import typer

from deployments.options import Json, Verbose

app = typer.Typer()


@app.command(rich_help_panel="Start here")
def rerun(
    run_id: Annotated[str, typer.Argument(help="Id or name of the run, of the fleet's or of one business unit's.")],
    from_stage: Annotated[
        str | None,
        typer.Option(
            "--from-stage",
            help="Run this stage and all that follow anew, whatever is kept: validate, train, forecast, report ...",
            metavar="STAGE",
        ),
    ] = None,
    dead: Annotated[
        bool, typer.Option("--dead", help="Prefect counts it as running, but its process is gone: mark it as crashed.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch/--no-watch", help="Follow a run of a deployment to its end, or only schedule it.")
    ] = True,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Run a run again: the stages that failed and those that follow, nothing else.

    A run started by `capforecast run` goes on in this process, one of a deployment on its worker. Of a business
    unit's run the whole run is repaired: the unit first, then the fleet's tables and report.

    Example: capforecast rerun 3f0c0a52-5f0e-4a3e-9f5b-3f1f0f6c2d11

    Example, everything from the training on: capforecast rerun capacity-2026-11-23 --from-stage train
    """
    from deployments.rerun import rerun as run_again

    raise typer.Exit(run_again(run_id, from_stage, dead=dead, watch=watch, as_json=as_json, verbose=verbose))
