"""How cells of the workbook look: number formats by kind of column, headings, tiers, and what is over a limit."""

from __future__ import annotations

from typing import Any

from capforecast.report import style
from capforecast.schema import TIER_ORDER

NUMBERS = {
    "figure": "#,##0.0",
    "score": "#,##0.00",
    "count": "#,##0",
    "share": "0%",
    "rate": "0.0%",
    "fine": "0.000",
    "probability": "0%",
    "percent": "0.0",
    "date": "yyyy-mm-dd",
}
BAR = {
    "type": "data_bar", "bar_color": style.BAND_95, "bar_solid": True, "data_bar_2010": True,
    "min_type": "num", "min_value": 0, "max_type": "num", "max_value": 1,
}  # fmt: skip
# Fills of cells over a limit: light enough for dark text, and told apart in grey print by weight.
OVER: dict[str, dict[str, Any]] = {
    "over": {"bg_color": style.BREACH_WINDOW, "font_color": style.INK},
    "far_over": {"bg_color": "#eaa58c", "font_color": style.INK, "bold": True},
}
_HEAD: dict[str, Any] = {"bold": True, "text_wrap": True, "valign": "bottom", "bottom": 1, "bg_color": style.FAINT}
_SPECIAL: dict[str, dict[str, Any]] = {
    "head": _HEAD,
    "head_number": _HEAD | {"align": "right"},
    "title": {"bold": True, "font_size": 18},
    "headline": {"bold": True, "font_size": 13},
    "muted": {"font_color": style.MUTED},
    "text": {},
    "wrapped": {"text_wrap": True},
    "tier": {"align": "center"},
    "flag": {"align": "center"},
    "alarm": {"bold": True, "font_color": style.TIER_FILL[TIER_ORDER[0]]},
    "total_text": {"bold": True, "top": 1},
    "total_count": {"bold": True, "top": 1, "num_format": NUMBERS["count"]},
}


def look(name: str) -> dict[str, Any]:
    """Properties of a cell format: a kind of number, `tier_<tier>`, its heading `tier_<tier>_head`, one of the headings
    and texts (`<name>_after`: indented), or a fill of OVER.
    """
    if name in OVER:
        return OVER[name]
    base: dict[str, Any] = {"font_name": "Calibri", "font_size": 10, "font_color": style.INK, "valign": "top"}
    if name in NUMBERS:
        return base | {"num_format": NUMBERS[name]}
    if name.startswith("tier_"):
        tier = name.removeprefix("tier_")
        tier, side = tier.removesuffix("_head"), "right" if tier.endswith("_head") else "center"
        colours = {"bg_color": style.TIER_FILL[tier], "font_color": style.TIER_TEXT[tier]}  # type: ignore[index]
        return base | colours | {"bold": True, "align": side, "valign": "bottom" if side == "right" else "top"}
    if name.endswith("_after"):
        return look(name.removesuffix("_after")) | {"indent": 1}
    return base | _SPECIAL[name]
