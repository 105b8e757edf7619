"""From the lake to what a report is drawn from: the frames of every finished unit, the summary, the fan charts."""

from __future__ import annotations

import pandas as pd
import pyarrow.compute as pc

from capforecast.fleet.snapshot import from_tables
from capforecast.forecast import frames
from capforecast.lake.datasets import as_of_segment, read_frame, read_table
from capforecast.lake.store import Store
from capforecast.report.build_summary import build_summary
from capforecast.report.data import FanChart, ReportData
from capforecast.report.fans import fan_charts
from capforecast.report.forecast_weeks import FORECAST_COLUMNS, forecast_weeks
from capforecast.report.inputs import Evidence, UnitInput
from capforecast.report.summary import Quality, Risk
from capforecast.risk.scorecard import stated_horizons
from capforecast.schema import METRIC, SERVER_ID, TIMESTAMP, Cadence, Reference
from capforecast.settings import Settings

FURTHER = ("pools", "demand", "anomalies", "drift_series", "consolidation", "packing")  # of a unit, where it has them
ADVISED = (
    "actions",
    "savings",
    "bounds",
    "segments",
    "segment_sizes",
    "realised",
)  # of the fleet, where the run has them
# Of its deciding series, shown beside a server where only `risks` holds them.
SERIES_FIGURES = ("flags", "unseen_peaks", "trend_per_month", "trend_since")


def report_data(
    store: Store,
    settings: Settings,
    *,
    cadence: Cadence,
    as_of: pd.Timestamp,
    units: dict[str, dict[str, Reference]],
    problems: dict[str, str],
    quality: Quality,
    validation: Reference | None = None,
    known_at: str | None = None,
    extras: dict[str, Reference] | None = None,
) -> ReportData:
    """Everything a report shows. `units`: references of each finished unit; `problems`: why the others are missing.

    validation: what became of the rows of each file.  extras: of the fleet, `scorecard`, `reliability` and the tables
    of ADVISED, and the sums of its `pools` and `demand`. These, and a unit's `warnings`, `champion`, `drift` and the
    tables of FURTHER, may be missing: the report then says so, or nothing of what is to be done.
    """
    tables = _Tables(store, units, extras or {})
    summary = build_summary(
        as_of=as_of,
        cadence=cadence,
        horizon=settings.horizon(cadence),
        settings=settings,
        units=[*tables.inputs(), *(UnitInput(name=name, problem=problem) for name, problem in problems.items())],
        quality=quality,
        known_at=known_at,
        evidence=tables.evidence(),
    )
    return ReportData(
        summary=summary,
        servers=tables.of_units("servers"),
        risks=tables.of_units("risks"),
        backtests=tables.of_units("backtests"),
        fans=tables.fans(summary.top_risks),
        sources=pd.DataFrame() if validation is None else read_frame(store, validation),
        scorecard=tables.of_fleet("scorecard"),
        reliability=tables.of_fleet("reliability"),
        forecast_weeks=tables.weeks(),
        partition=f"cadence={cadence}/as_of={as_of_segment(as_of)}",
        **{name: tables.of_fleet(name) for name in ADVISED},
        **tables.further,
    )


