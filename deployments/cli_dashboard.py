"""`capforecast dashboard`. As in `cli`, heavy modules are imported inside commands."""

from __future__ import annotations

from typing import Annotated

import typer

from deployments.options import Aws, Config, Local, Profile, Store, Verbose, absolute, load_settings

app = typer.Typer()


@app.command(rich_help_panel="Look at results")
def dashboard(
    store: Store = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8501,
    host: Annotated[
        str,
        typer.Option(help="Address to listen on. Others than this machine's own need a proxy that signs people in."),
    ] = "127.0.0.1",
    base_path: Annotated[
        str, typer.Option("--base-path", help="Path below which a proxy serves it.", metavar="PATH")
    ] = "",
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allowed-host",
            help="Name in the browser's address, besides --host and this machine's own, such as that of a proxy; "
            "repeat for more.",
            metavar="NAME",
        ),
    ] = None,
    prefect_url: Annotated[
        str, typer.Option("--prefect-url", help="Address of Prefect's UI, which runs link to.", metavar="URL")
    ] = "http://127.0.0.1:4200",
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Nobody accepts advice or saves scenarios here.")
    ] = False,
    profile: Profile = None,
    local: Local = False,
    aws: Aws = False,
    config: Config = None,
    verbose: Verbose = False,
) -> None:
    """Show the lake in a browser: overview, every server, warnings, pools, money, data, runs. Ctrl-C ends it.

    It reads the lake only, and writes no more than people's decisions and scenarios. Nothing is sent anywhere else.

    Example: capforecast dashboard --store lake
    """
    from deployments.dashboard import Address, serve_dashboard

    loaded = load_settings(profile, local, aws, config, {"store": absolute(store)} if store else {})
    serve_dashboard(
        loaded, Address(host, port, base_path, tuple(allowed_host or ())), prefect_url=prefect_url, read_only=read_only
    )
