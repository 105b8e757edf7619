"""Commands that call the library's stages straight away, without Prefect."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from capforecast import stages
from capforecast.configuration import Loaded, usable_store
from capforecast.errors import CapforecastError, UsageError
from capforecast.exchange import Unit
from capforecast.fleet import panel as panels
from capforecast.fleet import synthetic_files
from capforecast.fleet.synthetic import Fleet
from capforecast.forecast import engine
from capforecast.forecast.holdout import holdout
from capforecast.forecast.pointers import version_of
from capforecast.lake.claims import Claims
from capforecast.lake.store import Store
from capforecast.report.accuracy import metric_accuracy
from capforecast.schema import FLEET, TIER_ORDER, Cadence
from capforecast.settings import Settings
from capforecast.sources.files import read_files
from deployments import progress
from deployments.origins import at_origin, cut_after, panel_of, usable
from deployments.precheck import refuse_lone_inventory

log = logging.getLogger("capforecast.steps")
T = TypeVar("T")


def write_fleet(
    folder: Path,
    *,
    servers: int,
    days: int,
    cadence: str,
    seed: int,
    end: str | None,
    dirty: bool = True,
    truth: bool = False,
) -> dict[str, Any]:
    """Write a synthetic fleet as observations.parquet and inventory.csv (and _truth/); returns what was written."""
    last = {"end": stages.parse_as_of(end)} if end else {}
    fleet = Fleet(servers=servers, days=days, cadence=_cadence(cadence), seed=seed, dirty=dirty, **last)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = synthetic_files.write(fleet, folder, with_truth=truth)
    except OSError as error:  # no permission, a file in the way, disk full
        reason = error.strerror or error
        raise UsageError(f"--output {folder} cannot be written ({reason}); give a folder you may write") from None
    made: dict[str, Any] = {
        "observations": str(written.files[synthetic_files.OBSERVATIONS]),
        "inventory": str(written.files[synthetic_files.INVENTORY]),
        "rows": written.rows,
        "servers": servers,
    }
    return made | ({"truth": str(folder / "_truth")} if truth else {})


def _cadence(name: str) -> Cadence:
    try:
        return Cadence(name)
    except ValueError:
        raise UsageError(f"--cadence {name!r}: use daily or hourly") from None


def _claims(store: Store, command: str) -> Claims:
    """The claims of one call of a command."""
    return Claims(store, f"{command}-{uuid.uuid4().hex[:12]}")


@dataclass(frozen=True)
class Asked:
    """What a command is asked to work on; None = not said. Without a source: what the lake holds."""

    source: str | None
    inventory: str | None = None
    as_of: str | None = None
    known_at: str | None = None
    business_units: list[str] | None = None


def _validated(store: Store, claims: Claims, loaded: Loaded, asked: Asked) -> list[Unit]:
    refuse_lone_inventory(asked.source, asked.inventory)
    until = (asked.as_of, asked.known_at, claims)
    if asked.source is None:
        ingested = _told("ingest", FLEET, stages.from_lake, store, loaded.settings, None, *until)
    else:
        given = (asked.source, asked.inventory, *until)
        ingested = _told("ingest", FLEET, stages.ingest, store, loaded.settings, *given)
    wanted = asked.business_units
    unknown = sorted(set(wanted or []) - set(ingested.business_units))
    if unknown:
        raise UsageError(
            f"no business unit is called {', '.join(map(repr, unknown))}; known: {', '.join(ingested.business_units)}"
        )
    names = sorted(set(wanted)) if wanted else ingested.business_units
    return [_told("validate", name, stages.validate, store, loaded.settings, ingested, name) for name in names]


def _told(stage: str, business_unit: str, work: Callable[..., T], *given: Any) -> T:
    """Do a stage's work, and tell who shows the progress."""
    about = {"stage": stage, "business_unit": business_unit}
    log.info("%s %s: started", business_unit, stage, extra=about | {"event": "stage_started"})
    result = work(*given)
    log.info("%s %s: done", business_unit, stage, extra=about | {"event": "stage_done"})
    return result


