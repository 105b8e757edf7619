"""Colours of charts on light and on dark ground. Light ones are the report's own."""

from __future__ import annotations

from dataclasses import dataclass

from capforecast.report import style
from capforecast.schema import Tier


@dataclass(frozen=True)
class Looks:
    """One set of colours."""

    ink: str
    muted: str
    rule: str
    history: str
    median: str
    band_80: str
    band_95: str
    high: str
    very_high: str
    window: str
    earlier: tuple[str, ...]
    accent: str
    good: str
    bad: str
    tiers: dict[str, str]
    tier_text: dict[str, str]


LIGHT = Looks(
    ink=style.INK,
    muted=style.MUTED,
    rule=style.RULE,
    history=style.HISTORY,
    median=style.MEDIAN,
    band_80=style.BAND_80,
    band_95=style.BAND_95,
    high=style.THRESHOLD_HIGH,
    very_high=style.THRESHOLD_VERY_HIGH,
    window=style.BREACH_WINDOW,
    earlier=("#6b3fa0", "#0f7b6c", "#8a6d00"),
    accent=style.ACCENT,
    good="#0f7b6c",
    bad=style.THRESHOLD_HIGH,
    tiers={str(tier): colour for tier, colour in style.TIER_FILL.items()} | {"unknown": "#eef1f4"},
    tier_text={str(tier): colour for tier, colour in style.TIER_TEXT.items()},
)
# On dark ground worse tiers are brighter, so that the order survives there, too.
DARK = Looks(
    ink="#e8edf2",
    muted="#a3b1bd",
    rule="#38434e",
    history="#b9c4ce",
    median="#7fb8ee",
    band_80="#2f5f8c",
    band_95="#1f3c57",
    high="#ff9d5c",
    very_high="#ff7b8e",
    window="#4a2f22",
    earlier=("#c3a2f2", "#5fd0bd", "#e2c14b"),
    accent="#7fb8ee",
    good="#5fd0bd",
    bad="#ff9d5c",
    tiers={
        Tier.CRITICAL: "#ff7b8e",
        Tier.HIGH: "#f08a3c",
        Tier.WATCH: "#a8832f",
        Tier.OK: "#2b3d4a",
        Tier.UNKNOWN: "#1f262d",
    },
    tier_text={
        Tier.CRITICAL: "#1a0307",
        Tier.HIGH: "#201003",
        Tier.WATCH: "#ffffff",
        Tier.OK: "#d5e3ea",
        Tier.UNKNOWN: "#a3b1bd",
    },
)


def looks(dark: bool) -> Looks:
    """The colours for a ground."""
    return DARK if dark else LIGHT
