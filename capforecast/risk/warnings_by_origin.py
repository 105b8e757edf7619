"""Past warnings counted by the date they were made at: what the record of the last quarter is added up from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from capforecast.risk.scorecard import stated_horizons
from capforecast.settings import Settings

ORIGIN_COLUMNS = ("horizon_days", "origin", "cases", "events", "warned", "came_true")
QUARTER = pd.Timedelta(days=92)


def by_origin(warnings: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Cases, events, warnings and those that came true by horizon (days) and origin: ORIGIN_COLUMNS, sorted.

    warnings: WARNING_COLUMNS and `p_<days>d`. A case counts at a horizon where a probability was stated and the outcome
    is complete, as in the scorecard; it was warned of from risk.high_probability on.
    """
    parts = []
    for horizon in stated_horizons(warnings):
        stated = warnings[f"p_{horizon}d"]
        known = warnings[stated.notna() & (warnings["observed_days"] >= horizon)]
        event = known["event_days"] <= horizon
        warned = known[f"p_{horizon}d"] >= settings.risk.high_probability
        counted = {"cases": known["origin"].notna(), "events": event, "warned": warned, "came_true": warned & event}
        flags = pd.DataFrame({"origin": known["origin"]} | {n: flag.astype(np.int64) for n, flag in counted.items()})
        parts.append(flags.groupby("origin", sort=True).sum().reset_index().assign(horizon_days=horizon))
    return summed(parts)


def summed(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Counts of several tables of `by_origin`, of business units for one, added up."""
    filled = [part for part in parts if len(part)]
    if not filled:
        return pd.DataFrame(columns=list(ORIGIN_COLUMNS))
    whole = pd.concat(filled, ignore_index=True).groupby(["horizon_days", "origin"], sort=True).sum()
    return whole.reset_index()[list(ORIGIN_COLUMNS)]


def last_quarter(counts: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """The rows of one horizon whose origins lie within a quarter of the last that can be scored."""
    mine = counts[counts["horizon_days"] == horizon]
    return mine[mine["origin"] > mine["origin"].max() - QUARTER] if len(mine) else mine
