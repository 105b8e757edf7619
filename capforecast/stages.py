"""The stages of the line, each a function of references that returns references.

Tasks, Lambda and SageMaker wrap these; a notebook may call them in order. No stage looks for "the newest" of anything:
what it reads is named in its arguments, and a reference whose object has changed is an error.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from capforecast.configuration import NOT_IN_RESULTS, config_hash
from capforecast.errors import ModelError, NoUsableInputError, StageError, StaleReferenceError, UsageError
from capforecast.exchange import Ingested, Overview, Published, Unit
from capforecast.fingerprint import code_fingerprint
from capforecast.fleet import inventory as inventories
from capforecast.fleet import panel as panels
from capforecast.fleet.snapshot import from_tables, to_tables
from capforecast.forecast import champions, frames, registry
from capforecast.lake import raw
from capforecast.lake.claims import Claims
from capforecast.lake.datasets import (
    read_frame,
    read_table,
    report_key,
    selection_segment,
    to_json,
    unit_key,
    write_table,
)
from capforecast.lake.store import Store
from capforecast.report.assemble import report_data
from capforecast.report.excel import render_workbook
from capforecast.report.pdf import render_pdf
from capforecast.report.summary import Quality
from capforecast.risk.breach import assess
from capforecast.risk.tiers import server_tiers
from capforecast.schema import (
    BACKTEST_COLUMNS,
    BUSINESS_UNIT,
    INGESTED_AT,
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
from capforecast.sources import tally
from capforecast.sources.files import Batch, read_files

log = logging.getLogger(__name__)
References = dict[str, Reference]  # by name: what a stage adds to its unit
NEEDS = {  # which of a unit's references a stage reads
    "train": ("processed", "quality"),
    "forecast": ("processed", "quality", "model"),
    "risk": ("inventory", "processed", "quality", "backtests", "model", "forecasts"),
}


def ingest(
    store: Store,
    settings: Settings,
    source: str,
    inventory: str | None = None,
    as_of: str | None = None,
    known_at: str | None = None,
    claims: Claims | None = None,
) -> Ingested:
    """Read a source into the lake and fix the run's cut-off.

    `as_of`: exclusive UTC cut-off, ISO 8601; default: the end of the source's last complete period.
    `known_at`: the run sees only rows that had arrived by then (ingested_at of the source where it has one, else the
    moment the lake read them); default: all.
    `claims`: the run's claims; the period is claimed before anything of it is written (notebooks may leave it out).
    Raises InputError where nothing can be used, UsageError for a time that is none, StageError where a row was lost,
    ConflictError where another run is writing the same period.
    """
    until = parse_known_at(known_at) if known_at else None
    given = parse_as_of(as_of) if as_of else None
    batch = read_files(source, settings, inventory, without=store.folder)
    tally.check(batch.tallies, batch.rejects)
    cut = given if given is not None else _cut_off(batch, until)
    if claims is not None:
        claims.period(batch.cadence, cut)
    with store.lock("raw"):
        raw.add_observations(store, batch.cadence, batch.observations, pd.Timestamp.now(tz="UTC"))
        known = raw.get_inventory(store)
        rows = inventories.merge(batch.inventory.head(0) if known is None else known, batch.inventory)
        inventory_reference = raw.put_inventory(store, rows)
        observations = raw.observation_references(store, batch.cadence, cut)
    if until is not None and not raw.any_arrived(store, observations, until):
        raise NoUsableInputError(
            f"nothing before {cut.isoformat()} had arrived by {until.isoformat()}: rows without ingested_at arrive "
            "when the lake first reads them; give a later --known-at, or a source that says when its rows arrived"
        )
    servers = inventories.at(rows, cut)
    reasons = batch.rejects["reason"].value_counts().sort_index()
    quarantine = write_table(store, unit_key("quarantine", batch.cadence, cut), batch.rejects)
    counted = tally.frame(batch.tallies, batch.rejects)
    validation = write_table(store, unit_key("validation", batch.cadence, cut), counted)
    log.info("read %d rows of %d servers, %d rejected", batch.rows_read, len(servers), batch.rows_rejected)
    return Ingested(
        cadence=batch.cadence,
        as_of=cut.isoformat(),
        observations=observations,
        inventory=inventory_reference,
        quarantine=quarantine,
        validation=validation,
        known_at=None if until is None else until.isoformat(),
        business_units=sorted(servers[BUSINESS_UNIT].unique()),
        servers=len(servers),
        files=len(counted),
        files_refused=int(counted["refused"].sum()),
        rows_read=batch.rows_read,
        rows_used=batch.rows_used,
        rows_rejected=batch.rows_rejected,
        values_rejected=int(counted["values_rejected"].sum()),
        duplicates=batch.duplicates,
        rejected_by_reason={str(key): int(value) for key, value in reasons.items()},
    )


def _cut_off(batch: Batch, known_at: pd.Timestamp | None) -> pd.Timestamp:
    """End of the last complete period of what the source had delivered by `known_at`."""
    seen = batch.observations
    if known_at is not None:
        if INGESTED_AT in seen:
            seen = seen[~(seen[INGESTED_AT] > known_at)]
        seen = seen[seen[TIMESTAMP] < known_at]
        if seen.empty:
            raise NoUsableInputError(
                f"nothing of the source had arrived by {known_at.isoformat()}; give a later --known-at"
            )
    return panels.default_as_of(seen, batch.cadence)


def parse_as_of(text: str) -> pd.Timestamp:
    """A cut-off given as text, in UTC, at a full hour; raises UsageError."""
    return _moment(text).floor("h").as_unit("us")


def parse_known_at(text: str) -> pd.Timestamp:
    """A moment of knowledge given as text, in UTC; raises UsageError."""
    return _moment(text).as_unit("us")


def _moment(text: str) -> pd.Timestamp:
    try:
        moment = pd.Timestamp(text if re.match(r"\d{4}-\d{2}-\d{2}", text) else "")
    except ValueError:
        moment = pd.NaT
    if moment is pd.NaT:
        raise UsageError(f"{text!r} is no date; write it as 2026-11-23 or 2026-11-23T14:00")
    return moment.tz_localize("UTC") if moment.tz is None else moment.tz_convert("UTC")


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
    listed = read_frame(store, ingested.inventory)
    fleet = inventories.at(listed, cut)
    servers = fleet[fleet[BUSINESS_UNIT] == business_unit].reset_index(drop=True)
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
    return unit.having(
        inventory=write_table(store, unit.key("inventory"), servers),
        processed=write_table(store, unit.key("processed"), processed),
        quality=write_table(store, unit.key("quality"), quality),
    )


def read_panel(store: Store, unit: Unit) -> Panel:
    """The unit's panel, unknown series included."""
    return from_tables(read_table(store, unit.references["processed"]), read_table(store, unit.references["quality"]))


