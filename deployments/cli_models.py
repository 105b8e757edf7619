"""`capforecast models ...` on the command line. As in `cli`, heavy modules are imported inside commands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from capforecast.errors import UsageError
from deployments import console
from deployments.options import Aws, Config, Json, Local, Profile, Store, Units, Verbose, absolute, load_settings

if TYPE_CHECKING:
    from deployments.models import Models

app = typer.Typer(
    help="Versions of models that are kept: list, show, compare, promote, pin, roll back, prune, import.",
    no_args_is_help=True,
)
_PRINTED = (
    "server_id", "metric", "error_before", "error_after", "width_before", "width_after", "candidate_before",
    "candidate_after",
)  # fmt: skip
Which = Annotated[str, typer.Argument(help="A version, the beginning of one, `champion` or `previous`.")]
CadenceName = Annotated[str, typer.Option("--cadence", help="daily or hourly.", metavar="NAME")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for those who read the history.", metavar="TEXT")]
Every = Annotated[bool, typer.Option("--all-business-units", help="Do it for every business unit that has models.")]


def _models(
    store: str | None,
    cadence: str,
    units: list[str] | None,
    profile: str | None,
    local: bool,
    aws: bool,
    config: Path | None,
) -> Models:
    from deployments.models import Models

    loaded = load_settings(profile, local, aws, config, {"store": absolute(store)} if store else {})
    return Models.open(loaded, cadence, units)


@app.command("list")
def list_(
    store: Store = None, cadence: CadenceName = "daily", business_unit: Units = None, profile: Profile = None,
    local: Local = False, aws: Aws = False, config: Config = None, as_json: Json = False, verbose: Verbose = False,
) -> None:  # fmt: skip
    """The versions of each business unit, newest first, and which one is champion.

    Example: capforecast models list --store lake --business-unit payments
    """
    from deployments.models import listed

    rows = listed(_models(store, cadence, business_unit, profile, local, aws, config))
    console.show_json(rows) if as_json else console.show_table(rows)


@app.command()
def show(
    version: Which = "champion", store: Store = None, cadence: CadenceName = "daily", business_unit: Units = None,
    profile: Profile = None, local: Local = False, aws: Aws = False, config: Config = None, as_json: Json = False,
    verbose: Verbose = False,
) -> None:  # fmt: skip
    """What a version is: what it was made of and by, how good it was, and whether its files are intact.

    Ends with exit code 1 when they are not. Example: capforecast models show champion --business-unit payments
    """
    from deployments.models import shown
    from deployments.models_text import as_text

    made = shown(_models(store, cadence, business_unit, profile, local, aws, config), version)
    console.show_json(made) if as_json else console.show_text(as_text(made))
    raise typer.Exit(0 if made["intact"] else 1)


@app.command()
def history(
    store: Store = None, cadence: CadenceName = "daily", business_unit: Units = None, profile: Profile = None,
    local: Local = False, aws: Aws = False, config: Config = None, as_json: Json = False, verbose: Verbose = False,
) -> None:  # fmt: skip
    """Who was champion when, and why, newest first.

    Example: capforecast models history --business-unit payments
    """
    from deployments.models import history as told

    rows = told(_models(store, cadence, business_unit, profile, local, aws, config))
    console.show_json(rows) if as_json else console.show_table(rows)


@app.command()
def promote(
    version: Which, store: Store = None, cadence: CadenceName = "daily", business_unit: Units = None,
    reason: Reason = "", profile: Profile = None, local: Local = False, aws: Aws = False, config: Config = None,
    as_json: Json = False, verbose: Verbose = False,
) -> None:  # fmt: skip
    """Make a version champion: it forecasts from now on, until training promotes another.

    Example: capforecast models promote 2026-11-16 --business-unit payments --reason "the week before the migration"
    """
    from capforecast.forecast import curation

    models = _models(store, cadence, business_unit, profile, local, aws, config)
    place = models.store, models.cadence
    _change(models, [models.one()], lambda unit: (curation.promote(*place, unit, version, reason), []), as_json)


@app.command()
def pin(
    version: Which = "champion", store: Store = None, cadence: CadenceName = "daily", business_unit: Units = None,
    every: Every = False, reason: Reason = "", profile: Profile = None, local: Local = False, aws: Aws = False,
    config: Config = None, as_json: Json = False, verbose: Verbose = False,
) -> None:  # fmt: skip
    """Keep a version champion, whatever is trained meanwhile, until it is unpinned.

    Example: capforecast models pin champion --all-business-units --reason "year-end freeze"
    """
    from capforecast.forecast import curation

    models = _models(store, cadence, business_unit, profile, local, aws, config)
    place = models.store, models.cadence
    _change(models, models.each(every), lambda unit: (curation.pin(*place, unit, version, reason), []), as_json)


@app.command()
def unpin(
    store: Store = None, cadence: CadenceName = "daily", business_unit: Units = None, every: Every = False,
    reason: Reason = "", profile: Profile = None, local: Local = False, aws: Aws = False, config: Config = None,
    as_json: Json = False, verbose: Verbose = False,
) -> None:  # fmt: skip
    """Let training decide again who is champion.

    Example: capforecast models unpin --business-unit payments
    """
    from capforecast.forecast import curation

    models = _models(store, cadence, business_unit, profile, local, aws, config)
    place = models.store, models.cadence
    _change(models, models.each(every), lambda unit: (curation.unpin(*place, unit, reason), []), as_json)


@app.command()
def rollback(
    to: Annotated[str | None, typer.Option("--to", help="Version to go back to. Default: the champion before.")] = None,
    store: Store = None, cadence: CadenceName = "daily", business_unit: Units = None, every: Every = False,
    keep_pinned: Annotated[
        bool, typer.Option("--pin/--no-pin", help="Keep it until it is unpinned, or let the next training decide.")
    ] = True,
    reason: Reason = "", profile: Profile = None, local: Local = False, aws: Aws = False, config: Config = None,
    as_json: Json = False, verbose: Verbose = False,
) -> None:  # fmt: skip
    """Go back to the champion before, and keep it until it is unpinned.

    Then forecast again with it, without training: capforecast run --retrain never. What was rolled back from never
    becomes champion again by itself. Example: capforecast models rollback --business-unit payments
    """
    from capforecast.forecast import curation

    models = _models(store, cadence, business_unit, profile, local, aws, config)
    place = models.store, models.cadence
    _change(
        models, models.each(every),
        lambda unit: curation.roll_back(*place, unit, to, reason, pinned=keep_pinned), as_json,
    )  # fmt: skip


@app.command()
def diff(
    a: Which, b: Which = "champion", store: Store = None, cadence: CadenceName = "daily", business_unit: Units = None,
    rows: Annotated[int, typer.Option(min=0, help="Most changed series to print; --json has all.")] = 15,
    profile: Profile = None, local: Local = False, aws: Aws = False, config: Config = None, as_json: Json = False,
    verbose: Verbose = False,
) -> None:  # fmt: skip
    """What changed from version A to version B, and for whom: recipe, data, errors, intervals, leading candidates.

    Example: capforecast models diff previous champion --business-unit payments
    """
    from deployments.models import compared
    from deployments.models_text import diff_text

    found = compared(_models(store, cadence, business_unit, profile, local, aws, config), a, b)
    if as_json:
        console.show_json(found)
        return
    console.show_text(diff_text(found, rows))
    console.show_table(found["metrics"])
    if rows and found["series"]:
        console.show_text(f"\nmost changed of {len(found['series'])} series of both:")
        console.show_table([{name: row[name] for name in _PRINTED} for row in found["series"][:rows]])


@app.command()
def prune(
    store: Store = None, cadence: CadenceName = "daily", business_unit: Units = None,
    keep: Annotated[int | None, typer.Option(min=1, help="Versions to keep. Default: `models.keep`.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it without asking.")] = False,
    profile: Profile = None, local: Local = False, aws: Aws = False, config: Config = None, as_json: Json = False,
    verbose: Verbose = False,
) -> None:  # fmt: skip
    """Remove versions that are neither champion, pinned, champion lately, nor among the newest.

    Example: capforecast models prune --keep 4 --dry-run
    """
    from deployments.models import plan_rows, prunable
    from deployments.models import prune as remove

    loaded = load_settings(profile, local, aws, config, {"store": absolute(store)} if store else {})
    models = _models(store, cadence, business_unit, profile, local, aws, config)
    plans = prunable(models, keep or loaded.settings.models.keep)
    rows = plan_rows(plans)
    if rows and not dry_run and not yes:
        raise UsageError(f"{len(rows)} versions would be removed: look with --dry-run, then give --yes")
    done = rows if dry_run or not rows else remove(models, plans)
    if as_json:
        console.show_json({"removed": not dry_run and bool(rows), "versions": done})
        return
    total = sum(row["mb"] for row in done)
    console.show_table(done)
    verb = "would go" if dry_run else "removed"
    console.show_text(f"{len(done)} versions, {total:.1f} MB {verb}" if done else "nothing to remove")


@app.command("import")
def import_(
    place: Annotated[str, typer.Argument(help="A model.tar.gz or a folder, also at s3://.", metavar="PATH")],
    decide: Annotated[
        bool, typer.Option("--decide", help="Make it champion where training would (settings `models`).")
    ] = False,
    store: Store = None, profile: Profile = None, local: Local = False, aws: Aws = False, config: Config = None,
    as_json: Json = False, verbose: Verbose = False,
) -> None:  # fmt: skip
    """Take models into the lake that were trained elsewhere, such as by capforecast sagemaker train.

    All that is in PATH is looked through first: hashes of all files, format, and
    that each version is what its place says. One bad version keeps all out; one
    that is there already stays. Nobody's champion changes unless with --decide; to
    choose yourself: capforecast models promote.

    Example: capforecast models import s3://bucket/lake/sagemaker/jobs/JOB/output/model.tar.gz --store s3://bucket/lake
    """
    from deployments.models import imported

    loaded = load_settings(profile, local, aws, config, {"store": absolute(store)} if store else {})
    rows = imported(loaded, place, decide=decide)
    console.show_json(rows) if as_json else console.show_table(rows)


def _change(models: Models, units: list[str], change: Any, as_json: bool) -> None:
    """Change the champions and show what forecasts from now on; exit code 4 where some business units failed."""
    from deployments.models import change_text, changed

    rows = changed(models, units, change)
    console.show_json(rows) if as_json else console.show_text("\n".join(map(change_text, rows)))
    raise typer.Exit(4 if any(row["problem"] for row in rows) else 0)
