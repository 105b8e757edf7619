"""How often warnings came true: what each business unit would have been warned of, and the fleet's scorecard."""

from __future__ import annotations

import logging

import pandas as pd

from capforecast.exchange import Ingested, Unit
from capforecast.forecast import registry
from capforecast.forecast.kinds import places
from capforecast.lake.datasets import read_frame, selection_key, write_table
from capforecast.lake.store import Store
from capforecast.report.scorecard_words import scorecard_markdown
from capforecast.risk.past_warnings import errors_of, no_warnings, sampled_warnings
from capforecast.risk.scorecard import score
from capforecast.schema import Reference
from capforecast.settings import Settings
from capforecast.stages.units import References, read_panel

log = logging.getLogger(__name__)


def warnings(store: Store, settings: Settings, unit: Unit) -> References:
    """What would have been said of the unit's series at past origins, and what came; empty where nothing could be."""
    panel = read_panel(store, unit).usable()
    found = no_warnings(settings, unit.cadence, unit.horizon)
    if "model" in unit.references and len(panel.series):
        model, _ = registry.load(store, unit.references["model"])
        errors = errors_of(model.errors, places(model.series, model.cadence, panel))
        found = sampled_warnings(panel, errors, settings)
    log.info("%s: %d cases of past warnings", unit.business_unit, len(found))
    return {"warnings": write_table(store, unit.key("warnings"), found)}


def scorecard(
    store: Store, settings: Settings, ingested: Ingested, units: list[Unit], covered: list[str]
) -> References:
    """Score the past warnings of all finished units together; `covered`: all business units of the run.

    A run of some business units only is scored below their names, beside the fleet's.
    """
    frames = [read_frame(store, unit.references["warnings"]) for unit in units]
    filled = [frame for frame in frames if len(frame)]
    empty = no_warnings(settings, ingested.cadence, settings.horizon(ingested.cadence))
    scored = score(pd.concat(filled, ignore_index=True) if filled else empty, settings)
    tables = {"scorecard": scored.rows, "reliability": scored.reliability}
    place = ingested.cadence, ingested.cut_off, covered, ingested.business_units
    return {name: write_table(store, selection_key(name, *place), table) for name, table in tables.items()}


def scorecard_overview(store: Store, reference: Reference) -> str:
    """The fleet's scorecard in Markdown: what people look at first."""
    return scorecard_markdown(read_frame(store, reference))
