"""What could not be used, and why: collected as arrays, handed on as one frame."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.schema import SERVER_ID

COLUMNS = ("file", "row", SERVER_ID, "column", "value", "reason")


class Rejects:
    """Refused rows, values and files. A `row` counts from 1 as in the file, a CSV's header included; 0 = the file."""

    def __init__(self) -> None:
        self._parts: list[pd.DataFrame] = []

    def add(
        self,
        file: str | npt.NDArray[np.str_] | pd.Series,
        row: npt.NDArray[np.int64],
        server: pd.Series | npt.NDArray[np.object_] | str,
        column: str | pd.Series,
        value: pd.Series | npt.NDArray[np.object_] | str,
        reason: str,
    ) -> None:
        """Record refused rows or values [R] of one reason; what is one text holds for all of them."""
        if not len(row):
            return
        texts = {"file": file, SERVER_ID: server, "column": column, "value": value, "reason": reason}
        frame = pd.DataFrame({name: text_of(given, len(row)) for name, given in texts.items()})
        self._parts.append(frame.assign(row=np.asarray(row, dtype=np.int64))[list(COLUMNS)])

    def add_file(self, file: str, reason: str, value: str) -> None:
        """Record a file that was refused whole."""
        self.add(file, np.zeros(1, dtype=np.int64), "", "", value, reason)

    def extend(self, frame: pd.DataFrame) -> None:
        """Take over what another collector's `frame` holds."""
        if len(frame):
            self._parts.append(frame)

    def frame(self) -> pd.DataFrame:
        """Everything recorded: COLUMNS, sorted by file, row and column."""
        if not self._parts:
            empty = pd.DataFrame({name: pd.Series(dtype="str") for name in COLUMNS})
            return empty.astype({"row": np.int64})
        frame = pd.concat(self._parts, ignore_index=True)
        return frame.sort_values(["file", "row", "column", "reason"], kind="stable", ignore_index=True)


def text_of(given: object, length: int) -> pd.Series:
    """Text [length] of a value or values, cut to 200 signs; missing = ""."""
    if isinstance(given, str):
        return pd.Series([given[:200]] * length, dtype="str")
    series = pd.Series(given).reset_index(drop=True)
    return series.astype("str").fillna("").str.slice(0, 200)
