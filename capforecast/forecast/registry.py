"""Models that are kept: immutable versions in the lake, and which of them is champion.

A version is a folder of plain tables and a manifest, written last and never changed. Which one is champion:
pointers.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import Any

import pandas as pd

from capforecast.errors import ConflictError, MissingObjectError, ModelError, StaleReferenceError
from capforecast.forecast import champions, pointers
from capforecast.forecast.base import Trained
from capforecast.forecast.champions import Champion
from capforecast.forecast.model import NAME
from capforecast.lake.datasets import as_of_segment, read_table, table_of, to_json, to_parquet
from capforecast.lake.store import Store
from capforecast.schema import Cadence, Reference

EVIDENCE = "backtest"  # the file of a version that holds its backtest
CHOICE = "choice"  # and which candidates carry its forecasts


def save(
    store: Store, trained: Trained[Champion], *, business_unit: str, as_of: pd.Timestamp, notes: dict[str, Any]
) -> Reference:
    """Publish a model and its evidence as version `<as_of>-<hash of all that>`; returns its manifest's reference."""
    model = trained.model
    parts = model.tables() | {EVIDENCE: table_of(trained.backtest)}
    if trained.choice is not None:
        parts[CHOICE] = table_of(trained.choice)
    tables = {name: (to_parquet(table), table.num_rows) for name, table in sorted(parts.items())}
    digest = hashlib.sha256(to_json(notes))
    for name, (data, _) in tables.items():
        digest.update(name.encode() + hashlib.sha256(data).digest())
    version = f"{as_of_segment(as_of)}-{digest.hexdigest()[:12]}"
    folder = f"{pointers.folder(model.cadence, business_unit)}/{version}"
    files = {}
    for name, (data, rows) in tables.items():
        files[name] = store.put(f"{folder}/{name}.parquet", data, rows=rows).model_dump(mode="json")
    manifest = to_json(
        {
            "version": version,
            "business_unit": business_unit,
            "kind": champions.kind_of(model),
            "files": files,
            "notes": notes,
        }
    )
    return store.put(f"{folder}/manifest.json", manifest, rows=len(model.series))


def load(store: Store, manifest: Reference) -> tuple[Champion, str]:
    """The model behind a manifest and its version; raises ModelError or a LakeError naming what is wrong."""
    content = _parsed(store.fetch(manifest), manifest.uri)
    tables = {
        name: read_table(store, Reference.model_validate(reference))
        for name, reference in content["files"].items()
        if name not in (EVIDENCE, CHOICE)
    }
    return champions.from_tables(content.get("kind", NAME), tables), str(content["version"])


def evidence(store: Store, manifest: Reference) -> Reference:
    """The backtest a model was published with."""
    return Reference.model_validate(_parsed(store.fetch(manifest), manifest.uri)["files"][EVIDENCE])


def is_manifest(reference: Reference) -> bool:
    """Does a reference name a model?"""
    return reference.uri.startswith("models/") and reference.uri.endswith("/manifest.json")


def is_intact(store: Store, manifest: Reference) -> bool:
    """Are all tables of a model in the store as they were written?"""
    files = _parsed(store.fetch(manifest), manifest.uri)["files"].values()
    return all(store.holds(Reference.model_validate(reference)) for reference in files)


def check(store: Store, manifest: Reference) -> str | None:
    """Why a version cannot be used, None = it can be."""
    try:
        return None if is_intact(store, manifest) else f"files of {manifest.uri} are missing or have changed"
    except (ModelError, MissingObjectError, StaleReferenceError) as error:
        return str(error)


def champion(store: Store, cadence: Cadence, business_unit: str) -> Reference:
    """Manifest of the business unit's champion; raises ModelError when nothing was trained yet."""
    record = pointers.current(store, cadence, business_unit)
    if record is None:
        raise ModelError(f"no {cadence} model of business unit {business_unit!r} in {store.url}: train first")
    return record.pointer.manifest


def promote(store: Store, cadence: Cadence, business_unit: str, manifest: Reference, as_of: pd.Timestamp) -> None:
    """Make a model the champion, unless it is, or the champion has seen later data (a backfill trains no champion).

    Under two writers each promotion gets a number of its own.
    """
    wanted = pointers.Pointer(manifest=manifest, as_of=as_of.isoformat())
    while True:
        record = pointers.current(store, cadence, business_unit)
        if record is not None and (record.pointer.manifest == manifest or record.pointer.cut_off > as_of):
            return
        with contextlib.suppress(ConflictError):  # somebody took this number: look again
            pointers.append(store, cadence, business_unit, wanted, after=record.number if record else None)
            return


def _parsed(data: bytes, key: str) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except ValueError:
        raise ModelError(f"{key} is not readable JSON; train again or roll back") from None
    if not isinstance(content, dict):
        raise ModelError(f"{key} is not a manifest; train again or roll back")
    return content
