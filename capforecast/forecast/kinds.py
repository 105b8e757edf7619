"""What every kind of model offers, and the register of kinds: a new one is one file and one line in `models.py`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
import pyarrow as pa

from capforecast.errors import ModelError
from capforecast.forecast.base import Index
from capforecast.schema import METRIC, SERVER_ID, Cadence, Forecast, Panel
from capforecast.settings import Settings

UNKNOWN_COLUMNS = (SERVER_ID, METRIC, "reason")


class Model(Protocol):
    """A fitted model. It holds its settings, so that a prediction needs nothing but a panel."""

    @property
    def version(self) -> str:
        """Content hash: equal models have equal versions."""
        ...

    @property
    def unknown(self) -> pd.DataFrame:
        """Series it was given and cannot forecast, UNKNOWN_COLUMNS; the reason is for people."""
        ...

    def predict(self, panel: Panel) -> Forecast:
        """Forecast what follows the panel's last timestamp; series that are unknown are absent from the result.

        Raises:
            ModelError: the panel has another cadence or a series the model was not fitted on.
        """
        ...

    def tables(self) -> dict[str, pa.Table]:
        """The model as plain columns; the `from_tables` of its kind is the inverse."""
        ...


@dataclass(frozen=True)
class Kind:
    """A kind of model.

    summary: what it is, in a line, for people who choose.  fit(panel, horizon, settings): the panel's series are all
    usable, whatever the order; nothing after its last timestamp exists.
    """

    name: str
    summary: str
    fit: Callable[[Panel, int, Settings], Model]
    from_tables: Callable[[Mapping[str, pa.Table]], Model]


def nothing_unknown() -> pd.DataFrame:
    """The `unknown` of a model that forecasts all series it was fitted on."""
    return pd.DataFrame({name: pd.Series(dtype="str") for name in UNKNOWN_COLUMNS})


def places(series: pd.DataFrame, cadence: Cadence, panel: Panel) -> Index:
    """Row in a model's `series` (server_id, metric) of each of the panel's series, [N].

    Raises:
        ModelError: the panel has another cadence or a series the model was not trained on.
    """
    if panel.cadence is not cadence:
        raise ModelError(f"the model is for {cadence} data, the panel is {panel.cadence}; train a new model")
    known = pd.MultiIndex.from_frame(series[[SERVER_ID, METRIC]])
    place = known.get_indexer(pd.MultiIndex.from_frame(panel.series[[SERVER_ID, METRIC]]))
    if (place < 0).any():
        first = panel.series[place < 0].iloc[0]
        raise ModelError(
            f"the model was not trained on {int((place < 0).sum())} of the panel's {len(place)} series, first "
            f"server {first[SERVER_ID]!r} metric {first[METRIC]!r}; train a new model or leave them out"
        )
    return np.asarray(place, dtype=np.int64)


def ahead(panel: Panel, horizon: int) -> pd.DatetimeIndex:
    """The `horizon` timestamps that follow a panel."""
    step = panel.cadence.step
    return pd.date_range(panel.timestamps[-1] + step, periods=horizon, freq=step)


def forecast_series(panel: Panel, name: str, version: str) -> pd.DataFrame:
    """The `series` of a Forecast of all the panel's series."""
    series = panel.series[[SERVER_ID, METRIC]].reset_index(drop=True)
    return series.assign(origin=panel.timestamps[-1], model=name, model_version=version)


def content_hash(*parts: bytes | str) -> str:
    """Version of a model made of these parts."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:16]


@contextmanager
def reading() -> Iterator[None]:
    """Whatever reading a stored model stumbles over is a ModelError: its content is not what was written."""
    try:
        yield
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, pa.ArrowException) as problem:
        reason = str(problem).split("\n")[0]
        raise ModelError(f"the stored model is corrupt ({reason}); train it again") from problem


def checked_columns(tables: Mapping[str, pa.Table], columns: Mapping[str, tuple[str, ...]]) -> None:
    """Raise ModelError where a stored model lacks a table or column."""
    for name, wanted in columns.items():
        if name not in tables:
            raise ModelError(f"the stored model lacks table {name!r}; train it again")
        missing = [column for column in wanted if column not in tables[name].column_names]
        if missing:
            raise ModelError(f"table {name!r} of the stored model lacks column {missing[0]!r}; train it again")
