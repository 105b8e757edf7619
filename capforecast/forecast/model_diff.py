"""Two versions of a business unit's model side by side: what was made differently, and what that changed for whom."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from capforecast.forecast import registry
from capforecast.forecast.backtest import buckets
from capforecast.forecast.decision import ALL
from capforecast.forecast.error_tables import matrix
from capforecast.forecast.manifest import Manifest
from capforecast.forecast.scores import geometric_mean
from capforecast.lake.datasets import read_table
from capforecast.lake.store import Store
from capforecast.schema import METRIC, SERVER_ID, Cadence, Reference

NOTABLE = 0.05  # an error is better or worse when it changed by more than this share
KEYS = [SERVER_ID, METRIC]
_FIGURES = ["error", "mae", "width", "candidate"]


@dataclass(frozen=True)
class Version:
    """A version as the comparison sees it.

    settings: those its predictions depend on, dotted key -> value.  series: server_id, metric, region, criticality,
    error (relative MAE of its backtest), mae and width (of the 80 % interval, mean over the horizon; both in the
    metric's unit), candidate (the leading one, "" = not known); NaN where nothing could be scored.
    """

    manifest: Manifest
    settings: Mapping[str, Any]
    series: pd.DataFrame


@dataclass(frozen=True)
class Change:
    """Something about how the versions were made; "" = not said."""

    what: str
    before: str
    after: str


@dataclass(frozen=True)
class Difference:
    """What changed from one version to the other.

    series: the series of both, most changed first: server_id, metric, region, criticality, and error, mae, width and
    candidate, each _before and _after.  added, gone: server_id and metric of those only one of them knows.
    metrics: sums of `series` by metric, and how many were added and gone.
    """

    before: str
    after: str
    changes: list[Change]
    series: pd.DataFrame
    added: pd.DataFrame
    gone: pd.DataFrame
    metrics: pd.DataFrame


def read_version(store: Store, manifest: Reference, cadence: Cadence) -> Version:
    """What the comparison needs of a version; raises ModelError, MissingObjectError or StaleReferenceError."""
    made = registry.read_manifest(store, manifest)
    columns = [*KEYS, "region", "criticality", "bucket", "relative_mae", "mae"]
    rows = read_table(store, registry.evidence(store, manifest), columns).to_pandas()
    series = rows[rows["bucket"] == ALL].drop(columns="bucket").rename(columns={"relative_mae": "error"})
    for part in (_widths(store, made, cadence), _leaders(store, made)):
        series = series.merge(part, on=KEYS, how="left")
    series["candidate"] = series["candidate"].fillna("")
    return Version(made, _settings(store, made), series.reset_index(drop=True))


def compare(before: Version, after: Version) -> Difference:
    """From one version to the other."""
    sides = before.series, after.series.drop(columns=["region", "criticality"])
    both = sides[0].merge(sides[1], on=KEYS, how="outer", suffixes=("_before", "_after"), indicator=True)
    only = {
        name: both.loc[both["_merge"] == side, KEYS] for name, side in (("gone", "left_only"), ("added", "right_only"))
    }
    only = {name: part.sort_values(KEYS).reset_index(drop=True) for name, part in only.items()}
    shared = both[both["_merge"] == "both"].drop(columns="_merge")
    change = [np.abs(np.log(_ratio(shared, name))).rename(name).fillna(-1.0) for name in ("error", "width")]
    order = pd.concat([shared[KEYS], *change], axis=1).sort_values(
        ["error", "width", *KEYS], ascending=[False, False, True, True]
    )
    shared = shared.loc[order.index].reset_index(drop=True)
    columns = [*KEYS, "region", "criticality", *(f"{name}_{side}" for name in _FIGURES for side in ("before", "after"))]
    return Difference(
        before.manifest.version,
        after.manifest.version,
        _changes(before, after),
        shared[columns],
        only["added"],
        only["gone"],
        _by_metric(shared, only["added"], only["gone"]),
    )


def _ratio(rows: pd.DataFrame, name: str) -> pd.Series:
    """After by before, both held above a thousandth: nothing is infinitely better."""
    before, after = (rows[f"{name}_{side}"].astype("float64").clip(lower=1e-3) for side in ("before", "after"))
    return after / before


def _by_metric(shared: pd.DataFrame, added: pd.DataFrame, gone: pd.DataFrame) -> pd.DataFrame:
    """One row per metric: series of both, their mean errors, how many got better and worse, and what else changed."""
    rows = []
    for metric in sorted({*shared[METRIC], *added[METRIC], *gone[METRIC]}):
        part = shared[shared[METRIC] == metric]
        scored = part[part["error_before"].notna() & part["error_after"].notna()]
        ratio, width = _ratio(scored, "error"), _ratio(part, "width").dropna()
        rows.append(
            {
                METRIC: metric,
                "series": len(part),
                "error_before": geometric_mean(scored["error_before"].to_numpy(dtype=np.float64)),
                "error_after": geometric_mean(scored["error_after"].to_numpy(dtype=np.float64)),
                "better": int((ratio < 1 - NOTABLE).sum()),
                "worse": int((ratio > 1 + NOTABLE).sum()),
                "width_ratio": geometric_mean(width.to_numpy(dtype=np.float64)),
                "other_candidate": int(_led_otherwise(part).sum()),
                "added": int((added[METRIC] == metric).sum()),
                "gone": int((gone[METRIC] == metric).sum()),
            }
        )
    return pd.DataFrame(rows)


def _led_otherwise(rows: pd.DataFrame) -> pd.Series:
    """Where another candidate leads than before; only where both are known."""
    before, after = rows["candidate_before"], rows["candidate_after"]
    return (before != after) & (before != "") & (after != "")


def _changes(before: Version, after: Version) -> list[Change]:
    """What was made differently, in the order people ask."""
    found = []
    a, b = before.manifest, after.manifest
    pairs = [("horizon", str(a.horizon), str(b.horizon)), ("as_of", a.as_of, b.as_of)]
    parts = {
        "": (a.recipe | _origin(a), b.recipe | _origin(b)),
        "data.": (a.inputs, b.inputs),
        "library ": (a.libraries, b.libraries),
    }
    for prefix, (old, new) in parts.items():
        pairs += [(f"{prefix}{name}", old.get(name, ""), new.get(name, "")) for name in sorted({*old, *new})]
    for key in sorted({*before.settings, *after.settings}):
        old_value, new_value = (
            json.dumps(side.settings[key]) if key in side.settings else "" for side in (before, after)
        )
        pairs.append((f"setting {key}", old_value, new_value))
    found += [Change(*pair) for pair in pairs if pair[1] != pair[2]]
    return found


def _origin(made: Manifest) -> dict[str, str]:
    """What else tells how a version came about; "" = not noted."""
    window = made.window
    trained_on = f"{window.first[:10]} to {window.last[:10]}" if window else ""
    return {"format": str(made.format), "git commit": made.git_commit or "", "window": trained_on}


def _settings(store: Store, made: Manifest) -> dict[str, Any]:
    """Settings the version's predictions depend on, dotted; none where its tables do not say."""
    table = _table(store, made, "metadata", ["key", "value"])
    if table is None:
        return {}
    known = dict(zip(table["key"].to_pylist(), table["value"].to_pylist(), strict=True))
    return _dotted(json.loads(known.get("settings", "{}")))


def _dotted(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in content.items():
        out |= _dotted(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return out


def _widths(store: Store, made: Manifest, cadence: Cadence) -> pd.DataFrame:
    """server_id, metric, width: of the engine's models; others state none."""
    table = None if made.kind != "fleet" else _table(store, made, "calibration", [*KEYS, "half_80"])
    if table is None or not table.num_rows:
        return pd.DataFrame({SERVER_ID: [], METRIC: [], "width": []}).astype({SERVER_ID: "str", METRIC: "str"})
    places = buckets(cadence, made.horizon)
    half = matrix(table["half_80"], len(places)).astype(np.float64)
    periods = np.where(np.isfinite(half), [last - first + 1 for _, first, last in places], 0)
    total = periods.sum(axis=1)
    mean = np.divide(np.nansum(half * periods, axis=1), total, out=np.full(len(half), np.nan), where=total > 0)
    return table.select(KEYS).to_pandas().assign(width=2 * mean)


def _leaders(store: Store, made: Manifest) -> pd.DataFrame:
    """server_id, metric, candidate: the heaviest of each series."""
    reference = made.files.get(registry.CHOICE)
    if reference is None:
        return pd.DataFrame({name: [] for name in [*KEYS, "candidate"]}, dtype="str")
    table = read_table(store, reference, [*KEYS, "candidate"]).to_pandas()
    return table.drop_duplicates(KEYS, keep="first")


def _table(store: Store, made: Manifest, name: str, columns: list[str]) -> pa.Table | None:
    """A table of the engine's model, or of the one beside a model of another kind."""
    reference = made.files.get(name) or made.files.get(f"fleet_{name}")
    return None if reference is None else read_table(store, reference, columns)
