"""Every key of prefect.yaml, at every level, against what Prefect reads: it ignores a key it does not know.

Names come from Prefect's own models, the templates of its work pools, the functions of steps and our flows.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, cast

import yaml

POOL_TYPES = ("process", "docker", "ecs")
DEFINITIONS = ("version", "work_pools", "inputs", "one_at_a_time")  # ours: Prefect reads what refers to them
Problems = Iterator[str]


class OnceOnly(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error, not the last of both."""


def _mapping(loader: OnceOnly, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
    for key in keys:
        if keys.count(key) > 1:
            raise yaml.constructor.ConstructorError(None, None, f"`{key}` stands twice", node.start_mark)
    loader.flatten_mapping(node)
    return dict(loader.construct_pairs(node, deep=True))


OnceOnly.add_constructor("tag:yaml.org,2002:map", _mapping)


def read(text: str) -> dict[str, Any]:
    """The content of a YAML file. Raises yaml.YAMLError, also for a key that stands twice."""
    return cast("dict[str, Any]", yaml.load(text, OnceOnly))  # noqa: S506 - a safe loader


def problems(document: dict[str, Any]) -> list[str]:
    """What Prefect would ignore or refuse, with its place; none = fine."""
    from prefect.cli.deploy._models import PrefectYamlModel

    known = {field.alias or name for name, field in PrefectYamlModel.model_fields.items()}
    found = list(_unknown("", document, known | {"definitions"}))
    found += _definitions(document.get("definitions", {}))
    found += _steps("", document)
    for deployment in document["deployments"]:
        found += _deployment(f"deployments.{deployment.get('name', '(no name)')}", deployment)
    return found


def _unknown(place: str, given: dict[str, Any], known: Iterable[str]) -> Problems:
    for key in given:
        if key not in set(known):
            yield f"{place}.{key}: no such key".removeprefix(".")


def _definitions(given: dict[str, Any]) -> Problems:
    yield from _unknown("definitions", given, DEFINITIONS)
    for name, pool in given.get("work_pools", {}).items():
        yield from _work_pool(f"definitions.work_pools.{name}", pool)
    yield from _limit("definitions.one_at_a_time", given.get("one_at_a_time", 1))


def _deployment(place: str, given: dict[str, Any]) -> Problems:
    from prefect.cli.deploy._models import DeploymentConfig, RawScheduleConfig

    yield from _unknown(place, given, DeploymentConfig.model_fields)
    yield from _steps(place, given)
    yield from _work_pool(f"{place}.work_pool", given["work_pool"])
    yield from _limit(f"{place}.concurrency_limit", given.get("concurrency_limit", 1))
    takes = parameters(given["entrypoint"])
    yield from _unknown(f"{place}.parameters", given.get("parameters", {}), takes)
    for schedule in given.get("schedules", []):
        at = f"{place}.schedules.{schedule.get('slug', '(no slug)')}"
        yield from _unknown(at, schedule, RawScheduleConfig.model_fields)
        yield from _unknown(f"{at}.parameters", schedule.get("parameters", {}), takes)


def _work_pool(place: str, given: dict[str, Any]) -> Problems:
    from prefect.cli.deploy._models import WorkPoolConfig
    from prefect.settings.models.root import Settings

    yield from _unknown(place, given, WorkPoolConfig.model_fields)
    job = given.get("job_variables", {})
    yield from _unknown(f"{place}.job_variables", job, set.intersection(*map(template_variables, POOL_TYPES)))
    variables = job.get("env", {})
    settings = {name for name in variables if name.startswith("PREFECT_")}
    yield from _unknown(f"{place}.job_variables.env", dict.fromkeys(settings), _setting_names(Settings))
    for name, value in variables.items():
        if not isinstance(value, str):
            yield f"{place}.job_variables.env.{name}: {value!r} is no text"


def _limit(place: str, given: int | dict[str, Any]) -> Problems:
    from prefect.cli.deploy._models import ConcurrencyLimitSpec
    from prefect.client.schemas.objects import ConcurrencyLimitStrategy

    if isinstance(given, int):
        return
    yield from _unknown(place, given, ConcurrencyLimitSpec.model_fields)
    if given.get("collision_strategy") not in set(ConcurrencyLimitStrategy):
        yield f"{place}.collision_strategy: {given.get('collision_strategy')!r} is none"


def _steps(place: str, given: dict[str, Any]) -> Problems:
    """Steps are functions of Prefect, given by their dotted name; what is below are their arguments."""
    from prefect.utilities.importtools import import_object

    for section in ("build", "push", "pull"):
        for step in given.get(section) or []:
            for name, arguments in step.items():
                at = f"{place}.{section}.{name}".removeprefix(".")
                try:
                    takes = inspect.signature(import_object(name)).parameters
                except (ImportError, AttributeError):
                    yield f"{at}: no such step"
                else:
                    yield from _unknown(at, arguments, takes)


@cache
def template_variables(kind: str) -> set[str]:
    """Job variables of a kind of work pool, by Prefect's own template of it."""
    import json
    from importlib.resources import files

    views = files("prefect.server.api") / "collections_data" / "views"
    kinds = json.loads((views / "aggregate-worker-metadata.json").read_text())
    (template,) = (known[kind] for known in kinds.values() if kind in known)
    return set(template["default_base_job_configuration"]["variables"]["properties"])


@cache
def _setting_names(model: Any) -> set[str]:
    """Environment variables that set something in Prefect."""
    from prefect.settings.legacy import _get_settings_fields

    return {name for setting in _get_settings_fields(model).values() for name in (setting.name,)}


@cache
def parameters(entrypoint: str) -> tuple[str, ...]:
    """Names of the parameters of the flow at an entrypoint."""
    return tuple(inspect.signature(flow_at(entrypoint).fn).parameters)


def flow_at(entrypoint: str) -> Any:
    """The flow at an entrypoint such as `flows/train.py:train`."""
    from prefect.utilities.importtools import import_object

    path, name = entrypoint.split(":")
    return import_object(f"{path.removesuffix('.py').replace('/', '.')}.{name}")
