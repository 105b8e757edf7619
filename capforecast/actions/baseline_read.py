"""The tables of a run that a baseline is made of, as its report names them (reports/.../inputs.json)."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pydantic import ValidationError

from capforecast.actions import prices
from capforecast.actions.sizes import Sizes
from capforecast.errors import LakeError, MissingObjectError, UsageError
from capforecast.lake.datasets import as_of_segment, cut_off_of, read_frame, read_table, report_key
from capforecast.lake.records import first_problem
from capforecast.lake.runs import newest_manifest
from capforecast.lake.store import Store
from capforecast.risk.path_levels import MOST
from capforecast.schema import METRIC, SERVER_ID, Cadence, Reference
from capforecast.settings import Settings

INPUTS = "inputs.json"
_ID = re.compile(r"[A-Za-z0-9_-]+")  # of a run of Prefect
MONEY = (  # of `actions`, beside the columns of `servers`; NaN and "" where the run advises nothing
    "monthly", "to_monthly", "action", "to_type", "to_cpu_share", "to_memory_share", "need_cpu_share",
    "need_memory_share", "segment",
)  # fmt: skip
MOST_SOURCES = 3  # of prices, named in a sentence
_TEXT = ("action", "to_type", "segment")
_LISTS = ("share_high", "share_very_high", "peak_q90")
Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Found:
    """A run: references of its units' tables by name, those of the fleet, settings, and why units are missing."""

    cadence: Cadence
    as_of: pd.Timestamp
    digest: str
    settings: Settings
    units: dict[str, dict[str, Reference]]
    fleet: dict[str, Reference]
    problems: dict[str, str]


