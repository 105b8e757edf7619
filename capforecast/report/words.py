"""How figures, dates and reasons are written, in PDF and workbook alike. English, whatever the locale."""

from __future__ import annotations

import math
import re

import pandas as pd

from capforecast.schema import UNASSIGNED, Reason

NBSP = "\N{NO-BREAK SPACE}"
NONE = "–"  # what stands where there is no figure
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# What a reason means, and what turns an unknown server into a forecast one.
REASONS: dict[str, tuple[str, str]] = {
    Reason.TOO_SHORT: (
        "History is shorter than a forecast needs.",
        "Nothing to do if the server is new: it is forecast once it has been observed long enough. Else load its past.",
    ),
    Reason.STALE: (
        "Nothing was observed in the last days before the cut-off.",
        "Check that the server still runs and its agent still reports; if it is gone, set its environment in the "
        "inventory to retired.",
    ),
    Reason.GAPPY: (
        "Too much of the recent history is missing.",
        "Repair the collection; load the missing days if the monitoring system kept them.",
    ),
    Reason.ALL_MISSING: (
        "The column is there, but holds no value.",
        "Check that the agent sends this metric and that the column map names the right column.",
    ),
    Reason.NO_THRESHOLD: (
        "What can be forecast has no threshold, so there is nothing to be at risk of.",
        "Set metrics.<name>.high and very_high in the configuration, or collect cpu, mem or disk.",
    ),
    Reason.NO_EVIDENCE: (
        "It was forecast, but fewer than 10 past forecasts can be checked, so no probability can be stated.",
        "Load older or missing data of this server, or of any other server of its business unit.",
    ),
    Reason.NOT_TRAINED: (
        "It could be forecast, but the model of its business unit was trained before it was known.",
        "Wait for the next training, or train now: capforecast train.",
    ),
    Reason.NO_OBSERVATIONS: (
        "It stands in the inventory and was never observed.",
        "Install the agent, correct the server's name in inventory or monitoring, or set its environment to retired.",
    ),
}


def reason_text(reason: str) -> tuple[str, str]:
    """Meaning and fix of a reason; of one we have no text for, the word itself."""
    known = REASONS.get(reason)
    return known or (reason.replace("_", " ") or "No reason was recorded.", "See the series of this server.")


def is_missing(value: object) -> bool:
    """None, NaN, NaT or NA."""
    return value is None or bool(pd.isna(value))


def count(value: float) -> str:
    """12,345."""
    return f"{int(value):,}"


def plural(number: int, noun: str, ending: str = "s") -> str:
    """`1 server`, `1,234 servers`."""
    return f"{count(number)} {noun}{'' if number == 1 else ending}"


def number(value: object, digits: int = 1) -> str:
    """A figure with fixed decimals, with a true minus sign; a dash where there is none."""
    if is_missing(value) or not math.isfinite(float(value)):  # type: ignore[arg-type]
        return NONE
    return f"{float(value):,.{digits}f}".replace("-", "−")  # type: ignore[arg-type]


def compact(value: float) -> str:
    """A figure in few characters, for axes: 80, 1,200, 12.5k, 3M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size and abs(value) >= 10_000:
            return f"{value / size:.3g}{letter}".replace("-", "−")
    return f"{value:,.6g}".replace("-", "−")


def probability(value: object) -> str:
    """A share in percent; the ends are never rounded to certainty."""
    if is_missing(value):
        return NONE
    share = float(value)  # type: ignore[arg-type]
    if 0 < share < 0.01:
        return f"<{NBSP}1{NBSP}%"
    if 0.99 < share < 1:
        return f">{NBSP}99{NBSP}%"
    return f"{share * 100:.0f}{NBSP}%"


def rate(value: object) -> str:
    """A frequency in percent; below 10 % with a decimal, since base rates are small."""
    if is_missing(value) or float(value) >= 0.0995:  # type: ignore[arg-type]
        return probability(value)
    return f"{float(value) * 100:.1f}{NBSP}%"  # type: ignore[arg-type]


def chance(probability: float, paths: int) -> str:
    """A probability in percent, never finer than the number of paths behind it can tell."""
    finest = max(0.01, 1 / max(paths, 1))
    percent = math.ceil(100 * finest - 1e-9)
    if probability < finest:
        return f"less than {percent} %"
    if probability > 1 - finest:
        return f"more than {100 - percent} %"
    return f"{100 * probability:.0f} %"


def chance_of(value: object, paths: object) -> str:
    """A breach probability in percent, never finer than the number of paths behind it can tell."""
    if is_missing(value) or is_missing(paths):
        return probability(value)
    text = chance(float(value), int(float(paths)))  # type: ignore[arg-type]
    return text.replace("less than", "<").replace("more than", ">").replace(" ", NBSP)


def percent(value: object) -> str:
    """A share in whole percent, of either sign."""
    return NONE if is_missing(value) else f"{number(float(value) * 100, 0)}{NBSP}%"  # type: ignore[arg-type]


def unit_sign(unit: str) -> str:
    """The unit as it follows a figure."""
    return f"{NBSP}%" if unit == "percent" else f"{NBSP}{unit}" if unit else ""


def quantity(value: object, unit: str) -> str:
    """A figure and its unit; three significant digits are enough for a reader."""
    if is_missing(value):
        return NONE
    figure = float(value)  # type: ignore[arg-type]
    return number(figure, 0 if abs(figure) >= 100 or unit == "percent" else 1) + unit_sign(unit)


def date_text(when: pd.Timestamp, year: bool = True) -> str:
    """`3 Mar 2026`, unbreakable."""
    if is_missing(when):
        return NONE
    parts = [str(when.day), MONTHS[when.month - 1]] + ([str(when.year)] if year else [])
    return NBSP.join(parts)


def listed(items: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


_TIES = re.compile(
    r"(?<=\d) (?=(?:%|[dh]|days?|hours?|Mbit/s|MB/s|GiB|vCPU|points?|in 100?|" + "|".join(MONTHS) + r")(?!\w))"
    r"|(?<=\d in) (?=100?(?!\d))|(?<=[<>]) (?=\d)"
)


def tight(text: str) -> str:
    """Text in which a figure and its unit never part at the end of a line."""
    return _TIES.sub(NBSP, text)


def quoted(text: str) -> str:
    """Names in `backticks` as they stand in print."""
    return re.sub(r"`([^`]+)`", r"“\1”", text)


def place(business_unit: str, region: str) -> str:
    """Where a server stands; what nobody assigned is not repeated."""
    known = [name for name in (business_unit, region) if name and name != UNASSIGNED]
    return " · ".join(known) or UNASSIGNED
