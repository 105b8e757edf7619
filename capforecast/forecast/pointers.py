"""Which version of a business unit's model is champion: numbered, create-only records, of which the highest counts.

A record is never changed or deleted, so they are also the history of who was champion, and why. Two writers cannot take
the same number, in a folder or a bucket: the slower one is told, looks again and decides anew.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from capforecast.errors import ModelError
from capforecast.lake import records
from capforecast.lake.datasets import unit_segment
from capforecast.lake.store import Store
from capforecast.schema import Cadence, Reference

MANIFEST = "manifest.json"
Action = Literal["promoted", "pinned", "unpinned", "rolled_back"]


class Pointer(BaseModel):
    """What a record says: this version is champion from now on, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    manifest: Reference
    as_of: str  # the model has seen nothing at or after it, ISO 8601
    action: Action = "promoted"
    reason: str = ""  # in words
    pinned: bool = False  # training keeps its hands off until it is unpinned
    outcome: str = ""  # the rule that promoted it (decision.Outcome); "" = a person did
    ratio: float | None = None  # its error by the champion's of then
    series_compared: int = 0

    @field_validator("as_of")
    @classmethod
    def _is_time(cls, text: str) -> str:
        time = pd.Timestamp(text)
        if pd.isna(time) or time.tzinfo is None:
            raise ValueError("no time with a zone")
        return text

    @field_validator("manifest")
    @classmethod
    def _is_of_a_version(cls, manifest: Reference) -> Reference:
        if not _is_manifest(manifest.uri) or not {"", ".", ".."}.isdisjoint(manifest.uri.split("/")):
            raise ValueError("no manifest of a version")
        return manifest

    @property
    def version(self) -> str:
        """Name of the version it points to."""
        return version_of(self.manifest)

    @property
    def cut_off(self) -> pd.Timestamp:
        """`as_of` as a timestamp."""
        return pd.Timestamp(self.as_of)


@dataclass(frozen=True)
class Record:
    """A pointer and its number."""

    number: int
    pointer: Pointer


def version_of(manifest: Reference) -> str:
    """Name of the version behind a manifest: the folder it lies in."""
    return manifest.uri.split("/")[-2]


def folder(cadence: Cadence, business_unit: str) -> str:
    """Where the versions of a business unit lie."""
    return f"models/cadence={cadence}/business_unit={unit_segment(business_unit)}"


def record_key(cadence: Cadence, business_unit: str, number: int) -> str:
    """Key of a record."""
    return records.record_key(_champions(cadence, business_unit), number)


def history(store: Store, cadence: Cadence, business_unit: str) -> list[Record]:
    """All records, oldest first; raises ModelError naming one that cannot be read, and the fix."""
    return [Record(number, _read(store, key)) for number, key in _records(store, cadence, business_unit)]


def readable(store: Store, cadence: Cadence, business_unit: str) -> tuple[list[Record], dict[int, ModelError]]:
    """The records that can be read, oldest first, and by number why the others cannot; of one look at the store."""
    found, broken = [], {}
    for number, key in _records(store, cadence, business_unit):
        try:
            found.append(Record(number, _read(store, key)))
        except ModelError as error:
            broken[number] = error
    return found, broken


def current(store: Store, cadence: Cadence, business_unit: str) -> Record | None:
    """The record that counts, None where nothing was ever promoted; raises ModelError as `history`."""
    known = _records(store, cadence, business_unit)
    return Record(known[-1][0], _read(store, known[-1][1])) if known else None


def highest(store: Store, cadence: Cadence, business_unit: str) -> int | None:
    """Number of the newest record, readable or not; None where there is none."""
    known = _records(store, cadence, business_unit)
    return known[-1][0] if known else None


def append(store: Store, cadence: Cadence, business_unit: str, pointer: Pointer, *, after: int | None) -> Record:
    """Write the record that follows number `after` (None = the first).

    Raises ConflictError when somebody was quicker: look again and decide anew.
    """
    return Record(records.create(store, _champions(cadence, business_unit), pointer, after=after), pointer)


def business_units(store: Store, cadence: Cadence) -> list[str]:
    """Names of the business units that have models of a cadence, sorted."""
    keys = [key for key in store.keys(f"models/cadence={cadence}") if _is_manifest(key) or _is_record(key)]
    segments = {key.split("/")[2].removeprefix("business_unit="): key for key in reversed(keys)}
    return sorted(_name(store, segment, key) for segment, key in segments.items())


def versions(store: Store, cadence: Cadence, business_unit: str) -> list[Reference]:
    """Manifests of all published versions, readable or not, oldest data first."""
    keys = [key for key in store.keys(folder(cadence, business_unit)) if _is_manifest(key)]
    return [_reference(key, store.read(key)) for key in keys]


def _records(store: Store, cadence: Cadence, business_unit: str) -> list[tuple[int, str]]:
    """Number and key of each record, by number."""
    return records.numbered(store, _champions(cadence, business_unit))


def _champions(cadence: Cadence, business_unit: str) -> str:
    """Where the records lie."""
    return f"{folder(cadence, business_unit)}/champion"


def _read(store: Store, key: str) -> Pointer:
    try:
        return Pointer.model_validate_json(store.read(key))
    except ValidationError as error:
        raise ModelError(
            f"{key} in {store.url} cannot be read ({records.first_problem(error)}): choose a champion by "
            "`capforecast models promote`, a good record then follows it; after that it may be deleted"
        ) from None


def _is_manifest(key: str) -> bool:
    return key.startswith("models/") and key.endswith(f"/{MANIFEST}") and key.count("/") == 4


def _is_record(key: str) -> bool:
    return (records.folder_of(key) or "").endswith("/champion")


def _reference(key: str, data: bytes) -> Reference:
    """Reference to a manifest; `rows` are its series, 0 where it cannot be read."""
    try:
        rows = int(json.loads(data)["files"]["calibration"]["rows"])
    except (ValueError, KeyError, TypeError):
        rows = 0
    return Reference(uri=key, sha256=hashlib.sha256(data).hexdigest(), rows=rows)


def _name(store: Store, segment: str, key: str) -> str:
    """The business unit behind a path segment: decoded, or where it was too long, as a manifest says it."""
    decoded = "" if segment == unit_segment("") else unquote(segment)
    if unit_segment(decoded) == segment or not _is_manifest(key):
        return decoded
    try:
        return str(json.loads(store.read(key))["business_unit"])
    except (ValueError, KeyError, TypeError):
        return segment
