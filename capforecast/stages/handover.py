"""Business units and models on their way to a job elsewhere and back: as a partial lake.

A partial lake is a folder (or prefix) with the keys of the lake, holding some objects of it. What it holds of a unit
stands in `units/<name>.json`, written last: a Unit whose references are all there.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from pydantic import ValidationError

from capforecast.errors import ConflictError, InputError, ModelError, NoUsableInputError
from capforecast.exchange import Unit
from capforecast.forecast import pointers, registry
from capforecast.forecast.manifest import Manifest
from capforecast.lake.datasets import to_json, unit_segment
from capforecast.lake.store import Store
from capforecast.schema import Cadence, Reference

UNITS = "units"
SHARD = "shard.json"  # what one of several instances was given and made
# in a folder of its own by instance or at the top, and there by period or not
_UNIT = re.compile(rf"(?P<root>[^/]+/)?{UNITS}/(?:[^/]+/)?[^/]+\.json")


@dataclass(frozen=True)
class Handed:
    """A unit that was handed over. root: prefix of its partial lake, `algo-1/` or empty.  key: of its file."""

    unit: Unit
    root: str
    key: str


def unit_file(business_unit: str, period: str = "") -> str:
    """Key of a unit's file; `period` keeps hand-overs of several periods apart that lie in one lake."""
    return "/".join(part for part in (UNITS, period, f"{unit_segment(business_unit)}.json") if part)


def hand_over(source: Store, target: Store, unit: Unit, *, root: str = "", period: str = "") -> Reference:
    """Copy what a unit refers to, then its file; returns the file's reference. Where both are one, only the file.

    root: prefix in `source` below which the unit's keys begin.  Raises MissingObjectError or StaleReferenceError.
    """
    if source is not target:
        for reference in unit.references.values():
            target.put(reference.uri, source.fetch(_below(root, reference)), rows=reference.rows)
    return target.put(unit_file(unit.business_unit, period), to_json(unit.model_dump(mode="json")))


def handed(store: Store) -> list[Handed]:
    """All units handed over below a folder or prefix, by name: in one partial lake, or in one per instance.

    Raises NoUsableInputError where there is none, InputError for a file that is no unit's, and for a unit that stands
    twice: then two instances had a part of its data each, and neither has the unit.
    """
    found: dict[tuple[Cadence, str], Handed] = {}
    for key in store.keys(""):
        match = _UNIT.fullmatch(key)
        if match is None:
            continue
        this = Handed(_parsed(store, key), match["root"] or "", key)
        known = found.setdefault((this.unit.cadence, this.unit.business_unit), this)
        if known is not this:
            raise InputError(_twice(store, known, this))
    if not found:
        raise NoUsableInputError(
            f"{store.url} holds no business unit: expected {UNITS}/<name>.json beside the tables it refers to, as "
            "processing writes them"
        )
    return [found[name] for name in sorted(found, key=lambda name: (name[1], name[0]))]


def made_by_nobody(store: Store) -> list[str]:
    """Business units that the inventory of processing lists and that no instance made: none of their data came."""
    shards = [json.loads(store.read(key)) for key in store.keys("") if re.fullmatch(rf"([^/]+/)?{SHARD}", key)]
    made = {name for shard in shards for name in shard["business_units"]}
    return sorted({name for shard in shards for name in shard["left"]} - made)


def hand_over_model(source: Store, target: Store, manifest: Reference, *, root: str = "") -> Reference:
    """Copy a version of a model: its files, the manifest last and create-only; returns the manifest's reference.

    A version that is there already with the same files stays as it is. Raises ModelError where it is not what its key
    says, a LakeError where a file is missing or changed, ConflictError where the version is there with other files.
    """
    there = _below(root, manifest)
    content = registry.read_manifest(source, there)
    _check_place(manifest.uri, content)
    known = target.reference(manifest.uri)
    if known is not None and registry.read_manifest(target, known).files != content.files:
        raise ConflictError(f"{target.address(manifest.uri)} is there, with other files than this version has")
    for file in content.files.values():
        target.put(file.uri, source.fetch(_below(root, file)), rows=file.rows)
    if known is not None:
        return known.model_copy(update={"rows": manifest.rows})
    return target.create(manifest.uri, source.fetch(there), rows=manifest.rows)


def _below(root: str, reference: Reference) -> Reference:
    return Reference(uri=f"{root}{reference.uri}", sha256=reference.sha256, rows=reference.rows)


def _parsed(store: Store, key: str) -> Unit:
    try:
        return Unit.model_validate_json(store.read(key))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"]) or "content"
        raise InputError(
            f"{store.address(key)} is no business unit of this version ({where}: {problem['msg']}): hand it over again"
        ) from None


def _twice(store: Store, one: Handed, other: Handed) -> str:
    places = " and ".join(f"{store.address(each.key)} (as of {each.unit.as_of})" for each in (one, other))
    return (
        f"business unit {one.unit.business_unit!r} stands twice: {places}. Give processing one object per business "
        "unit, or one instance, and training one period of each unit"
    )


def _check_place(key: str, content: Manifest) -> None:
    """Files of a version lie in its own folder and nowhere else: what comes from elsewhere must overwrite nothing."""
    folder = f"{pointers.folder(content.cadence, content.business_unit)}/{content.version}"
    strange = [file.uri for file in content.files.values() if file.uri.rpartition("/")[0] != folder]
    if key != f"{folder}/{pointers.MANIFEST}" or strange:
        raise ModelError(
            f"{key} names {(strange or [folder])[0]}, which is not of its own folder: it was tampered with"
        )
