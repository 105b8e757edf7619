"""Which model forecasts a business unit, and the earlier run its forecast is compared with."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from capforecast.exchange import Unit
from capforecast.forecast import promotion, registry
from capforecast.forecast.base import Mask
from capforecast.forecast.decision import Decision
from capforecast.forecast.manifest import EVERY, Manifest, Score, scores_of
from capforecast.forecast.model import NAME
from capforecast.forecast.pointers import version_of
from capforecast.lake.datasets import earlier_key, read_frame, read_table, write_table
from capforecast.lake.store import Store
from capforecast.schema import BACKTEST_COLUMNS, METRIC, SERVER_ID, Cadence, Reason, Reference, Verdict
from capforecast.settings import Settings

log = logging.getLogger(__name__)
References = dict[str, Reference]
_SHOWN = (
    "business_unit", "version", "kind", "model_as_of", "age_days", "action", "reason", "ratio", "relative_mae",
    "coverage_80", "series_known", "series_not_trained",
)  # fmt: skip
_JUDGED = {Cadence.DAILY: pd.Timedelta(days=7), Cadence.HOURLY: pd.Timedelta(days=1)}
COMPARED = ("forecasts", "servers")  # of an earlier run, as `previous_<name>` and `judged_<name>`


def why_train(store: Store, settings: Settings, unit: Unit) -> str:
    """Why a model has to be trained, in words; "" = the unit's champion will do, or there is nothing to forecast."""
    usable = _usable(read_frame(store, unit.references["quality"]))
    if not len(usable):
        return ""
    return promotion.why_train(store, settings, unit.cadence, unit.business_unit, unit.cut_off, usable, unit.horizon)


def champion(store: Store, settings: Settings, unit: Unit, *, fall_back: bool = False) -> References:
    """Decide which model forecasts: `challenger`, just trained, against the champion, or the champion alone.

    Adds `model`, the `backtests` it was published with, the decision (`champion`), and what earlier runs left of the
    unit (`previous_forecasts`, `judged_forecasts` ...). Series that the model was not trained on become unknown in a
    copy of `quality`. `fall_back`: of a model of another kind than the fleet engine, the engine's kept beside it will
    forecast, so its backtest counts. Raises ModelError where no model can be used. A unit with nothing to forecast gets
    no model and an empty backtest; one of which the model knows no series gets no `model`, and the decision.
    """
    quality = read_frame(store, unit.references["quality"])
    usable = _usable(quality)
    earlier = _earlier(store, unit)
    if not len(usable):
        empty = pd.DataFrame({name: pd.Series(dtype="str") for name in BACKTEST_COLUMNS})
        return {"backtests": write_table(store, unit.key("backtests"), empty)} | earlier
    decision = _decided(store, settings, unit, usable)
    made = registry.read_manifest(store, decision.use)
    backtest = read_table(store, registry.evidence(store, decision.use, fall_back=fall_back))
    strange = _strangers(usable, backtest.select([SERVER_ID, METRIC]).to_pandas())
    level = log.warning if decision.action == "fell_back" else log.info
    level("%s: %s (%s)", unit.business_unit, decision.action, decision.reason)
    row = _row(unit, decision, made, len(usable), int(strange.sum()), earlier)
    if fall_back and made.kind != NAME:
        row |= _of_fall_back(made.kind, decision.reason, backtest.to_pandas())
    kept = _kept(store, unit, row) if fall_back else None
    added = {} if strange.all() else {"model": decision.use}
    added |= {
        "backtests": write_table(store, unit.key("backtests"), backtest),
        "champion": kept or write_table(store, unit.key("champions"), pd.DataFrame([row])),
    }
    if strange.any():
        first = usable[strange].iloc[0]
        fix = "the model just trained is not used" if "challenger" in unit.references else "train to include them"
        log.warning(
            "%s: %d series are newer than the model and not forecast, e.g. %s %s: %s",
            unit.business_unit, strange.sum(), first[SERVER_ID], first[METRIC], fix,
        )  # fmt: skip
        rows = usable.index[strange]
        quality.loc[rows, "verdict"], quality.loc[rows, "reason"] = Verdict.UNKNOWN.value, Reason.NOT_TRAINED.value
        added["quality"] = write_table(store, unit.key("trained"), quality)
    return added | earlier