def train(store: Store, settings: Settings, unit: Unit) -> References:
    """Backtest the model of the settings at rolling origins, choose, calibrate, and publish model and evidence.

    A unit with nothing to forecast gets an empty backtest and no model.
    """
    panel = read_panel(store, unit).usable()
    if not len(panel.series):
        empty = pd.DataFrame({name: pd.Series(dtype="str") for name in BACKTEST_COLUMNS})
        return {"backtests": write_table(store, unit.key("backtests"), empty)}
    trained = champions.train(panel, unit.horizon, settings)
    notes = {
        "as_of": unit.as_of,
        "horizon": unit.horizon,
        "inputs": {name: unit.references[name].sha256 for name in ("processed", "quality")},
        "code": code_fingerprint(),
        "config": config_hash(settings),
    }
    manifest = registry.save(store, trained, business_unit=unit.business_unit, as_of=unit.cut_off, notes=notes)
    registry.promote(store, unit.cadence, unit.business_unit, manifest, unit.cut_off)
    return {"model": manifest, "backtests": write_table(store, unit.key("backtests"), trained.backtest)}


def forecast(store: Store, settings: Settings, unit: Unit) -> References:
    """Forecast every usable series with the unit's model."""
    if "model" not in unit.references:
        return {}
    panel = read_panel(store, unit).usable()
    model, version = registry.load(store, unit.references["model"])
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


