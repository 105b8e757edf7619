"""A fleet model as a few columnar tables, and back: no pickle, the same predictions to the last bit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from capforecast.errors import ModelError
from capforecast.forecast import format_4
from capforecast.forecast.candidates import candidate_names
from capforecast.forecast.error_tables import error_tables, lists, matrix, read_errors
from capforecast.forecast.experience import Effects
from capforecast.forecast.kinds import checked_columns, reading
from capforecast.forecast.situation import ASPECTS
from capforecast.schema import METRIC, SERVER_ID, Cadence
from capforecast.settings import Settings

if TYPE_CHECKING:
    from capforecast.forecast.model import FleetModel

FORMAT = 5
READABLE = (format_4.FORMAT, FORMAT)
_COLUMNS = {
    "weights": (SERVER_ID, METRIC, "score", "lesson", "sharpness"),
    "effects": ("size", "usual", "spread"),
    "errors": ("origin", "scale", "states", "path"),
    "calibration": (SERVER_ID, METRIC, "scale_now", "states_now", "unit", "replayed", "half_80", "half_95"),
    "metadata": ("key", "value"),
}


def to_tables(model: FleetModel) -> dict[str, pa.Table]:
    """Scores of candidates and how sharply they choose (weights), what situations add to them (effects), and the rest.

    weights and calibration: one row per series; effects: per lesson; errors: per origin.
    """
    from capforecast.forecast.model import settings_text

    errors, calibration = error_tables(model.errors)
    metadata = {
        "format": str(FORMAT),
        "cadence": str(model.cadence),
        "horizon": str(model.horizon),
        "candidates": json.dumps(model.candidates),
        "settings": settings_text(model.settings),
        "version": model.version,
        "states": str(model.errors.states.shape[2]),
    }
    weights = {
        SERVER_ID: calibration[SERVER_ID],
        METRIC: calibration[METRIC],
        "score": lists(model.score.T, pa.float32()),
        "lesson": model.lesson,
        "sharpness": model.sharpness,
    }
    widths = {
        name: lists(half.T, pa.float64()) for name, half in zip(("half_80", "half_95"), model.widths, strict=True)
    }
    calibrated = dict(zip(calibration.column_names, calibration.columns, strict=True))
    return {
        "weights": pa.table(weights),
        "effects": _effect_table(model.effects),
        "errors": errors,
        "calibration": pa.table(calibrated | {"replayed": pa.array(model.replayed, pa.int64())} | widths),
        "metadata": pa.table({"key": list(metadata), "value": list(metadata.values())}),
    }


def _effect_table(effects: Effects) -> pa.Table:
    """One row per lesson; `size` runs through the candidates of the first aspect, then of the second, and so on."""
    size = effects.size.reshape(len(effects.size), -1)
    columns = {"size": size, "usual": effects.usual, "spread": effects.spread}
    return pa.table({name: lists(values, pa.float64()) for name, values in columns.items()})


def _read_effects(table: pa.Table, aspects: int, candidates: int) -> Effects:
    size = matrix(table["size"], aspects * candidates).reshape(table.num_rows, aspects, candidates)
    return Effects(size, matrix(table["usual"], aspects), matrix(table["spread"], aspects))


def read_tables(tables: Mapping[str, pa.Table]) -> FleetModel:
    """Rebuild a model from its tables, of this format or of one it knows how to read.

    Raises:
        ModelError: a table or column is missing, unreadable, does not fit the others, or is of an unknown format.
    """
    checked_columns(tables, {"metadata": ("key", "value")})
    with reading():
        known = dict(zip(tables["metadata"]["key"].to_pylist(), tables["metadata"]["value"].to_pylist(), strict=True))
        check_format(int(known["format"]))
        if int(known["format"]) == format_4.FORMAT:
            checked_columns(tables, format_4.COLUMNS)
            size = int(known["horizon"]), int(known["states"]), Cadence(known["cadence"])
            tables = format_4.upgraded(tables, *size)
    checked_columns(tables, _COLUMNS)
    with reading():
        model = _read(tables, known)
    if model.version != known["version"]:
        raise ModelError(
            f"the stored model is corrupt: its content hashes to {model.version}, its metadata say {known['version']}; "
            "train it again"
        )
    return model


def check_metadata(metadata: pa.Table) -> None:
    """Raise ModelError where this version cannot use a model, by its table `metadata` alone: format and candidates."""
    checked_columns({"metadata": metadata}, {"metadata": ("key", "value")})
    with reading():
        known = dict(zip(metadata["key"].to_pylist(), metadata["value"].to_pylist(), strict=True))
        check_format(int(known["format"]))
        _check_candidates(tuple(json.loads(known["candidates"])), Cadence(known["cadence"]))


def check_format(found: int) -> None:
    """Raise ModelError naming a format that this version does not read."""
    if found not in READABLE:
        known = " and ".join(map(str, READABLE))
        remedy = "read it with the version that wrote it, or train again" if found < FORMAT else "update capforecast"
        raise ModelError(f"the stored model has format {found}, this version reads {known}: {remedy}")


def _read(tables: Mapping[str, pa.Table], known: Mapping[str, str]) -> FleetModel:
    from capforecast.forecast.model import FleetModel

    weights, calibration = tables["weights"], tables["calibration"]
    series = pd.DataFrame({name: pd.array(weights[name].to_pylist(), dtype="str") for name in (SERVER_ID, METRIC)})
    candidates = tuple(json.loads(known["candidates"]))
    horizon, cadence = int(known["horizon"]), Cadence(known["cadence"])
    wide = len(calibration["half_80"].combine_chunks().flatten()) // max(len(series), 1)
    halves = [matrix(calibration[name], wide).T for name in ("half_80", "half_95")]
    states = int(known["states"])
    _check_candidates(candidates, cadence)
    return FleetModel(
        series=series,
        candidates=candidates,
        score=np.ascontiguousarray(matrix(weights["score"], len(candidates)).T, dtype=np.float64),
        effects=_read_effects(tables["effects"], len(ASPECTS[cadence]), len(candidates)),
        lesson=weights["lesson"].to_numpy().astype(np.int64),
        sharpness=weights["sharpness"].to_numpy().astype(np.float64),
        widths=np.ascontiguousarray(np.stack(halves)),
        replayed=calibration["replayed"].to_numpy().astype(np.int64),
        errors=read_errors(tables["errors"], calibration, series, horizon, states, cadence),
        horizon=horizon,
        cadence=cadence,
        settings=Settings.model_validate(json.loads(known["settings"])),
    )


def _check_candidates(candidates: tuple[str, ...], cadence: Cadence) -> None:
    """Raise ModelError naming a candidate that this version does not have: its vote could not be counted."""
    unknown = sorted(set(candidates) - set(candidate_names(cadence)))
    if unknown:
        raise ModelError(
            f"the stored model votes with {unknown[0]!r} and {len(unknown) - 1} more candidates that this version does "
            "not have: use the version that wrote it, or train again"
        )