def _kept(store: Store, unit: Unit, row: dict[str, Any]) -> Reference | None:
    """The decision that a full run of the same cut-off has left, where it chose the same: its report refers to it."""
    there = store.reference(unit.key("champions"))
    if there is None:
        return None
    (known,) = read_frame(store, there).to_dict("records")
    same = ("version", "kind", "series_known", "series_not_trained", "previous_as_of")
    return there.model_copy(update={"rows": 1}) if all(known[name] == row[name] for name in same) else None


def _usable(quality: pd.DataFrame) -> pd.DataFrame:
    return quality.loc[quality["verdict"] == Verdict.OK, [SERVER_ID, METRIC]]


def _decided(store: Store, settings: Settings, unit: Unit, usable: pd.DataFrame) -> Decision:
    place = unit.cadence, unit.business_unit, unit.cut_off
    if "challenger" in unit.references:
        return promotion.settle(store, settings, *place, unit.references["challenger"], usable, unit.horizon)
    return promotion.champion_for(store, settings, *place, unit.horizon)


def _strangers(usable: pd.DataFrame, known: pd.DataFrame) -> Mask:
    """Which of the usable series a model does not know."""
    keys = (pd.MultiIndex.from_frame(part) for part in (usable, known))
    return np.asarray(~next(keys).isin(next(keys)))


def _earlier(store: Store, unit: Unit) -> References:
    """What earlier runs left of the unit, named by their cut-offs, not by when they were written: `previous_...` of the
    next lower cut-off, and `judged_...` of the newest that is old enough for its forecast to be judged by what came.
    """
    old_enough = unit.cut_off - _JUDGED[unit.cadence] + pd.Timedelta(hours=1)
    found = {}
    for prefix, before in (("previous", unit.cut_off), ("judged", old_enough)):
        key = earlier_key(store, "forecasts", unit.cadence, before, unit.business_unit)
        for name in COMPARED if key else ():
            found[f"{prefix}_{name}"] = store.reference(str(key).replace("forecasts/", f"{name}/", 1))
    return {name: reference for name, reference in found.items() if reference is not None}


def _row(
    unit: Unit, decision: Decision, made: Manifest, usable: int, strange: int, earlier: References
) -> dict[str, Any]:
    """The decision as a row of the dataset `champions`."""
    previous = earlier.get("previous_forecasts")
    challenger = unit.references.get("challenger")
    return {
        "business_unit": unit.business_unit,
        "version": made.version,
        "kind": made.kind,
        "model_as_of": made.as_of,
        "age_days": (unit.cut_off - made.cut_off) / pd.Timedelta(days=1),
        "action": decision.action,
        "reason": decision.reason,
        "challenger": version_of(challenger) if challenger else "",
        "ratio": np.nan if decision.ratio is None else decision.ratio,
        "series_compared": decision.series_compared,
        "series_known": usable - strange,
        "series_not_trained": strange,
        "previous_as_of": previous.uri.split("as_of=")[1].split("/")[0] if previous else "",
    } | _figures(made.scores)


def _figures(scores: Mapping[str, Score]) -> dict[str, float]:
    found = {name: getattr(scores.get(EVERY), name, None) for name in ("relative_mae", "coverage_80", "coverage_95")}
    return {name: np.nan if value is None else value for name, value in found.items()}


def _of_fall_back(kind: str, reason: str, backtest: pd.DataFrame) -> dict[str, Any]:
    """What differs in the row of a decision where the fall-back forecasts."""
    said = f"{reason}; the model is of kind {kind}, its fall-back forecasts here: the fleet engine"
    return {"kind": NAME, "reason": said} | _figures(scores_of(backtest))


def model_overview(store: Store, units: Sequence[Unit]) -> list[dict[str, Any]]:
    """Which model forecasts each unit and why, at a glance; units with nothing to forecast say so."""
    rows = []
    for unit in units:
        row: dict[str, Any] = {"business_unit": unit.business_unit, "version": "", "action": "nothing to forecast"}
        if "champion" in unit.references:
            table = read_frame(store, unit.references["champion"])
            row = json.loads(table[list(_SHOWN)].round(3).to_json(orient="records"))[0]
        rows.append(row)
    return rows
