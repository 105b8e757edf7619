"""A source as it looked at an origin, and what followed: verdicts and statistics are those of the origin."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from capforecast import stages
from capforecast.errors import NoUsableInputError, UsageError
from capforecast.fleet import inventory as inventories
from capforecast.fleet import panel as panels
from capforecast.fleet import shapes
from capforecast.schema import INGESTED_AT, METRIC, SERVER_ID, TIMESTAMP, Panel, Verdict
from capforecast.settings import Settings
from capforecast.sources.files import Batch


def panel_of(batch: Batch, as_of: pd.Timestamp, settings: Settings) -> Panel:
    """All series of a source up to `as_of`, exclusive; sizes are filled from the catalogue of shapes, as in a run."""
    listed = shapes.fill(inventories.normalise(batch.inventory), stages.shape_catalogue(settings))
    servers = inventories.at(listed, as_of)
    seen = inventories.join_renamed(batch.observations, inventories.renames(listed, as_of))
    resizes = inventories.resizes(listed, as_of)
    return panels.build(seen, servers, batch.cadence, as_of, settings, resizes=resizes)


def usable(panel: Panel) -> Panel:
    """The usable series; raises NoUsableInputError, with the reasons, where there are none."""
    found = panel.usable()
    if not len(found.series):
        counts = panel.series["reason"].value_counts().sort_index()
        reasons = ", ".join(f"{count} {reason}" for reason, count in counts.items()) or "no series at all"
        raise NoUsableInputError(f"none of {len(panel.series)} series can be forecast: {reasons}")
    return found


def cut_after(batch: Batch, train_until: str, end: pd.Timestamp) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Last moment a model may see, and the exclusive cut-off behind it; raises UsageError outside the observations."""
    last = stages.parse_as_of(train_until)
    cut = last + batch.cadence.step
    first = batch.observations[TIMESTAMP].min()
    if not first < cut < end:
        newest = end - 2 * batch.cadence.step  # one period at least stays to be tested on
        span = " to ".join(f"{when:%Y-%m-%d %H:%M}".removesuffix(" 00:00") for when in (first, newest))
        raise UsageError(f"--train-until {train_until}: give a date within the observations ({span})")
    return last, cut


def at_origin(batch: Batch, cut: pd.Timestamp, until: pd.Timestamp, settings: Settings) -> tuple[Panel, Panel]:
    """What was known of the usable series before `cut`, and the same series up to `until` (both exclusive).

    The test period chooses neither verdicts nor statistics.
    """
    judged = usable(panel_of(batch, cut, settings))
    columns = judged.series[METRIC] + "_" + judged.series["statistic"]
    known = [name for name in (SERVER_ID, TIMESTAMP, INGESTED_AT, *columns.unique()) if name in batch.observations]
    whole = panel_of(replace(batch, observations=batch.observations[known]), until, settings)
    keys = [SERVER_ID, METRIC]
    wanted = pd.MultiIndex.from_frame(judged.series[keys])
    same = whole.take(pd.MultiIndex.from_frame(whole.series[keys]).isin(wanted))
    same.series["verdict"] = str(Verdict.OK)
    return judged, same
