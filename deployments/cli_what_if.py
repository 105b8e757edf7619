"""`capforecast what-if` and `capforecast scenarios ...`. As in `cli`, heavy modules are imported inside commands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deployments import console
from deployments.options import Aws, Config, Json, Local, Profile, Store, Verbose, absolute, load_settings

if TYPE_CHECKING:
    from capforecast.configuration import Loaded

top = typer.Typer()  # its command stands beside those of `cli`
app = typer.Typer(help="Saved what-if scenarios: list, show, delete.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Name or id of a saved scenario.", metavar="NAME")]


def _some(option: str, help_: str, metavar: str = "NAME") -> typer.models.OptionInfo:
    return typer.Option(option, help=f"{help_} May be repeated.", metavar=metavar)


def _loaded(store: str | None, profile: str | None, local: bool, aws: bool, config: Path | None) -> Loaded:
    return load_settings(profile, local, aws, config, {"store": absolute(store)} if store else {})


@top.command("what-if", rich_help_panel="One step at a time")
def what_if(
    file: Annotated[
        Path | None, typer.Option("--file", help="A scenario as YAML or JSON (docs/what-if.md).", metavar="FILE")
    ] = None,
    scenario: Annotated[
        str | None, typer.Option("--scenario", help="A saved scenario, by name or id.", metavar="NAME")
    ] = None,
    growth: Annotated[
        float | None, typer.Option("--growth", help="Growth of the load, percent a month.", metavar="PERCENT")
    ] = None,
    load: Annotated[
        list[str] | None, _some("--load", "More load: cpu=10 (points) or cpu=10%.", "METRIC=AMOUNT")
    ] = None,
    project: Annotated[
        list[str] | None,
        _some("--project", "A project's needs in all: vcpus, memory_gib, disk_gib, network_mbps.", "RESOURCE=UNITS"),
    ] = None,
    new_servers: Annotated[
        list[str] | None, _some("--new-servers", "So many servers like one: 3:web-1.", "COUNT:SERVER")
    ] = None,
    retire: Annotated[bool, typer.Option("--retire", help="Switch off the servers selected.")] = False,
    resize: Annotated[
        str | None, typer.Option("--resize", help="Instance type that the servers selected get.", metavar="TYPE")
    ] = None,
    threshold: Annotated[
        list[str] | None, _some("--threshold", "Other thresholds: cpu=75, cpu=75/85 or cpu=/85.", "METRIC=LEVELS")
    ] = None,
    lead_time: Annotated[
        int | None, typer.Option("--lead-time", help="Procurement lead time, days.", metavar="DAYS")
    ] = None,
    quarter_end: Annotated[
        float | None,
        typer.Option("--quarter-end", help="Multiple of the load in a quarter's last week.", metavar="FACTOR"),
    ] = None,
    change: Annotated[
        list[str] | None, _some("--change", "Any change, written out: '{kind: migrate, ...}'.", "YAML")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--start", help="First day of these changes. Default: at once.", metavar="DATE")
    ] = None,
    server: Annotated[list[str] | None, _some("--server", "Only these servers.")] = None,
    business_unit: Annotated[list[str] | None, _some("--business-unit", "Only of these business units.")] = None,
    region: Annotated[list[str] | None, _some("--region", "Only in these regions.")] = None,
    tier: Annotated[list[str] | None, _some("--tier", "Only of these tiers.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="What to call it.", metavar="NAME")] = None,
    save: Annotated[bool, typer.Option("--save", help="Keep the scenario in the lake; needs --name.")] = False,
    every: Annotated[bool, typer.Option("--all", help="With --json: all servers, not only those that differ.")] = False,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="Cut-off of the run. Default: the newest there is.", metavar="DATE")
    ] = None,
    run_id: Annotated[str | None, typer.Option("--run", help="Run of Prefect to start from.", metavar="ID")] = None,
    cadence: Annotated[str, typer.Option("--cadence", help="daily or hourly.", metavar="NAME")] = "daily",
    store: Store = None, profile: Profile = None, local: Local = False, aws: Aws = False, config: Config = None,
    as_json: Json = False, verbose: Verbose = False,
) -> None:  # fmt: skip
    """What would be otherwise: tiers, dates and cost of a finished run under a scenario, before and after.

    Nothing is forecast anew: a run keeps what such questions need. Changes of the options hold for the servers that
    --server, --business-unit, --region and --tier select, and add to those of --file or --scenario.

    Example: capforecast what-if --store lake --growth 5 --business-unit payments

    Example: capforecast what-if --store lake --file q3.yaml --name "third quarter" --save

    Example: capforecast what-if --store lake --resize m6i.2xlarge --tier critical --json
    """
    from capforecast.actions import scenario_book
    from capforecast.actions.scenario import UNNAMED
    from capforecast.actions.what_if_record import record
    from capforecast.errors import UsageError
    from deployments.advice import open_store
    from deployments.what_if import Asked, answered, headline, scenario_of, server_rows, total_rows

    loaded = _loaded(store, profile, local, aws, config)
    filters = {"servers": server, "business_units": business_unit, "regions": region, "tiers": tier}
    wanted = scenario_of(loaded, Asked(
        name, scenario, file, change or [], growth, load or [], threshold or [], lead_time, quarter_end, resize, retire,
        new_servers or [], project or [], start, {key: value for key, value in filters.items() if value},
    ))  # fmt: skip
    if save and wanted.name == UNNAMED:
        raise UsageError("--save needs a name: give --name")
    outcome = answered(loaded, wanted, as_of, run_id, cadence)
    kept = scenario_book.save(open_store(loaded), wanted) if save else None
    if as_json:
        console.show_json(record(outcome, every=every))
        return
    console.show_text(headline(outcome))
    console.show_table(total_rows(outcome))
    rows, more = server_rows(outcome)
    if rows:
        console.show_table(rows)
    if more:
        console.show_text(f"and {more} servers more: --json tells all")
    for note in outcome.notes:
        console.show_text(f"note: {note}")
    if kept:
        console.show_text(f"saved as {kept}: capforecast what-if --scenario {kept}")


@app.command("list")
def list_(
    store: Store = None, profile: Profile = None, local: Local = False, aws: Aws = False, config: Config = None,
    as_json: Json = False, verbose: Verbose = False,
) -> None:  # fmt: skip
    """The saved scenarios, the last one first.

    Example: capforecast scenarios list --store lake
    """
    from deployments.what_if import saved_rows

    rows = saved_rows(_loaded(store, profile, local, aws, config))
    if as_json:
        console.show_json(rows)
    elif rows:
        console.show_table(rows)
    else:
        console.show_text("no scenario is saved yet: capforecast what-if ... --name NAME --save")


@app.command()
def show(
    name: Name, store: Store = None, profile: Profile = None, local: Local = False, aws: Aws = False,
    config: Config = None, as_json: Json = False, verbose: Verbose = False,
) -> None:  # fmt: skip
    """A saved scenario as JSON, which --file reads.

    Example: capforecast scenarios show "third quarter" --store lake > q3.json
    """
    from capforecast.actions import scenario_book
    from deployments.advice import open_store

    print(scenario_book.read(open_store(_loaded(store, profile, local, aws, config)), name).to_json())


@app.command()
def delete(
    name: Name, store: Store = None, profile: Profile = None, local: Local = False, aws: Aws = False,
    config: Config = None, as_json: Json = False, verbose: Verbose = False,
) -> None:  # fmt: skip
    """Delete a saved scenario; of several of a name the last one. Links to it then lead nowhere.

    Example: capforecast scenarios delete 9104d2a10a1f997b --store lake
    """
    from capforecast.actions import scenario_book
    from deployments.advice import open_store

    gone = scenario_book.delete(open_store(_loaded(store, profile, local, aws, config)), name)
    console.show_json({"deleted": gone}) if as_json else console.show_text(f"deleted {gone}")
