"""What the page of a server says and lists beside its chart."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from capforecast.dashboard.one_server import Hindsight, Row, SeriesView
from capforecast.dashboard.reading import OpenRun
from capforecast.report.words import NONE, chance_of, date_text, is_missing, number, plural, quantity, unit_sign
from capforecast.schema import UNASSIGNED

# `high` alone would be taken for the tier
_PLACE = {"business_unit": "", "region": "", "criticality": " criticality", "environment": "", "instance_type": ""}


def facts(row: Row) -> list[str]:
    """Where it stands and what it is, as far as that is known."""
    said = [
        f"{text}{after}"
        for name, after in _PLACE.items()
        if (text := str(row.get(name) or "")) not in ("", UNASSIGNED, "nan")
    ]
    sizes = ((row.get("vcpus"), "vCPU"), (row.get("memory_gib"), "GiB"))
    said += [f"{float(size):g} {unit}" for size, unit in sizes if size is not None and not is_missing(size)]
    owner = row.get("owner")
    return said + ([f"owner {owner}"] if owner and not is_missing(owner) else ["nobody owns it"])


def metric_table(opened: OpenRun, rows: Sequence[Row]) -> pd.DataFrame:
    """Every metric of a server in figures."""
    return pd.DataFrame([_metric_row(opened, row) for row in rows])


def _metric_row(opened: OpenRun, row: Row) -> dict[str, str]:
    unit = opened.settings.metric(str(row["metric"])).unit
    half = row["days_q50"]
    when = NONE if is_missing(half) else date_text((opened.origin + pd.Timedelta(days=float(half))).floor("D"))
    breached = "very high" if row["in_breach_very_high"] else "high" if row["in_breach_high"] else "no"
    return {
        "Metric": f"{row['metric']} {row['statistic']}",
        "Tier": str(row["tier"]),
        "Last": quantity(row["last_value"], unit),
        "Threshold": quantity(row["threshold_high"], unit),
        "In breach now": breached,
        "Breach chance": chance_of(row["probability_high"], row["paths"]),
        "Even odds by": when,
        "90 % peak": quantity(row["peak_q90"], unit),
        "Left": NONE if is_missing(row["capacity_remaining"]) else f"{number(row['capacity_remaining'], 0)} %",
        "Error by naive": number(row["relative_mae"], 2),
        "Inside 80 % band": NONE if is_missing(row["coverage_80"]) else f"{number(100 * row['coverage_80'], 0)} %",
        "Why unknown": str(row["reason"]).replace("_", " ") or NONE,
    }


def hindsight_lines(fared: Sequence[Hindsight], view: SeriesView) -> list[str]:
    """How earlier forecasts fared, a sentence each."""
    return [_fared(each, view) for each in fared]


def _fared(each: Hindsight, view: SeriesView) -> str:
    when = date_text(each.outlook.run.as_of)
    if each.error is None or each.inside is None:
        return f"The forecast of {when}: nothing has been observed since."
    points = "points" if view.unit == "percent" else unit_sign(view.unit).strip()
    periods = plural(each.points, "day" if each.outlook.run.cadence == "daily" else "hour")
    return (
        f"The forecast of {when}, over the {periods} that have come since: median off by "
        f"{number(each.error, 1)} {points} on average, {number(100 * each.inside, 0)} % of the values inside its "
        "80 % band."
    )


def mark_table(view: SeriesView) -> pd.DataFrame:
    """Anomalies of a series, newest first."""
    return pd.DataFrame(
        [
            {
                "Began": date_text(mark.began),
                "Kind": mark.kind.replace("_", " "),
                "Value": quantity(mark.value, view.unit),
                "Against the usual": f"{'+' if mark.size > 0 else ''}{number(mark.size, 1)}",
            }
            for mark in sorted(view.marks, key=lambda each: each.began, reverse=True)
        ]
    )
