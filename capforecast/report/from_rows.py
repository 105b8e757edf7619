"""From rows of a table to parts of the summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, get_args

import pandas as pd

from capforecast.report.accuracy import figure
from capforecast.report.part import Part
from capforecast.report.words import is_missing

AnyPart = TypeVar("AnyPart", bound=Part)
_MONEY = ("monthly", "to_monthly", "change_")  # how the names of sums of money begin


def part_of(row: Mapping[Any, Any], part: type[AnyPart], **more: Any) -> AnyPart:
    """A part with what a row has of its fields, and `more`; what is missing is left to the default."""
    return part(**(known(row, part) | more))


def known(row: Mapping[Any, Any], part: type[Part]) -> dict[str, Any]:
    """The fields of a part that a row has. Figures with the summary's digits; money to the cent, so that it adds up."""
    present = {name: row[name] for name in part.model_fields if name in row and not is_missing(row[name])}
    return {name: int(value) if _counted(part, name) else _plain(name, value) for name, value in present.items()}


def _counted(part: type[Part], name: str) -> bool:
    """Is the field a whole number? Where some are missing, a table holds them as floats."""
    annotation = part.model_fields[name].annotation
    return int in (annotation, *get_args(annotation))


def _plain(name: str, value: Any) -> Any:
    """A value without numpy or pandas around it."""
    if isinstance(value, float):
        shown = figure(value)
        return round(float(value), 2) + 0.0 if shown is not None and name.startswith(_MONEY) else shown
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return _plain(name, value.item()) if hasattr(value, "item") else value
