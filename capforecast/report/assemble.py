"""From the lake to what a report is drawn from: the frames of every finished unit, the summary, the fan charts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from capforecast.fleet.snapshot import from_tables
from capforecast.forecast import frames
from capforecast.lake.datasets import read_frame, read_table
from capforecast.lake.store import Store
from capforecast.report.build_summary import UnitInput, build_summary
from capforecast.report.data import FanChart, ReportData
from capforecast.report.summary import Quality, Risk
from capforecast.schema import METRIC, SERVER_ID, Cadence, Forecast, Panel, Reference
from capforecast.settings import Settings

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

    validation: what became of the rows of each file.  extras: fleet-level tables by name (`scorecard`, `reliability`).
    """
    loaded = {name: _loaded(store, references) for name, references in sorted(units.items())}
    inputs = [
        UnitInput(name=name, servers=parts["servers"], risks=parts["risks"], backtest=parts["backtests"])
        for name, parts in loaded.items()
    ] + [UnitInput(name=name, problem=problem) for name, problem in sorted(problems.items())]
    summary = build_summary(
        as_of=as_of,
        cadence=cadence,
        horizon=settings.horizon(cadence),
        settings=settings,
        units=sorted(inputs, key=lambda unit: unit.name),
        quality=quality,
        known_at=known_at,
    )
    return ReportData(
        summary=summary,
        servers=_stacked([parts["servers"] for parts in loaded.values()]),
        risks=_stacked([parts["risks"] for parts in loaded.values()]),
        backtests=_stacked([parts["backtests"] for parts in loaded.values()]),
        fans=_fans(store, units, summary.top_risks, loaded),
        sources=pd.DataFrame() if validation is None else read_frame(store, validation),
    )


def _loaded(store: Store, references: dict[str, Reference]) -> dict[str, pd.DataFrame]:
    return {name: read_frame(store, references[name]) for name in ("servers", "risks", "backtests")}


def _stacked(parts: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else (parts[0] if parts else pd.DataFrame())


def _fans(
    store: Store, units: dict[str, dict[str, Reference]], top: list[Risk], loaded: dict[str, dict[str, pd.DataFrame]]
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
                fan = _fan(panel, predicted, risk, risks.loc[(risk.server_id, risk.metric)])
                if fan is not None:
                    charts[risk.server_id, risk.metric] = fan
    return [charts[risk.server_id, risk.metric] for risk in top if (risk.server_id, risk.metric) in charts]


def _fan(panel: Panel, predicted: Forecast, risk: Risk, row: pd.Series) -> FanChart | None:
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
    )


def _position(series: pd.DataFrame, risk: Risk) -> int | None:
    found = np.flatnonzero((series[SERVER_ID] == risk.server_id) & (series[METRIC] == risk.metric))
    return int(found[0]) if len(found) else None


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