class _Tables:
    """The tables of a run, each read once: of its finished units, and of the fleet."""

    def __init__(self, store: Store, units: dict[str, dict[str, Reference]], extras: dict[str, Reference]) -> None:
        self._store, self._units = store, dict(sorted(units.items()))
        self._loaded = {name: _loaded(store, references) for name, references in self._units.items()}
        self._fleet = {name: read_frame(store, reference) for name, reference in extras.items()}
        self.further = {name: _stacked([*self._present(name), *self._summed(name)]) for name in FURTHER}

    def of_units(self, name: str) -> pd.DataFrame:
        """The table of all units, one below the other."""
        return _stacked([parts[name] for parts in self._loaded.values()])

    def of_fleet(self, name: str) -> pd.DataFrame:
        """The fleet's table, empty where it has none."""
        return self._fleet.get(name, pd.DataFrame())

    def inputs(self) -> list[UnitInput]:
        """What the summary is made of, by business unit."""
        return [
            UnitInput(
                name=name,
                servers=parts["servers"],
                risks=parts["risks"],
                backtest=parts["backtests"],
                models=series_by_model(self._store, self._units[name]),
            )
            for name, parts in self._loaded.items()
        ]

    def evidence(self) -> Evidence:
        """What is known beyond the risks of units."""
        return Evidence(
            scorecard=self.of_fleet("scorecard"),
            reliability=self.of_fleet("reliability"),
            origins=_origins(self._store, self._units),
            pools=self.further["pools"],
            anomalies=self.further["anomalies"],
            champions=_stacked(self._present("champion")),
            drift=_stacked(self._present("drift")),
            actions=self.of_fleet("actions"),
            savings=self.of_fleet("savings"),
            bounds=self.of_fleet("bounds"),
            segment_sizes=self.of_fleet("segment_sizes"),
            consolidation=self.further["consolidation"],
            realised=self.of_fleet("realised"),
        )

    def fans(self, top: list[Risk]) -> list[FanChart]:
        """Charts of the top risks that have a forecast; each unit's panel is read once."""
        charts: dict[tuple[str, str], FanChart] = {}
        for name, references in self._units.items():
            mine = [risk for risk in top if risk.business_unit == name]
            if not mine or "forecasts" not in references:
                continue
            processed, quality, predicted = (
                read_table(self._store, references[table]) for table in ("processed", "quality", "forecasts")
            )
            panel, risks = from_tables(processed, quality), self._loaded[name]["risks"]
            charts |= fan_charts(panel, frames.from_table(predicted), risks, mine, self.further["anomalies"])
        return [charts[risk.server_id, risk.metric] for risk in top if (risk.server_id, risk.metric) in charts]

    def weeks(self) -> pd.DataFrame:
        """Forecasts of all units by week."""
        found = {name: references["forecasts"] for name, references in self._units.items() if "forecasts" in references}
        return _stacked(
            [forecast_weeks(read_table(self._store, each, FORECAST_COLUMNS), name) for name, each in found.items()]
        )

    def _present(self, name: str) -> list[pd.DataFrame]:
        """The tables called `name` of the units that have one, by name of the unit."""
        return [read_frame(self._store, found[name]) for found in self._units.values() if name in found]

    def _summed(self, name: str) -> list[pd.DataFrame]:
        return [self._fleet[name]] if name in self._fleet else []


def _loaded(store: Store, references: dict[str, Reference]) -> dict[str, pd.DataFrame]:
    parts = {name: read_frame(store, references[name]) for name in ("servers", "risks", "backtests")}
    return parts | {"servers": _with_series_figures(parts["servers"], parts["risks"])}


def _with_series_figures(servers: pd.DataFrame, risks: pd.DataFrame) -> pd.DataFrame:
    """Servers with those SERIES_FIGURES of their deciding series that only its row of `risks` has."""
    names = [name for name in SERIES_FIGURES if name in risks and name not in servers]
    if not names or not len(servers):
        return servers
    return servers.merge(risks[[SERVER_ID, METRIC, *names]], on=[SERVER_ID, METRIC], how="left", validate="one_to_one")


def _origins(store: Store, units: dict[str, dict[str, Reference]]) -> dict[int, list[pd.Timestamp]]:
    """Past origins of all units at which a warning can be scored, by horizon (days): stated then, outcome known."""
    found: dict[int, set[pd.Timestamp]] = {}
    for references in units.values():
        if "warnings" not in references:
            continue
        table = read_frame(store, references["warnings"])
        for horizon in stated_horizons(table):
            scored = table[f"p_{horizon}d"].notna() & (table["observed_days"] >= horizon)
            found.setdefault(horizon, set()).update(table.loc[scored, "origin"].unique())
    return {horizon: sorted(moments) for horizon, moments in found.items()}


def series_by_model(store: Store, references: dict[str, Reference]) -> dict[str, int]:
    """Series of a unit by the model that forecast them."""
    if "forecasts" not in references:
        return {}
    table = read_table(store, references["forecasts"], [TIMESTAMP, "model"])
    first = table.filter(pc.equal(table[TIMESTAMP], pc.min(table[TIMESTAMP])))  # one row of every series
    return {str(each["values"]): int(each["counts"].as_py()) for each in pc.value_counts(first["model"])}


def _stacked(parts: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else (parts[0] if parts else pd.DataFrame())