def train_units(loaded: Loaded, asked: Asked) -> list[dict[str, Any]]:
    """Train a model per business unit and decide whether it becomes champion; returns a row per unit."""
    store = Store(usable_store(loaded), loaded.settings.storage)
    rows = []
    with progress.shown("reading"), _claims(store, "train") as claims:
        for unit in _validated(store, claims, loaded, asked):
            for name, stage in (("train", stages.train), ("champion", stages.champion)):
                unit = unit.having(**_told(name, unit.business_unit, stage, store, loaded.settings, unit))
            trained = unit.references.get("challenger")
            (seen,) = stages.model_overview(store, [unit])
            rows.append(
                {
                    "business_unit": unit.business_unit,
                    "series": unit.usable,
                    "kind": loaded.settings.forecast.model,
                    "model": version_of(trained) if trained else "none: nothing to forecast",
                    "champion": seen["version"],
                    "decision": seen["action"],
                    "why": seen.get("reason", ""),
                }
            )
    return rows


def forecast_units(loaded: Loaded, asked: Asked) -> list[dict[str, Any]]:
    """Forecast with the champions and assess the risk; returns a row per unit, with its `problem` where it failed.

    Raises the first unit's error when all fail.
    """
    store = Store(usable_store(loaded), loaded.settings.storage)
    with progress.shown("reading"), _claims(store, "forecast") as claims:
        rows: list[dict[str, Any]] = []
        errors: list[CapforecastError] = []
        for unit in _validated(store, claims, loaded, asked):
            try:
                rows.append(_forecast_unit(store, loaded.settings, unit))
            except CapforecastError as error:  # one unit's model must not keep the others from their forecast
                errors.append(error)
                counts = dict.fromkeys(TIER_ORDER, 0)
                about = {"business_unit": unit.business_unit, "series": unit.usable, "model": "", "age_days": None}
                rows.append(about | counts | {"note": "", "problem": str(error)})
        if errors and len(errors) == len(rows):
            raise errors[0]
        return rows


def _forecast_unit(store: Store, settings: Settings, unit: Unit) -> dict[str, Any]:
    for stage in (stages.champion, stages.forecast, stages.risk, stages.drift):
        unit = unit.having(**_told(stage.__name__, unit.business_unit, stage, store, settings, unit))
    (model,) = stages.model_overview(store, [unit])
    counted = {"business_unit": unit.business_unit, "series": unit.usable, "model": model["version"]}
    seen, checks = stages.overview(store, unit).tiers, stages.drift_overview(store, unit)
    drifted = [f"drift: {check['sentence']}" for check in checks if check["alarm"]]
    note = "; ".join([*_said_of(model), *drifted])
    return counted | {"age_days": model.get("age_days"), **seen, "note": note, "problem": ""}


def _said_of(model: dict[str, Any]) -> list[str]:
    """What must be known of the model that forecast a unit, besides its version and age."""
    said = [model["reason"]] if model["action"] in ("fell_back", "pinned") else []
    if model.get("series_not_trained"):
        said.append(f"{model['series_not_trained']} series are newer than the model and unknown: train to include them")
    return said


def measure(settings: Settings, source: str, inventory: str | None, train_until: str | None) -> list[dict[str, Any]]:
    """Accuracy by metric, at rolling origins or at the one origin `train_until` (inclusive)."""
    batch = read_files(source, settings, inventory)
    end = panels.default_as_of(batch.observations, batch.cadence)
    horizon = settings.horizon(batch.cadence)
    if train_until is None:
        panel = usable(panel_of(batch, end, settings))
        return _accuracy_rows(engine.train(panel, horizon, settings).backtest)
    last, cut = cut_after(batch, train_until, end)
    _, whole = at_origin(batch, cut, min(end, cut + horizon * batch.cadence.step), settings)
    return _accuracy_rows(holdout(whole, last, horizon, settings))


def _accuracy_rows(backtest: pd.DataFrame) -> list[dict[str, Any]]:
    return [row.model_dump(exclude={"business_unit"}) for row in metric_accuracy(None, backtest)]
