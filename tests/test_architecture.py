"""The house keeps its shape: arrows only go down (docs/architecture.md). Read from the sources, nothing is imported."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("deployments", "flows", "tasks", "capforecast")  # top to bottom
ARITHMETIC = {"numpy", "pandas", "scipy", "numba", "pyarrow", "polars", "duckdb", "sklearn", "prophet"}
COMPUTING = {"sum", "mean", "median", "quantile", "groupby", "merge", "std", "cumsum", "pivot_table"}
PICKLES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "jsonpickle"}
FORBIDDEN = {
    "capforecast": {"prefect", "prefect_aws", "typer", "click", "rich"},
    "tasks": {"typer", "click", "boto3", "botocore", "obstore"} | ARITHMETIC,
    "flows": {"typer", "click", "boto3", "botocore", "obstore"} | ARITHMETIC,
    "deployments": set(),
}
# What runs where the command line's libraries are not installed: functions of Lambda, containers of SageMaker.
DOORS = ("deployments/lambda_", "deployments/sagemaker/")
NOT_BEHIND_DOORS = {"prefect", "prefect_aws", "flows", "tasks", "typer", "click", "rich"}
ENVIRONMENT_READERS = {"capforecast/configuration.py"}
SETTINGS_READERS = {"pydantic_settings", "dotenv", "decouple"}
ENVIRONMENT_NAMES = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}

# Rooms of the library, bottom to top, and the rooms below that each may use. A new room is entered here first.
SETTINGS = {"settings_series", "settings_models", "settings_actions", "settings_outputs", "settings_running"}
BASE = {"__init__", "errors", "schema", "settings", "settings_base", "settings_sources", *SETTINGS}
ROOMS: dict[str, set[str]] = {
    "__init__": set(),
    "errors": set(),
    "schema": {"errors"},
    "settings_base": {"errors", "schema"},
    "settings_sources": {"errors", "schema", "settings_base"},
    **{name: {"errors", "schema", "settings_base"} for name in SETTINGS},
    "settings": {"errors", "schema", "settings_base", "settings_sources", *SETTINGS},
    "keys": BASE,
    "layers": BASE | {"keys"},
    "configuration": BASE | {"keys", "layers"},
    "fingerprint": set(),
    "kernel_cache": set(),
    "lake": BASE,
    "exchange": BASE | {"lake"},
    "fleet": BASE | {"kernel_cache"},
    "sources": BASE | {"configuration", "fleet"},  # configuration: where a secret is held
    "forecast": BASE | {"kernel_cache", "fleet"},
    "risk": BASE | {"fleet", "forecast"},
    "actions": BASE | {"fleet", "forecast", "risk"},
    "report": BASE | {"fleet", "forecast", "risk", "actions"},
    "cloud": BASE | {"lake"},
    "dashboard": BASE | {"fleet", "forecast", "risk", "actions", "lake", "report"},
}
OUTERMOST = {"stages"}  # may use every room
# Single files that may use a room more: what stores and fetches for a room, and the record of a run.
IN_ACTIONS = ("advice_book", "baseline", "baseline_read", "deciding", "decisions", "scenario_book", "what_if_record")
MORE = {
    **{
        f"capforecast/forecast/{name}.py": {"lake"}
        for name in ("registry", "pointers", "curation", "standing", "promotion", "retention", "model_diff")
    },
    **{f"capforecast/actions/{name}.py": {"lake"} for name in IN_ACTIONS},
    "capforecast/report/assemble.py": {"lake"},
    "capforecast/lake/runs.py": {"exchange"},
}


class Import(NamedTuple):
    """One imported module and where that is written."""

    name: str
    where: str


def sources(root: Path, layer: str) -> Iterator[tuple[str, ast.Module]]:
    """Path from the root and syntax tree of every module of a layer."""
    for file in sorted((root / layer).rglob("*.py")):
        yield file.relative_to(root).as_posix(), ast.parse(file.read_text(encoding="utf-8"), str(file))


def imports(path: str, tree: ast.Module, nodes: Iterator[ast.AST] | None = None) -> Iterator[Import]:
    """Every import: at the top, inside functions, for typing only, relative, and by name."""
    package = path.split("/")[:-1]
    for node in nodes or ast.walk(tree):
        where = f"{path}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, where) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*start, *([node.module] if node.module else [])])
            yield from (Import(f"{module}.{alias.name}", where) for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in {
            "import_module", "__import__",
        }:  # fmt: skip
            yield from (Import(a.value, where) for a in node.args[:1] if isinstance(a, ast.Constant))


def layer_faults(root: Path) -> list[str]:
    """Imports upwards, and of libraries that have no place in a layer."""
    found = []
    for depth, layer in enumerate(LAYERS):
        banned = set(LAYERS[:depth]) | FORBIDDEN[layer]
        for path, tree in sources(root, layer):
            found += [
                f"{at}: {layer} must not import {name}"
                for name, at in imports(path, tree)
                if name.split(".")[0] in banned
            ]
    return found


def door_faults(root: Path) -> list[str]:
    """Lambda and SageMaker go straight to the library: no flow, task or command line, nor modules that use these."""
    found = []
    for path, tree in sources(root, "deployments"):
        if not path.startswith(DOORS):
            continue
        for name, at in imports(path, tree):
            file = name.replace(".", "/")
            if name.split(".")[0] in NOT_BEHIND_DOORS or (
                name.startswith("deployments.") and not file.startswith(DOORS) and file not in {d[:-1] for d in DOORS}
            ):
                found.append(f"{at}: a door to the library must not import {name}")
    return found


def room_faults(root: Path) -> list[str]:
    """Imports inside the library that go up or sideways."""
    found = []
    for path, tree in sources(root, "capforecast"):
        room = Path(path).relative_to("capforecast").with_suffix("").parts[0]
        if room in OUTERMOST:
            continue
        if room not in ROOMS:
            found.append(f"{path}:1: enter the new room `{room}` in ROOMS, with the rooms it may use")
            continue
        allowed = ROOMS[room] | MORE.get(path, set()) | {room}
        for name, where in imports(path, tree):
            parts = name.split(".")
            if parts[0] != "capforecast":
                continue
            other = parts[1] if parts[1] in ROOMS or parts[1] in OUTERMOST else "__init__"
            if other not in allowed:
                found.append(f"{where}: {room} must not import capforecast.{other}")
    return found


def environment_faults(root: Path) -> list[str]:
    """Environment variables read anywhere in the library but in configuration.py."""
    found = []
    for path, tree in sources(root, "capforecast"):
        if path in ENVIRONMENT_READERS:
            continue
        found += [
            f"{at}: reads the environment ({name})"
            for name, at in imports(path, tree)
            if name.split(".")[0] in SETTINGS_READERS or name in {f"os.{known}" for known in ENVIRONMENT_NAMES}
        ]
        found += [
            f"{path}:{node.lineno}: reads the environment (.{node.attr})"
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and node.attr in ENVIRONMENT_NAMES
        ]
    return found


def pickle_faults(root: Path) -> list[str]:
    """Anything that pickles, or would unpickle."""
    found = []
    for layer in LAYERS:
        for path, tree in sources(root, layer):
            found += [f"{at}: imports {name}" for name, at in imports(path, tree) if name.split(".")[0] in PICKLES]
            for node in ast.walk(tree):
                if isinstance(node, ast.Attribute) and node.attr in {"to_pickle", "read_pickle"}:
                    found.append(f"{path}:{node.lineno}: .{node.attr}")
                elif isinstance(node, ast.keyword) and (
                    (
                        node.arg == "allow_pickle"
                        and not (isinstance(node.value, ast.Constant) and node.value.value is False)
                    )
                    or (node.arg == "result_serializer" and "json" not in ast.unparse(node.value).lower())
                ):
                    found.append(f"{path}:{node.value.lineno}: {node.arg}={ast.unparse(node.value)}")
    return found


def cycle_faults(root: Path) -> list[str]:
    """Modules that import each other while they load."""
    graph: dict[str, set[str]] = {}
    for layer in LAYERS:
        for path, tree in sources(root, layer):
            module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            graph[module] = {name for name, _ in imports(path, tree, iter(tree.body))}
    known = {
        module: {target for name in names for target in (name, name.rpartition(".")[0]) if target in graph} - {module}
        for module, names in graph.items()
    }
    # a package that re-exports its modules is loaded before them by every import: not a cycle of ours
    packages = {module for module in known if (root / module.replace(".", "/")).is_dir()}
    known = {module: names - packages for module, names in known.items() if module not in packages}
    try:
        graphlib.TopologicalSorter(known).prepare()
    except graphlib.CycleError as error:
        return [" -> ".join(error.args[1])]
    return []


def drawing_faults(root: Path) -> list[str]:
    """Arithmetic in what draws the dashboard: whatever imports Streamlit imports no library to compute with."""
    found = []
    for path, tree in sources(root, "capforecast"):
        asked = list(imports(path, tree))
        if any(name.split(".")[0] == "streamlit" for name, _ in asked):
            found += [
                f"{at}: what draws must not compute ({name})"
                for name, at in asked
                if name.split(".")[0] in ARITHMETIC - {"pandas"}
            ]
            found += [
                f"{path}:{node.lineno}: what draws must not compute ({ast.unparse(node)})"
                for node in ast.walk(tree)
                if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in COMPUTING
            ]
    return found


CHECKS = (drawing_faults, layer_faults, door_faults, room_faults, environment_faults, pickle_faults, cycle_faults)


@pytest.mark.parametrize("check", CHECKS)
def test_the_house_keeps_its_shape(check):
    assert "\n".join(check(ROOT)) == ""


def test_the_sources_were_looked_at():
    seen = {path for layer in LAYERS for path, _ in sources(ROOT, layer)}
    assert {"capforecast/settings.py", "capforecast/configuration.py", "tasks/__init__.py"} <= seen


def test_rooms_only_use_rooms_below_them():
    seen: set[str] = set()
    for room, uses in ROOMS.items():
        assert uses <= seen, room
        seen.add(room)
    assert [path for path in MORE if not (ROOT / path).exists() and (ROOT / path).parent.exists()] == []


@pytest.mark.parametrize(
    ("check", "path", "code", "fault"),
    [
        (layer_faults, "capforecast/risk/x.py", "import os\nfrom prefect import flow", "capforecast/risk/x.py:2: "),
        (layer_faults, "capforecast/x.py", "def f():\n    import tasks.data", "capforecast/x.py:2: "),
        (layer_faults, "capforecast/x.py", "from deployments import cli", "must not import deployments.cli"),
        (layer_faults, "capforecast/x.py", "import importlib\nimportlib.import_module('typer')", "x.py:2: "),
        (layer_faults, "tasks/x.py", "import numpy as np", "tasks must not import numpy"),
        (layer_faults, "tasks/x.py", "from flows.capacity import run", "tasks must not import flows.capacity.run"),
        (layer_faults, "flows/x.py", "import pandas as pd", "flows must not import pandas"),
        (layer_faults, "flows/x.py", "import boto3", "flows must not import boto3"),
        (door_faults, "deployments/lambda_x.py", "def f():\n    from flows.train import train", "lambda_x.py:2: "),
        (door_faults, "deployments/lambda_x.py", "import typer", "a door to the library must not import typer"),
        (
            door_faults,
            "deployments/sagemaker/x.py",
            "from deployments.cli import main",
            "must not import deployments.cli",
        ),
        (room_faults, "capforecast/risk/x.py", "from capforecast.report import summary", "risk must not import"),
        (room_faults, "capforecast/risk/x.py", "from ..report.summary import Risk", "risk must not import"),
        (
            room_faults,
            "capforecast/forecast/x.py",
            "from capforecast.lake import store",
            "must not import capforecast.lake",
        ),
        (room_faults, "capforecast/errors.py", "from capforecast import schema", "errors must not import"),
        (room_faults, "capforecast/fleet/x.py", "from capforecast import stages", "must not import capforecast.stages"),
        (room_faults, "capforecast/newroom/x.py", "", "enter the new room `newroom`"),
        (environment_faults, "capforecast/x.py", "import os\nhome = os.environ['HOME']", "capforecast/x.py:2: "),
        (environment_faults, "capforecast/x.py", "from os import getenv as g", "capforecast/x.py:1: "),
        (environment_faults, "capforecast/x.py", "import os as o\no.getenv('X')", "capforecast/x.py:2: "),
        (environment_faults, "capforecast/x.py", "from pydantic_settings import BaseSettings", "pydantic_settings"),
        (drawing_faults, "capforecast/x.py", "import streamlit\nimport numpy", "capforecast/x.py:2: "),
        (drawing_faults, "capforecast/x.py", "import streamlit\ndef f(t):\n    t.groupby('x')", "capforecast/x.py:3: "),
        (pickle_faults, "deployments/x.py", "import joblib", "deployments/x.py:1: imports joblib"),
        (pickle_faults, "capforecast/x.py", "frame.to_pickle('x')", ".to_pickle"),
        (pickle_faults, "capforecast/x.py", "np.load(f, allow_pickle=True)", "allow_pickle=True"),
        (pickle_faults, "tasks/x.py", "@task(result_serializer='pickle')\ndef f(): ...", "result_serializer"),
        (cycle_faults, "capforecast/x.py", "from capforecast.y import a", "capforecast.x"),
    ],
)
def test_each_rule_finds_its_fault_and_names_file_and_line(tmp_path, check, path, code, fault):
    for name, text in {path: code, "capforecast/y.py": "from capforecast.x import b"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert fault in "\n".join(check(tmp_path))


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("deployments/x.py", "import typer, prefect\nfrom flows.capacity import run\nfrom capforecast import stages"),
        ("deployments/lambda_x.py", "from capforecast import stages\nfrom deployments import lambda_logs"),
        (
            "deployments/sagemaker/x.py",
            "from deployments.sagemaker import container\nfrom deployments.sagemaker.y import z",
        ),
        ("flows/x.py", "import prefect\nfrom tasks.data import ingest\nfrom capforecast.errors import ConfigError"),
        ("tasks/x.py", "from capforecast import stages\n@task(result_serializer='json')\ndef f(): ..."),
        ("capforecast/configuration.py", "import os\nos.environ"),
        ("capforecast/risk/x.py", "from capforecast import __version__\nfrom capforecast.forecast import paths"),
        ("capforecast/stages/x.py", "from capforecast.report import pdf\nfrom capforecast.lake import store"),
    ],
)
def test_what_is_allowed_passes(tmp_path, path, code):
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(code)
    assert [fault for check in CHECKS for fault in check(tmp_path)] == []
