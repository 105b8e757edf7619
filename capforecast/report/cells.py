"""From a column of a frame to the cells of a sheet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from capforecast.report import style
from capforecast.report.bulk import Cells
from capforecast.report.columns import Column
from capforecast.report.looks import NUMBERS
from capforecast.schema import TIER_ORDER

MAX_TEXT = 32_767  # characters in a cell, as UTF-16 counts them
DECIMALS = 6  # of a number; further ones make the file a third larger, and nobody reads them
_EPOCH = pd.Timestamp("1899-12-30")  # day 0 of Excel's calendar


def cells_of(column: Column, values: pd.Series, form: Callable[[str], Any], after: str = "") -> Cells:
    """Cells of a column: a missing or infinite value leaves its cell empty, text is never a formula.

    form: cell formats by name.  after: suffix of the format of text (`_after` = indented).
    """
    if column.kind in NUMBERS:
        figures = _figures(column, values)
        return Cells(pa.array(figures, mask=~np.isfinite(figures)), [form(column.kind)])
    if column.kind == "flag":
        said = values.notna().to_numpy(dtype=bool, copy=True)
        said[said] = values[said].astype(bool).to_numpy()
        return Cells(pa.array(np.zeros(len(values), np.int32), mask=~said), [form("flag")], words=["yes"])
    if column.kind == "spark":
        return Cells(pa.nulls(len(values), pa.int32()), [], words=[])
    return _texts(column, values, form, after)


def cell_text(text: str) -> str:
    """Text as a cell can hold it."""
    shown = style.printable(text)
    if len(shown) <= MAX_TEXT // 2:
        return shown
    return shown.encode("utf-16-le")[: 2 * MAX_TEXT].decode("utf-16-le", errors="ignore")


def _figures(column: Column, values: pd.Series) -> npt.NDArray[np.floating[Any]]:
    """Numbers, NaN where there is none; dates as days of Excel's calendar."""
    if column.kind == "date":
        moments = pd.to_datetime(values, errors="coerce", utc=True).dt.tz_localize(None)
        return np.asarray((moments - _EPOCH) / pd.Timedelta(days=1), dtype=np.float64)
    short = values.dtype == np.float32  # its seven digits, not what binary fractions make of them
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype="float64", na_value=np.nan)
    if short:
        return np.asarray(numbers, dtype=np.float32)
    small = np.abs(numbers) < 1e9  # rounding larger ones would cost digits that a double still has
    return np.where(small, np.round(np.where(small, numbers, 0.0), DECIMALS), numbers)


def _texts(column: Column, values: pd.Series, form: Callable[[str], Any], after: str) -> Cells:
    present = values.notna().to_numpy(dtype=bool) & (values != "").fillna(False).to_numpy(dtype=bool)
    said = values[present].map(str).to_numpy(dtype=object)
    codes, unique = pd.factorize(said)
    words = [cell_text(word) for word in unique]
    places = np.zeros(len(values), np.int32)
    places[present] = codes
    cells = pa.array(places, mask=~present)
    if column.kind != "tier":
        return Cells(cells, [form(f"wrapped{after}" if column.wrap else f"text{after}")], words=words)
    tiers = [str(tier) for tier in TIER_ORDER]
    formats = [form("tier"), *(form(f"tier_{tier}") for tier in tiers)]
    of_word = np.array([tiers.index(word) + 1 if word in tiers else 0 for word in words], np.int64)
    chosen = of_word[places] if len(words) else np.zeros(len(values), np.int64)
    return Cells(cells, formats, chosen, words)
