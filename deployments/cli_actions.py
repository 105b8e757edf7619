"""`capforecast actions ...` and `capforecast explain`. As in `cli`, heavy modules are imported inside commands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deployments import console
from deployments.options import Aws, Config, Json, Local, Profile, Store, Units, Verbose, absolute, load_settings

if TYPE_CHECKING:
    from capforecast.configuration import Loaded

app = typer.Typer(help="What a run advises: list it; accept, reject, or say that it is applied.", no_args_is_help=True)
top = typer.Typer()  # its command stands beside those of `cli`
Servers = Annotated[list[str], typer.Argument(help="Servers, as the run names them.", metavar="SERVER...")]
CadenceName = Annotated[str, typer.Option("--cadence", help="daily or hourly.", metavar="NAME")]
Run = Annotated[
    str | None, typer.Option("--as-of", help="Cut-off of the run. Default: the newest there is.", metavar="DATE")
]
By = Annotated[str | None, typer.Option("--by", help="Who decides. Default: your user name.", metavar="NAME")]
Note = Annotated[str, typer.Option("--note", help="Why, for those who read it later.", metavar="TEXT")]
At = Annotated[str | None, typer.Option("--at", help="When it was decided, UTC. Default: now.", metavar="DATE")]


def _loaded(store: str | None, profile: str | None, local: bool, aws: bool, config: Path | None) -> Loaded:
    return load_settings(profile, local, aws, config, {"store": absolute(store)} if store else {})


@app.command("list")
def list_(
    action: Annotated[
        str | None,
        typer.Option("--action", help="Only upsize, downsize, stop, keep, withheld or none. Default: the first three.",
                     metavar="NAME"),
    ] = None,
    business_unit: Units = None, as_of: Run = None, cadence: CadenceName = "daily", store: Store = None,
    profile: Profile = None, local: Local = False, aws: Aws = False, config: Config = None, as_json: Json = False,
    verbose: Verbose = False,
) -> None:  # fmt: skip
    """What to do about which servers, and what became of it: upsizes first, then by what they save.

    Example: capforecast actions list --store lake --business-unit payments

    Example: capforecast actions list --store lake --action withheld
    """
    from deployments.actions import listed, listed_rows
    from deployments.advice import open_advice

    advice = open_advice(_loaded(store, profile, local, aws, config), cadence, as_of)
    found = listed(advice, action, business_unit)
    if as_json:
        console.show_json(found)
        return
    console.show_text(f"advice as of {found['as_of']} ({found['cadence']})")
    if found["actions"]:
        console.show_table(listed_rows(found))
    console.show_text(", ".join(f"{count} {name}" for name, count in found["counts"].items()))
    for problem in found["problems"]:
        console.show_text(f"note: {problem}")


@app.command()
def accept(
    servers: Servers, by: By = None, note: Note = "", at: At = None, as_of: Run = None,
    cadence: CadenceName = "daily", store: Store = None, profile: Profile = None, local: Local = False,
    aws: Aws = False, config: Config = None, as_json: Json = False, verbose: Verbose = False,
) -> None:  # fmt: skip
    """Say that advice will be followed. The next run tells it so.

    Example: capforecast actions accept web-1 web-2 --store lake --note "change 4711"
    """
    _decide("accepted", servers, by, note, at, as_of, cadence, _loaded(store, profile, local, aws, config), as_json)


@app.command()
def reject(
    servers: Servers, by: By = None, note: Note = "", at: At = None, as_of: Run = None,
    cadence: CadenceName = "daily", store: Store = None, profile: Profile = None, local: Local = False,
    aws: Aws = False, config: Config = None, as_json: Json = False, verbose: Verbose = False,
) -> None:  # fmt: skip
    """Say no. The same advice is withheld for as long as `lifecycle.repeat_after_days` says; `accept` takes it back.

    Example: capforecast actions reject db-7 --store lake --note "licence is bound to the size"
    """
    _decide("rejected", servers, by, note, at, as_of, cadence, _loaded(store, profile, local, aws, config), as_json)


@app.command()
def applied(
    servers: Servers, by: By = None, note: Note = "", at: At = None, as_of: Run = None,
    cadence: CadenceName = "daily", store: Store = None, profile: Profile = None, local: Local = False,
    aws: Aws = False, config: Config = None, as_json: Json = False, verbose: Verbose = False,
) -> None:  # fmt: skip
    """Say that advice was followed. Once the inventory shows it, runs tell what was achieved beside what was promised.

    Of a server whose advice was accepted, that is meant, whatever is advised by now.

    Example: capforecast actions applied web-1 --store lake --at 2026-11-24
    """
    _decide("applied", servers, by, note, at, as_of, cadence, _loaded(store, profile, local, aws, config), as_json)


@app.command()
def history(
    servers: Annotated[list[str] | None, typer.Argument(help="Only these servers.", metavar="SERVER...")] = None,
    store: Store = None, profile: Profile = None, local: Local = False, aws: Aws = False, config: Config = None,
    as_json: Json = False, verbose: Verbose = False,
) -> None:  # fmt: skip
    """Who decided what, newest first.

    Example: capforecast actions history web-1 --store lake
    """
    from deployments.actions import told, told_rows
    from deployments.advice import open_store

    rows = told(open_store(_loaded(store, profile, local, aws, config)), servers)
    if as_json:
        console.show_json(rows)
    elif rows:
        console.show_table(told_rows(rows))
    else:
        console.show_text("nobody has decided anything yet")


def _decide(
    state: str, servers: list[str], by: str | None, note: str, at: str | None, as_of: str | None, cadence: str,
    loaded: Loaded, as_json: bool,
) -> None:  # fmt: skip
    from deployments.actions import decide
    from deployments.advice import open_advice

    advice = open_advice(loaded, cadence, as_of)
    rows = decide(advice, state, servers, by, note, at)
    if as_json:
        console.show_json(rows)
        return
    console.show_table([{name: value for name, value in row.items() if name != "number"} for row in rows])
    same = sum(row["number"] is None for row in rows)
    console.show_text(f"{len(rows) - same} recorded" + (f", {same} said before" if same else "")
                      + f"; runs whose cut-off (--as-of) is later than {rows[0]['at']} UTC heed it")  # fmt: skip


@top.command()
def explain(
    server: Annotated[str, typer.Argument(help="The server, as the run names it.")],
    as_of: Run = None, cadence: CadenceName = "daily", store: Store = None, profile: Profile = None,
    local: Local = False, aws: Aws = False, config: Config = None, as_json: Json = False, verbose: Verbose = False,
) -> None:  # fmt: skip
    """Why is this advised for a server? Sizes, money, the test behind it, decisions, and what it was made from.

    Example: capforecast explain web-1 --store lake
    """
    from capforecast.report.advice_words import sections
    from deployments.advice import open_advice
    from deployments.explain import explained

    found = explained(open_advice(_loaded(store, profile, local, aws, config), cadence, as_of), server)
    if as_json:
        console.show_json(found)
        return
    for title, lines in sections(found):
        console.show_lines(title, lines)
    for problem in found["problems"]:
        console.show_text(f"note: {problem}")
