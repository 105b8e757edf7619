"""The command line. Heavy modules are imported inside commands, so that --help answers at once.

Exit codes: 0 done (even when all servers are unknown), 1 run failed, 2 bad usage or settings, 3 no readable or usable
input, 4 finished with some business units failed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from capforecast.errors import CapforecastError
from deployments import (
    cli_actions,
    cli_backfill,
    cli_dashboard,
    cli_models,
    cli_query,
    cli_reports,
    cli_rerun,
    cli_sagemaker,
    cli_setup,
    cli_sources,
    cli_steps,
    cli_what_if,
    console,
)
from deployments.options import (
    AsOf,
    Aws,
    Config,
    Horizon,
    Inventory,
    Json,
    KnownAt,
    Local,
    Model,
    Profile,
    Refresh,
    Retrain,
    SourceOrLake,
    Store,
    Units,
    Verbose,
    absolute,
    chosen_profile,
    horizon_settings,
    load_settings,
    model_settings,
)

EXIT_CODES = (
    "Exit codes: 0 done (even when all servers are unknown), 1 run failed, 2 bad usage or settings, "
    "3 no readable or usable input, 4 finished with some business units failed."
)
INTERRUPTED = 130  # what typer makes of Ctrl-C
KEPT = {
    "run": "finished stages are reused",
    "backfill": "finished dates are not done again",
    "ingest": "what was read stays, it goes on there",
    "sagemaker": "it attaches to a job that goes on",
}
app = typer.Typer(
    name="capforecast",
    help="Which servers will run out of capacity, when, how sure that is, and what to do about it.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
config_app = typer.Typer(help="The settings: what they are and where each value came from.", no_args_is_help=True)
app.add_typer(config_app, name="config")
app.add_typer(cli_models.app, name="models")
app.add_typer(cli_actions.app, name="actions")
app.add_typer(cli_actions.top)
app.add_typer(cli_setup.app, name="setup")
app.add_typer(cli_sagemaker.app, name="sagemaker")
app.add_typer(cli_steps.app)  # without a name: its commands stand beside these
app.add_typer(cli_reports.app)
app.add_typer(cli_rerun.app)
app.add_typer(cli_backfill.app)
app.add_typer(cli_query.app)
app.add_typer(cli_dashboard.app)
app.add_typer(cli_sources.top)
app.add_typer(cli_sources.app, name="sources")
app.add_typer(cli_what_if.top)
app.add_typer(cli_what_if.app, name="scenarios")


def _version(wanted: bool) -> None:
    if wanted:
        from capforecast import __version__

        print(f"capforecast {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command("generate-data", rich_help_panel="Start here")
def generate_data(
    output: Annotated[Path, typer.Option("--output", help="Folder to write into.", metavar="FOLDER")],
    servers: Annotated[int, typer.Option(min=1, help="How many servers.")] = 48,
    days: Annotated[int, typer.Option(min=1, help="Days of history.")] = 730,
    cadence: Annotated[str, typer.Option(help="daily or hourly.")] = "daily",
    seed: Annotated[int, typer.Option(help="The same seed gives the same fleet.")] = 7,
    end: Annotated[str | None, typer.Option(help="Day after the last one, yyyy-mm-dd.")] = None,
    dirty: Annotated[
        bool, typer.Option("--dirty/--clean", help="With or without gaps, late rows and duplicates.")
    ] = True,
    truth: Annotated[
        bool, typer.Option("--truth", help="Also write what is true of the fleet, into FOLDER/_truth.")
    ] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Write a synthetic fleet of four business units: observations.parquet and inventory.csv.

    Example: capforecast generate-data --output demo/data --servers 200 --days 1095
    """
    from deployments.direct import write_fleet

    made = write_fleet(
        output, servers=servers, days=days, cadence=cadence, seed=seed, end=end, dirty=dirty, truth=truth
    )
    if as_json:
        console.show_json(made)
    else:
        console.out.print(f"{made['rows']} rows of {made['servers']} servers in {made['observations']}", soft_wrap=True)
        console.out.print(f"inventory in {made['inventory']}", soft_wrap=True)
        if truth:
            console.out.print(f"truth in {made['truth']}", soft_wrap=True)
        step = f"next: capforecast run --source {made['observations']} --inventory {made['inventory']} --store lake"
        console.show_text(step)


