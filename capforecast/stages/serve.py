"""Fresh data to forecasts, risks and a summary with the models that are champions: what a Lambda function does.

The same stages as in a Prefect run, so the same objects with the same bytes; without those that look at the whole
fleet (pools, scorecard, advice, report). A champion of another kind than the fleet engine answers with the engine's
model that is kept beside it: it needs numpy alone, and the answer says so.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from capforecast import __version__
from capforecast.configuration import config_hash
from capforecast.errors import (
    CapforecastError,
    ConflictError,
    OutOfTimeError,
    StaleReferenceError,
)
from capforecast.exchange import Ingested, Result, RunKey, Unit
from capforecast.fingerprint import code_fingerprint
from capforecast.forecast import registry
from capforecast.forecast.model import NAME
from capforecast.lake.datasets import read_frame
from capforecast.lake.runs import record
from capforecast.lake.store import Store
from capforecast.schema import TIER_ORDER, Cadence, Tier
from capforecast.settings import Settings
from capforecast.stages.anomalies import anomalies
from capforecast.stages.champion import champion
from capforecast.stages.drift import last_error
from capforecast.stages.outputs import NAMES, inputs_of, render
from capforecast.stages.units import forecast, risk, validate

log = logging.getLogger(__name__)
TOLD = ("forecasts", "risks", "servers")
SUMMARY = NAMES["json"][1]
CHANGED = (ConflictError, StaleReferenceError)  # somebody else wrote meanwhile: passes for who begins anew


class UnitServed(Result):
    """What was forecast of one business unit."""

    business_unit: str
    servers: int
    series: int
    usable: int
    model_version: str | None  # null: nothing to forecast, or no model knows its series
    fell_back: str | None  # kind of the champion in whose place its fall-back, the fleet engine, forecast; null = none
    tiers: dict[str, int]
    unknown: dict[str, int]  # servers without a tier, by reason
    mae: dict[str, float]  # of the last forecast, on what came since, by metric, in the metric's unit
    mae_as_of: str | None  # cut-off of that forecast


class Served(Result):
    """What a run made: the answer of a Lambda function, and part of the run's manifest."""

    run_id: str
    attempt: int
    cadence: Cadence
    as_of: str
    business_units: list[UnitServed]
    problems: dict[str, str]  # why a business unit is missing
    tiers: dict[str, int]
    unknown: dict[str, int]
    written: list[str]  # keys of forecasts, risks, servers and the summary; the manifest names all others
    seconds: float

    @property
    def complete(self) -> bool:
        """Did every business unit finish?"""
        return not self.problems


def serve(
    store: Store,
    settings: Settings,
    ingested: Ingested,
    run: RunKey,
    *,
    in_time: Callable[[], bool] = lambda: True,
    check: Callable[[], None] = lambda: None,
) -> Served:
    """Forecast every business unit with its champion, write the run's summary, then its manifest.

    in_time: is there time for another unit? Asked before each.  check: called before the record, raises where another
    run has taken the period over (Claims.check).
    A unit that cannot be forecast is named with its reason, the others go on. Raises OutOfTimeError; ConflictError and
    StaleReferenceError where another run writes what this one reads (a new run may pass); what may pass when tried
    again, once the others are done; and the problem itself where no unit finished.
    """
    began = time.monotonic()
    units: list[Unit] = []
    served: list[UnitServed] = []
    problems: dict[str, str] = {}
    first: Exception | None = None
    passing: CapforecastError | None = None
    for name in ingested.business_units:
        if not in_time():
            left = len(ingested.business_units) - len(served) - len(problems)
            raise OutOfTimeError(f"{left} of {len(ingested.business_units)} business units are left, from {name!r} on")
        try:
            unit, fell_back = _unit(store, settings, ingested, name)
            served.append(_told(store, unit, fell_back))
            units.append(unit)
        except (MemoryError, *CHANGED):
            raise
        except Exception as error:
            ours = isinstance(error, CapforecastError)
            log.error("%s: %s", name, error, exc_info=None if ours else error, extra={"business_unit": name})
            problems[name] = str(error) if ours else f"{name}: unexpected {type(error).__name__}: {error}"
            first = first or error
            if isinstance(error, CapforecastError) and error.retryable:
                passing = passing or error
    if passing is not None:
        raise passing
    if not units and first is not None:
        raise first
    check()
    made = Served(
        run_id=run.run_id, attempt=run.attempt, cadence=ingested.cadence, as_of=ingested.as_of,
        business_units=served, problems=problems,
        tiers=_summed([each.tiers for each in served]), unknown=_summed([each.unknown for each in served]),
        written=[unit.references[name].uri for unit in units for name in TOLD if name in unit.references]
        + [_summary_key(run)],
        seconds=round(time.monotonic() - began, 3),
    )  # fmt: skip
    _recorded(store, settings, ingested, run, units, made)
    return made


def _unit(store: Store, settings: Settings, ingested: Ingested, name: str) -> tuple[Unit, str | None]:
    """A unit with what the stages make of it; and the kind of model in whose place its fall-back forecasts."""
    unit = validate(store, settings, ingested, name)
    unit = unit.having(**anomalies(store, settings, unit))
    unit = unit.having(**champion(store, settings, unit, fall_back=True))
    kind = registry.read_manifest(store, unit.references["model"]).kind if "model" in unit.references else NAME
    for stage in (forecast, risk):
        unit = unit.having(**stage(store, settings, unit, fall_back=True))
    return unit, None if kind == NAME else kind


def _told(store: Store, unit: Unit, fell_back: str | None) -> UnitServed:
    servers = read_frame(store, unit.references["servers"])
    unknown = servers.loc[servers["tier"] == Tier.UNKNOWN, "reason"].value_counts()
    mae, mae_as_of = last_error(store, unit)
    model = unit.references.get("model")
    return UnitServed(
        business_unit=unit.business_unit, servers=unit.servers, series=unit.series, usable=unit.usable,
        model_version=None if model is None else registry.read_manifest(store, model).version, fell_back=fell_back,
        tiers={str(tier): int((servers["tier"] == tier).sum()) for tier in TIER_ORDER},
        unknown={str(reason): int(count) for reason, count in sorted(unknown.items())},
        mae={name: round(value, 4) for name, value in mae.items()}, mae_as_of=mae_as_of,
    )  # fmt: skip


def _summed(counts: list[dict[str, int]]) -> dict[str, int]:
    names = dict.fromkeys(name for each in counts for name in each)
    return {name: sum(each.get(name, 0) for each in counts) for name in names}


def _summary_key(run: RunKey) -> str:
    return f"runs/{run.run_id}/attempt={run.attempt}/{SUMMARY}"


def _recorded(
    store: Store, settings: Settings, ingested: Ingested, run: RunKey, units: list[Unit], made: Served
) -> None:
    inputs = inputs_of(settings, ingested, units, made.problems, {})
    store.create(_summary_key(run), render(store, settings, inputs, ("json",))[SUMMARY])
    content = {
        "run_id": run.run_id,
        "attempt": run.attempt,
        "version": __version__,
        "code": code_fingerprint(),
        "config": config_hash(settings),
        "settings": settings.model_dump(mode="json"),
        "ingested": ingested.model_dump(mode="json"),
        "units": {unit.business_unit: unit.model_dump(mode="json") for unit in units},
        "problems": made.problems,
        "served": made.model_dump(mode="json"),
    }
    record(store, run, content, units, None)
