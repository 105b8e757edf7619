"""A finished run as scenarios start from it: its figures and the levels of its sample paths, as arrays, read once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.actions.sizes import Sizes
from capforecast.lake.store import Store
from capforecast.schema import Cadence, FloatArray
from capforecast.settings import Settings

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Baseline:
    """A run of N series of S servers, whose sample paths are known by up to P levels in each of W spans of days.

    series: [N] columns of `risks`, and `server`, the row of `servers`; sorted by server and metric.
    servers: [S] server_id, dimensions, tier, sizes, segment, and what they cost; sorted by name.
    levels: float32 [N, W, P], by sample path the largest level within a span that the breach rule would see above;
    NaN beyond `paths`, and beyond what the forecast reaches.  ends: [W], last day of each span, from the origin.
    """

    cadence: Cadence
    as_of: pd.Timestamp
    run: str  # which content: changes whenever the run is made again
    settings: Settings
    series: pd.DataFrame
    servers: pd.DataFrame
    levels: FloatArray
    ends: npt.NDArray[np.int64]
    sizes: Sizes
    currency: str


def open_baseline(
    store: Store, as_of: str | pd.Timestamp | None = None, run_id: str | None = None, cadence: Cadence = Cadence.DAILY
) -> Baseline:
    """The run as of a moment, by default the newest, from the tables that its report was made of.

    run_id: only if it is of that run of Prefect.  Raises UsageError where there is no such run, or where it keeps no
    levels of its sample paths (made by an earlier version), with the fix; StaleReferenceError where it has changed.
    """
    raise NotImplementedError
