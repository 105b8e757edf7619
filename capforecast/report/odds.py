"""Chances as people say them, `8 in 10`, and the dates they belong to. Never finer than the paths behind them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from capforecast.report.words import NBSP, date_text

_FAR = 300  # days ahead from which a date carries its year


@dataclass(frozen=True)
class Outlook:
    """One event: its chance within `days` of the origin, and the days by which 10 and 50 % of the paths have seen it.

    origin: last moment seen (naive, UTC).  days_q10, days_q50: None = later than `days`.
    """

    origin: pd.Timestamp
    probability: float
    days: float
    paths: int
    days_q10: float | None = None
    days_q50: float | None = None

    def day(self, days: float) -> str:
        """The date that lies `days` after the origin."""
        when = (self.origin + pd.Timedelta(days=days)).floor("D")
        return date_text(when, year=days > _FAR).replace(NBSP, " ")


def in_words(probability: float, paths: int) -> str:
    """`8 in 10`; in hundredths below 1 in 10 and above 9 in 10; `less than 2 in 100` where 60 paths tell no finer."""
    finest = max(0.01, 1 / max(paths, 1))
    least = math.ceil(100 * finest - 1e-9)
    if probability < finest - 1e-9:
        return f"less than {_hundredths(least)}"
    if probability > 1 - finest + 1e-9:
        return f"more than {_hundredths(100 - least)}"
    share = round(100 * probability)
    return _hundredths(share) if share < 10 or share >= 95 else _tenths(round(10 * probability + 1e-9))


def outlook_words(outlook: Outlook, event: str) -> str:
    """`8 in 10 chance of <event> by 3 Mar, 5 in 10 by 8 Feb, 1 in 10 by 20 Jan`.

    Dates stand beside the chance they belong to. Where the middle of the paths lies beyond the horizon: `even odds not
    before 4 Mar`, the first day that was not looked at.
    """
    likely = in_words(outlook.probability, outlook.paths)
    parts = [f"{likely} chance of {event} by {outlook.day(outlook.days)}"]
    said = {likely}
    dates = {outlook.day(outlook.days)}
    for odds, days in ((_tenths(5), outlook.days_q50), (_tenths(1), outlook.days_q10)):
        if days is None or odds in said or outlook.day(days) in dates:
            continue
        parts.append(f"{odds} by {outlook.day(days)}")
        said.add(odds)
        dates.add(outlook.day(days))
    undecided = outlook.days_q50 is None and outlook.probability < 0.5 and likely != _tenths(5)
    if outlook.days_q10 is not None and undecided:
        parts.append(f"even odds not before {outlook.day(outlook.days + 1)}")
    return ", ".join(parts)


def _tenths(number: int) -> str:
    return f"{number} in 10"


def _hundredths(number: int) -> str:
    return _tenths(number // 10) if number % 10 == 0 else f"{number} in 100"
