"""The stages of one business unit: validate, train, forecast, risk."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import numpy as np
import pandas as pd

from capforecast.configuration import config_hash
from capforecast.errors import ModelError, StageError, StaleReferenceError, UsageError
from capforecast.exchange import Ingested, Overview, Unit
from capforecast.fingerprint import engine_fingerprint, git_commit
from capforecast.fleet import activity, shapes
from capforecast.fleet import inventory as inventories
from capforecast.fleet import panel as panels
from capforecast.fleet.snapshot import from_tables, to_tables
from capforecast.forecast import champions, frames, registry
from capforecast.lake import raw
from capforecast.lake.datasets import read_frame, read_table, write_table
from capforecast.lake.store import Store
from capforecast.risk.breach import assess_with_levels
from capforecast.risk.tiers import server_tiers
from capforecast.schema import (
    BUSINESS_UNIT,
    METRIC,
    SERVER_ID,
    TIER_ORDER,
    TIMESTAMP,
    Cadence,
    Forecast,
    Panel,
    Reference,
    Tier,
    Verdict,
)
from capforecast.settings import Settings

log = logging.getLogger(__name__)
References = dict[str, Reference]  # by name: what a stage adds to its unit


def validate(store: Store, settings: Settings, ingested: Ingested, business_unit: str) -> Unit:
    """Cut a business unit's snapshot out of the history and judge every series of it.

    Raises StaleReferenceError where another run has added to the history since `ingested`, UsageError for a unit that
    nobody belongs to.
    """
    try:
        return _validated(store, settings, ingested, business_unit)
    except StaleReferenceError as error:
        raise StaleReferenceError(
            f"another run has added to the lake since this one read it ({error}); a retry cannot help: start it anew "
            f"with --as-of {ingested.as_of}, what is unchanged is reused"
        ) from None


def _validated(store: Store, settings: Settings, ingested: Ingested, business_unit: str) -> Unit:
    cut = ingested.cut_off
    listed, fleet = _sized(store, ingested)
    servers = fleet[fleet[BUSINESS_UNIT] == business_unit].reset_index(drop=True)
    _say_sizes(servers, business_unit)
    if servers.empty:
        raise UsageError(
            f"no server belongs to business unit {business_unit!r} at {ingested.as_of}; "
            f"known: {', '.join(ingested.business_units)}"
        )
    history = settings.forecast.history_days if ingested.cadence is Cadence.DAILY else settings.forecast.history_hours
    since = cut - history * ingested.cadence.step
    renamed = inventories.renames(listed, cut)
    renamed = renamed[renamed[SERVER_ID].isin(servers[SERVER_ID])]
    names = pd.concat([servers[SERVER_ID], renamed[inventories.OLD_ID]])
    known_at = None if ingested.known_at is None else pd.Timestamp(ingested.known_at)
    seen = raw.read_observations(store, ingested.observations, names, since, cut, known_at)
    silent = names[~names.isin(seen[SERVER_ID])]
    earlier = raw.last_observations(store, ingested.observations, silent, since, known_at)
    earlier = inventories.join_renamed(earlier, renamed).sort_values(TIMESTAMP, kind="stable")
    conflicts = read_frame(store, ingested.quarantine)
    conflicts[SERVER_ID] = conflicts[SERVER_ID].replace(dict(renamed[[inventories.OLD_ID, SERVER_ID]].to_numpy()))
    panel = panels.build(
        inventories.join_renamed(seen, renamed), servers, ingested.cadence, cut, settings, conflicts,
        resizes=inventories.resizes(listed, cut), earlier=earlier.drop_duplicates(SERVER_ID, keep="last"),
    )  # fmt: skip
    processed, quality = to_tables(panel)
    did = activity.activity(inventories.join_renamed(seen, renamed), ingested.cadence, cut, settings)
    usable = int((panel.series["verdict"] == Verdict.OK).sum())
    unit = Unit(
        cadence=ingested.cadence,
        as_of=ingested.as_of,
        business_unit=business_unit,
        servers=len(servers),
        series=len(panel.series),
        usable=usable,
        horizon=settings.horizon(ingested.cadence),
        references={},
    )
    log.info("%s: %d servers, %d series, %d of them usable", business_unit, unit.servers, unit.series, usable)
    listed_prices = {} if ingested.prices is None else {"prices": ingested.prices}
    return unit.having(
        **listed_prices,
        shapes=ingested.shapes,
        inventory=write_table(store, unit.key("inventory"), servers),
        neighbours=write_table(store, unit.key("neighbours"), _neighbours(fleet, servers)),
        activity=write_table(store, unit.key("activity"), did),
        processed=write_table(store, unit.key("processed"), processed),
        quality=write_table(store, unit.key("quality"), quality),
    )


def _sized(store: Store, ingested: Ingested) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The dated inventory with sizes filled from the catalogue of shapes, and the fleet's servers at the cut-off."""
    stated, catalogue = read_frame(store, ingested.inventory), read_frame(store, ingested.shapes)
    listed = shapes.fill(inventories.normalise(stated), catalogue)
    fleet = inventories.at(listed, ingested.cut_off)
    return listed, shapes.marks(fleet, inventories.at(stated, ingested.cut_off), catalogue)


