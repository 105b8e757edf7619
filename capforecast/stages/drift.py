"""Does a unit's model still fit: against the run before, against what came since, against what it was trained on."""

from __future__ import annotations

import json
import logging
from typing import Any

import pandas as pd

from capforecast.exchange import Unit
from capforecast.forecast import drift as checks
from capforecast.forecast import frames
from capforecast.lake.datasets import read_frame, read_table, write_table
from capforecast.lake.store import Store
from capforecast.schema import BUSINESS_UNIT, METRIC, SERVER_ID, Reference
from capforecast.settings import Settings
from capforecast.stages.units import read_panel

log = logging.getLogger(__name__)
References = dict[str, Reference]


def drift(store: Store, settings: Settings, unit: Unit) -> References:
    """The checks of drift and the series over their limits, `drift` and `drift_series`; none of a unit without model.

    Compared with the earlier run that stage `champion` named; where there is none, the rows say so.
    """
    if "forecasts" not in unit.references:
        return {}
    limits, panel = settings.drift, read_panel(store, unit).usable()
    new = frames.from_table(read_table(store, unit.references["forecasts"]))
    earlier = unit.references.get("previous_forecasts")
    old = frames.from_table(read_table(store, earlier)) if earlier else None
    if old is not None and old.cadence is not unit.cadence:
        old = None
    tiers_then = unit.references.get("previous_servers")
    units = {name: settings.metric(name).unit for name in new.series[METRIC].unique()}
    units = {name: "points" if unit == "percent" else unit for name, unit in units.items()}
    found = checks.Found.joined(
        [
            checks.live_error(panel, old, _promised(store, unit), limits),
            checks.forecast_change(new, old, units, limits),
            checks.tier_change(
                read_frame(store, unit.references["servers"]), read_frame(store, tiers_then) if tiers_then else None,
                limits,
            ),
            checks.input_drift(panel, limits),
        ]
    )  # fmt: skip
    for row in found.rows[found.rows["alarm"]].itertuples():
        log.warning("%s: drift: %s", unit.business_unit, row.sentence)
    return {
        "drift": write_table(store, unit.key("drift"), _named(found.rows, unit)),
        "drift_series": write_table(store, unit.key("drift_series"), _named(found.series, unit)),
    }


def _promised(store: Store, unit: Unit) -> pd.DataFrame:
    """server_id, metric, mae: error that the model's backtest promised for the first periods.

    The model may look farther than the unit: its first bucket is told by its beginning.
    """
    table = read_frame(store, unit.references["backtests"])
    return table.loc[table["bucket"].str.startswith("1-"), [SERVER_ID, METRIC, "mae"]]


def _named(frame: pd.DataFrame, unit: Unit) -> pd.DataFrame:
    return frame.assign(**{BUSINESS_UNIT: unit.business_unit})[[BUSINESS_UNIT, *frame.columns]]


def drift_overview(store: Store, unit: Unit) -> list[dict[str, Any]]:
    """The checks of a unit at a glance, alarms first; none of a unit without model."""
    if "drift" not in unit.references:
        return []
    table = read_frame(store, unit.references["drift"]).drop(columns=BUSINESS_UNIT)
    table = table.sort_values("alarm", ascending=False, kind="stable")
    rows: list[dict[str, Any]] = json.loads(table.round(3).to_json(orient="records"))
    return rows