def find(store: Store, as_of: str | pd.Timestamp | None, run_id: str | None, cadence: Cadence) -> Found:
    """The run that is meant; raises UsageError where there is none."""
    data, key = _of_run(store, run_id) if run_id else _of_moment(store, as_of, cadence)
    try:
        content = json.loads(data)
        units = {unit["business_unit"]: _references(unit["references"]) for unit in content["units"]}
        fleet, history = _references(content["extras"]), content["ingested"]
        problems, named = dict(content["problems"]), content["settings"]
        step, moment = Cadence(history["cadence"]), pd.Timestamp(history["as_of"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LakeError(f"{key} in {store.url} is not what a report writes ({error!r}); run again") from None
    try:
        settings = Settings.model_validate_json(json.dumps(named))
    except ValidationError as error:
        raise UsageError(
            f"{key} in {store.url} holds settings of another version of capforecast ({first_problem(error)}); run again"
        ) from None
    if not units:
        raise UsageError(f"no business unit of the run as of {as_of_segment(moment)} has finished: run again")
    return Found(step, moment, hashlib.sha256(data).hexdigest()[:16], settings, dict(sorted(units.items())), fleet,
                 problems)  # fmt: skip


def _of_run(store: Store, run_id: str) -> tuple[bytes, str]:
    """What a run's report was made of, by its manifest."""
    try:
        manifest = newest_manifest(store, run_id) if _ID.fullmatch(run_id) else None
        published = (manifest or {}).get("published") or {}
        found = published.get("references", {}).get("inputs")
        reference = None if found is None else Reference.model_validate(found)
    except (ValueError, AttributeError) as error:
        raise LakeError(f"the manifest of run {run_id} is damaged ({type(error).__name__}); run again") from None
    if manifest is None:
        raise UsageError(f"no run {run_id!r} in {store.url} has left a manifest")
    if reference is None:
        raise UsageError(f"run {run_id} has published no report: a what-if starts from one")
    return store.fetch(reference), reference.uri


def _of_moment(store: Store, as_of: str | pd.Timestamp | None, cadence: Cadence) -> tuple[bytes, str]:
    """What the report as of a moment was made of: that of the fleet, else of the business units run last."""
    listed = [item for item in store.listed(f"reports/cadence={cadence}") if item.key.endswith(f"/{INPUTS}")]
    moments = sorted({_moment(item.key) for item in listed})
    if not moments:
        others = [other for other in Cadence if other is not cadence and store.keys(f"reports/cadence={other}")]
        hint = f"; there are {others[0]} ones" if others else "; `capforecast run` makes one"
        raise UsageError(f"there is no finished {cadence} run in {store.url}{hint}")
    wanted = moments[-1] if as_of is None else _asked(as_of)
    here = [item for item in listed if _moment(item.key) == wanted]
    if not here:
        newest = ", ".join(as_of_segment(moment) for moment in moments[-5:])
        raise UsageError(f"no {cadence} run as of {as_of_segment(wanted)} in {store.url}; the newest are {newest}")
    whole = report_key(cadence, wanted, INPUTS)
    last = max(here, key=lambda item: (item.key == whole, item.modified, item.key))
    return store.read(last.key), last.key


def _asked(as_of: str | pd.Timestamp) -> pd.Timestamp:
    try:
        moment = pd.Timestamp(as_of)
    except ValueError:
        moment = pd.NaT
    if pd.isna(moment):
        raise UsageError(f"as_of {as_of!r} is no date; write yyyy-mm-dd")
    return moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")


def _moment(key: str) -> pd.Timestamp:
    return cut_off_of(Reference(uri=key, sha256="", rows=0))


def _references(content: dict[str, Any]) -> dict[str, Reference]:
    return {name: Reference.model_validate(one) for name, one in content.items()}


def series_of(store: Store, found: Found) -> pd.DataFrame:
    """`risks` of all units, by server and metric."""
    frames = [read_frame(store, unit["risks"]) for unit in found.units.values()]
    return pd.concat(frames, ignore_index=True).sort_values([SERVER_ID, METRIC], ignore_index=True)


def servers_of(store: Store, found: Found) -> pd.DataFrame:
    """`servers` of all units, by name."""
    frames = [read_frame(store, unit["servers"]) for unit in found.units.values()]
    table = pd.concat(frames, ignore_index=True).sort_values(SERVER_ID, ignore_index=True)
    for name in ("environment", "owner", "instance_type"):
        table[name] = table[name].fillna("").astype("str") if name in table else ""
    for name in ("vcpus", "memory_gib", "disk_gib", "network_mbps", "hourly_cost"):
        table[name] = table[name].astype("float64") if name in table else np.nan
    return table


def kept_levels(store: Store, found: Found, series: pd.DataFrame) -> tuple[dict[str, Any], Index]:
    """`path_levels` of all units as arrays in the order of the series, by name; and the last days of their spans."""
    lacking = [name for name, unit in found.units.items() if "path_levels" not in unit]
    if lacking:
        raise UsageError(
            f"the run as of {as_of_segment(found.as_of)} was made by a version of capforecast that kept nothing for "
            f"what-if questions (path_levels of {lacking[0]}); run again with --as-of {as_of_segment(found.as_of)}"
        )
    tables = [read_table(store, unit["path_levels"]) for unit in found.units.values()]
    filled = [table for table in tables if table.num_rows]
    ends = np.array(filled[0].column("days")[0].as_py() if filled else [1], np.int64)
    count = len(series)
    kept: dict[str, Any] = {
        "levels": np.full((count, len(ends), MOST), np.nan, np.float32), "paths": np.zeros(count, np.int64),
        "present": np.full(count, np.nan), "peak_q90": np.full((count, len(ends)), np.nan),
        "shares": np.full((2, count, len(ends)), np.nan),
    }  # fmt: skip
    keys = pd.MultiIndex.from_frame(series[[SERVER_ID, METRIC]])
    for table in filled:
        _put(kept, table, keys, ends)
    return kept, ends


def _put(kept: dict[str, Any], table: pa.Table, keys: pd.MultiIndex, ends: Index) -> None:
    """Put the rows of a table where their series are."""
    names = [table.column(name).to_pandas() for name in (SERVER_ID, METRIC)]
    rows = keys.get_indexer(pd.MultiIndex.from_arrays(names))
    lists = {name: _flat(table, name).reshape(-1, len(ends)) for name in ("days", *_LISTS)}
    if (rows < 0).any() or (lists["days"] != ends).any():
        raise LakeError("path_levels and risks of this run do not fit together: run again")
    paths = table.column("paths").to_numpy()
    kept["paths"][rows], kept["present"][rows] = paths, table.column("present").to_numpy()
    kept["peak_q90"][rows] = lists["peak_q90"]
    kept["shares"][0, rows], kept["shares"][1, rows] = lists["share_high"], lists["share_very_high"]
    flat, begin = _flat(table, "levels"), np.concatenate([[0], np.cumsum(paths * len(ends))])
    for count in np.unique(paths):  # nearly all have as many
        which = np.flatnonzero(paths == count)
        part = flat[begin[which][:, None] + np.arange(count * len(ends))] if len(which) < len(paths) else flat
        kept["levels"][rows[which], :, :count] = part.reshape(len(which), len(ends), count)


def _flat(table: pa.Table, name: str) -> npt.NDArray[Any]:
    """All values of a column of lists, one after the other."""
    values: npt.NDArray[Any] = table.column(name).combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return values


def money(store: Store, found: Found, servers: pd.DataFrame) -> tuple[pd.DataFrame, Sizes, str]:
    """The servers with MONEY, the sizes there are, and where prices come from, in words."""
    first = next(iter(found.units.values()))
    if "shapes" in first and "prices" in first:
        listed = prices.from_table(read_frame(store, first["prices"]), found.settings.prices.currency)
        sizes = Sizes.of(read_frame(store, first["shapes"]), listed.rows)
    else:
        raise UsageError(f"the run as of {as_of_segment(found.as_of)} knows no prices and shapes: run again")
    blank = {name: "" if name in _TEXT else np.nan for name in MONEY}
    try:
        advised = read_frame(store, found.fleet["actions"]) if "actions" in found.fleet else None
    except MissingObjectError:
        advised = None
    if advised is None:
        return servers.assign(**blank), sizes, ""
    told = _priced_by(advised, listed)
    table = advised.set_index(SERVER_ID).reindex(servers[SERVER_ID])[list(MONEY)].reset_index(drop=True)
    known = {name: table[name].fillna("") if name in _TEXT else table[name] for name in MONEY}
    return servers.assign(**known), sizes, told


def _priced_by(advised: pd.DataFrame, listed: prices.PriceList) -> str:
    """Sources of the present costs with their servers, and those of other sizes; "" = no price is known."""
    if "price_source" not in advised:
        return ""
    named = advised["price_source"].fillna("").astype("str")
    counts = named[named != ""].value_counts().sort_index(kind="stable").sort_values(ascending=False, kind="stable")
    if not len(counts):
        return ""
    now = [f"{source} ({servers:,} {'server' if servers == 1 else 'servers'})" for source, servers in counts.items()]
    more = [f"{len(now) - MOST_SOURCES} more"] if len(now) > MOST_SOURCES else []
    others = f"; of other sizes: {', '.join(map(str, listed.sources))}" if listed.sources else ""
    return f"costs are of a month of 730 hours; prices: {'; '.join([*now[:MOST_SOURCES], *more])}{others}"
