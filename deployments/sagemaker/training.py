"""Training job of SageMaker, in script mode: business units handed over in channel `train`, models out.

Hyperparameters are settings by dotted key, beside `business_unit` (one, or a JSON list; default: all that were handed
over) and `profile`. Channel `settings` may hold a settings file. The model's folder gets versions as the registry keeps
them, `models/cadence=.../business_unit=.../<version>/`, and `trained.json`, which names them.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capforecast.errors import InputError, UsageError
from deployments.sagemaker import container

if TYPE_CHECKING:
    from capforecast.configuration import Loaded
    from capforecast.lake.store import Store
    from capforecast.schema import Reference
    from capforecast.settings import Settings
    from capforecast.stages.handover import Handed

OF_TOOLKIT = ("sagemaker_", "_tuning_objective_metric")  # beginnings of hyperparameters that are SageMaker's own
BUSINESS_UNIT, PROFILE = "business_unit", "profile"
TRAINED = "trained.json"


def main(arguments: Sequence[str] | None = None, environment: Mapping[str, str] | None = None) -> int:
    """Train what was handed over; returns 0, or 1 with the reason in `failure`.

    arguments: `--<hyperparameter> <value>` pairs, which count where there is no hyperparameters.json.
    """
    variables = os.environ if environment is None else environment
    given = list(sys.argv[1:] if arguments is None else arguments)
    failure = _place(variables, "SM_OUTPUT_DIR", "output") / "failure"
    return min(1, container.ended(lambda: _job(given, variables), failure))


def _place(variables: Mapping[str, str], name: str, below_root: str) -> Path:
    return Path(variables.get(name) or container.root_of(variables) / below_root)


def _job(arguments: list[str], variables: Mapping[str, str]) -> str:
    from capforecast.lake.store import Store
    from capforecast.stages.handover import handed

    config = _place(variables, "SM_INPUT_CONFIG_DIR", "input/config")
    here = container.cluster_of(config)
    if len(here.hosts) > 1:
        raise UsageError(f"training takes one instance, not {len(here.hosts)}: submit a job for each business unit")
    given = hyperparameters(config, arguments)
    names = _names(given.pop(BUSINESS_UNIT, ""))
    loaded = _loaded(given, variables)
    container.set_level(loaded.settings.log.level)
    channel = _place(variables, "SM_CHANNEL_TRAIN", "input/data/train")
    if not channel.is_dir():
        raise InputError(f"{channel} is not there: give the job a channel `train` with what processing handed over")
    folder = _place(variables, "SM_MODEL_DIR", "model")
    container.check_writable(folder)
    source, target = Store(channel), Store(folder)
    chosen = {each.unit.business_unit: each for each in _chosen(handed(source), names)}
    trained: dict[str, Reference | None] = {}

    def work(name: str) -> None:
        trained[name] = _train(source, target, loaded.settings, chosen[name])

    try:
        container.each_unit(chosen, work)
    finally:
        _write_record(target, trained, loaded.settings)
    return f"trained {len(trained)} business units: {', '.join(trained)}"


def hyperparameters(config: Path, arguments: Sequence[str]) -> dict[str, str]:
    """Hyperparameters as text, without the toolkit's own. Raises UsageError.

    Those of hyperparameters.json, as they were given: what the toolkit puts on the command line has lost whether a
    value was null, empty or text. A client that writes JSON (the SDK does) has its text unquoted.
    """
    content = container.read_json(config / "hyperparameters.json")
    if content is None:
        content = _pairs(arguments)
    if not isinstance(content, dict):
        raise UsageError(f"{config / 'hyperparameters.json'} must hold a mapping of names to texts")
    return {str(name): _text(value) for name, value in content.items() if not str(name).startswith(OF_TOOLKIT)}


def _pairs(arguments: Sequence[str]) -> dict[str, str]:
    names, values = arguments[::2], arguments[1::2]
    wrong = [name for name in names if not name.startswith("--")]
    if wrong or len(names) != len(values):
        raise UsageError(f"{(wrong or names[-1:])[0]!r}: write hyperparameters as pairs, --<name> <value>")
    return {name.removeprefix("--"): value for name, value in zip(names, values, strict=True)}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value


def _names(text: str) -> list[str]:
    """Business units asked for; none = all."""
    if not text.startswith("["):
        return [text] if text else []
    try:
        return [str(name) for name in json.loads(text)]
    except ValueError:
        return [text]  # a unit may be called so


def _loaded(given: dict[str, str], variables: Mapping[str, str]) -> Loaded:
    from capforecast import configuration

    folder = _place(variables, "SM_CHANNEL_SETTINGS", "input/data/settings")
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    if len(files) > 1:
        raise UsageError(f"channel `settings` holds {len(files)} files, {files[0].name} and others: give one")
    profile = given.pop(PROFILE, None)
    return configuration.load(profile, next(iter(files), None), variables, given, overrides_are="hyperparameter")


def _chosen(units: list[Handed], names: list[str]) -> list[Handed]:
    known = [each.unit.business_unit for each in units]
    strange = [name for name in names if name not in known]
    if strange:
        raise InputError(f"business unit {strange[0]!r} is not among those handed over: {', '.join(known)}")
    both = {name for name in known if known.count(name) > 1}
    if both:
        raise InputError(f"business unit {min(both)!r} was handed over daily and hourly: train them in a job each")
    return [each for each in units if not names or each.unit.business_unit in names]


def _train(source: Store, target: Store, settings: Settings, handed: Handed) -> Reference | None:
    """The stage `train` on a copy, as the channel need not be writable; the version's manifest in the target."""
    from capforecast import stages
    from capforecast.cloud import training_metrics
    from capforecast.forecast import registry
    from capforecast.lake.datasets import unit_segment
    from capforecast.lake.store import Store as Lake
    from capforecast.stages.handover import hand_over, hand_over_model

    started = time.monotonic()
    unit = handed.unit.only(stages.NEEDS["train"])
    with tempfile.TemporaryDirectory(prefix="capforecast-") as folder:
        lake = Lake(folder)
        hand_over(source, lake, unit, root=handed.root)
        made = stages.train(lake, settings, unit).get("challenger")
        version = None if made is None else hand_over_model(lake, target, made)
    said = "nothing to forecast" if version is None else version.uri
    print(f"business unit {unit_segment(unit.business_unit)}: {said}", flush=True)
    if version is not None:
        scores = registry.read_manifest(target, version).scores.get("all")
        values = {} if scores is None else scores.model_dump()
        for line in training_metrics.lines(values | {"seconds": time.monotonic() - started}):
            print(line, flush=True)
    return version


def _write_record(target: Store, trained: Mapping[str, Reference | None], settings: Settings) -> None:
    """Which version each unit has; null where nothing of it can be forecast."""
    from capforecast.configuration import config_hash
    from capforecast.fingerprint import engine_fingerprint
    from capforecast.lake.datasets import to_json

    units = {name: made and made.model_dump(mode="json") for name, made in trained.items()}
    content = {"business_units": units, "config": config_hash(settings), "code": engine_fingerprint()}
    target.put(TRAINED, to_json(content))


if __name__ == "__main__":
    sys.exit(main())
