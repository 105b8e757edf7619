"""Cells of an Arrow column as server ids, numbers and moments, with the reason why one is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from capforecast.sources.tables import NULLS

BoolArray = npt.NDArray[np.bool_]
_LARGEST = float(np.finfo(np.float32).max)
_NO_TIME = np.datetime64("NaT", "us")
_FIRST, _LAST = np.datetime64("1980-01-01", "us"), np.datetime64("2200-01-01", "us")


@dataclass(frozen=True)
class Moments:
    """Times of rows [R] (datetime64[us]): utc, and as written (wall) for days. bad: reason -> where."""

    utc: npt.NDArray[np.datetime64]
    wall: npt.NDArray[np.datetime64]
    bad: dict[str, BoolArray]


def as_written(column: pa.ChunkedArray, where: BoolArray) -> pd.Series:
    """The cells at `where` [R] as text, for a report."""
    return pd.Series([_text(value) for value in column.filter(pa.array(where)).to_pylist()], dtype="object")


def texts(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Cells as (code [R], names): trimmed texts, -1 = missing or empty. Whole numbers lose a `.0`."""
    if pa.types.is_null(column.type):
        return np.full(len(column), -1, dtype=np.int64), []
    if pa.types.is_nested(column.type):
        column = pa.chunked_array([[_text(value) for value in column.to_pylist()]], pa.string())
    encoded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column)
    encoded = encoded.unify_dictionaries().combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0) if encoded.num_chunks else pa.array([], pa.string()).dictionary_encode()
    raw = [_text(value) for value in encoded.dictionary.to_pylist()]
    names = sorted(set(raw) - {""})
    place = {name: code for code, name in enumerate(names)}
    lookup = np.array([place.get(name, -1) for name in raw] + [-1], dtype=np.int64)
    codes = encoded.indices.fill_null(len(raw)).to_numpy(zero_copy_only=False).astype(np.int64)
    return lookup[codes], names


def _text(value: object) -> str:
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    return str(value).strip()


def numbers(column: pa.ChunkedArray, decimal: str = ".") -> tuple[npt.NDArray[np.float64], BoolArray]:
    """Cells as float64 [R] (NaN = missing) and where [R] something stands that is no number; `45 %` counts as 45.

    Where the decimal sign is a comma, a number with a dot may be meant either way, and is none.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return numbers(column.cast(kind.value_type), decimal)
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan), np.zeros(len(column), dtype=np.bool_)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        values = column.cast(pa.float64(), safe=False).to_numpy()
        return values.astype(np.float64, copy=True), np.zeros(len(values), dtype=np.bool_)
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return np.full(len(column), np.nan), pc.is_valid(column).to_numpy().astype(np.bool_)
    codes, names = texts(column)
    bare = pd.Series(names, dtype="object").str.removesuffix("%").str.strip()
    if decimal == ",":
        bare = bare.mask(bare.str.contains(".", regex=False), "?")
        bare = bare.str.replace(r"^([+-]?\d*),(\d+)$", r"\1.\2", regex=True)
    parsed = pd.to_numeric(bare, errors="coerce")
    values = np.append(parsed.to_numpy(dtype=np.float64), np.nan)
    odd = np.append(np.isnan(values[:-1]) & ~np.isin(np.array(names, dtype=object), NULLS), False)
    return values[codes], odd[codes]


def too_large(values: npt.NDArray[np.float64]) -> BoolArray:
    """Where values [R] are infinite or beyond float32."""
    return np.asarray(np.abs(values) > _LARGEST)  # NaN compares false


def moments(column: pa.ChunkedArray, timezone: str) -> Moments:
    """Cells as moments. Read are time and date types, ISO 8601 texts, and epoch numbers in s, ms, us or ns.

    What names no zone is in `timezone`. The wall time is the one written: of the cell's own offset, else of
    `timezone`. Reasons: missing_timestamp, unparseable_timestamp, implausible_timestamp (before 1980, after 2199).
    A local hour that a clock change skips or repeats has a wall time and no utc.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return moments(column.cast(kind.value_type), timezone)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        zone = getattr(kind, "tz", None)
        missing = pc.is_null(column).to_numpy().astype(np.bool_)
        stamps = column.cast(pa.timestamp("us", tz=zone), safe=False)
        utc = stamps.cast(pa.int64()).fill_null(np.iinfo(np.int64).min).to_numpy().view("datetime64[us]")
        if zone is None:
            return _judged(_to_utc(utc, timezone), utc, missing)
        local = pd.DatetimeIndex(utc).tz_localize("UTC").tz_convert(zone)
        return _judged(utc, local.tz_localize(None).as_unit("us").to_numpy(), missing)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        values, _ = numbers(column)
        utc = _epoch(values)
        return _judged(utc, _to_wall(utc, timezone), np.isnan(values))
    codes, names = texts(column)
    utc, wall = _from_texts(names, timezone)
    null = np.append(np.isin(np.array(names, dtype=object), NULLS), True)
    return _judged(np.append(utc, _NO_TIME)[codes], np.append(wall, _NO_TIME)[codes], null[codes])


