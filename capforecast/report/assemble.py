"""From the lake to what a report is drawn from: the frames of every finished unit, the summary, the fan charts."""

from __future__ import annotations

import logging
from copy import copy
from dataclasses import dataclass, replace

import pandas as pd
import pyarrow.compute as pc

from capforecast.errors import MissingObjectError, StaleReferenceError
from capforecast.fleet.snapshot import from_tables
from capforecast.forecast import frames
from capforecast.lake.datasets import as_of_segment, cut_off_of, read_frame, read_table
from capforecast.lake.store import Store
from capforecast.report.build_summary import build_summary
from capforecast.report.changes import SINCE, compared
from capforecast.report.data import FanChart, ReportData
from capforecast.report.fans import fan_charts
from capforecast.report.forecast_weeks import FORECAST_COLUMNS, forecast_weeks
from capforecast.report.inputs import Evidence, UnitInput
from capforecast.report.summary import Provenance, Quality, Risk
from capforecast.report.unit_part import TERM, meaning, part_of_unit
from capforecast.risk.warnings_by_origin import by_origin, summed
from capforecast.schema import METRIC, SERVER_ID, TIMESTAMP, Cadence, Reference
from capforecast.settings import CalendarSettings, Settings

log = logging.getLogger(__name__)
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
    provenance: Provenance | None = None,
) -> ReportData:
    """Everything a report shows. `units`: references of each finished unit; `problems`: why the others are missing.

    validation: what became of the rows of each file.  extras: of the fleet, `scorecard`, `reliability` and the tables
    of ADVISED, and the sums of its `pools` and `demand`. These, and a unit's `warnings`, `champion`, `drift`,
    `previous_servers` (of its run before) and the tables of FURTHER, may be missing: the report then says so, or
    nothing of what is to be done or has changed.
    """
    about = About(cadence, as_of, quality, validation, known_at, provenance)
    return RunTables(store, units, extras or {}).data(settings, about, problems)


@dataclass(frozen=True)
class About:
    """What is known of a run besides its tables; as in `report_data`."""

    cadence: Cadence
    as_of: pd.Timestamp
    quality: Quality
    validation: Reference | None = None
    known_at: str | None = None
    provenance: Provenance | None = None


