"""Instance shapes: what a server of a type has (vCPU, memory, network), and inventory sizes filled from it.

The catalogue shipped is config/prices/shapes.csv, whose head says what its figures rest on. A file of the user's own
(setting inventory.shapes) corrects and extends it, cell by cell. What neither holds is unknown, never guessed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.errors import ConfigError
from capforecast.fleet import commented_csv
from capforecast.schema import METRIC, SERVER_ID, SHAPE_COLUMNS

INSTANCE_TYPE = "instance_type"
NUMBERS = ("vcpus", "memory_gib", "network_baseline_mbps", "network_burst_mbps")
ARCHITECTURES = ("x86_64", "arm64")
_LAYOUT = commented_csv.Layout(SHAPE_COLUMNS, (INSTANCE_TYPE,), "shapes", "inventory.shapes")
_YES_NO = {"yes": True, "true": True, "no": False, "false": False}
# Inventory column -> the shape's; what the inventory lacks is filled from there.
SIZES = {"vcpus": "vcpus", "memory_gib": "memory_gib", "network_mbps": "network_baseline_mbps"}
SIZES_FILLED, SIZES_CONFLICT = "sizes_filled", "sizes_conflict"  # columns of a server: names of its sizes
# Metric -> inventory column that says how much 100 % is. Network links carry their baseline in each direction.
CAPACITY_OF = {"cpu": "vcpus", "mem": "memory_gib", "disk": "disk_gib"} | dict.fromkeys(
    ("net", "net_in", "net_out"), "network_mbps"
)


def load(files: Sequence[Path]) -> pd.DataFrame:
    """The catalogue in `files` (SHAPE_COLUMNS, sorted by type); of several, a later one wins where it has a value.

    Raises ConfigError that names file, line and column of what cannot be used.
    """
    merged: dict[str, dict[str, object]] = {}
    for file in files:
        for name, (line, shape) in _read(file).items():
            merged[name] = merged.get(name, {}) | shape
            _check_order(merged[name], f"{file}:{line}: {name}")
    rows = [{INSTANCE_TYPE: name} | merged[name] for name in sorted(merged)]
    frame = pd.DataFrame(rows, columns=list(SHAPE_COLUMNS))
    kinds = dict.fromkeys(NUMBERS, "float64") | {"burstable": "boolean"}
    return frame.astype({name: kinds.get(name, "str") for name in SHAPE_COLUMNS})


def _read(file: Path) -> dict[str, tuple[int, dict[str, object]]]:
    """Type -> the line, and what it says, empty cells left out."""
    found: dict[str, tuple[int, dict[str, object]]] = {}
    for line, cells in commented_csv.rows(file, _LAYOUT):
        name = cells.pop(INSTANCE_TYPE, "").lower()
        if not name:
            raise ConfigError(f"{file}:{line}: no instance_type; name it or remove the row")
        if name in found:
            raise ConfigError(f"{file}:{line}: {name} stands there twice; remove one row")
        found[name] = line, {col: _value(col, text, f"{file}:{line}: {name}") for col, text in cells.items() if text}
    return found


_ORDERED = (("network_baseline_mbps", 0.0), ("network_burst_mbps", math.inf))


def _check_order(shape: dict[str, object], where: str) -> None:
    """Raise ConfigError where a network bursts to less than its baseline, of which one may come from another file."""
    least, most = (float(str(shape.get(column, default))) for column, default in _ORDERED)
    if least > most:
        raise ConfigError(
            f"{where}: network_burst_mbps ({most:g}) is below network_baseline_mbps ({least:g}); correct one of them"
        )


def _value(column: str, text: str, where: str) -> object:
    if column in NUMBERS:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number > 0):
            raise ConfigError(f"{where}: {column} is {text!r}; write a number above 0, or leave it empty")
        return number
    if column == "burstable":
        if text.lower() not in _YES_NO:
            raise ConfigError(f"{where}: burstable is {text!r}; write yes or no, or leave it empty")
        return _YES_NO[text.lower()]
    if column == "architecture" and text not in ARCHITECTURES:
        raise ConfigError(f"{where}: architecture is {text!r}; write {' or '.join(ARCHITECTURES)}, or leave it empty")
    return text


def fill(rows: pd.DataFrame, catalogue: pd.DataFrame) -> pd.DataFrame:
    """Inventory rows (in standard form, sorted by server and date) with missing sizes taken from the catalogue.

    What the inventory states stays, whatever the catalogue says. But a size that only went on (or back) across a
    change of type is no statement about the other type: where the catalogue explains it by one of the types it
    stands beside, each type gets its own.
    """
    known = _listed(rows, catalogue)
    filled = {}
    for column, shape in SIZES.items():
        size, listed = rows[column].where(rows[column] > 0), known[shape]
        run = (size.ne(size.shift()) | rows[SERVER_ID].ne(rows[SERVER_ID].shift())).cumsum()
        carried = size.eq(listed).groupby(run).transform("any") & listed.notna()
        filled[column] = size.mask(carried, listed).fillna(listed).fillna(rows[column])
    return rows.assign(**filled)


def marks(servers: pd.DataFrame, stated: pd.DataFrame, catalogue: pd.DataFrame) -> pd.DataFrame:
    """`servers` (a row each, after `fill`) with two text columns that name sizes, `vcpus memory_gib`, "" = none.

    sizes_filled: taken from the catalogue; stated: the same servers without `fill`.
    sizes_conflict: stated by the inventory, and otherwise in the catalogue.
    """
    known = _listed(servers, catalogue)
    other: dict[str, npt.NDArray[np.bool_]] = {}
    conflict: dict[str, npt.NDArray[np.bool_]] = {}
    for column, shape in SIZES.items():
        other[column] = (servers[column].notna() & servers[column].ne(stated[column])).to_numpy(dtype=np.bool_)
        differs = servers[column].ne(known[shape]) & servers[column].notna() & known[shape].notna()
        conflict[column] = differs.to_numpy(dtype=np.bool_)
    return servers.assign(**{SIZES_FILLED: _named(other), SIZES_CONFLICT: _named(conflict)})


def capacity(series: pd.DataFrame, servers: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Units at 100 % of each series (rows with server_id and metric): vCPUs, GiB, Mbit/s by CAPACITY_OF.

    NaN where the server's size is not known (a size of 0 is not), or the metric has none.
    """
    place = pd.Index(servers[SERVER_ID]).get_indexer(series[SERVER_ID])
    found = np.full(len(series), np.nan)
    for metric, column in CAPACITY_OF.items():
        rows = (series[METRIC] == metric).to_numpy(dtype=np.bool_) & (place >= 0)
        if column in servers and rows.any():
            found[rows] = servers[column].to_numpy(dtype=np.float64)[place[rows]]
    return np.where(found > 0, found, np.nan)


def _listed(rows: pd.DataFrame, catalogue: pd.DataFrame) -> pd.DataFrame:
    """Numbers of each row's type, in the order of the rows; NaN where the type is not listed."""
    types = rows[INSTANCE_TYPE].astype("str").str.strip().str.lower()
    return catalogue.set_index(INSTANCE_TYPE)[list(NUMBERS)].reindex(types).set_axis(rows.index)


def _named(which: dict[str, npt.NDArray[np.bool_]]) -> npt.NDArray[np.object_]:
    words = [np.where(rows, name + " ", "") for name, rows in which.items()]
    return np.array([text.strip() for text in np.sum(np.array(words, dtype=object), axis=0)], dtype=object)
