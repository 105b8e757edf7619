"""Percentages that are fractions: 0.83 read as 0.83 % would make every server look idle."""

from __future__ import annotations

import numpy as np
import pandas as pd

from capforecast.errors import InputError
from capforecast.schema import SERVER_ID, STATISTICS
from capforecast.settings import Settings

FEWEST_SERVERS = 3  # so few may all be idle
LARGEST = 1.0


def refuse_fractions(observations: pd.DataFrame, settings: Settings, source: str) -> None:
    """Raise InputError where no value of any server's percent metric exceeds 1, unless `source.scale` names it.

    `source`: what the observations were read from, for the message.
    """
    for name in observations.columns:
        metric, _, statistic = str(name).rpartition("_")
        known = settings.metric(metric)
        if (
            statistic not in STATISTICS
            or known.unit != "percent"
            or known.high is None
            or name in settings.source.scale
        ):
            continue
        values = observations[name].to_numpy(dtype=np.float32)
        seen = np.isfinite(values)
        most = float(values[seen].max()) if seen.any() else 0.0
        if 0 < most <= LARGEST and observations.loc[seen, SERVER_ID].nunique() >= FEWEST_SERVERS:
            raise InputError(
                f"{source}: {name} never exceeds {most:g} percent on any server: these look like fractions. "
                f"Set source.scale: {{{name}: 100}}, or {{{name}: 1}} if the servers really are that idle"
            )
