"""The manifest of a model's version: what it is, what it was made of and by, how good it was, its files."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from capforecast.errors import ModelError
from capforecast.forecast import format_4
from capforecast.forecast.base import Array
from capforecast.forecast.scores import geometric_mean
from capforecast.forecast.tables import check_format
from capforecast.schema import METRIC, Cadence, Reference

LIBRARIES = ("numpy", "numba", "pandas", "pyarrow", "scipy", "scikit-learn")
EVERY = "all"  # scores over all metrics; also the bucket of the whole horizon


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Window(_Part):
    """The history a model was trained on."""

    first: str  # ISO 8601 UTC
    last: str
    periods: int
    servers: int
    series: int


class Score(_Part):
    """Backtest over the whole horizon; null = no series gave the figure."""

    series: int
    relative_mae: float | None  # geometric mean over series, against seasonal naive
    mase: float | None  # median over series
    coverage_80: float | None  # mean over series
    coverage_95: float | None


class File(Reference):
    """One of a version's files."""

    bytes: int | None = None


class Manifest(_Part):
    """A version of a model. `recipe` (kind, settings, code): alike in all, versions differ by their data only."""

    format: int
    version: str
    business_unit: str
    kind: str
    cadence: Cadence
    as_of: str  # cut-off: it has seen nothing after, ISO 8601 UTC
    horizon: int
    recipe: dict[str, str]
    config: str  # hash of all settings that change results
    inputs: dict[str, str]  # hashes of the tables it was trained on
    window: Window | None = None
    scores: dict[str, Score] = {}  # by metric, and `all`
    libraries: dict[str, str] = {}
    git_commit: str | None = None
    files: dict[str, File]

    @property
    def cut_off(self) -> pd.Timestamp:
        """`as_of` as a timestamp."""
        return pd.Timestamp(self.as_of)

    @property
    def bytes(self) -> int | None:
        """Size of all files; None where it was not noted."""
        sizes = [file.bytes for file in self.files.values()]
        return None if None in sizes else sum(size or 0 for size in sizes)


def parse(data: bytes, key: str) -> Manifest:
    """The manifest in the bytes of `key`; raises ModelError naming what is wrong with it, or a format not read here."""
    try:
        content = json.loads(data)
        if isinstance(content, dict) and "notes" in content:
            content = _of_format_4(content, key)
        if isinstance(content, dict) and isinstance(content.get("format"), int):
            check_format(content["format"])  # before its fields, which another format may have others of
        return Manifest.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        what = f"{'.'.join(str(part) for part in problem['loc']) or 'content'}: {problem['msg']}"
    except ValueError:
        what = "it is not JSON"
    except (KeyError, TypeError, AttributeError) as error:
        what = f"it lacks {error}"
    raise ModelError(f"{key} is damaged ({what}): train again, or `capforecast models rollback`")


def _of_format_4(content: dict[str, Any], key: str) -> dict[str, Any]:
    """Format 4 noted fewer things, in another place."""
    notes = content["notes"]
    return {
        "format": format_4.FORMAT,
        "version": content["version"],
        "business_unit": content["business_unit"],
        "kind": content["kind"],
        "cadence": key.split("cadence=")[1].split("/")[0],
        "as_of": notes["as_of"],
        "horizon": notes["horizon"],
        "recipe": {"kind": content["kind"], "settings": notes["config"], "code": notes["code"]},
        "config": notes["config"],
        "inputs": notes["inputs"],
        "files": content["files"],
    }


def scores_of(backtest: pd.DataFrame) -> dict[str, Score]:
    """Scores by metric, and over all, of BACKTEST_COLUMNS rows; empty where nothing was scored."""
    rows = backtest[backtest["bucket"] == EVERY] if len(backtest) else backtest
    rows = rows[np.isfinite(rows["mae"].astype("float64"))] if len(rows) else rows
    if not len(rows):
        return {}
    return {EVERY: _score(rows)} | {str(name): _score(part) for name, part in rows.groupby(METRIC, sort=True)}


def _score(rows: pd.DataFrame) -> Score:
    def of(name: str, middle: Callable[[Array], Any]) -> float | None:
        values = rows[name].to_numpy(dtype=np.float64)
        known = values[np.isfinite(values)]
        return _figure(float(middle(known))) if len(known) else None

    return Score(
        series=len(rows),
        relative_mae=of("relative_mae", geometric_mean),
        mase=of("mase", np.median),
        coverage_80=of("coverage_80", np.mean),
        coverage_95=of("coverage_95", np.mean),
    )


def _figure(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None


@cache
def libraries(kind: str) -> dict[str, str]:
    """Versions of Python and of what a model of that kind is computed with."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in (*LIBRARIES, *(["prophet"] if kind == "prophet" else [])):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