class RunTables:
    """The tables of a run, each read once: of its finished units, and of the fleet."""

    def __init__(self, store: Store, units: dict[str, dict[str, Reference]], extras: dict[str, Reference]) -> None:
        self._store, self._units = store, dict(sorted(units.items()))
        self._loaded = {name: _loaded(store, references) for name, references in self._units.items()}
        self._fleet = {name: read_frame(store, reference) for name, reference in extras.items()}
        self._weeks: dict[str, pd.DataFrame] = {}
        self._stack()

    def _stack(self) -> None:
        self.further = {name: _stacked([*self._present(name), *self._summed(name)]) for name in FURTHER}
        self.changes = compared(self.of_units("previous_servers"), self.of_units("servers"))

    def only(self, unit: str) -> RunTables:
        """The part of one business unit, as if it were the fleet; of one that did not finish, without any server."""
        part = copy(self)
        part._units = {name: found for name, found in self._units.items() if name == unit}
        part._loaded = {name: self._loaded[name] for name in part._units}
        part._fleet = part_of_unit(self._fleet, unit)
        part._stack()
        return part

    def data(self, settings: Settings, about: About, problems: dict[str, str]) -> ReportData:
        """Everything a report of these tables shows; `problems`: why further units are missing."""
        summary = build_summary(
            as_of=about.as_of,
            cadence=about.cadence,
            horizon=settings.horizon(about.cadence),
            settings=settings,
            units=[*self.inputs(), *(UnitInput(name=name, problem=problem) for name, problem in problems.items())],
            quality=about.quality,
            known_at=about.known_at,
            evidence=self.evidence(settings),
            provenance=about.provenance,
        )
        return ReportData(
            summary=summary,
            servers=self.of_units("servers"),
            risks=self.of_units("risks"),
            backtests=self.of_units("backtests"),
            fans=self.fans(summary.top_risks, settings.calendar),
            sources=pd.DataFrame() if about.validation is None else read_frame(self._store, about.validation),
            scorecard=self.of_fleet("scorecard"),
            reliability=self.of_fleet("reliability"),
            changes=self.changes[self.changes["change"] != ""],
            forecast_weeks=self.weeks(),
            partition=f"cadence={about.cadence}/as_of={as_of_segment(about.as_of)}",
            **{name: self.of_fleet(name) for name in ADVISED},
            **self.further,
        )

    def data_of_unit(self, unit: str, settings: Settings, about: About, problem: str | None = None) -> ReportData:
        """Everything the report of one business unit shows; the title names it. `problem`: why it did not finish."""
        titled = settings.report.model_copy(update={"title": f"{settings.report.title}: {unit}"})
        own = settings.model_copy(update={"report": titled})
        data = self.only(unit).data(own, about, {} if problem is None else {unit: problem})
        definitions = {TERM: meaning(unit), **data.summary.definitions}
        return replace(data, summary=data.summary.model_copy(update={"definitions": definitions}))

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

    def evidence(self, settings: Settings) -> Evidence:
        """What is known beyond the risks of units."""
        counts = _counted(self._store, self._units, settings)
        return Evidence(
            scorecard=self.of_fleet("scorecard"),
            reliability=self.of_fleet("reliability"),
            origins=_origins(counts),
            by_origin=counts,
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
            changes=self.changes,
        )

    def fans(self, top: list[Risk], calendar: CalendarSettings) -> list[FanChart]:
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
            forecast, marks = frames.from_table(predicted), self.further["anomalies"]
            charts |= fan_charts(panel, forecast, risks, mine, marks, calendar)
        return [charts[risk.server_id, risk.metric] for risk in top if (risk.server_id, risk.metric) in charts]

    def weeks(self) -> pd.DataFrame:
        """Forecasts of all units by week; each unit's are read once, for the fleet's report and its own."""
        having = {
            name: references["forecasts"] for name, references in self._units.items() if "forecasts" in references
        }
        for name in having.keys() - self._weeks.keys():
            self._weeks[name] = forecast_weeks(read_table(self._store, having[name], FORECAST_COLUMNS), name)
        return _stacked([self._weeks[name] for name in having])

    def _present(self, name: str) -> list[pd.DataFrame]:
        """The tables called `name` of the units that have one, by name of the unit."""
        return [read_frame(self._store, found[name]) for found in self._units.values() if name in found]

    def _summed(self, name: str) -> list[pd.DataFrame]:
        return [self._fleet[name]] if name in self._fleet else []


def _loaded(store: Store, references: dict[str, Reference]) -> dict[str, pd.DataFrame]:
    parts = {name: read_frame(store, references[name]) for name in ("servers", "risks", "backtests")}
    parts["previous_servers"] = earlier_servers(store, references.get("previous_servers"))
    return parts | {"servers": _with_series_figures(parts["servers"], parts["risks"])}


def earlier_servers(store: Store, reference: Reference | None) -> pd.DataFrame:
    """A unit's servers at its run before, where they are still in the lake as the unit's own run saw them."""
    if reference is None:
        return pd.DataFrame()
    try:
        return read_frame(store, reference).assign(**{SINCE: cut_off_of(reference)})
    except (MissingObjectError, StaleReferenceError) as error:
        log.warning("what has changed is not told where the run before has been replaced since (%s)", error)
        return pd.DataFrame()


def _with_series_figures(servers: pd.DataFrame, risks: pd.DataFrame) -> pd.DataFrame:
    """Servers with those SERIES_FIGURES of their deciding series that only its row of `risks` has."""
    names = [name for name in SERIES_FIGURES if name in risks and name not in servers]
    if not names or not len(servers):
        return servers
    return servers.merge(risks[[SERVER_ID, METRIC, *names]], on=[SERVER_ID, METRIC], how="left", validate="one_to_one")


def _counted(store: Store, units: dict[str, dict[str, Reference]], settings: Settings) -> pd.DataFrame:
    """Past warnings of all units, and what came, counted by origin."""
    found = [references["warnings"] for references in units.values() if "warnings" in references]
    return summed([by_origin(read_frame(store, reference), settings) for reference in found])


def _origins(counts: pd.DataFrame) -> dict[int, list[pd.Timestamp]]:
    """Past origins at which a warning can be scored, by horizon (days): stated then, outcome known."""
    return {int(horizon): sorted(rows["origin"]) for horizon, rows in counts.groupby("horizon_days", sort=True)}


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
