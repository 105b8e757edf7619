"""Training a business unit by a job of SageMaker: handed over, submitted, followed, its model taken into the lake."""

from __future__ import annotations

import hashlib
import json
import logging
from typing import Any

from capforecast import configuration
from capforecast.cloud.job_requests import Channel, Request, training_request
from capforecast.cloud.jobs import Jobs, State, open_jobs
from capforecast.configuration import NOT_IN_RESULTS, OF_ACTIONS, config_hash
from capforecast.errors import CapforecastError, ConfigError, ModelError
from capforecast.exchange import Unit
from capforecast.fingerprint import engine_fingerprint
from capforecast.forecast.manifest import Manifest
from capforecast.keys import below, dotted, is_text, leaves
from capforecast.lake.datasets import to_json
from capforecast.lake.store import Store
from capforecast.schema import Reference
from capforecast.settings import Settings
from capforecast.stages.handover import hand_over
from capforecast.stages.model_imports import import_models

log = logging.getLogger(__name__)
READS = ("processed", "quality")  # stages.NEEDS["train"]
FOLDER = "sagemaker"  # of the lake: what jobs are handed and, unless `sagemaker.output` says otherwise, write
_SHORT = 16


def train_by_job(store: Store, settings: Settings, unit: Unit, jobs: Jobs | None = None) -> dict[str, Reference]:
    """What stage `train` does, done by a SageMaker job: the same version of the model, under the same key.

    Called again for the same unit, settings and image it attaches to the job that is there. When this process ends
    or is told to, the job goes on, `sagemaker.most_seconds` at most. Raises ConfigError before anything is submitted
    where that cannot work (`refuse_without_lake`, role, image, settings that a job cannot be told), JobError with
    the job's reason where it failed, ModelError where its model is not the one that was asked for.
    """
    refuse_without_lake(settings, store.url)
    if not unit.usable:
        return {}
    unit = unit.only(READS)
    request = request_for(store, settings, unit)
    jobs = jobs or open_jobs(settings.sagemaker, settings.storage)
    job = jobs.submit_when_free(request, settings.sagemaker.most_seconds, usable=lambda state: kept(state, settings))
    log.info("%s: trains by the SageMaker job %s", unit.business_unit, job.name)
    state = jobs.follow(job)
    if not state.model:
        raise ModelError(f"{job.name} is complete, but SageMaker names no model of it")
    found = [made for made in import_models(store, state.model, settings.storage) if _is_of(made.content, unit)]
    if len(found) != 1:
        raise ModelError(f"{job.name}: {state.model} holds {len(found)} models of {unit.business_unit}, not one")
    _check(found[0].content, unit, settings, job.name)
    return {"challenger": found[0].manifest}


def refuse_without_lake(settings: Settings, store_url: str) -> None:
    """Raise ConfigError where jobs could not reach the lake, or nothing says as whom and with what they run."""
    if not store_url.startswith("s3://"):
        raise ConfigError(
            f"`sagemaker.train` is true, but the lake is {store_url}, which SageMaker cannot read: give `store` as "
            "s3://bucket/prefix, or set sagemaker.train to false"
        )
    training_request(settings.sagemaker, Channel("s3://b"), {}, output="s3://b")  # role, image, limits


def request_for(store: Store, settings: Settings, unit: Unit) -> Request:
    """The training job of a unit; leaves in the lake what it is handed: the unit's file and the channel's manifest."""
    told = hyperparameters(settings) | named(unit.business_unit)
    content = to_json(unit.model_dump(mode="json"))
    period = hashlib.sha256(content).hexdigest()[:_SHORT]
    handed = hand_over(store, store, unit, period=period)
    keys = [reference.uri for _, reference in sorted(unit.references.items())]
    listing = json.dumps([{"prefix": f"{store.url}/"}, *keys, handed.uri]).encode()
    manifest = f"{FOLDER}/channels/{hashlib.sha256(listing).hexdigest()[:_SHORT]}.manifest"
    store.put(manifest, listing)
    channel = Channel(store.address(manifest), manifest=True)
    return training_request(
        settings.sagemaker, channel, told, output=output_of(settings, store.url), title=unit.business_unit,
        content=engine_fingerprint(), environment=configuration.kernel_variables(),
    )  # fmt: skip


