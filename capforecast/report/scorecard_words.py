"""The scorecard in words: its main table, and what a reader must know beside a figure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from capforecast.report.words import plural

FEW_EVENTS = 30  # below this a rate says little
HEAD = ("rule", "warned", "precision", "recall", "false alarms", "lead", "Brier skill", "ours at equal false alarms")


def few_events(events: int) -> str:
    """Why a figure should not be leant on, or "" where it may."""
    if events >= FEW_EVENTS:
        return ""
    return f"{events} event{'' if events == 1 else 's'}: too few to judge"


def main_level(rows: pd.DataFrame) -> str:
    """The level that a scorecard is read at first: both together where there are two."""
    levels = list(rows["level"])
    return "both" if "both" in levels else levels[0] if levels else ""


def of_fleet(rows: pd.DataFrame, level: str | None = None) -> pd.DataFrame:
    """Rows of the whole fleet at one level, by default the main one; tiers are rows of their own level."""
    fleet = rows[rows["scope"] == "fleet"]
    return fleet[fleet["level"] == (main_level(fleet) if level is None else level)]


def table_cells(row: dict[str, Any]) -> tuple[str, ...]:
    """The cells of HEAD for one row of a scorecard; what is not known may be None or NaN."""
    row = {name: np.nan if value is None else value for name, value in row.items()}
    skill, ratio = row["brier_skill"], row["recall_ratio"]
    return (
        str(row["rule"]),
        f"{row['warned']:,.0f}",
        _share(row["precision"]),
        _share(row["recall"]) + _between(100 * row["recall_low"], 100 * row["recall_high"], ".0f"),
        _number(row["false_alarms"], ".1f"),
        _number(row["lead_days"], ".0f", " d"),
        "" if not np.isfinite(skill) else f"{skill:.2f}" + _between(row["skill_low"], row["skill_high"]),
        "" if not np.isfinite(ratio) else f"{ratio:.2f}" + _between(row["ratio_low"], row["ratio_high"]) + " times",
    )


def heading(row: dict[str, Any]) -> str:
    """Counts that stand over a table: of a scope, level and horizon."""
    said = (
        f"{plural(row['events'], 'breach', 'es')} in {row['cases']:,} cases ({100 * row['base_rate']:.1f} %), "
        f"{row['servers']:,} servers, {row['series']:,} series, {row['origins']} origins"
    )
    few = few_events(int(row["events"]))
    return f"{said}; {few}" if few else said


def calibration(row: dict[str, Any]) -> str:
    """How honest the stated probabilities were."""
    return (
        f"mean stated probability {100 * row['mean_probability']:.1f} %, came true {100 * row['base_rate']:.1f} %; "
        f"calibration error {row['calibration_error']:.3f} (by chance alone {row['chance_floor']:.3f})"
    )


def scorecard_markdown(rows: pd.DataFrame) -> str:
    """The fleet's scorecard, a table per horizon; of an empty one a sentence."""
    fleet = of_fleet(rows)
    if fleet.empty:
        return (
            "# Did past warnings come true?\n\nNot scored: no series with a threshold has past origins with older "
            "ones behind them. A longer history gives some."
        )
    lines = ["# Did past warnings come true?"]
    for horizon, part in fleet.groupby("horizon_days", sort=True):
        found = part.to_dict("records")
        lines += ["", f"## Within {horizon} days", "", heading(found[0]) + ". " + calibration(found[0]) + ".", ""]
        lines += ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
        lines += ["| " + " | ".join(table_cells(row)) + " |" for row in found]
    return "\n".join([*lines, "", LEGEND])


LEGEND = (
    "False alarms: per 100 servers and month. Lead: median days from a warning to the breach. Brier skill: over the "
    "base rate of each metric and level; 0 = no better. Last column: recall of our probability, its cut-off moved to "
    "the rule's number of false alarms, by the rule's recall. In brackets: 95 % of resampled servers."
)


def _share(value: float) -> str:
    return f"{100 * value:.0f} %" if np.isfinite(value) else "-"


def _number(value: float, form: str, unit: str = "") -> str:
    return f"{value:{form}}{unit}" if np.isfinite(value) else "-"


def _between(low: float, high: float, form: str = ".2f") -> str:
    if not (np.isfinite(low) and np.isfinite(high)):
        return ""
    return f" [{low:{form}}, {high:{form}}]"
