"""Which real series a benchmark scores: the protocol's, those it never draws, and as panels for the engine."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from peer_cache import Request

from capforecast.schema import Cadence, Panel

EVERY = 10_000  # a cap that leaves no series out

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """One test: a history, and what came after it. window 0 ends with the data, 1 one horizon earlier, and so on."""

    dataset: str
    series: str  # series_id and metric
    metric: str
    window: int
    cadence: Cadence
    history: pd.Series
    actual: Array  # [H], NaN where nothing was observed

    @property
    def request(self) -> Request:
        """What a peer is asked."""
        return Request(self.history.index[0], self.history.to_numpy(dtype=np.float64))

    @property
    def naive(self) -> Array:
        """Seasonal naive forecast [H]."""
        return np.resize(self.history.to_numpy()[-self.cadence.season :], len(self.actual))

    @property
    def naive_scale(self) -> float:
        """In-sample mean absolute error of seasonal naive."""
        values, season = self.history.to_numpy(), self.cadence.season
        return float(np.mean(np.abs(values[season:] - values[:-season])))


def load_protocol(path: Path) -> ModuleType:
    """The protocol file as a module."""
    spec = importlib.util.spec_from_file_location("accuracy_protocol", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules["accuracy_protocol"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def cases(
    protocol: ModuleType, folder: Path, cadence: Cadence, horizon: int, windows: Sequence[int], cap: int | None = None
) -> list[Case]:
    """The protocol's series in some windows; a short history has fewer."""
    return [
        _case(found, window, cadence)
        for window in windows
        for found in protocol.cases(folder, str(cadence), cap=cap, horizon=horizon, window=window)
    ]


def unseen(
    protocol: ModuleType, folder: Path, cadence: Cadence, horizon: int, windows: Sequence[int], count: int
) -> list[Case]:
    """`count` series per data set that the protocol's default cap does not draw, chosen by a hash of their name."""
    drawn = {(case.dataset, case.series) for case in cases(protocol, folder, cadence, horizon, [windows[0]])}
    every = cases(protocol, folder, cadence, horizon, windows, cap=EVERY)
    names = {(case.dataset, case.series) for case in every if case.window == windows[0]} - drawn
    chosen: dict[str, list[tuple[str, str]]] = {}
    for name in sorted(names, key=lambda name: hashlib.sha256("|".join(name).encode()).digest()):
        chosen.setdefault(name[0], []).append(name)
    kept = {name for group in chosen.values() for name in group[:count]}
    return [case for case in every if (case.dataset, case.series) in kept]


def _case(found: Any, window: int, cadence: Cadence) -> Case:
    name = f"{found.series_id}|{found.metric}"
    return Case(found.dataset, name, found.metric, window, cadence, found.history, found.actual)


def panel_of(values: Array, timestamps: pd.DatetimeIndex, names: Sequence[str], metrics: Sequence[str]) -> Panel:
    """A panel of made-up servers, all usable."""
    cadence = Cadence.HOURLY if timestamps[1] - timestamps[0] < pd.Timedelta(days=1) else Cadence.DAILY
    columns = {"server_id": names, "metric": metrics, "statistic": "mean", "verdict": "ok", "reason": ""}
    series = pd.DataFrame(columns).assign(business_unit="benchmark", region="", criticality="", flags="")
    stamps = timestamps if timestamps.tz is not None else timestamps.tz_localize("UTC")
    return Panel(values.astype(np.float32), stamps, series, cadence)


def panels(found: Sequence[Case]) -> list[tuple[list[int], Panel]]:
    """Cases of one data set that end together, as one panel; shorter histories start later. Numbers are of `found`."""
    groups: dict[tuple[str, pd.Timestamp], list[int]] = {}
    for number, case in enumerate(found):
        groups.setdefault((case.dataset, case.history.index[-1]), []).append(number)
    out = []
    for members in groups.values():
        longest = max((found[i].history for i in members), key=len)
        values = np.full((len(longest), len(members)), np.nan)
        for column, i in enumerate(members):
            values[len(longest) - len(found[i].history) :, column] = found[i].history.to_numpy()
        names = [f"{column:04d}" for column in range(len(members))]
        out.append((members, panel_of(values, longest.index, names, [found[i].metric for i in members])))
    return out
