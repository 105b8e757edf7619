"""Models that are kept: immutable versions in the lake, and which of them is champion.

A version is a folder of plain tables and a manifest, written last and never changed. Which one is champion:
pointers.py.
"""

from __future__ import annotations

import hashlib
from typing import Any

import pandas as pd

from capforecast.errors import ConflictError, MissingObjectError, ModelError, StaleReferenceError
from capforecast.forecast import champions, pointers
from capforecast.forecast.base import Trained
from capforecast.forecast.champions import Champion
from capforecast.forecast.manifest import File, Manifest, Window, libraries, parse, scores_of
from capforecast.forecast.model import NAME, settings_text
from capforecast.forecast.pointers import MANIFEST
from capforecast.forecast.tables import FORMAT
from capforecast.lake.datasets import as_of_segment, parse_table, read_table, table_of, to_json, to_parquet
from capforecast.lake.store import Store
from capforecast.schema import SERVER_ID, Reference

EVIDENCE = "backtest"  # the file of a version that holds its backtest
METADATA = "metadata"  # and what the model says of itself
CHOICE = "choice"  # and which candidates carry its forecasts
FALL_BACK_EVIDENCE = champions.FALL_BACK + EVIDENCE  # and, of another kind than the engine, the fall-back's backtest
_NO_PART = (EVIDENCE, CHOICE, FALL_BACK_EVIDENCE)  # of the model itself


def save(
    store: Store, trained: Trained[Champion], *, business_unit: str, as_of: pd.Timestamp, notes: dict[str, Any]
) -> Reference:
    """Publish a model and its evidence as version `<as_of>-<hash of all that>`; returns its manifest's reference.

    notes: horizon; `inputs`, hashes by name; `code` and `config`, hashes; where known `window` (first, last, periods)
    and `git_commit`. Files first, the manifest last and create-only. Whoever publishes the same version a second time
    gets the manifest that is there, which may name other libraries or another commit; one that cannot be read is
    replaced. Raises ConflictError where it names other files.
    """
    model, kind = trained.model, champions.kind_of(trained.model)
    parts = model.tables() | {EVIDENCE: table_of(trained.backtest)}
    if trained.choice is not None:
        parts[CHOICE] = table_of(trained.choice)
    if trained.fall_back is not None:
        parts[FALL_BACK_EVIDENCE] = table_of(trained.fall_back)
    tables = {name: (to_parquet(table, floats=True), table.num_rows) for name, table in sorted(parts.items())}
    recipe = {"kind": kind, "settings": hashlib.sha256(recipe_text(model).encode()).hexdigest(), "code": notes["code"]}
    said = {name: value for name, value in notes.items() if name != "git_commit"}
    digest = hashlib.sha256(to_json(said | {"as_of": as_of.isoformat(), "recipe": recipe}))
    for name, (data, _) in tables.items():
        digest.update(name.encode() + hashlib.sha256(data).digest())
    version = f"{as_of_segment(as_of)}-{digest.hexdigest()[:12]}"
    folder = f"{pointers.folder(model.cadence, business_unit)}/{version}"
    files = {}
    for name, (data, rows) in tables.items():
        kept = store.put(f"{folder}/{name}.parquet", data, rows=rows)
        files[name] = File(**kept.model_dump(), bytes=len(data))
    series = {"servers": int(model.series[SERVER_ID].nunique()), "series": len(model.series)}
    window = Window(**notes["window"], **series) if "window" in notes else None
    made = Manifest(
        format=FORMAT, version=version, business_unit=business_unit, kind=kind, cadence=model.cadence,
        as_of=as_of.isoformat(), horizon=int(notes["horizon"]), recipe=recipe, config=notes["config"],
        inputs=notes["inputs"], window=window, scores=scores_of(trained.backtest), libraries=libraries(kind),
        git_commit=notes.get("git_commit"), files=files,
    )  # fmt: skip
    return _publish(store, f"{folder}/{MANIFEST}", made)


def recipe_text(model: Champion) -> str:
    """The settings a model's forecasts depend on, as canonical JSON."""
    return settings_text((model.engine if isinstance(model, champions.Challenger) else model).settings)


def _publish(store: Store, key: str, made: Manifest) -> Reference:
    data, rows = to_json(made.model_dump(mode="json")), made.files["calibration"].rows
    try:
        return store.create(key, data, rows=rows)
    except ConflictError:
        there = store.read(key)
    try:
        known = parse(there, key)
    except ModelError:  # cut short, say: who trains again, as the error asks for, mends it
        return store.put(key, data, rows=rows)
    if known.files != made.files:
        raise ConflictError(f"{key} is there, with other files than this version has: remove that folder, train again")
    return Reference(uri=key, sha256=hashlib.sha256(there).hexdigest(), rows=rows)


def read_manifest(store: Store, manifest: Reference) -> Manifest:
    """What stands in a manifest; raises ModelError, MissingObjectError or StaleReferenceError."""
    return parse(store.fetch(manifest), manifest.uri)


def load(store: Store, manifest: Reference, *, fall_back: bool = False) -> tuple[Champion, str]:
    """The model behind a manifest and its version; raises ModelError or a LakeError naming what is wrong.

    fall_back: of a model of another kind than the engine, the engine's that is kept beside it: numpy is enough for it.
    """
    content = read_manifest(store, manifest)
    beside = fall_back and content.kind != NAME
    tables = {
        name: read_table(store, _intact(file))
        for name, file in content.files.items()
        if name not in _NO_PART and (name.startswith(champions.FALL_BACK) or not beside)
    }
    made = champions.fall_back_from(tables) if beside else champions.from_tables(content.kind, tables)
    return made, content.version


def _intact(file: File) -> Reference:
    return Reference(uri=file.uri, sha256=file.sha256, rows=file.rows)


def evidence(store: Store, manifest: Reference, *, fall_back: bool = False) -> Reference:
    """The backtest a model was published with, or its fall-back's; raises ModelError where that was not kept."""
    content = read_manifest(store, manifest)
    name = FALL_BACK_EVIDENCE if fall_back and content.kind != NAME else EVIDENCE
    if name not in content.files:
        raise ModelError(f"{content.version} was stored without the backtest of its fall-back; train again")
    return _intact(content.files[name])


def is_manifest(reference: Reference) -> bool:
    """Does a reference name a model?"""
    return reference.uri.startswith("models/") and reference.uri.endswith(f"/{MANIFEST}")


def is_intact(store: Store, manifest: Reference) -> bool:
    """Are all tables of a model in the store as they were written?"""
    return all(store.holds(_intact(file)) for file in read_manifest(store, manifest).files.values())


def check(store: Store, manifest: Reference) -> str | None:
    """Why a version cannot be used, naming the file; None = it can be.

    Reads all its files, each once. What they hold is what was written when their hashes are right, so that only the
    model's own account of itself is parsed: which kind, format and candidates this version must have.
    """
    key = manifest.uri
    try:
        content = read_manifest(store, manifest)
        for name, file in content.files.items():
            key = file.uri
            data = store.fetch(_intact(file))
            if name.endswith(METADATA):
                champions.check_usable(content.kind, name, parse_table(data, key))
    except MissingObjectError:
        return f"{key.rsplit('/', 1)[-1]} is missing"
    except StaleReferenceError:
        return f"{key.rsplit('/', 1)[-1]} was changed since it was published"
    except ModelError as error:
        return str(error)
    return None
