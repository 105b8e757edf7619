"""Ask the lake in SQL. As in `cli`, heavy modules are imported inside commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deployments.options import Aws, Config, Json, Local, Profile, Store, Verbose, absolute, load_settings

PANEL = "Look at results"
app = typer.Typer()


@app.command(rich_help_panel=PANEL)
def query(
    name: Annotated[str | None, typer.Argument(help="Which query. Left out: they are listed.", metavar="NAME")] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", help="A parameter of the query; may be repeated.", metavar="NAME=VALUE"),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="A query of your own (docs/queries.md).", metavar="SQL"),
    ] = None,
    engine: Annotated[
        str, typer.Option(help="duckdb: in this process; athena: in AWS (settings `athena`).", metavar="ENGINE")
    ] = "duckdb",
    form: Annotated[str, typer.Option("--format", help="table, csv or json.", metavar="FORMAT")] = "table",
    describe: Annotated[
        bool, typer.Option("--describe", help="Say what it means, takes and returns, and print its SQL; run nothing.")
    ] = False,
    store: Store = None,
    profile: Profile = None,
    local: Local = False,
    aws: Aws = False,
    config: Config = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Ask the lake a question: one of those that are shipped, or your own in Athena's SQL.

    Rows go to standard output; time, and of Athena bytes, cost and query id, to standard error.

    Example: capforecast query servers_over_p95 --store lake --param over=85 --param days=14

    Example: capforecast query savings_by_business_unit --store s3://bucket/fleet --engine athena --format csv
    """
    from deployments import queries

    form = "json" if as_json else queries.checked_form(form)
    if name is None and file is None:
        queries.refuse_loose(param or ())
        queries.show_list(form)
        return
    wanted = queries.wanted(name, file)
    given = queries.given(param or ())
    if describe:
        queries.describe(wanted)
        return
    loaded = load_settings(profile, local, aws, config, {"store": absolute(store)} if store else {})
    queries.answer(wanted, given, engine, loaded.settings, form)


@app.command(rich_help_panel=PANEL)
def ddl(
    business_unit: Annotated[
        list[str] | None,
        typer.Option("--business-unit", help="May be repeated. Default: those that the lake has.", metavar="NAME"),
    ] = None,
    table: Annotated[
        list[str] | None, typer.Option("--table", help="Only this table; may be repeated.", metavar="NAME")
    ] = None,
    database: Annotated[
        str | None, typer.Option(help="Glue database. Default: the setting `athena.database`, or none.")
    ] = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Drop each table first: for new business units or columns. Data stay."),
    ] = False,
    store: Store = None,
    profile: Profile = None,
    local: Local = False,
    aws: Aws = False,
    config: Config = None,
    verbose: Verbose = False,
) -> None:
    """Print the statements that make the lake's tables in Athena (Hive DDL), with projected partitions.

    Example: capforecast ddl --store s3://bucket/fleet --database capforecast > tables.sql
    """
    from deployments import queries

    loaded = load_settings(profile, local, aws, config, {"store": absolute(store)} if store else {})
    queries.show_ddl(loaded.settings, business_unit or (), table or (), database, replace=replace)
