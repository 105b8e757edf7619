"""Does a unit's model still fit: against the run before, against what came since, against what it was trained on."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from capforecast.exchange import Unit
from capforecast.fleet.inventory import CAPACITY_CHANGED_AT, CAPACITY_OF
from capforecast.forecast import drift as checks
from capforecast.forecast import frames
from capforecast.forecast.hindsight import mean_error
from capforecast.lake.datasets import cut_off_of, read_frame, read_table, write_table
from capforecast.lake.store import Store
from capforecast.schema import BUSINESS_UNIT, METRIC, SERVER_ID, Forecast, Reference
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
    servers = read_frame(store, unit.references["servers"])
    old, tiers = _then(store, unit, "previous", servers)
    same = unit.references.get("judged_forecasts") == unit.references.get("previous_forecasts")
    judged = old if same else _then(store, unit, "judged", servers)[0]
    units = {name: settings.metric(name).unit for name in new.series[METRIC].unique()}
    units = {name: "points" if unit == "percent" else unit for name, unit in units.items()}
    found = checks.Found.joined(
        [
            checks.live_error(panel, judged or old, _promised(store, unit), limits),
            checks.forecast_change(new, old, units, limits),
            checks.tier_change(servers, tiers, limits),
            checks.input_drift(panel, limits),
        ]
    )
    for row in found.rows[found.rows["alarm"]].itertuples():
        log.warning("%s: drift: %s", unit.business_unit, row.sentence)
    return {
        "drift": write_table(store, unit.key("drift"), _named(found.rows, unit)),
        "drift_series": write_table(store, unit.key("drift_series"), _named(found.series, unit)),
    }


def _then(store: Store, unit: Unit, prefix: str, servers: pd.DataFrame) -> tuple[Forecast | None, pd.DataFrame | None]:
    """Forecast and servers of an earlier run, in percent of the capacity of today; None where there is none."""
    forecasts, then = (unit.references.get(f"{prefix}_{name}") for name in ("forecasts", "servers"))
    before = read_frame(store, then) if then else None
    old = frames.from_table(read_table(store, forecasts)) if forecasts else None
    if old is not None and old.cadence is not unit.cadence:
        old = None
    if old is not None and before is not None:
        old = of_todays_capacity(old, before, servers)
    return old, before


def of_todays_capacity(old: Forecast, before: pd.DataFrame, now: pd.DataFrame) -> Forecast:
    """An earlier forecast in percent of the capacity that servers have now, as their history is: a resize is no drift.

    before, now: server_id, the sizes it had, and has, and when they changed; where they are not known, or no new change
    is dated (a mistake was put right), nothing is changed.
    """
    factor = np.ones(len(old.series))
    if not {CAPACITY_CHANGED_AT} <= set(before) & set(now):
        return old
    both = before.drop_duplicates(SERVER_ID).merge(now.drop_duplicates(SERVER_ID), on=SERVER_ID, suffixes=("", "_now"))
    resized = both[f"{CAPACITY_CHANGED_AT}_now"].notna() & (
        both[f"{CAPACITY_CHANGED_AT}_now"] != both[CAPACITY_CHANGED_AT]
    )
    sizes = both[resized].set_index(SERVER_ID)
    for metric, column in CAPACITY_OF.items():
        if not {column, f"{column}_now"} <= set(sizes):
            continue
        then, later = (sizes[name].astype("float64") for name in (column, f"{column}_now"))
        ratio = (then / later).where((then > 0) & (later > 0)).fillna(1.0)
        mine = (old.series[METRIC] == metric).to_numpy()
        factor[mine] = old.series.loc[mine, SERVER_ID].map(ratio).fillna(1.0)
    return replace(old, quantiles=old.quantiles * factor.astype(np.float32))


def _promised(store: Store, unit: Unit) -> pd.DataFrame:
    """server_id, metric, mae: error that the model's backtest promised for the first periods.

    The model may look farther than the unit: its first bucket is told by its beginning.
    """
    table = read_frame(store, unit.references["backtests"])
    return table.loc[table["bucket"].str.startswith("1-"), [SERVER_ID, METRIC, "mae"]]


def _named(frame: pd.DataFrame, unit: Unit) -> pd.DataFrame:
    return frame.assign(**{BUSINESS_UNIT: unit.business_unit})[[BUSINESS_UNIT, *frame.columns]]


def last_error(store: Store, unit: Unit) -> tuple[dict[str, float], str | None]:
    """Mean absolute error of the unit's last forecast on what came since, by metric; and that forecast's cut-off.

    Empty and None where there is no earlier forecast, or nothing has come of what it forecast.
    """
    earlier = unit.references.get("previous_forecasts")
    old, _ = _then(store, unit, "previous", read_frame(store, unit.references["servers"]))
    found = {} if old is None else mean_error(read_panel(store, unit).usable(), old)
    return found, cut_off_of(earlier).isoformat() if earlier and found else None


def drift_overview(store: Store, unit: Unit) -> list[dict[str, Any]]:
    """The checks of a unit at a glance, alarms first; none of a unit without model."""
    if "drift" not in unit.references:
        return []
    table = read_frame(store, unit.references["drift"]).drop(columns=BUSINESS_UNIT)
    table = table.sort_values("alarm", ascending=False, kind="stable")
    rows: list[dict[str, Any]] = json.loads(table.round(3).to_json(orient="records"))
    return rows
