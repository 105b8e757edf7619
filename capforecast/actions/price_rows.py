"""What every reader of prices hands over, and the checks they share."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import NamedTuple

from capforecast.errors import ConfigError
from capforecast.fleet.commented_csv import Layout

LINUX = "linux"
EVERYWHERE = "*"  # as region: the price holds in every region
PRICE_COLUMNS = ("instance_type", "region", "os", "hourly", "currency")
LAYOUT = Layout(PRICE_COLUMNS, ("instance_type", "hourly"), "prices", "prices.files")
MOST_HOURLY = 1e6  # above it is a slip of the keyboard
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class Key(NamedTuple):
    """What a price is of; all lower case."""

    instance_type: str
    region: str
    os: str


@dataclass(frozen=True)
class PriceFile:
    """Prices of one file, per hour."""

    name: str
    date: str  # of the prices, yyyy-mm-dd
    source: str  # where they come from, in the file's words
    currency: str
    hourly: Mapping[Key, float]
    left_out: Mapping[Key, str] = field(default_factory=dict)  # what the file cannot say, and why


@dataclass(frozen=True)
class Head:
    """What a file says of all its rows."""

    date: str
    source: str
    currency: str
    region: str = ""  # of rows that name none
    os: str = LINUX


HEAD_KEYS = ("date", "source", "currency", "region", "os")


def head(said: Mapping[str, str], file: Path, currency: str) -> Head:
    """The head of a rate card; `currency` is expected, and assumed where the file names none.

    Raises ConfigError without a date, for one that is none, and for another currency.
    """
    if "date" not in said:
        raise ConfigError(
            f"{file}: no date of the prices; add one above them, e.g. `# date: 2026-11-28` (YAML: `date:`)"
        )
    try:
        day = date.fromisoformat(said["date"]).isoformat()
    except ValueError:
        raise ConfigError(f"{file}: date is {said['date']!r}; write yyyy-mm-dd") from None
    check_currency(said.get("currency", currency), currency, str(file))
    region, system = said.get("region", "").lower(), said.get("os", LINUX).lower()
    return Head(day, said.get("source") or file.name, currency, region, system)


def check_currency(found: str, expected: str, where: str) -> None:
    """Raise ConfigError where prices are in another currency: nothing is converted."""
    if found.upper() != expected:
        raise ConfigError(
            f"{where}: prices are in {found}, not in {expected}; give them in {expected}, set prices.currency, "
            "or leave the file out (prices.files; of the shipped sample: prices.sample: false)"
        )


class Card:
    """Collects the rows of a rate card and refuses what cannot be meant."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.hourly: dict[Key, float] = {}
        self._lines: dict[Key, int] = {}

    def add(self, cells: Mapping[str, str], file: Path, line: int) -> None:
        """Take one row in; ConfigError names file, line and column of what is wrong."""
        name = cells.get("instance_type", "").lower()
        if not name:
            raise ConfigError(f"{file}:{line}: no instance_type; name it or remove the row")
        where = f"{file}:{line}: {name}"
        region = cells.get("region", "").lower() or self.head.region
        if not region:
            raise ConfigError(
                f"{where}: no region; name it, or write {EVERYWHERE} where the price holds in every region"
            )
        check_currency(cells.get("currency", "") or self.head.currency, self.head.currency, where)
        key = Key(name, region, cells.get("os", "").lower() or self.head.os)
        if key in self._lines:
            raise ConfigError(
                f"{where}: priced twice in {region} for {key.os}, first in line {self._lines[key]}; remove one row"
            )
        self._lines[key] = line
        self.hourly[key] = price(cells.get("hourly", ""), f"{where}: hourly")

    def closed(self, file: Path) -> PriceFile:
        """All rows taken in."""
        if not self.hourly:
            raise ConfigError(f"{file}: no price in it; add rows, or leave it out of prices.files")
        return PriceFile(file.name, self.head.date, self.head.source, self.head.currency, self.hourly)


def price(text: str, where: str) -> float:
    """A price per hour: above 0, and not beyond reason."""
    number = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not 0 < number <= MOST_HOURLY:
        raise ConfigError(f"{where} is {text!r}; write a number above 0, per hour, with a decimal point")
    return number
