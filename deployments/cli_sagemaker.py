"""`capforecast sagemaker ...` on the command line. As in `cli`, heavy modules are imported inside commands."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from capforecast.errors import UsageError
from deployments.options import (
    AsOf,
    Aws,
    Config,
    Horizon,
    Json,
    KnownAt,
    Local,
    Model,
    Profile,
    Store,
    Units,
    Verbose,
    horizon_settings,
    load_settings,
    model_settings,
)

app = typer.Typer(
    help="Jobs of Amazon SageMaker: make business units of observations (process), train their models (train). "
    "Without --submit nothing is sent: the request is shown. What jobs run on: the settings `sagemaker`.",
    no_args_is_help=True,
)
Submit = Annotated[bool, typer.Option("--submit", help="Send it. Costs money.")]
Follow = Annotated[
    bool, typer.Option("--follow", help="Wait until the job has ended, and say on standard error how it goes.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show the request, as without --submit.")]
StopOnInterrupt = Annotated[
    bool, typer.Option("--stop-on-interrupt", help="With --follow: Ctrl-C stops the job. Else it goes on.")
]
Output = Annotated[
    str | None,
    typer.Option("--output", help="s3://bucket/prefix that the job writes to. Default: `sagemaker.output`, or "
                 "sagemaker/jobs of the lake.", metavar="S3"),
]  # fmt: skip
InstanceType = Annotated[
    str | None, typer.Option("--instance-type", help="Machine. Default: `sagemaker.instance_type`.", metavar="TYPE")
]
Instances = Annotated[
    int | None, typer.Option("--instances", min=1, help="Machines. Default: `sagemaker.instances`.", metavar="N")
]


@app.command()
def process(
    source: Annotated[str, typer.Option("--source", help="Observations, s3://bucket/prefix.", metavar="S3")],
    inventory: Annotated[
        str | None, typer.Option("--inventory", help="Inventory, s3://bucket/key.", metavar="S3")
    ] = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    business_unit: Units = None,
    horizon: Horizon = None,
    instances: Instances = None,
    instance_type: InstanceType = None,
    output: Output = None,
    store: Store = None,
    submit: Submit = False,
    follow: Follow = False,
    dry_run: DryRun = False,
    stop_on_interrupt: StopOnInterrupt = False,
    profile: Profile = None,
    local: Local = False,
    aws: Aws = False,
    config: Config = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Read, check and cut observations into business units by a processing job: what capforecast sagemaker train reads.

    With several machines the objects of --source are shared out among them: give
    one object per business unit, and the cut-off by --as-of, as none sees the
    others' data.

    Asked again for the same (data, settings, image) the job that is there answers;
    one that failed is tried again.

    Example: capforecast sagemaker process --source s3://bucket/data/ --store s3://bucket/lake --submit --follow
    """
    from deployments.sagemaker_jobs import How, processing

    asked = {"sagemaker.instances": instances, "sagemaker.instance_type": instance_type, "store": store}
    overrides = {key: value for key, value in asked.items() if value is not None} | horizon_settings(horizon)
    loaded = load_settings(profile, local, aws, config, overrides)
    again = _repeated({"--store": store, "--profile": profile, "--config": config}, {"--local": local, "--aws": aws})
    how = How(_sent(submit, follow, dry_run, stop_on_interrupt), follow, stop_on_interrupt, output, again)
    _show(processing(loaded, source, inventory, as_of, known_at, business_unit or [], how), as_json)


@app.command()
def train(
    data: Annotated[str, typer.Option("--data", help="What process wrote: s3://bucket/prefix of units.", metavar="S3")],
    business_unit: Annotated[
        str | None, typer.Option("--business-unit", help="Only this one. Default: all there are.", metavar="NAME")
    ] = None,
    horizon: Horizon = None,
    model: Model = None,
    instance_type: InstanceType = None,
    output: Output = None,
    store: Store = None,
    submit: Submit = False,
    follow: Follow = False,
    dry_run: DryRun = False,
    stop_on_interrupt: StopOnInterrupt = False,
    profile: Profile = None,
    local: Local = False,
    aws: Aws = False,
    config: Config = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Train models by a training job; they come back as model.tar.gz, for capforecast models import.

    A run does all of this by itself where the setting sagemaker.train is true: it
    hands each business unit over, trains it by a job, and takes the model into the
    lake.

    Asked again for the same (data, settings, image) the job that is there answers;
    one that failed is tried again.

    Example: capforecast sagemaker train --data s3://bucket/lake/sagemaker/jobs/JOB --submit --follow
    """
    from deployments.sagemaker_jobs import How, training

    asked = {"sagemaker.instance_type": instance_type, "store": store}
    overrides = {key: value for key, value in asked.items() if value is not None}
    loaded = load_settings(profile, local, aws, config, overrides | horizon_settings(horizon) | model_settings(model))
    again = _repeated({"--store": store, "--profile": profile, "--config": config}, {"--local": local, "--aws": aws})
    how = How(_sent(submit, follow, dry_run, stop_on_interrupt), follow, stop_on_interrupt, output, again)
    _show(training(loaded, data, business_unit, how), as_json)


def _repeated(given: dict[str, object], flags: dict[str, bool]) -> tuple[str, ...]:
    """Options that say where the lake and the settings are, as the next command needs them."""
    values = [word for name, value in given.items() if value is not None for word in (name, str(value))]
    return (*values, *(name for name, on in flags.items() if on))


def _sent(submit: bool, follow: bool, dry_run: bool, stop: bool) -> bool:
    """Is the request to be sent? Raises UsageError for options that contradict each other."""
    if submit and dry_run:
        raise UsageError("--submit and --dry-run contradict each other; give one")
    if follow and not submit:
        raise UsageError("--follow needs --submit; a job that is there already is attached to, not paid for again")
    if stop and not follow:
        raise UsageError("--stop-on-interrupt needs --follow")
    return submit


def _show(made: dict[str, Any], as_json: bool) -> None:
    from deployments.console import show_json, show_text
    from deployments.sagemaker_jobs import as_text

    show_json(made) if as_json else show_text(as_text(made))
