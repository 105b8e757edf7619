"""What a summary is built from: the tables of each business unit, and what a run knows beyond its risks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from capforecast.errors import StageError


@dataclass(frozen=True)
class UnitInput:
    """One business unit of a run: its tables, or the `problem` for which it has none.

    servers: from `server_tiers`.  risks: from `assess`.  backtest: rows of BACKTEST_COLUMNS.  models: series by the
    model that forecast them.
    """

    name: str
    servers: pd.DataFrame | None = None
    risks: pd.DataFrame | None = None
    backtest: pd.DataFrame | None = None
    problem: str | None = None
    models: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        tables = (self.servers is not None) + (self.risks is not None)
        if (self.problem is None and tables < 2) or (self.problem is not None and tables):
            raise StageError(
                f"business unit {self.name!r}: give its servers and risks, or the problem for which it has none"
            )


@dataclass(frozen=True)
class Evidence:
    """What a run knows beyond the risks of its units; empty where it does not.

    scorecard, reliability: SCORECARD_COLUMNS, RELIABILITY_COLUMNS, of the fleet.  origins: those scored at each
    horizon (days).  by_origin: counts of risk.warnings_by_origin.  pools: POOL_COLUMNS.  anomalies: ANOMALY_COLUMNS.
    champions, drift: tables of these names, a row per business unit, and per business unit and check.  actions,
    savings, bounds, segment_sizes, consolidation, realised: as schema.py, actions.segments and actions.lifecycle spell
    them, of the whole run.  changes: every server beside the run before, as changes.CHANGED_COLUMNS.
    """

    scorecard: pd.DataFrame = field(default_factory=pd.DataFrame)
    reliability: pd.DataFrame = field(default_factory=pd.DataFrame)
    origins: Mapping[int, Sequence[pd.Timestamp]] = field(default_factory=dict)
    pools: pd.DataFrame = field(default_factory=pd.DataFrame)
    anomalies: pd.DataFrame = field(default_factory=pd.DataFrame)
    champions: pd.DataFrame = field(default_factory=pd.DataFrame)
    drift: pd.DataFrame = field(default_factory=pd.DataFrame)
    actions: pd.DataFrame = field(default_factory=pd.DataFrame)
    savings: pd.DataFrame = field(default_factory=pd.DataFrame)
    bounds: pd.DataFrame = field(default_factory=pd.DataFrame)
    segment_sizes: pd.DataFrame = field(default_factory=pd.DataFrame)
    consolidation: pd.DataFrame = field(default_factory=pd.DataFrame)
    realised: pd.DataFrame = field(default_factory=pd.DataFrame)
    changes: pd.DataFrame = field(default_factory=pd.DataFrame)
    by_origin: pd.DataFrame = field(default_factory=pd.DataFrame)
