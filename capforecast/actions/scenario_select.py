"""Which servers and series of a run a change is about."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import numpy as np
import pandas as pd

from capforecast.actions.baseline import Baseline
from capforecast.actions.scenario_changes import FILTERS, Selection
from capforecast.errors import UsageError
from capforecast.schema import SERVER_ID, BoolArray

COLUMN = {
    "business_units": "business_unit", "regions": "region", "criticalities": "criticality", "owners": "owner",
    "environments": "environment", "instance_types": "instance_type", "tiers": "tier", "segments": "segment",
}  # fmt: skip


def chosen(baseline: Baseline, selection: Selection, where: str) -> BoolArray:
    """Which servers are selected, [S]. Raises UsageError for a name that is not there, and where none is left."""
    servers = baseline.servers
    mask = np.ones(len(servers), np.bool_)
    if selection.servers:
        mask &= _among(servers[SERVER_ID], selection.servers, f"{where}, select.servers")
    for field in FILTERS:
        if wanted := getattr(selection, field):
            mask &= _among(servers[COLUMN[field]], wanted, f"{where}, select.{field}")
    if not mask.any():
        raise UsageError(f"{where}: no server fits all of {selection.words()}; leave a filter out")
    return mask


def of_metrics(baseline: Baseline, metrics: Iterable[str], where: str) -> BoolArray:
    """Which series are of some metrics, [N]; of none named: of all but those that fill up."""
    names = sorted(set(baseline.metrics))
    wanted = list(metrics) or [name for name in names if not baseline.settings.metric(name).fills_up]
    for name in wanted:
        if name not in names:
            raise UsageError(
                f"{where}: no metric {name!r} in this run{near(name, names)}; there are {', '.join(names)}"
            )
    return np.isin(baseline.metrics.astype(str), wanted)


def server_row(baseline: Baseline, name: str, where: str) -> int:
    """Row of a server; raises UsageError with the names that are like it."""
    hit = np.flatnonzero((baseline.servers[SERVER_ID] == name).to_numpy())
    if not len(hit):
        raise UsageError(f"{where}: no server {name!r} in this run{near(name, baseline.servers[SERVER_ID])}")
    return int(hit[0])


def near(name: str, known: Iterable[str]) -> str:
    """Names like this one, in words."""
    close = difflib.get_close_matches(name, list(known), n=3)
    return f"; did you mean {', '.join(close)}?" if close else ""


def _among(column: pd.Series, wanted: tuple[str, ...], where: str) -> BoolArray:
    texts = column.astype("str")
    found: BoolArray = texts.isin(wanted).to_numpy(dtype=bool)
    there = set(texts[found])
    for name in wanted:
        if name not in there:
            known = sorted(set(texts) - {""})
            some = f"; there are {', '.join(known)}" if len(known) <= 12 else near(name, known)
            raise UsageError(f"{where}: there is no {name!r} in this run{some}")
    return found
