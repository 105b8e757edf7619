"""Settings from layers: code, default.yaml, profile, user file, parameters, environment, options; later ones win.

The only module of the library that reads environment variables. Mappings merge, lists replace. Every key is checked
in every layer, values once merged; all problems are reported together, each with the place where it stands.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from capforecast.errors import ConfigError
from capforecast.keys import PREFIX, description, dotted, leaves
from capforecast.layers import Layers, Origin
from capforecast.settings import Settings

PROFILES = ("local", "aws")
PARAMETER_PATH = "CAPFORECAST_SSM_PATH"
# Variables that share the prefix and set nothing: CAPFORECAST_HOME and _SSM_PATH, and those Kubernetes puts into every
# container beside a service named capforecast or capforecast-<something>.
OTHER_VARIABLES = re.compile(r"CAPFORECAST_(HOME|SSM_PATH|([A-Z0-9]+_)*(SERVICE_HOST|SERVICE_PORT|PORT)(_[A-Z0-9]+)*)")
OPTIONS = {
    "store": "--store",
    "forecast.model": "--model",
    "forecast.horizon_days": "--horizon",
    "forecast.horizon_hours": "--horizon",
}
# AWS's own variables that say where and how, never who: laid over default.yaml, below everything of ours.
AWS_VARIABLES = {
    "endpoint": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "profile": ("AWS_PROFILE",),
}
# Variables that choose kernels of the arithmetic, and so the last bits of a figure: a job elsewhere gets them, too.
KERNEL_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "NPY_DISABLE_CPU_FEATURES")
NOT_IN_RESULTS: dict[str, bool | set[str]] = {
    "store": True,
    "storage": True,
    "log": True,
    "flow": True,
    "models": True,
    "delivery": True,
    "alerts": True,
    "aws_lambda": True,
    "sagemaker": True,
    "athena": True,
    "remote": True,
    "forecast": {"block_size", "threads"},
    "report": {"processes"},
}  # what changes where and how a run goes, not what comes out
# What only stages on actions and the report read: no model is trained anew for the sake of a title.
OF_ACTIONS = ("segments", "sizing", "idle", "consolidation", "prices", "lifecycle", "report")


@dataclass(frozen=True)
class Loaded:
    """Merged settings, and for each dotted key the layer that set it (`my.yaml:12`)."""

    settings: Settings
    provenance: dict[str, str]


def config_folder() -> Path:
    """The folder of default.yaml: inside the installed package, or beside it in a checkout. Raises ConfigError."""
    package = Path(__file__).resolve().parent
    for folder in (package / "_config", package.parent / "config"):
        if (folder / "default.yaml").is_file():
            return folder
    raise ConfigError(f"default.yaml is neither in {package / '_config'} nor in {package.parent / 'config'}: reinstall")


def load(
    profile: str | None = None,
    user_file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
    parameters: Mapping[str, str] | None = None,
    secret: Collection[str] = (),
    overrides_are: str = "option",
) -> Loaded:
    """Merge the layers and check the result.

    profile: `local`, `aws` or None.  user_file: YAML with any of the keys of default.yaml.
    environment: variables in place of the process's own; `CAPFORECAST_SECTION__KEY` sets `section.key`. AWS's own
    for endpoint, region and profile count below all but default.yaml.
    parameters: name -> text of a parameter store, laid below the environment; the end of the name is the key:
    `/ops/prod/forecast/horizon_days` below the path `/ops/prod` comes as `forecast/horizon_days`.
    secret: names of parameters whose text no message repeats.
    overrides: dotted key -> value, None = not given; text for a key that is not text is read as YAML.
    overrides_are: what messages call them.
    Raises ConfigError that lists every problem: key, place, nearest valid key.
    """
    folder = config_folder()
    variables = os.environ if environment is None else environment
    layers = Layers()
    layers.add_file(folder / "default.yaml", Origin("default.yaml", 1))
    _add_aws(layers, variables)
    if profile is not None:
        if profile not in PROFILES:
            raise ConfigError(f"unknown profile `{profile}`: use one of {', '.join(PROFILES)}")
        layers.add_file(folder / f"{profile}.yaml", Origin(f"profile {profile}.yaml", 1))
    if user_file is not None:
        layers.add_file(user_file, Origin(str(user_file), 1, own_file=True))
    for name, text in (parameters or {}).items():
        layers.add_text(tuple(name.split("/")), text, Origin(f"parameter {name}", is_secret=name in secret))
    _add_environment(layers, variables)
    named = OPTIONS if overrides_are == "option" else {}
    for key, value in (overrides or {}).items():
        if value is not None:
            layers.add_text(tuple(key.split(".")), value, Origin(f"{overrides_are} {named.get(key, key)}"))
    return Loaded(*layers.result())


def usable_store(loaded: Loaded) -> str:
    """The store of a run. Raises ConfigError where nobody has named the bucket (profile aws leaves it open)."""
    store = loaded.settings.store
    if re.fullmatch(r"s3://[^/]+.*", store) or not store.startswith("s3:"):
        return store
    raise ConfigError(
        f"{loaded.provenance['store']}: `store` is `{store}` and names no bucket; give s3://<bucket>/<prefix> "
        f"(or a folder) by --store, by {PREFIX}STORE or by `store:` in your own file"
    )


def parameter_path(environment: Mapping[str, str] | None = None) -> str | None:
    """Below which path of the Parameter Store settings are kept (CAPFORECAST_SSM_PATH); None = nowhere."""
    return (os.environ if environment is None else environment).get(PARAMETER_PATH, "").strip() or None


def region(environment: Mapping[str, str] | None = None) -> str | None:
    """The region that AWS's own variables name; for what is asked before there are settings."""
    variables = os.environ if environment is None else environment
    return next((variables[name] for name in AWS_VARIABLES["region"] if variables.get(name)), None)


