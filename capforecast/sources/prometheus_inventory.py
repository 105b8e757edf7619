"""Who servers belong to and how big they are, as a Prometheus tells it: labels of their targets, capacities by day."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.schema import INVENTORY_NUMBERS, INVENTORY_TEXT, SERVER_ID, VALID_FROM, Cadence
from capforecast.settings_sources import RemoteSettings
from capforecast.sources.columns import LABEL, plain
from capforecast.sources.http import Work
from capforecast.sources.prometheus_api import Api
from capforecast.sources.prometheus_asks import Identity, asks, capacities
from capforecast.sources.prometheus_reader import Reader
from capforecast.sources.remote import Window

_LABELS_TOLD = 20
_MINUTES = 360  # between looks at capacities
LabelsOf = Mapping[tuple[str, ...], Mapping[Identity, dict[str, str]]]  # by the labels that tell servers apart


def inventory(
    api: Api, settings: RemoteSettings, series: pd.DataFrame, labels: LabelsOf, window: Window, work: Work
) -> tuple[pd.DataFrame, list[str]]:
    """(dated rows of the inventory, warnings).

    Labels are as they are at the window's end and dated at its last period; sizes from the day on which they are
    first seen.  series: server_id, column, ask, identity.
    """
    rows, odd = _described(settings, series, labels, window.until - settings.period.step)
    odd += _unmapped(settings.prometheus.labels, [one for known in labels.values() for one in known.values()])
    sizes, problems = _sizes(api, settings, series, window, work)
    frame = pd.concat([rows, sizes], ignore_index=True) if len(sizes) else rows
    frame[VALID_FROM] = pd.to_datetime(frame[VALID_FROM], utc=True).astype("datetime64[us, UTC]")
    return frame.sort_values([SERVER_ID, VALID_FROM], ignore_index=True), odd + problems


def _described(
    settings: RemoteSettings, series: pd.DataFrame, labels: LabelsOf, last: pd.Timestamp
) -> tuple[pd.DataFrame, list[str]]:
    """One row per server with what its labels say."""
    by, odd = {ask.key: ask.by for ask in asks(settings.prometheus)}, []
    rows: dict[str, dict[str, object]] = {}
    for server, key, identity in series[[SERVER_ID, "ask", "identity"]].itertuples(index=False):
        known, strange = _mapped(settings.prometheus.labels, labels[by[key]].get(identity, {}))
        rows.setdefault(server, {SERVER_ID: server, VALID_FROM: last}).update(known)
        odd += strange
    return pd.DataFrame(list(rows.values()), columns=None if rows else [SERVER_ID, VALID_FROM]), odd


def _unmapped(mapping: Mapping[str, str], known: Iterable[Mapping[str, str]]) -> list[str]:
    """What looks like a typing error in `labels`: labels that nothing has, columns that are nearly ours."""
    there = {name for labels in known for name in labels} - {"__name__"}
    odd = []
    for name, column in mapping.items():
        if there and name not in there:
            odd.append(
                f"remote.prometheus.labels: no target has the label {name}, so {column} stays empty; there are "
                f"{', '.join(sorted(there)[:_LABELS_TOLD])}"
            )
        like = get_close_matches(column, [*INVENTORY_TEXT, *INVENTORY_NUMBERS], 1, 0.85)
        if like and like[0] != column:
            odd.append(
                f"remote.prometheus.labels: {column} is no column of the inventory and is kept as a mere label; is "
                f"{like[0]} meant?"
            )
    return odd


def _mapped(mapping: Mapping[str, str], labels: Mapping[str, str]) -> tuple[dict[str, object], list[str]]:
    """(columns of the inventory that labels give, what is odd about them)."""
    given: dict[str, object] = {}
    odd = []
    for name in sorted(labels, key=lambda name: (name in mapping, name)):  # what people map wins over equal names
        value, column = labels[name], mapping.get(name, name)
        if column in INVENTORY_NUMBERS and value:
            number = _number(value)
            if number is None:
                odd.append(f"label {name} should give {column}, but {value[:40]!r} is no number of zero or more")
            else:
                given[column] = number
        elif column in INVENTORY_TEXT and value:
            given[column] = value
        elif name in mapping and value:
            given[LABEL + plain(column)] = value
    return given, odd


def _number(text: str) -> float | None:
    """A size or price as a label tells it; None for what cannot be one."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < math.inf else None


def _sizes(
    api: Api, settings: RemoteSettings, series: pd.DataFrame, window: Window, work: Work
) -> tuple[pd.DataFrame, list[str]]:
    """vCPUs and memory by server, a row for each day on which they are others than before."""
    who = series.assign(preset=series["ask"].str.split("/").str[0])
    who = who.drop_duplicates([SERVER_ID, "identity", "preset"])
    asked = capacities(settings.prometheus)
    parts = [
        who.loc[who["preset"] == ask.preset, [SERVER_ID, "identity"]].assign(ask=ask.key, column=f"{ask.metric}_last")
        for ask in asked
    ]
    wanted = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    if wanted.empty:
        return pd.DataFrame(columns=[SERVER_ID, VALID_FROM]), []
    until = window.until.floor("D")
    days = Window(min(window.since.floor("D"), until - pd.Timedelta(days=1)), until)
    on_server = settings.prometheus.model_copy(update={"aggregate": "server"})
    reader = Reader(api, on_server, Cadence.DAILY, _MINUTES)
    values = reader.read(reader.pieces(asked, wanted, days), wanted, days, work)
    odd = [f"sizes of some servers could not be read: {values.missed[0].reason}"] if values.missed else []
    merged = pd.DataFrame(columns=[SERVER_ID, VALID_FROM])
    for name, table in values.tables.items():
        column = name.removesuffix("_last")
        held = _nominal(table) if column == "memory_gib" else table
        changes = _changes(column, values.server_ids, values.periods, held)
        merged = changes if merged.empty else merged.merge(changes, on=[SERVER_ID, VALID_FROM], how="outer")
    return merged, odd


def _nominal(gib: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Memory as it was bought: rounded up to a sixteenth of the power of two above; the kernel keeps some for itself.

    Also, the few MiB by which it changes with a new kernel are no resize.
    """
    part = 2.0 ** (np.ceil(np.log2(np.where(gib > 0, gib, np.nan))) - 4)
    return np.asarray(np.ceil(gib / part) * part, dtype=np.float32)


def _changes(
    column: str, ids: npt.NDArray[np.object_], days: pd.DatetimeIndex, table: npt.NDArray[np.floating]
) -> pd.DataFrame:
    """server_id, valid_from, column: the first value of each row of the table [servers, days] and every other one."""
    held = pd.DataFrame(table).ffill(axis=1).to_numpy()
    before = np.concatenate([np.full((len(held), 1), np.nan), held[:, :-1]], axis=1)
    row, day = np.nonzero(~np.isnan(held) & (held != before))
    return pd.DataFrame({SERVER_ID: ids[row], VALID_FROM: days[day], column: held[row, day].astype(np.float64)})