def risk(store: Store, settings: Settings, unit: Unit) -> References:
    """Breach probabilities and tiers of every series and server of the unit."""
    panel = read_panel(store, unit)
    servers = read_frame(store, unit.references["inventory"])
    if "forecasts" in unit.references:
        predicted = frames.from_table(read_table(store, unit.references["forecasts"]))
        model, _ = registry.load(store, unit.references["model"])
        backtest = read_frame(store, unit.references["backtests"])
        risks = assess(panel, predicted, model.error_paths(panel.usable()), settings, backtest)
    else:
        risks = assess(panel, None, None, settings, None)
    _same_series(panel.series, risks, "risk")
    tiers = server_tiers(risks, servers)
    if len(tiers) != unit.servers:
        raise StageError(f"risk: {unit.servers} servers went in, {len(tiers)} came out of {unit.business_unit}")
    return {
        "risks": write_table(store, unit.key("risks"), risks),
        "servers": write_table(store, unit.key("servers"), tiers),
    }


def report(
    store: Store, settings: Settings, ingested: Ingested, units: list[Unit], problems: dict[str, str]
) -> Published:
    """Summary, PDF and workbook of the finished units; `problems` says of the others why they are missing.

    A run of some business units only is published below `business_unit=<name>`, beside the fleet's report.
    """
    data = report_data(
        store,
        settings,
        cadence=ingested.cadence,
        as_of=ingested.cut_off,
        units={unit.business_unit: unit.references for unit in units},
        problems=problems,
        quality=Quality.model_validate(ingested.model_dump(include=set(Quality.model_fields))),
        validation=ingested.validation,
        known_at=ingested.known_at,
    )
    inputs = {
        "ingested": ingested.model_dump(mode="json", exclude={"observations"}),
        "units": [unit.model_dump(mode="json") for unit in units],
        "problems": problems,
        "settings": settings.model_dump(mode="json", exclude=NOT_IN_RESULTS),
    }
    covered = sorted([*problems, *(unit.business_unit for unit in units)])
    folder = "" if covered == ingested.business_units else f"business_unit={selection_segment(covered)}/"
    files = {
        "inputs": ("inputs.json", to_json(inputs)),
        "pdf": ("capacity-report.pdf", render_pdf(data, settings.report)),
        "workbook": ("capacity-report.xlsx", render_workbook(data, settings.report)),
        "summary": ("summary.json", (data.summary.model_dump_json(indent=2) + "\n").encode()),
    }
    return Published(
        complete=data.summary.complete,
        as_of=ingested.as_of,
        cadence=ingested.cadence,
        tiers=data.summary.tiers.model_dump(),
        references={
            name: store.put(report_key(ingested.cadence, ingested.cut_off, folder + file), content)
            for name, (file, content) in files.items()
        },
    )


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


def is_whole(store: Store, reference: Reference) -> bool:
    """Is the referenced object in the store as it was, and for a model, all its tables too?"""
    if not store.holds(reference):
        return False
    return not registry.is_manifest(reference) or registry.is_intact(store, reference)


def source_overview(store: Store, ingested: Ingested, rows: int = 200) -> list[dict[str, Any]]:
    """What became of each file's rows, those with the most rejected rows first."""
    counted = read_frame(store, ingested.validation).drop(columns="sha256")
    worst = counted.sort_values(["refused", "rejected_share"], ascending=False, kind="stable").head(rows)
    found: list[dict[str, Any]] = json.loads(worst.round(4).to_json(orient="records"))
    return found


def _same_series(before: pd.DataFrame, after: pd.DataFrame, stage: str) -> None:
    """Raise StageError when a stage lost or invented series."""
    keys = [pd.MultiIndex.from_frame(frame[[SERVER_ID, METRIC]]) for frame in (before, after)]
    lost, new = keys[0].difference(keys[1]), keys[1].difference(keys[0])
    if len(lost) or len(new) or len(before) != len(after):
        example = (list(lost) or list(new) or [("?", "?")])[0]
        raise StageError(f"{stage}: {len(lost)} series lost, {len(new)} invented, e.g. {' '.join(map(str, example))}")