def secret(name: str | None, key: str, environment: Mapping[str, str] | None = None) -> str:
    """What the environment variable that the setting `key` names holds; "" where the setting names none.

    Raises ConfigError where it is not set, or empty. What it holds is in no message and in no settings.
    """
    if name is None:
        return ""
    held = (os.environ if environment is None else environment).get(name, "").strip()
    if not held:
        raise ConfigError(f"`{key}` names the environment variable {name}, which is not set: set it, or unset the key")
    return held


def kernel_variables(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Those of KERNEL_VARIABLES that are set here."""
    variables = os.environ if environment is None else environment
    return {name: variables[name] for name in KERNEL_VARIABLES if variables.get(name)}


def explain(loaded: Loaded) -> list[tuple[str, object, str, str]]:
    """Every key of the merged settings: dotted key, value, where it came from, what it means (with its unit)."""
    return [
        (dotted(path), value, loaded.provenance[dotted(path)], description(path))
        for path, value in leaves(loaded.settings.model_dump(mode="json"), Settings)
    ]


def config_hash(settings: Settings, *, actions: bool = False) -> str:
    """sha256 of all settings that can change results; the same on every machine and in every order of keys.

    actions: with those that only the stages on actions and the report read.
    """
    content = settings.model_dump(mode="json", exclude=NOT_IN_RESULTS)
    if not actions:
        content = {name: section for name, section in content.items() if name not in OF_ACTIONS}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _add_aws(layers: Layers, environment: Mapping[str, str]) -> None:
    """Take endpoint, region and profile from AWS's own variables, so that the record of a run says what it used."""
    for key, names in AWS_VARIABLES.items():
        name = next((name for name in names if environment.get(name)), None)
        if name:
            layers.add_text(("storage", key), environment[name], Origin(f"environment {name}", is_variable=True))


def _add_environment(layers: Layers, environment: Mapping[str, str]) -> None:
    """Lay `CAPFORECAST_SECTION__KEY` over what is there; a variable of ours that names no key is a problem."""
    spellings: dict[str, str] = {}
    for name in sorted(environment):
        upper = name.upper()
        if not upper.startswith(PREFIX) or OTHER_VARIABLES.fullmatch(upper):
            continue
        origin = Origin(f"environment {name}", is_variable=True)
        if upper in spellings:
            layers.problem(origin, f"{spellings[upper]} is the same key; unset one of them")
        spellings[upper] = name
        layers.add_text(tuple(upper.removeprefix(PREFIX).lower().split("__")), environment[name], origin)
