"""How good the warnings of the last quarter were: of dates whose horizon is over by now."""

from __future__ import annotations

import pandas as pd

from capforecast.report.scorecard_words import FEW_EVENTS
from capforecast.report.summary_warnings import RecentWarnings
from capforecast.report.words import NBSP, count, date_text, plural
from capforecast.risk.warnings_by_origin import last_quarter


def recent_warnings(by_origin: pd.DataFrame, horizon: int) -> RecentWarnings | None:
    """The record of the latest quarter at a horizon (days); None where nothing was replayed at it."""
    rows = last_quarter(by_origin, horizon) if len(by_origin) else by_origin
    if not len(rows):
        return None
    first, last = rows["origin"].min(), rows["origin"].max()
    sums = {name: int(rows[name].sum()) for name in ("cases", "events", "warned", "came_true")}
    found = RecentWarnings(
        horizon_days=horizon,
        origins=len(rows),
        first_origin=f"{first:%Y-%m-%d}",
        last_origin=f"{last:%Y-%m-%d}",
        missed=sums["events"] - sums["came_true"],
        sentence="",
        **sums,
    )
    return found.model_copy(update={"sentence": _sentence(found, first, last).replace(NBSP, " ")})


def _sentence(found: RecentWarnings, first: pd.Timestamp, last: pd.Timestamp) -> str:
    """What was warned of, what came of it, and what came unannounced."""
    days = date_text(last) if first == last else f"{date_text(first, first.year != last.year)} to {date_text(last)}"
    when, within = f"The last quarter that can be judged ({days})", f"within {found.horizon_days} d"
    if found.warned:
        told = f"{count(found.came_true)} of {plural(found.warned, 'warning')} came true {within}"
    else:
        told = "no warning was given"
    if not found.events:
        return f"{when}: {told}; nothing breached."
    announced = found.events - found.missed
    few = " Too few to judge by." if found.events < FEW_EVENTS else ""
    return f"{when}: {told}; {count(announced)} of {plural(found.events, 'breach', 'es')} had been warned of.{few}"
