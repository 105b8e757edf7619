"""Small CSV files people keep by hand: a header of known columns, comments after #, one line per row.

Read line by line, so that a file of any length needs the memory of one line.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from capforecast.errors import ConfigError


class Layout(NamedTuple):
    """What a file must look like, and how errors call it."""

    columns: Sequence[str]  # known, in any order
    required: Sequence[str]
    what: str  # "shapes"
    setting: str  # that named the file


def rows(file: Path, layout: Layout) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells of each row; blank lines and those that begin with # are passed over.

    Raises ConfigError that names file, line and column of what cannot be used.
    """
    header: list[str] = []
    for at, line in lines(file, layout):
        if not line.strip() or line.startswith("#"):
            continue
        cells = _cells(line, f"{file}:{at}")
        if not header:
            header = [cell.strip() for cell in cells]
            _check_header(header, layout, f"{file}:{at}")
        elif len(cells) != len(header):
            raise ConfigError(f"{file}:{at}: {len(cells)} cells where the header has {len(header)}")
        else:
            yield at, {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    if not header:
        raise ConfigError(f"{file} is empty; it needs the header {','.join(layout.columns)}")


def lines(file: Path, layout: Layout) -> Iterator[tuple[int, str]]:
    """Number and text of each line, without its end."""
    try:
        with file.open(encoding="utf-8-sig") as text:
            for at, line in enumerate(text, 1):
                yield at, line.rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"cannot read the {layout.what} in {file}: {reason} (setting {layout.setting})") from error


def check_names(names: Sequence[str], layout: Layout, where: str) -> None:
    """Raise ConfigError for a column that is not known or stands there twice."""
    for name in names:
        if name not in layout.columns or names.count(name) > 1:
            near = difflib.get_close_matches(name, layout.columns, n=1)
            hint = f"nearest: {near[0]}" if near else f"known: {', '.join(layout.columns)}"
            raise ConfigError(f"{where}: column {name!r} is not known or stands there twice; {hint}")


def _cells(line: str, where: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error as error:  # a quote left open: no cell holds a line break
        raise ConfigError(f"{where}: not a line of CSV ({error}); check its quotes") from None


def _check_header(header: list[str], layout: Layout, where: str) -> None:
    check_names(header, layout, where)
    for name in layout.required:
        if name not in header:
            raise ConfigError(f"{where}: no column {name}; known: {', '.join(layout.columns)}")
