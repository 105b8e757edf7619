"""A small fleet of three business units, and folders as SageMaker lays them out in its containers."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from capforecast import stages
from capforecast.exchange import Unit
from capforecast.lake.store import Store
from capforecast.settings import Settings
from capforecast.stages.handover import hand_over

DAYS = 100
AS_OF = "2026-04-11"
UNITS = {"retail": "ab", "Zürich / EMEA": "cd", "ops": "e"}
SHORT = {"forecast.horizon_days": "7", "forecast.origins_daily": "4"}
SETTINGS = Settings.model_validate({"forecast": {"horizon_days": 7, "origins_daily": 4}})


def observed(unit: str) -> pd.DataFrame:
    """Weekly series of the unit's servers, one row a day."""
    stamps = pd.date_range("2026-01-01", periods=DAYS, unit="us")
    parts = []
    for name in UNITS[unit]:
        rng = np.random.default_rng(ord(name))
        values = 40 + 8 * np.sin(2 * np.pi * np.arange(DAYS) / 7) + rng.normal(0, 2, DAYS)
        parts.append(pd.DataFrame({"server_id": name, "timestamp": stamps, "cpu_p95": values}))
    return pd.concat(parts, ignore_index=True).assign(business_unit=unit)


def write_objects(folder: Path, units: Sequence[str] = tuple(UNITS)) -> None:
    """One Parquet object per business unit."""
    for number, unit in enumerate(units):
        file = folder / f"unit-{list(UNITS).index(unit)}/part-{number}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        observed(unit).to_parquet(file, index=False)


def inventory() -> pd.DataFrame:
    """Every server of the fleet and one that is never observed, alone in its unit."""
    rows = [(server, unit) for unit, servers in UNITS.items() for server in servers]
    return pd.DataFrame([*rows, ("z", "silent")], columns=["server_id", "business_unit"])


def validated(lake: Store, source: Path, unit: str) -> Unit:
    """The unit as a run of the whole fleet has it."""
    ingested = stages.ingest(lake, SETTINGS, str(source), as_of=AS_OF)
    return stages.validate(lake, SETTINGS, ingested, unit)


def lay_out(root: Path, given: Mapping[str, object], hosts: Sequence[str] = ("localhost",)) -> dict[str, str]:
    """`/opt/ml` of a training job with one channel; returns the variable that says where it is."""
    config = root / "input/config"
    config.mkdir(parents=True)
    (config / "hyperparameters.json").write_text(json.dumps(given))
    (config / "resourceconfig.json").write_text(json.dumps({"current_host": hosts[0], "hosts": list(hosts)}))
    (config / "inputdataconfig.json").write_text(json.dumps({"train": {"TrainingInputMode": "File"}}))
    for folder in ("input/data/train", "model", "output/data"):  # SageMaker makes them, its toolkit counts on that
        (root / folder).mkdir(parents=True)
    return {"SAGEMAKER_BASE_DIR": str(root)}


def give_unit(root: Path, lake: Store, unit: Unit) -> None:
    """Put what training needs of a unit into channel `train`."""
    hand_over(lake, Store(root / "input/data/train"), unit.only(stages.NEEDS["train"]))


def passed_on() -> dict[str, str]:
    """Variables for a process that must compute the same bytes: with another kernel of BLAS last bits differ."""
    names = ("PATH", "HOME", "NUMBA_CACHE_DIR", "OMP_NUM_THREADS")
    return {name: text for name, text in os.environ.items() if name in names or name.startswith("OPENBLAS_")}


def files_below(folder: Path) -> dict[str, bytes]:
    """Content of all files, by path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }
