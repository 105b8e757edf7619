"""`capforecast setup ...` on the command line. As in `cli`, heavy modules are imported inside commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployments import console
from deployments.options import Aws, Config, Json, Local, Profile, Store, Verbose, absolute, load_settings

if TYPE_CHECKING:
    from capforecast.configuration import Loaded

app = typer.Typer(
    help="Make what a Prefect server needs: work pools, blocks, automations, limits. Doing it again changes "
    "nothing, or brings it up to date.",
    no_args_is_help=True,
)
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
WithKeys = Annotated[
    bool,
    typer.Option(
        "--with-keys", help="Keep AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the block, for workers without a role."
    ),
]


def _done(
    loaded: Loaded,
    verbose: bool,
    *,
    dry_run: bool,
    blocks: bool = False,
    automations: bool = False,
    limits: bool = False,
    keys: bool = False,
) -> list[Any]:
    console.prepare_prefect(verbose)
    from deployments.setup_automations import set_up_automations
    from deployments.setup_blocks import set_up_blocks
    from deployments.setup_limits import set_up_limits
    from deployments.setup_server import server

    rows: list[Any] = []
    with server() as client:
        if blocks:
            rows += set_up_blocks(loaded, with_keys=keys, dry_run=dry_run)
        if automations:
            rows += set_up_automations(client, loaded, dry_run=dry_run)
        if limits:
            rows += set_up_limits(client, loaded.settings.remote, dry_run=dry_run)
    return rows


def _shown(rows: list[Any], as_json: bool) -> None:
    if as_json:
        console.show_json(rows)
        return
    for kind in ("pool", "block", "automation", "limit"):
        mine = [row for row in rows if kind in row]
        if mine:
            console.show_table(mine)


@app.command()
def pools(dry_run: DryRun = False, as_json: Json = False, verbose: Verbose = False) -> None:
    """The work pool of config/work-pools.yaml that CAPACITY_POOL names (capacity-process), with its queues.

    Before `prefect --no-prompt deploy --all`. Limits of a pool that people set stay.

    Example: CAPACITY_POOL=capacity-docker capforecast setup pools --dry-run
    """
    console.prepare_prefect(verbose)
    from deployments.setup_pools import set_up_pools
    from deployments.setup_server import server

    with server() as client:
        _shown(set_up_pools(client, dry_run=dry_run), as_json)


@app.command()
def blocks(
    with_keys: WithKeys = False, dry_run: DryRun = False, store: Store = None, profile: Profile = None,
    local: Local = False, aws: Aws = False, config: Config = None, as_json: Json = False, verbose: Verbose = False,
) -> None:  # fmt: skip
    """Blocks: capforecast-results for task results in the lake's bucket, and those that alerts are sent by.

    The bucket is tried (put, get, delete) before the block is saved. No secret is printed.

    Example: ALERTS=https://hooks.example.com/x CAPFORECAST_ALERTS__WEBHOOK_URL_ENV=ALERTS capforecast setup blocks
    """
    loaded = load_settings(profile, local, aws, config, {"store": absolute(store)} if store else {})
    _shown(_done(loaded, verbose, blocks=True, keys=with_keys, dry_run=dry_run), as_json)


@app.command()
def automations(
    dry_run: DryRun = False, store: Store = None, profile: Profile = None, local: Local = False, aws: Aws = False,
    config: Config = None, as_json: Json = False, verbose: Verbose = False,
) -> None:  # fmt: skip
    """Automations of config/automations.yaml: crashed runs restart by themselves, and people are told what matters.

    Those of others are never touched; one that was switched off stays off.

    Example: capforecast setup automations --config ops.yaml --dry-run
    """
    loaded = load_settings(profile, local, aws, config, {"store": absolute(store)} if store else {})
    _shown(_done(loaded, verbose, automations=True, dry_run=dry_run), as_json)


@app.command()
def limits(
    dry_run: DryRun = False, profile: Profile = None, local: Local = False, aws: Aws = False, config: Config = None,
    as_json: Json = False, verbose: Verbose = False,
) -> None:  # fmt: skip
    """Limits: how fast all ingests together may ask a monitoring system (settings `remote.<system>.per_second`).

    Example: capforecast setup limits --config ops.yaml
    """
    loaded = load_settings(profile, local, aws, config, {})
    _shown(_done(loaded, verbose, limits=True, dry_run=dry_run), as_json)


@app.command("all")
def all_(
    with_keys: WithKeys = False, dry_run: DryRun = False, store: Store = None, profile: Profile = None,
    local: Local = False, aws: Aws = False, config: Config = None, as_json: Json = False, verbose: Verbose = False,
) -> None:  # fmt: skip
    """Blocks, then automations and limits.

    Example: capforecast setup all --config ops.yaml
    """
    loaded = load_settings(profile, local, aws, config, {"store": absolute(store)} if store else {})
    rows = _done(loaded, verbose, blocks=True, automations=True, limits=True, keys=with_keys, dry_run=dry_run)
    _shown(rows, as_json)
