"""Charts of the fleet: servers at risk by business unit, and by business unit and region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from capforecast.report import style
from capforecast.report.canvas import draw
from capforecast.report.summary import RunSummary, Tiers, UnitSummary
from capforecast.report.words import plural
from capforecast.schema import TIER_ORDER, Tier

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_AT_RISK = (Tier.CRITICAL, Tier.HIGH, Tier.WATCH)
_LABEL_WIDTH, _ROW_NAME = 130.0, 112.0  # points: names beside bars, and beside the rows of the matrix
_TOTAL = "\x00total"  # no business unit or region can be called this
MOST_BARS = 6
MOST_ROWS, MOST_COLUMNS = 36, 7  # of the matrix; the workbook shows all


def at_risk(tiers: Tiers) -> int:
    """Servers that are critical or high."""
    return tiers.critical + tiers.high


def by_risk(tiers: Tiers) -> tuple[int, int, int, int]:
    """Sort key: worst first."""
    return (-tiers.critical, -tiers.high, -tiers.watch, -tiers.total)


def tier_bar(units: Sequence[UnitSummary], most: int = MOST_BARS, width: float = style.TEXT_WIDTH) -> str:
    """SVG of the servers that are critical, high or on watch, one bar per business unit, worst first."""
    ranked = sorted((u for u in units if u.status != "failed"), key=lambda u: (*by_risk(u.tiers), u.name))
    shown = ranked[:most]
    longest = max((sum(getattr(u.tiers, t) for t in _AT_RISK) for u in shown), default=0)
    row, room = 17.0, width - _LABEL_WIDTH - 82
    height = row * max(len(shown), 1)

    def paint(axes: Axes) -> None:
        for i, unit in enumerate(shown):
            y = height - row * (i + 1)
            axes.text(0, y + row / 2, style.shorten(style.printable(unit.name), 26), va="center", fontsize=7.6)
            x = _LABEL_WIDTH
            for tier in _AT_RISK:
                number = getattr(unit.tiers, tier)
                length = room * number / longest if longest else 0.0
                _segment(axes, x, y + 2.5, length, row - 5, tier, number)
                x += length
            axes.text(x + 5, y + row / 2, f"of {plural(unit.tiers.total, 'server')}", va="center", color=style.MUTED)

    rows = "; ".join(f"{u.name}: {_in_words(u.tiers)}" for u in shown)
    return draw(width, height, f"Servers at risk by business unit. {rows}", paint)


def risk_matrix(summary: RunSummary) -> str:
    """SVG of business units (rows, worst first) by regions (columns): servers at risk of all, and a bar by tier."""
    rows, columns, cells = _matrix(summary)
    row = 22.0 if len(rows) <= 20 else 14.5
    height = row * len(rows) + 16
    column = (style.TEXT_WIDTH - _ROW_NAME) / max(len(columns), 1)

    def paint(axes: Axes) -> None:
        for j, name in enumerate(columns):
            label = style.shorten(_shown(name), max(int(column / 4.0), 4))
            x = _ROW_NAME + column * j + 4
            axes.text(x, height - 8, label, va="center", color=style.MUTED, fontsize=7)
        for i, name in enumerate(rows):
            y = height - 16 - row * (i + 1)
            heavy = i == len(rows) - 1
            axes.plot([0, style.TEXT_WIDTH], [y + row] * 2, color=style.INK if heavy else style.RULE, linewidth=0.5)
            label = style.shorten(_shown(name), 27)
            axes.text(0, y + row / 2, label, va="center", fontsize=7.4, fontweight="bold" if heavy else "normal")
            for j, region in enumerate(columns):
                tiers = cells.get((name, region))
                if tiers is not None and tiers.total:
                    _cell(axes, _ROW_NAME + column * j + 4, y, column - 10, row, tiers)

    words = "; ".join(
        f"{_shown(unit)}, {_shown(region)}: {_in_words(t)}" for (unit, region), t in cells.items() if at_risk(t)
    )
    return draw(style.TEXT_WIDTH, height, f"Servers at risk by business unit and region. {words or 'None.'}", paint)


def _shown(name: str) -> str:
    return "total" if name == _TOTAL else style.printable(name)


def _matrix(summary: RunSummary) -> tuple[list[str], list[str], dict[tuple[str, str], Tiers]]:
    """Row names, column names and cells, with totals; what has no room is summed under `other`."""
    units, regions = _grouped(summary, "business_unit", MOST_ROWS), _grouped(summary, "region", MOST_COLUMNS)
    cells: dict[tuple[str, str], Tiers] = {}
    for cell in summary.by_unit_and_region:
        unit, region = units[cell.business_unit or ""], regions[cell.region or ""]
        for key in ((unit, region), (unit, _TOTAL), (_TOTAL, region)):
            cells[key] = _add(cells.get(key, Tiers()), cell.tiers)
        total = (_TOTAL, _TOTAL)
        cells[total] = _add(cells.get(total, Tiers()), cell.tiers)
    rows, columns = list(dict.fromkeys(units.values())), list(dict.fromkeys(regions.values()))
    return [*rows, _TOTAL], [*columns, _TOTAL], cells


def _grouped(summary: RunSummary, dimension: str, most: int) -> dict[str, str]:
    """Name -> name shown, worst first; beyond `most`, all share one."""
    totals: dict[str, Tiers] = {}
    for cell in summary.by_unit_and_region:
        name = getattr(cell, dimension) or ""
        totals[name] = _add(totals.get(name, Tiers()), cell.tiers)
    ranked = sorted(totals, key=lambda name: (*by_risk(totals[name]), name))
    if len(ranked) <= most:
        return {name: name for name in ranked}
    other = f"{len(ranked) - most + 1} others"
    return {name: name if i < most - 1 else other for i, name in enumerate(ranked)}


def _add(a: Tiers, b: Tiers) -> Tiers:
    return Tiers(**{tier: getattr(a, tier) + getattr(b, tier) for tier in TIER_ORDER})


def _in_words(tiers: Tiers) -> str:
    some = [f"{getattr(tiers, tier)} {tier}" for tier in TIER_ORDER if getattr(tiers, tier)]
    return f"{', '.join(some)} of {tiers.total}"


def _cell(axes: Axes, x: float, y: float, width: float, row: float, tiers: Tiers) -> None:
    """At risk of all as figures, the share of each tier as a thin bar below."""
    bad = at_risk(tiers)
    bar = 3.6 if row > 20 else 2.2
    middle = y + bar + 1.5 + (row - bar - 1.5) / 2
    colour = style.TIER_FILL[Tier.CRITICAL] if tiers.critical else style.TIER_FILL[Tier.HIGH] if bad else style.MUTED
    axes.text(
        x, middle, f"{bad:,}", va="center", fontsize=8 if row > 20 else 7, color=colour,
        fontweight="bold" if bad else "normal",
    )  # fmt: skip
    after = 3.5 + 4.4 * len(str(bad)) + 2 * (bad >= 1_000)
    all_of_them = _fitting(tiers.total, width + 7 - after)
    axes.text(x + after, middle, all_of_them, va="center", color=style.MUTED, fontsize=6.2)
    for tier in TIER_ORDER:
        length = width * getattr(tiers, tier) / tiers.total
        _segment(axes, x, y + 2.2, length, bar, tier, None)
        x += length


def _fitting(servers: int, room: float) -> str:
    """`of 1,256`; in thousands where there is no room (points) for more."""
    whole = f"of {servers:,}"
    return whole if 3.2 * len(whole) <= room or servers < 1_000 else f"of {servers / 1_000:.0f}k"


def _segment(axes: Axes, x: float, y: float, width: float, height: float, tier: Tier, number: int | None) -> None:
    from matplotlib.patches import Rectangle

    if width <= 0:
        return
    unknown = tier is Tier.UNKNOWN
    axes.add_patch(
        Rectangle(
            (x, y), width, height, facecolor=style.TIER_FILL[tier], linewidth=0.4 if unknown else 0,
            edgecolor=style.MUTED if unknown else "none",
        )
    )  # fmt: skip
    if number is not None and width > 4 + 4.4 * len(f"{number:,}"):
        axes.text(
            x + width / 2, y + height / 2 - 0.3, f"{number:,}", ha="center", va="center", fontsize=7,
            color=style.TIER_TEXT[tier], fontweight="bold",
        )  # fmt: skip
