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
from capforecast.sources.columns import INVENTORY, layout
from capforecast.sources.fractions import refuse_fractions
from capforecast.sources.grid import Times, cadence_of, nearest, snap, spacing
from capforecast.sources.inventories import read_inventory
from capforecast.sources.merge import Merged, merge
from capforecast.sources.parts import Part, read_part
from capforecast.sources.paths import find_files, inventory_beside
from capforecast.sources.rejects import Rejects
from capforecast.sources.tables import read_columns
from capforecast.sources.tally import OBSERVATIONS, Tally

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Batch:
    """What a source gave.

    observations: server_id, timestamp [us, UTC], `<metric>_<statistic>` float32 ..., ingested_at if the source has
    it; sorted, one row per server and time (and arrival).  inventory: dated rows (fleet/inventory.py), every server.
    rejects: file, row (1-based as in the file, a CSV's header counted; 0 = the file), server_id, column, value, reason.
    tallies: what became of the rows of each file.  rows_read: rows of all readable files of observations.
    duplicates: rows that say what another row says too; of contradicting values the last stays and the others are
    among the rejects as `duplicate_conflict`.  files: (path, sha256) of all that were used.
    """

    observations: pd.DataFrame
    inventory: pd.DataFrame
    cadence: Cadence
    rejects: pd.DataFrame
    tallies: tuple[Tally, ...]

    @property
    def _counted(self) -> list[Tally]:
        return [each for each in self.tallies if each.kind == OBSERVATIONS]

    @property
    def rows_read(self) -> int:
        """Rows of all files of observations that could be read."""
        return sum(each.rows_read for each in self._counted)

    @property
    def rows_used(self) -> int:
        """Rows that stand in the observations."""
        return sum(each.rows_used for each in self._counted)

    @property
    def rows_rejected(self) -> int:
        """Rows set aside whole."""
        return sum(each.rows_rejected for each in self._counted)

    @property
    def duplicates(self) -> int:
        """Rows that say what another one says."""
        return sum(each.duplicates for each in self._counted)

    @property
    def files(self) -> tuple[tuple[str, str], ...]:
        """(path, sha256) of every file that was used."""
        return tuple((each.file, each.sha256) for each in self.tallies if not each.refused)


def read_files(source: str, settings: Settings, inventory: str | None = None, without: Path | None = None) -> Batch:
    """Read a source: a Parquet or CSV file, a folder of them (subfolders too) or a glob.

    inventory: file that wins over inventory columns inside the observations; a folder's own `inventory.csv` or
    `.parquet` is taken where none is named.  without: a folder whose files are not part of the source (the lake).
    Raises NoUsableInputError when nothing usable is left, InputError for a spacing that is neither daily nor hourly,
    files of both, or an inventory that cannot be used.
    """
    paths = find_files(source, without)
    listed = Path(inventory).expanduser() if inventory else inventory_beside(paths, source)
    if listed is not None:
        paths = [path for path in paths if path.resolve() != listed.resolve()]
    rejects = Rejects()
    given = None if listed is None else read_inventory(listed, settings, rejects)
    refused: list[Tally] = []
    parts = _read_parts(paths, source, settings, rejects, refused)
    cadence = _cadence(parts, settings)
    parts, grids = _on_grid(parts, cadence, source, settings, rejects, refused)
    _stop_on_refused(refused, settings)
    merged = merge(parts, grids, rejects)
    refuse_fractions(merged.observations, settings, source)
    servers = pd.Index(merged.observations[SERVER_ID].unique())
    rows = _inventory(parts, grids, servers, None if given is None else given[0], settings)
    tallies = [_tally(part, merged, place) for place, part in enumerate(parts)] + refused
    tallies = sorted(tallies, key=lambda each: each.file) + ([] if given is None else [given[1]])
    problems = rejects.frame()
    if len(problems):
        log.warning("set aside %d rows or values: %s", len(problems), _counts(problems))
    return Batch(merged.observations, rows, cadence, problems, tuple(tallies))


def read_head(path: Path, settings: Settings) -> str:
    """Why a file's columns cannot be used, or ""; only its head is read."""
    try:
        layout(str(path), read_columns(path), settings)
    except InputError as error:
        return str(error)
    return ""


def _tally(part: Part, merged: Merged, place: int) -> Tally:
    """What became of a part's rows: those it lost before merging, and those that merging folded."""
    rejected = part.rows_read - len(part.row) + int(merged.conflicts[place])
    used, repeated = int(merged.used[place]), int(merged.duplicates[place])
    return Tally(part.file, part.sha256, part.rows_read, used, rejected, repeated)


def _stop_on_refused(refused: list[Tally], settings: Settings) -> None:
    if refused and settings.source.stop_on_refused_file:
        more = f" (and {len(refused) - 3} more files)" if len(refused) > 3 else ""
        problems = "; ".join(each.problem for each in refused[:3])
        raise InputError(f"{problems}{more} (source.stop_on_refused_file is on)")


def _counts(refused: pd.DataFrame) -> str:
    counts = refused["reason"].value_counts().sort_index()
    return ", ".join(f"{reason} {count}" for reason, count in counts.items())


def _read_parts(
    paths: list[Path], source: str, settings: Settings, rejects: Rejects, refused: list[Tally]
) -> list[Part]:
    parts: list[Part] = []
    for path in paths:
        try:
            part = read_part(path, settings, rejects)
        except InputError as error:
            _refuse(Tally(str(path), "", 0, 0, 0, problem=str(error)), rejects, refused)
            continue
        if part.problem:
            _refuse(_whole(part, part.problem), rejects, refused)
        else:
            parts.append(part)
    if not any(len(part.row) for part in parts):
        _nothing(source, [each.problem for each in refused], rejects)
    _warn_unused(parts, settings)
    return parts


def _whole(part: Part, problem: str) -> Tally:
    return Tally(part.file, part.sha256, part.rows_read, 0, part.rows_read, problem=problem)


def _refuse(tally: Tally, rejects: Rejects, refused: list[Tally]) -> None:
    refused.append(tally)
    rejects.add_file(tally.file, "unusable_file", tally.problem)
    log.warning("file refused: %s", tally.problem)


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
    parts: list[Part], cadence: Cadence, source: str, settings: Settings, rejects: Rejects, refused: list[Tally]
) -> tuple[list[Part], list[Times]]:
    """Parts without rows that are off the grid, and the grid times of the others."""
    kept, grids = [], []
    for part in parts:
        grid, fits = snap(part.utc, part.wall, cadence)
        off = int((~fits).sum())
        if off and off / part.rows_read > settings.source.max_rejected_share:
            example = part.wall[~fits][0]
            problem = (
                f"{part.file}: {off} of {part.rows_read} rows are off the {cadence} grid (first: {example}); "
                f"aggregate them to one row per {'day' if cadence is Cadence.DAILY else 'hour'}"
            )
            _refuse(_whole(part, problem), rejects, refused)
            continue
        bad = ~fits
        rejects.add(part.file, part.row[bad], part.names[part.server[bad]], TIMESTAMP, part.wall[bad], "off_grid")
        kept.append(part.take(fits))
        grids.append(grid[fits])
    if not any(len(part.row) for part in kept):
        _nothing(source, [each.problem for each in refused], rejects)
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