@app.command(rich_help_panel="Start here", epilog=EXIT_CODES)
def run(
    source: SourceOrLake = None,
    inventory: Inventory = None,
    store: Store = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    business_unit: Units = None,
    horizon: Horizon = None,
    model: Model = None,
    retrain: Retrain = None,
    profile: Profile = None,
    local: Local = False,
    aws: Aws = False,
    config: Config = None,
    refresh: Refresh = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Run the full pipeline as a Prefect flow: observations in, forecasts, risks and report out.

    Stages whose inputs, code and settings have not changed are reused. When a business unit fails the others finish;
    the run says what is missing, prints the command that retries it, and ends with exit code 4.

    Without --source the run takes what the lake holds (see capforecast ingest): daily values, where it has any and the
    setting `source.cadence` does not say hourly.

    With --retrain never nothing is trained: each business unit is forecast by its champion (see capforecast models).

    Example: capforecast run --source data/ --inventory inventory.csv --store lake --horizon 90d

    Example, after capforecast ingest: capforecast run --store lake

    Example, on the days between two trainings: capforecast run --source data/ --store lake --retrain never
    """
    from deployments.pipeline import run_pipeline
    from deployments.precheck import refuse_unusable

    overrides = horizon_settings(horizon) | model_settings(model)
    overrides |= {"models.retrain": retrain} if retrain else {}
    loaded = load_settings(profile, local, aws, config, overrides | ({"store": store} if store else {}))
    refuse_unusable(loaded, source, inventory, as_of, known_at, business_unit)  # before Prefect is loaded or started
    parameters = {
        "source": absolute(source),
        "inventory": absolute(inventory),
        "store": absolute(store),
        "as_of": as_of,
        "known_at": known_at,
        "business_units": business_unit or None,
        "profile": chosen_profile(profile, local, aws),
        "config": absolute(str(config)) if config else None,
        "overrides": overrides or None,
        "refresh": refresh,
    }
    code = run_pipeline(parameters, as_json=as_json, verbose=verbose)
    raise typer.Exit(code)


@config_app.command("show")
def config_show(
    profile: Profile = None,
    local: Local = False,
    aws: Aws = False,
    config: Config = None,
    horizon: Horizon = None,
    store: Store = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Print the merged settings, and where each value came from.

    Example: CAPFORECAST_RISK__HIGH_PROBABILITY=0.4 capforecast config show --local
    """
    from capforecast.configuration import explain

    overrides = horizon_settings(horizon) | ({"store": store} if store else {})
    rows = explain(load_settings(profile, local, aws, config, overrides))
    if as_json:
        console.show_json({key: {"value": value, "from": origin} for key, value, origin, _ in rows})
    else:
        console.show_settings(rows)


@app.command(rich_help_panel="Start here")
def doctor(
    store: Store = None,
    profile: Profile = None,
    local: Local = False,
    aws: Aws = False,
    config: Config = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Check native libraries, settings, store and Prefect, and say what to do about each problem."""
    from deployments.health import check_all

    checks = check_all(lambda: load_settings(profile, local, aws, config, {"store": store} if store else {}))
    if as_json:
        console.show_json(checks)
    else:
        console.show_checks(checks)
    raise typer.Exit(0 if all(check["ok"] for check in checks) else 1)


def main() -> None:
    """Entry point: known errors become a line on standard error and their exit code."""
    as_json, verbose = "--json" in sys.argv, bool({"-v", "--verbose"} & set(sys.argv))
    try:
        app()
    except CapforecastError as error:
        console.fail(error, error.exit_code, as_json, verbose)
        sys.exit(error.exit_code)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            kept = KEPT.get("".join(sys.argv[1:2]), "nothing half done was left behind")
            console.err.print(f"interrupted; to go on, give the same command again: {kept}", soft_wrap=True)
        raise
    except BrokenPipeError:  # `capforecast ... | head`
        sys.exit(0)
    except Exception as error:
        console.fail(error, 1, as_json, verbose)
        sys.exit(1)


if __name__ == "__main__":
    main()
