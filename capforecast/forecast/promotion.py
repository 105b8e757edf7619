"""Which version forecasts a business unit: promotion after training, the champion without, and the last good one."""

from __future__ import annotations

import logging
from typing import get_args

import pandas as pd

from capforecast.errors import ConflictError, ModelError
from capforecast.forecast import pointers
from capforecast.forecast.decision import Contender, Decision, Outcome, decide, outdated
from capforecast.forecast.pointers import Pointer, Record
from capforecast.forecast.standing import Standing, contender, problem_of, stand
from capforecast.lake.store import Store
from capforecast.schema import Cadence, Reference
from capforecast.settings import Settings

__all__ = ["Contender", "Decision", "champion_for", "decide", "settle", "why_train"]
log = logging.getLogger(__name__)
ATTEMPTS = 50  # conflicts in a row after which the store, not another writer, is to blame


def settle(
    store: Store,
    settings: Settings,
    cadence: Cadence,
    business_unit: str,
    as_of: pd.Timestamp,
    challenger: Reference,
    usable: pd.DataFrame,
    horizon: int,
) -> Decision:
    """Decide between the champion and a model just trained, and write the record where the latter becomes champion.

    usable: server_id and metric of the series to forecast.  horizon: periods to forecast. Made again for the same
    model it decides the same and writes nothing. A backfill (the champion has seen later data) promotes nothing; a
    version that somebody rolled back from is promoted by hand only. Raises ModelError where a record cannot be read
    and `models.fall_back` is off.
    """
    for _ in range(ATTEMPTS):
        try:
            return _settle(store, settings, cadence, business_unit, as_of, challenger, usable, horizon)
        except ConflictError:
            log.info("%s: another process promoted a model meanwhile; deciding anew", business_unit)
    raise ConflictError(
        f"{business_unit}: no number for a champion record was free in {ATTEMPTS} attempts; look at "
        f"{pointers.folder(cadence, business_unit)}/champion in {store.url}"
    )


def _settle(
    store: Store,
    settings: Settings,
    cadence: Cadence,
    business_unit: str,
    as_of: pd.Timestamp,
    challenger: Reference,
    usable: pd.DataFrame,
    horizon: int,
) -> Decision:
    standing = stand(store, cadence, business_unit, skip_broken=settings.models.fall_back)
    newest, new = standing.newest, contender(store, challenger)
    if newest is not None:
        settled = _settled_before(standing, newest, new, as_of)
        if settled is not None:
            return settled
    manifest = newest.pointer.manifest if newest else None
    problem = problem_of(store, manifest, cadence, horizon) if manifest else None
    if newest is not None and (newest.pointer.pinned or new.version in standing.rejected):
        return _hands_off(store, settings, cadence, standing, newest, new, problem, horizon)
    problem = standing.broken or problem
    champion = contender(store, manifest) if manifest and problem is None else None
    decision = decide(
        champion, new, problem=problem, pinned=False, settings=settings.models, cadence=cadence, horizon=horizon,
        known_share=champion.knows(usable) if champion else 0.0,
    )  # fmt: skip
    if decision.promoted:
        pointer = Pointer(
            manifest=decision.use, as_of=new.as_of.isoformat(), reason=decision.reason, outcome=decision.action,
            ratio=decision.ratio, series_compared=decision.series_compared,
        )  # fmt: skip
        pointers.append(store, cadence, business_unit, pointer, after=standing.last)
    return decision


def _settled_before(standing: Standing, newest: Record, new: Contender, as_of: pd.Timestamp) -> Decision | None:
    """A backfill, or a model that is, or was then made, champion: nothing is left to decide."""
    pointer = newest.pointer
    if pointer.cut_off > as_of:
        then = standing.until(as_of)
        if then and then[-1].pointer.version == new.version and then[-1].pointer.outcome in get_args(Outcome):
            return _as_decided(then[-1].pointer, new)
        why = f"{pointer.version}, the champion, has seen later data: the model trained as of then was used"
        return Decision(new.manifest, False, "backfill", why)
    if pointer.version != new.version or standing.broken:
        return None
    return _as_decided(pointer, new) if pointer.outcome in get_args(Outcome) else _as_it_stands(newest)


def _as_decided(pointer: Pointer, new: Contender) -> Decision:
    """What was decided when this very model became champion."""
    action: Outcome = pointer.outcome  # type: ignore[assignment]
    return Decision(new.manifest, True, action, pointer.reason, pointer.ratio, pointer.series_compared)


