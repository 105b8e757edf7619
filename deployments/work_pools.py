"""Work pools as code: config/work-pools.yaml, checked and rendered with the environment. Needs no server."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from capforecast.configuration import config_folder
from capforecast.errors import ConfigError

FILE = "work-pools.yaml"
_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?::-([^}]*))?\}")
_WORKERS = {
    "process": "prefect.workers.process:ProcessWorker",
    "docker": "prefect_docker.worker:DockerWorker",
    "ecs": "prefect_aws.workers:ECSWorker",
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Queue(_Strict):
    """A queue that every pool has. Lower priorities go first."""

    priority: int = Field(ge=1)
    concurrency_limit: int | None = Field(default=None, ge=1)


class Pool(_Strict):
    """A work pool of the file."""

    type: Literal["process", "docker", "ecs"]
    description: str = Field(min_length=1)
    job_variables: dict[str, Any]
    fixed: dict[str, Any] = {}


class Pools(_Strict):
    """The whole file."""

    queues: dict[str, Queue]
    work_pools: dict[str, Pool]


def pools(path: Path | None = None) -> Pools:
    """The file shipped with capforecast, or another. Raises ConfigError."""
    file = config_folder() / FILE if path is None else path
    try:
        return Pools.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, ValidationError) as error:
        raise ConfigError(f"{file}: {error}") from None


def template(name: str, pool: Pool, variables: Mapping[str, str]) -> dict[str, Any]:
    """The pool's base job template: that of Prefect's worker with our defaults.

    Raises ConfigError for a variable of the environment that is not set, or a job variable that the worker has not.
    """
    made = _worker_template(pool.type)
    properties = made["variables"]["properties"]
    unknown = sorted(set(pool.job_variables) - set(properties))
    if unknown:
        known = ", ".join(sorted(properties))
        raise ConfigError(f"work pool {name!r}: no job variable {', '.join(unknown)}; there are {known}")
    missing: list[str] = []
    for key, value in pool.job_variables.items():
        found = _filled(value, variables, missing)
        if found is not None:
            properties[key]["default"] = _typed(found, properties[key])
    if missing:
        raise ConfigError(f"work pool {name!r}: set {', '.join(sorted(set(missing)))} in the environment")
    made["job_configuration"] |= pool.fixed
    return made


def _filled(value: Any, variables: Mapping[str, str], missing: list[str]) -> Any:
    """The value with variables put in; None where nothing is left of it. Names that are not set go to `missing`."""
    if isinstance(value, dict):
        filled = {key: _filled(each, variables, missing) for key, each in value.items()}
        return {key: each for key, each in filled.items() if each is not None} or None
    if isinstance(value, list):
        several = [_filled(each, variables, missing) for each in value]
        if len(value) == 1 and isinstance(several[0], str):
            several = [part.strip() for part in several[0].split(",")]
        return [each for each in several if each] or None
    if not isinstance(value, str):
        return value

    def put(match: re.Match[str]) -> str:
        name, default = match.groups()
        found = variables.get(name) or default
        if found is None:
            missing.append(name)
        return found or ""

    return _VARIABLE.sub(put, value) or None


def _typed(value: Any, schema: dict[str, Any]) -> Any:
    """Text from the environment as a number, where the worker wants one. Raises ConfigError."""
    kinds = {part.get("type") for part in schema.get("anyOf", [schema])}
    if not isinstance(value, str) or "integer" not in kinds:
        return value
    try:
        return int(value)
    except ValueError:
        raise ConfigError(f"{schema.get('title', 'a job variable')}: {value!r} is no whole number") from None


def _worker_template(kind: str) -> dict[str, Any]:
    """Of the installed worker, else (a kind whose package is not installed here) the one that Prefect brings along."""
    module, _, name = _WORKERS[kind].partition(":")
    try:
        worker = getattr(import_module(module), name)
    except ImportError:
        views = files("prefect.server.api") / "collections_data" / "views"
        known = json.loads((views / "aggregate-worker-metadata.json").read_text(encoding="utf-8"))
        (found,) = (workers[kind] for workers in known.values() if kind in workers)
        made: dict[str, Any] = found["default_base_job_configuration"]
        return made
    return copy.deepcopy(worker.get_default_base_job_template())