def _judged(utc: npt.NDArray[np.datetime64], wall: npt.NDArray[np.datetime64], missing: BoolArray) -> Moments:
    unparsed = np.isnat(wall) & ~missing
    strange = ~np.isnat(wall) & ((wall < _FIRST) | (wall >= _LAST))
    bad = {"missing_timestamp": missing, "unparseable_timestamp": unparsed, "implausible_timestamp": strange}
    return Moments(utc, wall, bad)


def _epoch(values: npt.NDArray[np.float64]) -> npt.NDArray[np.datetime64]:
    size = np.abs(values)
    factor = np.select([size < 1e11, size < 1e14, size < 1e17, size < 1e20], [1e6, 1e3, 1.0, 1e-3], default=np.nan)
    micros = values * factor
    known = np.isfinite(micros)
    stamps = np.full(len(values), _NO_TIME)
    stamps[known] = np.round(micros[known]).astype(np.int64).view("datetime64[us]")
    return stamps


def _from_texts(names: list[str], timezone: str) -> tuple[npt.NDArray[np.datetime64], npt.NDArray[np.datetime64]]:
    """(utc, wall) of unique texts."""
    series = pd.Series(names, dtype="object")
    if not len(series):
        return np.array([], dtype="datetime64[us]"), np.array([], dtype="datetime64[us]")
    series = series.str.replace(r"^(\d{4})/(\d{1,2})/(\d{1,2})", r"\1-\2-\3", regex=True)
    parts = series.str.extract(r"^(.*\d:\d\d.*?)\s*(Z|z|UTC|[+-]\d\d(?::?\d\d)?)$")
    bare = parts[0].where(parts[0].notna(), series)
    epoch = bare.str.fullmatch(r"\d{9,19}(\.\d+)?").to_numpy(dtype=np.bool_)
    wall = pd.to_datetime(bare.mask(epoch, None), format="ISO8601", errors="coerce", utc=True)
    wall_times = pd.DatetimeIndex(wall).tz_localize(None).as_unit("us").to_numpy().copy()
    offset = parts[1].fillna("").str.extract(r"([+-])(\d\d):?(\d\d)?")
    minutes = pd.to_numeric(offset[1], errors="coerce").fillna(0) * 60 + pd.to_numeric(offset[2]).fillna(0)
    shift = (minutes * np.where(offset[0] == "-", -1, 1)).to_numpy().astype("timedelta64[m]")
    utc = np.where(parts[1].notna().to_numpy(), wall_times - shift, _to_utc(wall_times, timezone))
    numeric = _epoch(pd.to_numeric(bare.where(epoch), errors="coerce").to_numpy(dtype=np.float64))
    utc[epoch], wall_times[epoch] = numeric[epoch], _to_wall(numeric, timezone)[epoch]
    return utc.astype("datetime64[us]"), wall_times


def _to_utc(wall: npt.NDArray[np.datetime64], timezone: str) -> npt.NDArray[np.datetime64]:
    if timezone == "UTC":
        return wall
    index = pd.DatetimeIndex(wall).tz_localize(timezone, ambiguous="NaT", nonexistent="NaT")
    return np.asarray(index.tz_convert("UTC").tz_localize(None).as_unit("us").to_numpy())


def _to_wall(utc: npt.NDArray[np.datetime64], timezone: str) -> npt.NDArray[np.datetime64]:
    if timezone == "UTC":
        return utc
    index = pd.DatetimeIndex(utc).tz_localize("UTC").tz_convert(timezone)
    return np.asarray(index.tz_localize(None).as_unit("us").to_numpy())
