"""`capforecast ingest` and `capforecast sources ...`. As in `cli`, heavy modules are imported inside commands."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from capforecast.errors import UsageError
from deployments import console
from deployments.options import Aws, Config, Json, Local, Profile, Store, Verbose, absolute, load_settings

app = typer.Typer(
    help="Monitoring systems that can be read: which there are, whether yours is fit, a settings file to begin with.",
    no_args_is_help=True,
)
top = typer.Typer()  # its command stands beside those of `cli`
Checkable = Annotated[str, typer.Argument(help="prometheus or cloudwatch.", metavar="NAME")]
Name = Annotated[str, typer.Argument(help="prometheus, cloudwatch or files.", metavar="NAME")]
Url = Annotated[
    str | None,
    typer.Option("--url", help="Address of the system (prometheus), without user and password.", metavar="URL"),
]
Cadence = Annotated[
    str | None, typer.Option("--cadence", help="daily or hourly. Default: `remote.cadence`.", metavar="NAME")
]
Spend = Annotated[bool, typer.Option("--yes", help="Go on where it costs more than the settings allow.")]


def _settings(name: str, url: str | None, cadence: str | None, store: str | None) -> dict[str, Any]:
    """Settings for options. Raises UsageError for an address of what has none."""
    if url is not None and name != "prometheus":
        raise UsageError(f"--url is the address of a Prometheus; {name} has none")
    found: dict[str, Any] = {"store": absolute(store)} if store else {}
    if cadence is not None:
        found["remote.cadence"] = cadence
    if url is not None:
        found[f"remote.{name}.url"] = url
    return found


@top.command(
    rich_help_panel="Start here",
    epilog="Exit codes: 0 all was read, 1 nothing could be had, 2 bad usage or settings, 3 no usable input, "
    "4 a part was not read (the next ingest asks for it again), or no server was found.",
)
def ingest(
    name: Annotated[str, typer.Option("--from", help="prometheus, cloudwatch or files.", metavar="NAME")],
    url: Url = None,
    source: Annotated[
        str | None, typer.Option("--source", help="Of files: a file, a folder, or a glob.", metavar="PATH")
    ] = None,
    inventory: Annotated[
        str | None,
        typer.Option("--inventory", help="Servers' business unit, region, sizes; it wins.", metavar="PATH"),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            help="Read from here on what was not read yet. Default: go on; the first time, `remote.history_days` back.",
            metavar="DATE",
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="Read up to here (exclusive). Default: now.", metavar="DATE")
    ] = None,
    cadence: Cadence = None,
    refill: Annotated[
        bool, typer.Option("--refill", help="Ask again for periods without a value, from --since on.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be read and what it costs.")] = False,
    spend: Spend = False,
    store: Store = None,
    profile: Profile = None,
    local: Local = False,
    aws: Aws = False,
    config: Config = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Read what is new of a monitoring system into the lake; capforecast run then needs no --source.

    The lake remembers, series by series, what was read. The next ingest goes on there, reads the last two days again
    for values that came late, and asks again for what failed. Killed anywhere, give the same command again. A gap of
    the system stays a gap: nothing is filled in.

    Credentials are never given here: settings name the file or environment variable that holds them.

    Example: capforecast ingest --from prometheus --url http://prometheus:9090 --store lake --dry-run

    Example: capforecast ingest --from cloudwatch --config aws.yaml --store s3://bucket/fleet --since 2026-06-01
    """
    from deployments import ingest as work

    loaded = load_settings(profile, local, aws, config, _settings(name, url, cadence, store))
    if name == work.FILES:
        raise typer.Exit(work.ingest_files(loaded, source, inventory, as_json))
    work.refuse_source(name, source)
    code = work.ingest_remote(
        loaded, name, as_json=as_json, quiet=verbose, since=since, until=until, refill=refill, dry_run=dry_run,
        spend=spend, inventory=inventory,
    )  # fmt: skip
    raise typer.Exit(code)


@app.command("list")
def list_(as_json: Json = False, verbose: Verbose = False) -> None:
    """Which systems can be read, and the sections of the settings they take.

    Example: capforecast sources list
    """
    from deployments import ingest as work

    work.list_sources(as_json)


@app.command(
    epilog="Exit codes: 0 fit, 1 nothing could be had, 2 bad usage or settings, 4 a part was not read, or no server "
    "was found."
)
def check(
    name: Checkable,
    url: Url = None,
    days: Annotated[int, typer.Option("--days", min=1, max=400, help="Days that are read to judge coverage.")] = 7,
    cadence: Cadence = None,
    spend: Spend = False,
    profile: Profile = None,
    local: Local = False,
    aws: Aws = False,
    config: Config = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Does it answer, what is there, how complete is it by server, what is missing and how to get it. Writes nothing.

    Example: capforecast sources check prometheus --url http://prometheus:9090
    """
    from deployments import ingest as work

    loaded = load_settings(profile, local, aws, config, _settings(name, url, cadence, None))
    raise typer.Exit(work.check(loaded, name, days, spend=spend, as_json=as_json))


@app.command()
def example(name: Name, verbose: Verbose = False) -> None:
    """Print a settings file to begin with, commented.

    Example: capforecast sources example prometheus > prometheus.yaml
    """
    from deployments import ingest as work

    console.show_text(work.example(name).rstrip("\n"))