def _say_sizes(servers: pd.DataFrame, business_unit: str) -> None:
    for column, what in (
        (shapes.SIZES_FILLED, "have sizes from the catalogue of instance shapes"),
        (shapes.SIZES_CONFLICT, "have a size that differs from their instance type's; the inventory counts"),
    ):
        hit = servers[servers[column] != ""]
        if len(hit):
            log.info("%s: %d servers %s, e.g. %s", business_unit, len(hit), what, hit[SERVER_ID].iloc[0])


def _neighbours(fleet: pd.DataFrame, servers: pd.DataFrame) -> pd.DataFrame:
    """Rows of the fleet that say something of the hosts of a unit's servers: the hosts', and others' on them."""
    hosts = set(servers["host_id"]) - {""}
    near = fleet["host_id"].isin(hosts) | fleet[SERVER_ID].isin(hosts)
    return fleet[near & ~fleet[SERVER_ID].isin(servers[SERVER_ID])].reset_index(drop=True)


def read_panel(store: Store, unit: Unit) -> Panel:
    """The unit's panel, unknown series included."""
    return from_tables(read_table(store, unit.references["processed"]), read_table(store, unit.references["quality"]))


def train(store: Store, settings: Settings, unit: Unit) -> References:
    """Backtest the model of the settings at rolling origins, choose, calibrate, and publish it with its evidence.

    It is a challenger: stage `champion` decides whether it forecasts. A unit with nothing to forecast gets no model.
    """
    panel = read_panel(store, unit).usable()
    if not len(panel.series):
        return {}
    trained = champions.train(panel, unit.horizon, settings)
    first, last = panel.timestamps[0], panel.timestamps[-1]
    notes = {
        "window": {"first": first.isoformat(), "last": last.isoformat(), "periods": len(panel.timestamps)},
        "git_commit": git_commit(),
        "horizon": unit.horizon,
        "inputs": {name: unit.references[name].sha256 for name in ("processed", "quality")},
        "code": engine_fingerprint(),
        "config": config_hash(settings),
    }
    return {
        "challenger": registry.save(store, trained, business_unit=unit.business_unit, as_of=unit.cut_off, notes=notes)
    }


def forecast(store: Store, settings: Settings, unit: Unit, *, fall_back: bool = False) -> References:
    """Forecast every usable series with the unit's model; `fall_back`: see registry.load."""
    if "model" not in unit.references:
        return {}
    panel = read_panel(store, unit).usable()
    model, version = registry.load(store, unit.references["model"], fall_back=fall_back)
    predicted = _cut(model.predict(panel), unit)
    predicted.series["model_version"] = version
    _same_series(panel.series, predicted.series, "forecast")
    if not np.isfinite(predicted.quantiles).all():
        bad = predicted.series[~np.isfinite(predicted.quantiles).all(axis=(0, 1))]
        raise StageError(f"forecast of {bad[SERVER_ID].iloc[0]} {bad[METRIC].iloc[0]} (and maybe others) is not finite")
    table = frames.to_table(predicted)
    return {"forecasts": write_table(store, unit.key("forecasts"), table)}