def output_of(settings: Settings, store_url: str) -> str:
    """Where jobs write: `sagemaker.output`, or `sagemaker/jobs` of the lake."""
    return (settings.sagemaker.output or f"{store_url}/{FOLDER}/jobs").rstrip("/")


def hyperparameters(settings: Settings) -> dict[str, str]:
    """Settings that change a model and are not those of default.yaml: dotted key -> text, as any layer is written.

    Raises ConfigError where these, laid over default.yaml, would not give the same settings.
    """
    plain, usual = (_of_models(each) for each in (settings, Settings()))
    told: dict[str, Any] = {}
    known = dict(leaves(usual, Settings))
    for path, value in leaves(plain, Settings):
        if path in known and known[path] == value:
            continue
        whole = next((depth for depth, key in enumerate(path) if "." in str(key)), len(path))
        _lay(told, path, whole, value)
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in told.items()}
    heard = configuration.load(environment={}, overrides=texts).settings
    if config_hash(heard) != config_hash(settings):
        raise ConfigError(
            "these settings cannot be told to a SageMaker job, key by key over default.yaml (was something taken away "
            "from it, not replaced?): train without SageMaker (sagemaker.train: false)"
        )
    return texts


def named(business_unit: str) -> dict[str, str]:
    """The hyperparameter that chooses a business unit; as a JSON list where its name could be taken for JSON."""
    quoted = json.dumps([business_unit]) if business_unit.startswith(('"', "[")) else business_unit
    return {"business_unit": quoted}


def _lay(told: dict[str, Any], path: tuple[str | int, ...], whole: int, value: Any) -> None:
    """Put a value under its dotted key; from depth `whole` on, where a key holds a dot, as a mapping."""
    if whole == len(path):
        kind: Any = Settings
        for key in path:
            kind = below(kind, key)
        told[dotted(path)] = value if is_text(kind) else json.dumps(value)
        return
    inner = told.setdefault(dotted(path[:whole]), {})
    for key in path[whole:-1]:
        inner = inner.setdefault(key, {})
    inner[path[-1]] = value


def _of_models(settings: Settings) -> dict[str, Any]:
    """What config_hash is made of."""
    content: dict[str, Any] = settings.model_dump(mode="json", exclude=NOT_IN_RESULTS)
    return {name: section for name, section in content.items() if name not in OF_ACTIONS}


def kept(state: State, settings: Settings) -> bool:
    """Is what a complete job has trained still there?"""
    if not state.model:
        return False
    folder, _, name = state.model.rpartition("/")
    try:
        return Store(folder, settings.storage).stat(name).size > 0
    except CapforecastError:
        return False


def _is_of(content: Manifest, unit: Unit) -> bool:
    return content.business_unit == unit.business_unit and content.cadence is unit.cadence


def _check(content: Manifest, unit: Unit, settings: Settings, job: str) -> None:
    """Is it the model that training here would have made?"""
    inputs = {name: unit.references[name].sha256 for name in READS}
    wanted = {
        "data": (content.inputs, inputs),
        "settings": (content.config, config_hash(settings)),
        "horizon": (content.horizon, unit.horizon),
        "code": (content.recipe.get("code"), engine_fingerprint()),
    }
    wrong = [what for what, (found, asked) in wanted.items() if found != asked]
    if wrong:
        raise ModelError(
            f"{job}: its model {content.version} was made with other {' and '.join(wrong)} than this run has; where "
            "that is the code, build `sagemaker.image` from the version that runs here, with requirements.lock beside "
            "the package (docs/aws-compute.md)"
        )
