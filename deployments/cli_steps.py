"""Commands that take one step at a time, without Prefect. As in `cli`, heavy modules are imported inside commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deployments import console
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
    Models,
    Origins,
    Plot,
    Profile,
    Source,
    SourceOrLake,
    Step,
    Store,
    Units,
    Verbose,
    absolute,
    horizon_settings,
    load_settings,
    model_settings,
    span,
)

PANEL = "One step at a time"
app = typer.Typer()


@app.command(rich_help_panel=PANEL)
def train(
    source: SourceOrLake = None,
    inventory: Inventory = None,
    store: Store = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    business_unit: Units = None,
    horizon: Horizon = None,
    model: Model = None,
    profile: Profile = None,
    local: Local = False,
    aws: Aws = False,
    config: Config = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Backtest and train a model per business unit, keep it in the lake, and decide whether it becomes champion.

    The champion forecasts until another takes its place: one trained the same way on newer data unless it is clearly
    worse, one made otherwise when it is better (settings `models`). `capforecast models` lists, pins and rolls back.

    Example: capforecast train --source data/ --inventory inventory.csv --store lake
    """
    from deployments.direct import Asked, train_units

    overrides = horizon_settings(horizon) | model_settings(model) | ({"store": absolute(store)} if store else {})
    loaded = load_settings(profile, local, aws, config, overrides)
    rows = train_units(loaded, Asked(source, inventory, as_of, known_at, business_unit))
    console.show_json(rows) if as_json else console.show_table(rows)


@app.command(rich_help_panel=PANEL)
def forecast(
    source: SourceOrLake = None,
    inventory: Inventory = None,
    store: Store = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    business_unit: Units = None,
    horizon: Horizon = None,
    profile: Profile = None,
    local: Local = False,
    aws: Aws = False,
    config: Config = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Forecast with each business unit's champion, brought up to date by the data since, and assess the risk.

    Nothing is trained. Each row says which version forecast and how many days old it is. A server newer than the model
    is unknown for `not_trained`; a champion that cannot be used gives way to the last good one (setting
    `models.fall_back`). The note says so, and what has drifted.

    Example: capforecast forecast --source data/ --inventory inventory.csv --store lake
    """
    from deployments.direct import Asked, forecast_units

    overrides = horizon_settings(horizon) | ({"store": absolute(store)} if store else {})
    loaded = load_settings(profile, local, aws, config, overrides)
    rows = forecast_units(loaded, Asked(source, inventory, as_of, known_at, business_unit))
    console.show_json(rows) if as_json else console.show_table(rows)
    raise typer.Exit(4 if any(row["problem"] for row in rows) else 0)


@app.command(rich_help_panel=PANEL)
def backtest(
    source: Source,
    inventory: Inventory = None,
    train_until: Annotated[
        str | None,
        typer.Option(
            "--train-until", help="Last day the model sees (inclusive); the rest is the test.", metavar="DATE"
        ),
    ] = None,
    horizon: Horizon = None,
    models: Models = None,
    origins: Origins = None,
    step: Step = None,
    output: Plot = None,
    profile: Profile = None,
    local: Local = False,
    aws: Aws = False,
    config: Config = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Measure accuracy: of the engine, or of models side by side. Writes to no lake.

    Only observed points are scored, beside the seasonal naive forecast on them.
    Without --models, --origins, --step and --output: the engine's own rolling
    origins, or the one of --train-until.

    With any of them every model is fitted anew at each origin, on what lies before
    it.
    A leaderboard is printed and plotted: MAE, RMSE, WAPE, MASE, relative MAE
    (geometric mean over series; below 1 beats seasonal naive), pinball loss,
    coverage of the 80 and 95 % intervals, CPU seconds (Prophet takes about 0.2
    per series and origin).

    Example: capforecast backtest --source data/ --train-until 2023-12-31

    Example: capforecast backtest --source data/ --models fleet,prophet --origins 4
    """
    loaded = load_settings(profile, local, aws, config, horizon_settings(horizon))
    if any(option is not None for option in (models, origins, step, output)):
        from deployments.leaderboard import Contest, run_contest, show_contest

        apart = None if step is None else span(step, "--step")
        asked = Contest(source, inventory, models, origins, apart, train_until, output)
        result = run_contest(loaded.settings, asked)
        console.show_json(result) if as_json else show_contest(result)
        return
    from deployments.direct import measure

    rows = measure(loaded.settings, source, inventory, train_until)
    console.show_json(rows) if as_json else console.show_scores(rows)


@app.command(rich_help_panel=PANEL)
def scorecard(
    source: Source,
    inventory: Inventory = None,
    origins: Annotated[
        int | None, typer.Option("--origins", help="Past origins to warn at, newest first. Default: 6.", min=1)
    ] = None,
    horizon: Horizon = None,
    level: Annotated[
        str | None,
        typer.Option("--level", help="Threshold shown: high, very_high or both (default).", metavar="LEVEL"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write every row of the scorecard, .csv.", metavar="FILE")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw the reliability diagram, .svg.", metavar="FILE")
    ] = None,
    profile: Profile = None,
    local: Local = False,
    aws: Aws = False,
    config: Config = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Did past warnings come true? Replays them and scores them beside the rules of thumb. Writes to no lake.

    At each past origin: what would have been said with what was known then, and
    what came. Breach = the rule of the settings (3 of 7 days above), by horizon.
    Beside our probability: a line through the last 28 and 90 days, above 0.9 of the
    threshold in the last 7 days, a logistic on that one number, share of the last
    365 days above, and flagging everything; each compared with ours at its own
    number of false alarms. Counts and base rates stand beside every rate.

    Example: capforecast scorecard --source data/ --inventory inventory.csv --origins 6
    """
    from deployments.scorecard import Replay, run_scorecard, show_scorecard

    loaded = load_settings(profile, local, aws, config, horizon_settings(horizon))
    asked = Replay(source, inventory, origins, level, output, plot)
    result = run_scorecard(loaded.settings, asked)
    console.show_json(result) if as_json else show_scorecard(result)