def _cut(predicted: Forecast, unit: Unit) -> Forecast:
    """The forecast up to the unit's horizon; raises ModelError when the model does not look that far."""
    if len(predicted.timestamps) < unit.horizon:
        asked, able = (unit.cadence.label(periods) for periods in (unit.horizon, len(predicted.timestamps)))
        raise ModelError(f"{unit.business_unit}: its model looks {able} ahead, not {asked}: train with that horizon")
    return replace(
        predicted,
        quantiles=predicted.quantiles[:, : unit.horizon],
        timestamps=predicted.timestamps[: unit.horizon],
    )


def risk(store: Store, settings: Settings, unit: Unit, *, fall_back: bool = False) -> References:
    """Breach probabilities and tiers of every series and server of the unit; `fall_back`: see registry.load.

    Adds `risks`, `servers`, and for what-if questions `path_levels`.
    """
    panel = read_panel(store, unit)
    servers = read_frame(store, unit.references["inventory"])
    if "forecasts" in unit.references:
        predicted = frames.from_table(read_table(store, unit.references["forecasts"]))
        model, _ = registry.load(store, unit.references["model"], fall_back=fall_back)
        backtest = read_frame(store, unit.references["backtests"])
        paths = model.error_paths(panel.usable(), predicted)
        risks, levels = assess_with_levels(panel, predicted, paths, settings, backtest, keep=True)
    else:
        risks, levels = assess_with_levels(panel, None, None, settings)
    _same_series(panel.series, risks, "risk")
    tiers = server_tiers(risks, servers)
    if len(tiers) != unit.servers:
        raise StageError(f"risk: {unit.servers} servers went in, {len(tiers)} came out of {unit.business_unit}")
    return {
        "risks": write_table(store, unit.key("risks"), risks),
        "servers": write_table(store, unit.key("servers"), tiers),
        "path_levels": write_table(store, unit.key("path_levels"), levels, floats=True),
    }


def overview(store: Store, unit: Unit, rows: int = 25) -> Overview:
    """What people look at first: servers by tier, the worst servers, unknown servers by reason."""
    servers = read_frame(store, unit.references["servers"])
    tiers = {tier: int((servers["tier"] == tier).sum()) for tier in TIER_ORDER}
    worst = servers[servers["tier"].isin([Tier.CRITICAL, Tier.HIGH, Tier.WATCH])]
    worst = worst.sort_values(
        "tier", key=lambda tier: tier.map({t: i for i, t in enumerate(TIER_ORDER)}), kind="stable"
    )
    shown = [SERVER_ID, "tier", METRIC, "last_value", "threshold_high", "days_q10", "days_q50"]
    unknown = servers.loc[servers["tier"] == Tier.UNKNOWN, "reason"].value_counts().sort_index()
    return Overview(
        business_unit=unit.business_unit,
        tiers=tiers,
        worst=json.loads(worst[shown].head(rows).round(1).to_json(orient="records")),
        unknown={str(reason): int(count) for reason, count in unknown.items()},
    )


def _same_series(before: pd.DataFrame, after: pd.DataFrame, stage: str) -> None:
    """Raise StageError when a stage lost or invented series."""
    keys = [pd.MultiIndex.from_frame(frame[[SERVER_ID, METRIC]]) for frame in (before, after)]
    lost, new = keys[0].difference(keys[1]), keys[1].difference(keys[0])
    if len(lost) or len(new) or len(before) != len(after):
        example = (list(lost) or list(new) or [("?", "?")])[0]
        raise StageError(f"{stage}: {len(lost)} series lost, {len(new)} invented, e.g. {' '.join(map(str, example))}")
