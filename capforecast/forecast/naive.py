"""The seasonal naive forecast as a model of its own: the last week (hourly input: the last day), repeated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from capforecast.errors import ModelError
from capforecast.forecast.baselines import seasonal_naive
from capforecast.forecast.kinds import Kind, content_hash, nothing_unknown, reading
from capforecast.forecast.measured import Measured, measure, past_of, read_measured, replay_plan
from capforecast.schema import Forecast, Panel
from capforecast.settings import Settings

NAME = "seasonal-naive"


@dataclass(frozen=True)
class SeasonalNaive:
    """Nothing but the widths of its intervals, which come from its own past errors."""

    measured: Measured

    @property
    def version(self) -> str:
        """Content hash."""
        return content_hash(NAME, *self.measured.content)

    @property
    def unknown(self) -> pd.DataFrame:
        """Nothing."""
        return nothing_unknown()

    def predict(self, panel: Panel) -> Forecast:
        """See Model.predict."""
        place = self.measured.place(panel)
        point = np.empty((self.measured.horizon, len(place)))
        past = past_of(panel, self.measured.settings, place)
        point[:, np.argsort(place)] = seasonal_naive(past.filled, self.measured.horizon, past.cadence.season)
        return self.measured.forecast(panel, point, NAME, self.version)

    def tables(self) -> dict[str, pa.Table]:
        """See Model.tables."""
        return self.measured.tables(kind=NAME, version=self.version)


def fit(panel: Panel, horizon: int, settings: Settings) -> SeasonalNaive:
    """Measure its errors at rolling origins."""
    past = past_of(panel, settings)
    plan, origins = replay_plan(past, horizon, settings)
    reach = plan.horizon if plan else 0
    made = [seasonal_naive(past.filled[:origin], reach, past.cadence.season) for origin in origins]
    forecasts = np.stack(made) if made else np.empty((0, reach, past.values.shape[1]))
    return SeasonalNaive(measure(past, plan, origins, forecasts, horizon, settings))


def from_tables(tables: Mapping[str, pa.Table]) -> SeasonalNaive:
    """The inverse of `tables`; raises ModelError."""
    measured, known = read_measured(tables)
    model = SeasonalNaive(measured)
    with reading():
        intact = known["kind"] == NAME and model.version == known["version"]
    if not intact:
        raise ModelError(f"the stored {NAME} model is corrupt or another kind ({known['kind']}); train it again")
    return model


SEASONAL_NAIVE = Kind(NAME, "the last week (hourly: the last day) repeated", fit, from_tables)
