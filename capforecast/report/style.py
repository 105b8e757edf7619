"""House style of report and charts: one place for colours, type and sizes.

Tiers get darker as they get worse, so that the order survives grey print and every kind of colour blindness (the two
warm tones differ in lightness, not only in hue); their second cue is the tier's name or, where a name has no room, its
place: worst first. `unknown` is white with an outline: it is not a shade of risk.
"""

from __future__ import annotations

import re

from capforecast.schema import Tier

FONT = "IBM Plex Sans"
FONT_FILES = {400: "IBMPlexSans-400.ttf", 600: "IBMPlexSans-600.ttf", 700: "IBMPlexSans-700.ttf"}
FALLBACK_FONT = "DejaVu Sans"  # comes with matplotlib; covers scripts that Plex's latin set lacks

INK = "#1c2733"
MUTED = "#55636f"
RULE = "#ccd4db"
FAINT = "#eef1f4"
PAPER = "#ffffff"
ACCENT = "#0b4f8a"

HISTORY = "#46535f"
MEDIAN = ACCENT
BAND_80 = "#86b3dc"
BAND_95 = "#cfe1f2"
THRESHOLD_HIGH = "#b54708"
THRESHOLD_VERY_HIGH = "#7a1022"
BREACH_WINDOW = "#f6dccb"

TIER_FILL = {
    Tier.CRITICAL: "#7a1022",
    Tier.HIGH: "#c9500f",
    Tier.WATCH: "#f3bd57",
    Tier.OK: "#d5e3ea",
    Tier.UNKNOWN: "#ffffff",
}
TIER_TEXT = {
    Tier.CRITICAL: "#ffffff",
    Tier.HIGH: "#ffffff",
    Tier.WATCH: INK,
    Tier.OK: INK,
    Tier.UNKNOWN: MUTED,
}
TIER_MEANING = {
    Tier.CRITICAL: "act now",
    Tier.HIGH: "plan capacity",
    Tier.WATCH: "keep an eye on",
    Tier.OK: "nothing to do",
    Tier.UNKNOWN: "cannot be forecast",
}

# Points (1/72 inch). A fan chart fills half the text width of A4, matrix and bars the whole of it.
FAN_WIDTH, FAN_HEIGHT = 243.0, 118.0
TEXT_WIDTH = 498.0
CHART_TEXT = 6.8
CHART_TEXT_SMALL = 6.2
CHART_TEXT_TINY = 5.4


def shorten(text: str, most: int) -> str:
    """Text of at most `most` characters; the middle gives way, since names differ at both ends."""
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return f"{text[: most - 1 - tail]}…{text[len(text) - tail :]}"


# Control characters (white space becomes a blank), halves of surrogate pairs, direction overrides, non-characters.
_UNPRINTABLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
_BREAKS = re.compile("[\t\n\x0b\x0c\r\u2028\u2029]+")


def printable(text: str) -> str:
    """Text without what neither XML nor a font can show, or what would turn the text around it."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", _BREAKS.sub(" ", text))
