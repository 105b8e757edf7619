"""An inventory file, CSV or Parquet: dated or not, any of the inventory's columns, the rest kept as labels."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.errors import InputError
from capforecast.schema import INVENTORY_NUMBERS, RENAMED_FROM, SERVER_ID, VALID_FROM
from capforecast.settings import Settings
from capforecast.sources import cells
from capforecast.sources.columns import INVENTORY, LABEL, plain
from capforecast.sources.grid import to_index
from capforecast.sources.rejects import Rejects
from capforecast.sources.tables import Sheet, read_sheet
from capforecast.sources.tally import LISTED, Tally

log = logging.getLogger(__name__)


def read_inventory(path: Path, settings: Settings, rejects: Rejects) -> tuple[pd.DataFrame, Tally]:
    """(rows with our column names, what became of the file's rows). Raises InputError where the file cannot be used.

    Refused, with row and reason: rows without a server or with a date that is none, values that are no number.
    A server that stands there twice without dates and with different values keeps the last (`inventory_conflict`).
    """
    if not path.is_file():
        raise InputError(f"inventory {path} does not exist; name the file that lists the servers, or leave it out")
    sheet = read_sheet(path, lambda name: plain(settings.inventory.columns.get(name, name)) in INVENTORY_NUMBERS)
    ours = _columns(sheet, settings)
    server, names = cells.texts(sheet.table[ours[SERVER_ID]])
    ids = np.array([*names, ""], dtype=object)[server]
    good = server >= 0
    _refuse(sheet, rejects, ids, ours[SERVER_ID], ~good, "empty_server_id")
    frame = pd.DataFrame({SERVER_ID: ids})
    for name, column in ours.items():
        if name == VALID_FROM:
            frame[name], dated = _dates(sheet, column, settings, rejects, ids)
            good &= dated
        elif name in INVENTORY_NUMBERS:
            frame[name] = _numbers(sheet, column, rejects, ids)
        elif name != SERVER_ID:
            code, texts = cells.texts(sheet.table[column])
            frame[name] = np.array([*texts, None], dtype=object)[code]
    for reason, lines in (("ragged_row", sheet.ragged), ("mixed_encoding", sheet.undecodable)):
        numbers = np.array([number for number, _ in lines], dtype=np.int64)
        rejects.add(sheet.file, numbers, "", "", pd.Series([text for _, text in lines], dtype="object"), reason)
    read, rejected = len(good) + len(sheet.unread), int((~good).sum()) + len(sheet.unread)
    frame, rows = frame[good].reset_index(drop=True), sheet.rows[good]
    if frame.empty:
        raise InputError(f"inventory {path} holds no usable row; it needs at least a server_id in each")
    _note_conflicts(sheet.file, frame, rows, rejects)
    return frame, Tally(sheet.file, sheet.sha256, read, read - rejected, rejected, kind=LISTED)


def _columns(sheet: Sheet, settings: Settings) -> dict[str, str]:
    """Our column -> the file's; a mapped column wins over one that has the name by itself."""
    mapped = {**settings.source.columns, **settings.inventory.columns}
    known = (SERVER_ID, *INVENTORY, RENAMED_FROM, VALID_FROM)
    ours: dict[str, str] = {}
    names = sheet.table.column_names
    for column in [name for name in names if name in mapped] + [name for name in names if name not in mapped]:
        name = plain(mapped.get(column, column))
        name = name if name in known and name not in ours else LABEL + plain(column)
        ours.setdefault(name, column)
    if SERVER_ID not in ours:
        raise InputError(
            f"{sheet.file}: no column 'server_id' among {', '.join(names[:12])}; name it in the settings: "
            f"inventory.columns: {{{names[0] if names else '<its column>'}: server_id}}"
        )
    return ours


def _dates(
    sheet: Sheet, column: str, settings: Settings, rejects: Rejects, ids: npt.NDArray[np.object_]
) -> tuple[pd.DatetimeIndex, npt.NDArray[np.bool_]]:
    times = cells.moments(sheet.table[column], settings.source.timezone)
    fits = np.ones(len(ids), dtype=np.bool_)
    for reason, bad in times.bad.items():
        if reason != "missing_timestamp":  # undated: holds always
            _refuse(sheet, rejects, ids, column, bad, reason.replace("timestamp", "date"))
            fits &= ~bad
    return to_index(times.utc), fits


def _numbers(sheet: Sheet, column: str, rejects: Rejects, ids: npt.NDArray[np.object_]) -> npt.NDArray[np.float64]:
    numbers, odd = cells.numbers(sheet.table[column], sheet.decimal)
    infinite = cells.too_large(numbers)
    negative = ~infinite & (numbers < 0)
    for reason, bad in (("not_a_number", odd), ("infinite", infinite), ("below_minimum", negative)):
        _refuse(sheet, rejects, ids, column, bad, reason)
    return np.where(odd | infinite | negative, np.nan, numbers)


def _refuse(
    sheet: Sheet, rejects: Rejects, ids: npt.NDArray[np.object_], column: str, bad: npt.NDArray[np.bool_], reason: str
) -> None:
    if bad.any():
        rejects.add(sheet.file, sheet.rows[bad], ids[bad], column, cells.as_written(sheet.table[column], bad), reason)


def _note_conflicts(file: str, frame: pd.DataFrame, rows: npt.NDArray[np.int64], rejects: Rejects) -> None:
    """Record values that a later row of the same server and date replaces by another."""
    key = [SERVER_ID] + ([VALID_FROM] if VALID_FROM in frame else [])
    several = frame.duplicated(key, keep=False).to_numpy()
    if not several.any():
        return
    part = frame[several].reset_index(drop=True)
    number = rows[several]
    final = part[key].merge(part.groupby(key, dropna=False, as_index=False).last(), on=key, how="left")
    for column in part.columns.difference(key):
        lost = (part[column].notna() & (part[column] != final[column])).to_numpy()
        rejects.add(file, number[lost], part[SERVER_ID][lost], column, part[column][lost], "inventory_conflict")
        if lost.any():
            log.warning("%s: %s differs between rows of server %s; the last row counts", file, column,
                        part[SERVER_ID][lost].iloc[0])  # fmt: skip
