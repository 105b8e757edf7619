"""What a processing job makes of raw data: business units with panel, verdicts, anomalies and features."""

from __future__ import annotations

from capforecast.actions.features import server_features
from capforecast.exchange import Ingested, Unit
from capforecast.fleet import inventory as inventories
from capforecast.lake.datasets import read_frame, read_table, write_table
from capforecast.lake.store import Store
from capforecast.schema import BUSINESS_UNIT, SERVER_ID, TIMESTAMP
from capforecast.settings import Settings
from capforecast.stages.anomalies import anomalies
from capforecast.stages.units import References, read_panel, validate


def prepare(store: Store, settings: Settings, ingested: Ingested, business_unit: str) -> Unit:
    """A unit validated, with `anomalies` and `features`: all that can be said of it without a model."""
    unit = validate(store, settings, ingested, business_unit)
    return unit.having(**anomalies(store, settings, unit), **features(store, settings, unit))


def features(store: Store, settings: Settings, unit: Unit) -> References:
    """Features of the unit's servers (actions/features.py); the stage `sizing` of a run writes the same bytes."""
    servers = read_frame(store, unit.references["inventory"])
    table = server_features(read_panel(store, unit), servers, settings)
    return {"features": write_table(store, unit.key("features"), table)}


def observed_units(store: Store, ingested: Ingested) -> list[str]:
    """Business units of which a server was observed before the cut-off, sorted; an inventory may list others."""
    listed = inventories.normalise(read_frame(store, ingested.inventory))
    renamed = inventories.renames(listed, ingested.cut_off)
    present = dict(renamed[[inventories.OLD_ID, SERVER_ID]].to_numpy())
    names: set[str] = set()
    for reference in ingested.observations:
        rows = read_table(store, reference, [SERVER_ID, TIMESTAMP]).to_pandas()
        names.update(rows.loc[rows[TIMESTAMP] < ingested.cut_off, SERVER_ID].unique())
    names = {present.get(name, name) for name in names}
    servers = inventories.at(listed, ingested.cut_off)
    return sorted(servers.loc[servers[SERVER_ID].isin(names), BUSINESS_UNIT].unique())
