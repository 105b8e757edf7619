"""From the lake to what a report is drawn from: the frames of every finished unit, the summary, the fan charts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from capforecast.fleet.snapshot import from_tables
from capforecast.forecast import frames
from capforecast.lake.datasets import read_frame, read_table
from capforecast.lake.store import Store
from capforecast.report.build_summary import build_summary
from capforecast.report.data import FanChart, Mark, ReportData
from capforecast.report.inputs import Evidence, UnitInput
from capforecast.report.summary import Quality, Risk
from capforecast.risk.scorecard import stated_horizons
from capforecast.schema import METRIC, SERVER_ID, TIMESTAMP, Cadence, Forecast, Panel, Reference
from capforecast.settings import Settings

FURTHER = ("pools", "demand", "anomalies")  # of a unit, where it has them
# Of its deciding series, shown beside a server where only `risks` holds them.
SERIES_FIGURES = ("flags", "unseen_peaks", "trend_per_month", "trend_since")
HISTORY_SHOWN = {Cadence.DAILY: 365, Cadence.HOURLY: 21 * 24}  # points of history in a fan chart


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

    validation: what became of the rows of each file.  extras: of the fleet, `scorecard` and
    `reliability`, and the sums of its `pools` and `demand`. These, and a unit's `warnings`, `pools`, `demand` and
    `anomalies`, may be missing: the report then says so.
    """
    loaded = {name: _loaded(store, references) for name, references in sorted(units.items())}
    inputs = [
        UnitInput(
            name=name,
            servers=parts["servers"],
            risks=parts["risks"],
            backtest=parts["backtests"],
            models=series_by_model(store, units[name]),
        )
        for name, parts in loaded.items()
    ] + [UnitInput(name=name, problem=problem) for name, problem in sorted(problems.items())]
    fleet = {name: read_frame(store, reference) for name, reference in (extras or {}).items()}
    further = {name: _stacked([*_present(store, units, name), *_of(fleet, name)]) for name in FURTHER}
    scorecard, reliability = (fleet.get(name, pd.DataFrame()) for name in ("scorecard", "reliability"))
    evidence = Evidence(scorecard, reliability, _origins(store, units), further["pools"], further["anomalies"])
    summary = build_summary(
        as_of=as_of,
        cadence=cadence,
        horizon=settings.horizon(cadence),
        settings=settings,
        units=sorted(inputs, key=lambda unit: unit.name),
        quality=quality,
        known_at=known_at,
        evidence=evidence,
    )
    return ReportData(
        summary=summary,
        servers=_stacked([parts["servers"] for parts in loaded.values()]),
        risks=_stacked([parts["risks"] for parts in loaded.values()]),
        backtests=_stacked([parts["backtests"] for parts in loaded.values()]),
        fans=_fans(store, units, summary.top_risks, loaded, further["anomalies"]),
        sources=pd.DataFrame() if validation is None else read_frame(store, validation),
        scorecard=scorecard,
        reliability=reliability,
        **further,
    )


def _loaded(store: Store, references: dict[str, Reference]) -> dict[str, pd.DataFrame]:
    parts = {name: read_frame(store, references[name]) for name in ("servers", "risks", "backtests")}
    return parts | {"servers": _with_series_figures(parts["servers"], parts["risks"])}


def _with_series_figures(servers: pd.DataFrame, risks: pd.DataFrame) -> pd.DataFrame:
    """Servers with those SERIES_FIGURES of their deciding series that only its row of `risks` has."""
    names = [name for name in SERIES_FIGURES if name in risks and name not in servers]
    if not names or not len(servers):
        return servers
    return servers.merge(risks[[SERVER_ID, METRIC, *names]], on=[SERVER_ID, METRIC], how="left", validate="one_to_one")


def _present(store: Store, units: dict[str, dict[str, Reference]], name: str) -> list[pd.DataFrame]:
    """The tables called `name` of the units that have one, by name of the unit."""
    return [read_frame(store, references[name]) for _, references in sorted(units.items()) if name in references]


def _of(fleet: dict[str, pd.DataFrame], name: str) -> list[pd.DataFrame]:
    return [fleet[name]] if name in fleet else []


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


def _fans(
    store: Store,
    units: dict[str, dict[str, Reference]],
    top: list[Risk],
    loaded: dict[str, dict[str, pd.DataFrame]],
    anomalies: pd.DataFrame,
) -> list[FanChart]:
    """Charts of the top risks that have a forecast; each unit's panel is read once."""
    charts: dict[tuple[str, str], FanChart] = {}
    for name in sorted({risk.business_unit for risk in top if risk.business_unit in units}):
        references = units[name]
        if "forecasts" not in references:
            continue
        panel = from_tables(read_table(store, references["processed"]), read_table(store, references["quality"]))
        predicted = frames.from_table(read_table(store, references["forecasts"]))
        risks = loaded[name]["risks"].set_index([SERVER_ID, METRIC])
        for risk in top:
            if risk.business_unit == name:
                row = risks.loc[(risk.server_id, risk.metric)]
                fan = _fan(panel, predicted, risk, row, _marks(anomalies, risk))
                if fan is not None:
                    charts[risk.server_id, risk.metric] = fan
    return [charts[risk.server_id, risk.metric] for risk in top if (risk.server_id, risk.metric) in charts]


def _marks(anomalies: pd.DataFrame, risk: Risk) -> tuple[Mark, ...]:
    if not len(anomalies):
        return ()
    here = anomalies[(anomalies[SERVER_ID] == risk.server_id) & (anomalies[METRIC] == risk.metric)]
    rows = here.sort_values(["began", "kind"]).to_dict("records")
    return tuple(Mark(str(r["kind"]), pd.Timestamp(r["began"]), float(r["value"]), float(r["size"])) for r in rows)


def _fan(panel: Panel, predicted: Forecast, risk: Risk, row: pd.Series, marks: tuple[Mark, ...]) -> FanChart | None:
    column = _position(panel.series, risk)
    place = _position(predicted.series, risk)
    if column is None or place is None:
        return None
    shown = HISTORY_SHOWN[panel.cadence]
    return FanChart(
        server_id=risk.server_id,
        metric=risk.metric,
        statistic=risk.statistic,
        unit=risk.unit,
        business_unit=risk.business_unit,
        region=risk.region,
        tier=risk.tier,
        sentence=risk.sentence,
        history_timestamps=panel.timestamps[-shown:],
        history=panel.values[-shown:, column],
        forecast_timestamps=predicted.timestamps,
        quantiles=predicted.quantiles[:, :, place],
        threshold_high=_number(row["threshold_high"]),
        threshold_very_high=_number(row["threshold_very_high"]),
        days_q10=risk.days_q10,
        days_q50=risk.days_q50,
        days_q90=risk.days_q90,
        marks=marks,
        peaks_unseen=risk.peaks_unseen,
    )


def _position(series: pd.DataFrame, risk: Risk) -> int | None:
    found = np.flatnonzero((series[SERVER_ID] == risk.server_id) & (series[METRIC] == risk.metric))
    return int(found[0]) if len(found) else None


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
