"""What a person does with the versions of a business unit's model: name one, promote, pin, unpin, roll back."""

from __future__ import annotations

from capforecast.errors import LakeError, ModelError, UsageError
from capforecast.forecast import pointers, registry
from capforecast.forecast.pointers import Action, Pointer, Record, version_of
from capforecast.forecast.standing import Standing, stand
from capforecast.lake.store import Store
from capforecast.schema import Cadence, Reference

CHAMPION, PREVIOUS = "champion", "previous"
_FEWEST = 4  # characters of a version's name, or of its hash, that may stand for it


def resolve(store: Store, cadence: Cadence, business_unit: str, name: str) -> Reference:
    """The manifest that a name means: a version, the beginning of one (or of its hash) that no other shares,
    `champion`, or `previous` (the champion before).

    Raises UsageError naming what there is.
    """
    if name in (CHAMPION, PREVIOUS):
        standing = stand(store, cadence, business_unit, skip_broken=True)
        if name == PREVIOUS:
            return _before(standing, business_unit)[0].pointer.manifest
        if standing.newest is None:
            raise UsageError(f"{business_unit} has no {cadence} champion yet: train first")
        return standing.newest.pointer.manifest
    found = {version_of(manifest): manifest for manifest in pointers.versions(store, cadence, business_unit)}
    if name in found:
        return found[name]
    alike = [v for v in found if len(name) >= _FEWEST and (v.startswith(name) or v.rsplit("-", 1)[1].startswith(name))]
    if len(alike) == 1:
        return found[alike[0]]
    known = ", ".join([CHAMPION, PREVIOUS, *(alike or found)]) if found else "none: train first"
    what = "several versions begin" if alike else "no version begins"
    raise UsageError(f"{what} with {name!r} among the {cadence} models of {business_unit}; there are: {known}")


def promote(store: Store, cadence: Cadence, business_unit: str, name: str, reason: str) -> Record:
    """Make a version champion by hand; it is not pinned. Raises UsageError, or ModelError where it cannot be used."""
    manifest = resolve(store, cadence, business_unit, name)
    return _written(store, cadence, business_unit, manifest, "promoted", reason or "promoted by hand", pinned=False)


def pin(store: Store, cadence: Cadence, business_unit: str, name: str, reason: str) -> Record:
    """Make a version champion until it is unpinned, whatever is trained meanwhile; raises as `promote`."""
    manifest = resolve(store, cadence, business_unit, name)
    return _written(store, cadence, business_unit, manifest, "pinned", reason or "pinned by hand", pinned=True)


def unpin(store: Store, cadence: Cadence, business_unit: str, reason: str) -> Record:
    """Let training decide again; raises UsageError where nothing is pinned."""
    record = pointers.current(store, cadence, business_unit)
    if record is None or not record.pointer.pinned:
        raise UsageError(f"no {cadence} model of {business_unit} is pinned")
    pointer = record.pointer.model_copy(
        update={"action": "unpinned", "reason": reason or "unpinned by hand", "pinned": False, "outcome": ""}
    )
    return pointers.append(store, cadence, business_unit, pointer, after=record.number)


def roll_back(
    store: Store, cadence: Cadence, business_unit: str, to: str | None, reason: str, *, pinned: bool = True
) -> tuple[Record, list[str]]:
    """Make an earlier champion champion again; also why versions in between were passed over, and that it looks less
    far than the champion did.

    to: the version; None = the newest earlier champion that can be used and was not rolled back from. Raises as
    `promote`, and where the champion is asked to follow itself.
    """
    if to is None:
        standing = stand(store, cadence, business_unit, skip_broken=True)
        passed = []
        for record in _before(standing, business_unit):
            problem = registry.check(store, record.pointer.manifest)
            if problem is None:
                manifest = record.pointer.manifest
                break
            passed.append(f"{record.pointer.version} was passed over: {problem}")
        else:
            raise ModelError(f"{business_unit}: no earlier champion can be used ({'; '.join(passed)}): train anew")
    else:
        manifest, passed = resolve(store, cadence, business_unit, to), []
    why, left = reason or "rolled back by hand", stand(store, cadence, business_unit, skip_broken=True).newest
    record = _written(store, cadence, business_unit, manifest, "rolled_back", why, pinned=pinned)
    return record, [*passed, *_shorter(store, cadence, manifest, left)]


def _shorter(store: Store, cadence: Cadence, manifest: Reference, left: Record | None) -> list[str]:
    """That a version looks less far ahead than the one it follows, so that runs may refuse it; else nothing."""
    if left is None:
        return []
    try:
        before = registry.read_manifest(store, left.pointer.manifest).horizon
    except (ModelError, LakeError):  # a reason to roll back
        return []
    now = registry.read_manifest(store, manifest).horizon
    if now >= before:
        return []
    asked, able = cadence.label(before), cadence.label(now)
    return [f"it looks {able} ahead, {left.pointer.version} looked {asked}: a run that asks for more cannot use it"]


def _before(standing: Standing, business_unit: str) -> list[Record]:
    """Earlier champions of other versions, newest first, without those rolled back from."""
    if standing.newest is None:
        raise UsageError(f"{business_unit} has no champion yet: train first")
    now, records = standing.newest.pointer.version, standing.records
    while records and records[-1].pointer.version == now:  # pinned and unpinned it may have been since
        arrived, records = records[-1].pointer.action, records[:-1]
    if arrived == "rolled_back":  # a second rollback goes further back, not forth to what came after
        known = [record.pointer.version for record in standing.records]
        records = standing.records[: known.index(now)]
    last = {record.pointer.version: record for record in records}
    found = [one for one in reversed(records) if last[one.pointer.version] is one and one.pointer.version != now]
    found = [one for one in found if one.pointer.version not in standing.rejected]
    if not found:
        raise UsageError(
            f"{business_unit} had no champion before {now}; `capforecast models list` shows the versions, and "
            "`capforecast models promote` or `rollback --to` takes one"
        )
    return found


def _written(
    store: Store,
    cadence: Cadence,
    business_unit: str,
    manifest: Reference,
    action: Action,
    reason: str,
    *,
    pinned: bool,
) -> Record:
    """The new record. Raises ModelError where the version cannot be used, UsageError where nothing would change."""
    version = version_of(manifest)
    problem = registry.check(store, manifest)
    if problem is not None:
        raise ModelError(f"{business_unit}: {version} cannot be used: {problem}")
    standing = stand(store, cadence, business_unit, skip_broken=True)
    record = None if standing.broken else standing.newest
    if record is not None and record.pointer.version == version and record.pointer.pinned is pinned:
        raise UsageError(f"{version} is the {'pinned ' if pinned else ''}champion of {business_unit} already")
    made = registry.read_manifest(store, manifest)
    pointer = Pointer(manifest=manifest, as_of=made.as_of, action=action, reason=reason, pinned=pinned)
    return pointers.append(store, cadence, business_unit, pointer, after=standing.last)