def _hands_off(
    store: Store,
    settings: Settings,
    cadence: Cadence,
    standing: Standing,
    newest: Record,
    new: Contender,
    problem: str | None,
    horizon: int,
) -> Decision:
    """Nobody but a person changes the champion now: use it, or while it cannot be used, another, without promotion."""
    pointer = newest.pointer
    if problem is None and pointer.pinned:
        return _as_it_stands(newest)
    if problem is None:
        why = f"{new.version} was rolled back from: it becomes champion only by `capforecast models promote`"
        return Decision(pointer.manifest, False, "kept", why)
    if not settings.models.fall_back:
        raise ModelError(unusable(pointer.version, problem, cadence))
    good = _last_good(store, standing, standing.records, cadence, horizon)
    if good is not None:
        return _fell_back(good, problem)
    return decide(
        None, new, problem=problem, pinned=True, settings=settings.models, cadence=cadence, horizon=horizon,
        known_share=0.0,
    )  # fmt: skip


def champion_for(
    store: Store, settings: Settings, cadence: Cadence, business_unit: str, as_of: pd.Timestamp, horizon: int
) -> Decision:
    """The model that forecasts without training: the champion at `as_of`, or the last good one before it.

    A champion that has seen data after `as_of` is passed over for the newest that has not. Raises ModelError that says
    what is wrong and the fix: nothing was trained, or the champion cannot be used and nothing may take its place.
    """
    standing = stand(store, cadence, business_unit, skip_broken=settings.models.fall_back)
    known = standing.until(as_of)
    if not known:
        raise ModelError(f"{business_unit}: {_nothing_there(standing, cadence, as_of)} in {store.url}: train first")
    newest = known[-1]
    problem = problem_of(store, newest.pointer.manifest, cadence, horizon)
    if problem is None:
        found = _as_it_stands(newest)
        return _fell_back(newest, standing.broken) if standing.broken else found
    good = _last_good(store, standing, known, cadence, horizon) if settings.models.fall_back else None
    if good is None:
        raise ModelError(f"{business_unit}: {unusable(newest.pointer.version, problem, cadence)}")
    return _fell_back(good, f"{newest.pointer.version}: {problem}")


def why_train(
    store: Store,
    settings: Settings,
    cadence: Cadence,
    business_unit: str,
    as_of: pd.Timestamp,
    usable: pd.DataFrame,
    horizon: int,
) -> str:
    """Why a model has to be trained before `as_of` can be forecast, in words; "" = the champion will do.

    A pinned champion will do whatever its age. Raises as `champion_for` where a record cannot be read.
    """
    standing = stand(store, cadence, business_unit, skip_broken=settings.models.fall_back)
    known = standing.until(as_of)
    if not known:
        return _nothing_there(standing, cadence, as_of)
    pointer = known[-1].pointer
    problem = standing.broken or problem_of(store, pointer.manifest, cadence, horizon)
    if problem:
        return f"the champion {pointer.version} cannot be used: {problem}"
    if pointer.pinned:
        return ""
    champion = contender(store, pointer.manifest)
    return outdated(champion, as_of, settings.models, cadence, horizon, champion.knows(usable))


def unusable(version: str, problem: str, cadence: Cadence) -> str:
    """That a champion cannot be used, and what to do."""
    again = " --cadence hourly" if cadence is Cadence.HOURLY else ""
    return (
        f"the champion {version} cannot be used ({problem}): train a new one, or choose another by "
        f"`capforecast models list{again}` and `capforecast models rollback{again} --to <version>`"
    )


def _nothing_there(standing: Standing, cadence: Cadence, as_of: pd.Timestamp) -> str:
    if standing.last is None:
        return f"there is no {cadence} model"
    if not standing.records:
        return f"no record of a {cadence} champion can be read"
    return f"no {cadence} model has been champion that has seen nothing after {as_of.isoformat()}"


def _as_it_stands(record: Record) -> Decision:
    """The champion, as the record that made it so says."""
    pointer = record.pointer
    said = f": {pointer.reason}" if pointer.reason else ""
    return Decision(
        pointer.manifest, False, "pinned" if pointer.pinned else "champion",
        f"{pointer.version} is {'pinned' if pointer.pinned else 'the champion'}{said}",
    )  # fmt: skip


def _fell_back(record: Record, problem: str) -> Decision:
    why = f"the champion cannot be used ({problem}); {record.pointer.version}, the last good one, took its place"
    return Decision(record.pointer.manifest, False, "fell_back", why)


def _last_good(
    store: Store, standing: Standing, records: list[Record], cadence: Cadence, horizon: int
) -> Record | None:
    """The newest record before the last whose version can be used, and that nobody rolled back from."""
    tried = {records[-1].pointer.version} | standing.rejected
    for record in reversed(records[:-1]):
        pointer = record.pointer
        if pointer.version not in tried and problem_of(store, pointer.manifest, cadence, horizon) is None:
            return record
        tried.add(pointer.version)
    return None
