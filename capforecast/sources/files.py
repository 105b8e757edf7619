"""Observations and inventory from Parquet and CSV files: one file, a folder or a glob, wide or long form.

The good part goes on; every row, value or file that cannot be used is handed back with its place and reason.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from capforecast.errors import InputError, NoUsableInputError
from capforecast.fleet import inventory as inventories
from capforecast.schema import SERVER_ID, TIMESTAMP, Cadence
from capforecast.settings import Settings
from capforecast.sources import labels
from capforecast.sources.columns import INVENTORY
from capforecast.sources.grid import Times, cadence_of, nearest, snap, spacing
from capforecast.sources.inventories import read_inventory
from capforecast.sources.merge import merge
from capforecast.sources.parts import Part, read_part
from capforecast.sources.paths import find_files, inventory_beside
from capforecast.sources.rejects import Rejects

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Batch:
    """What a source gave.

    observations: server_id, timestamp [us, UTC], `<metric>_<statistic>` float32 ..., ingested_at if the source has
    it; sorted, one row per server and time (and arrival).  inventory: dated rows (fleet/inventory.py), every server.
    rejects: file, row (1-based as in the file, a CSV's header counted; 0 = the file), server_id, column, value, reason.
    rows_read: rows of all readable files.  duplicates: rows (long form: values) that repeat one given before; of
    contradicting ones the last stays and the others are among the rejects as `duplicate_conflict`.
    completed: rows that add other metrics to a server and time given before.  files: (path, sha256).
    """

    observations: pd.DataFrame
    inventory: pd.DataFrame
    cadence: Cadence
    rejects: pd.DataFrame
    rows_read: int
    duplicates: int
    files: tuple[tuple[str, str], ...]
    completed: int = 0


def read_files(source: str, settings: Settings, inventory: str | None = None) -> Batch:
    """Read a source: a Parquet or CSV file, a folder of them (subfolders too) or a glob.

    inventory: file that wins over inventory columns inside the observations; a folder's own `inventory.csv` or
    `.parquet` is taken where none is named.
    Raises NoUsableInputError when nothing usable is left, InputError for a spacing that is neither daily nor hourly,
    files of both, or an inventory that cannot be used.
    """
    paths = find_files(source)
    listed = Path(inventory).expanduser() if inventory else inventory_beside(paths, source)
    if listed is not None:
        paths = [path for path in paths if path.resolve() != listed.resolve()]
    rejects = Rejects()
    given = None if listed is None else read_inventory(listed, settings, rejects)
    parts = _read_parts(paths, source, settings, rejects)
    cadence = _cadence(parts, settings)
    parts, grids = _on_grid(parts, cadence, source, settings, rejects)
    merged = merge(parts, grids, rejects)
    servers = pd.Index(merged.observations[SERVER_ID].unique())
    rows = _inventory(parts, grids, servers, None if given is None else given[0], settings)
    files = tuple((part.file, part.sha256) for part in parts)
    if listed is not None and given is not None:
        files += ((str(listed), given[1]),)
    refused = rejects.frame()
    if len(refused):
        log.warning("set aside %d rows or values: %s", len(refused), _counts(refused))
    return Batch(
        observations=merged.observations,
        inventory=rows,
        cadence=cadence,
        rejects=refused,
        rows_read=sum(part.rows_read for part in parts),
        duplicates=merged.duplicates,
        files=files,
        completed=merged.completed,
    )


def _counts(refused: pd.DataFrame) -> str:
    counts = refused["reason"].value_counts().sort_index()
    return ", ".join(f"{reason} {count}" for reason, count in counts.items())


def _read_parts(paths: list[Path], source: str, settings: Settings, rejects: Rejects) -> list[Part]:
    parts: list[Part] = []
    problems: list[str] = []
    for path in paths:
        try:
            parts.append(read_part(path, settings, rejects))
        except InputError as error:
            problems.append(str(error))
            rejects.add_file(str(path), "unusable_file", str(error))
            log.warning("file refused: %s", error)
    if not any(len(part.row) for part in parts):
        _nothing(source, problems, rejects)
    _warn_unused(parts, settings)
    return parts


def _nothing(source: str, problems: list[str], rejects: Rejects) -> None:
    if problems:
        more = f" (and {len(problems) - 3} more files)" if len(problems) > 3 else ""
        raise NoUsableInputError("; ".join(problems[:3]) + more)
    refused = rejects.frame()
    if not len(refused):
        raise NoUsableInputError(f"{source} holds no rows; expected server_id, timestamp and metric columns")
    first = refused.iloc[0]
    raise NoUsableInputError(
        f"{source} holds no usable row: {_counts(refused)}; first: {first['file']} row {first['row']}, "
        f"column {first['column'] or '-'}: {first['value']!r}"
    )


def _warn_unused(parts: list[Part], settings: Settings) -> None:
    there = {name for part in parts for name in part.foreign}
    unused = sorted(set(settings.source.columns) - there)
    if unused:
        log.info("source.columns maps what no file has: %s", ", ".join(unused))
    ours = {name for part in parts for name in (*part.values, *part.long_names)}
    unused = sorted(set(settings.source.scale) - ours)
    if unused:
        log.warning("source.scale names columns that are not there: %s; there are: %s", ", ".join(unused), sorted(ours))


def _cadence(parts: list[Part], settings: Settings) -> Cadence:
    """The one cadence of all files; raises InputError. A file with few rows or many gaps follows the others."""
    wanted = settings.source.cadence
    found: dict[Cadence, str] = {}
    for part in parts:
        gap = _gap(part)
        if gap is not None and (wanted != "auto" or nearest(gap) or gap < Cadence.HOURLY.step.to_timedelta64()):
            found.setdefault(cadence_of(gap, part.wall, part.file, wanted), part.file)
    if len(found) > 1:
        raise InputError(
            f"{found[Cadence.DAILY]} is daily and {found[Cadence.HOURLY]} is hourly: run them one after the other"
        )
    if found:
        return next(iter(found))
    names = np.concatenate([part.names[part.server] for part in parts])
    walls = np.concatenate([part.wall for part in parts])
    gap = spacing(pd.factorize(names)[0].astype(np.int64), walls)  # files of one period each
    return cadence_of(gap, walls, next(part.file for part in parts if len(part.row)), wanted)


def _gap(part: Part) -> np.timedelta64 | None:
    return spacing(part.server, part.wall if np.isnat(part.utc).any() else part.utc)


def _on_grid(
    parts: list[Part], cadence: Cadence, source: str, settings: Settings, rejects: Rejects
) -> tuple[list[Part], list[Times]]:
    """Parts without rows that are off the grid, and the grid times of the others."""
    kept, grids, problems = [], [], []
    for part in parts:
        grid, fits = snap(part.utc, part.wall, cadence)
        off = int((~fits).sum())
        if off and off / part.rows_read > settings.source.max_rejected_share:
            example = part.wall[~fits][0]
            problems.append(
                f"{part.file}: {off} of {part.rows_read} rows are off the {cadence} grid (first: {example}); "
                f"aggregate them to one row per {'day' if cadence is Cadence.DAILY else 'hour'}"
            )
            rejects.add_file(part.file, "unusable_file", problems[-1])
            continue
        bad = ~fits
        rejects.add(part.file, part.row[bad], part.names[part.server[bad]], TIMESTAMP, part.wall[bad], "off_grid")
        kept.append(part.take(fits))
        grids.append(grid[fits])
    if not any(len(part.row) for part in kept):
        raise NoUsableInputError("; ".join(problems[:3]) or f"{source} holds no usable row")
    return kept, grids


def _inventory(
    parts: list[Part], grids: list[Times], servers: pd.Index, given: pd.DataFrame | None, settings: Settings
) -> pd.DataFrame:
    """Dated rows of every server observed or listed."""
    rows = []
    for part, grid in zip(parts, grids, strict=True):
        texts = {name: cells for name, cells in part.texts.items() if name in INVENTORY}
        if texts:
            rows.append(inventories.from_runs(part.names[part.server], grid, texts))
    described = pd.concat(rows)[SERVER_ID] if rows else []
    rows.append(pd.DataFrame({SERVER_ID: servers.difference(pd.Index(described))}))
    seen = inventories.normalise(pd.concat(rows, ignore_index=True))
    seen = labels.attach(seen, parts, grids, settings)
    if given is None:
        return seen
    missing = len(set(servers) - set(given[SERVER_ID]))
    if missing:
        log.warning("%d of %d observed servers are not in the inventory: unassigned where nothing else says", missing,
                    len(servers))  # fmt: skip
    return inventories.overlay(seen, given)
