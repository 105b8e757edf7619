"""Fan charts of the top risks: what was seen, what is expected, marks on the history, known peaks past and ahead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from capforecast.fleet.calendar import occurrences
from capforecast.report.data import FanChart, Mark, Peak
from capforecast.report.summary import Risk
from capforecast.schema import METRIC, SERVER_ID, Cadence, Forecast, Panel
from capforecast.settings import CalendarSettings

HISTORY_SHOWN = {Cadence.DAILY: 365, Cadence.HOURLY: 21 * 24}  # points of history in a fan chart


def fan_charts(
    panel: Panel,
    predicted: Forecast,
    risks: pd.DataFrame,
    top: Sequence[Risk],
    anomalies: pd.DataFrame,
    calendar: CalendarSettings,
) -> dict[tuple[str, str], FanChart]:
    """Charts of those of the top risks that are of this business unit and have a forecast, by server and metric.

    panel, predicted, risks: of the business unit.  anomalies: marks on the history, of any unit.  calendar: of the
    known peaks, the same for all.
    """
    peaks = _peaks(panel, predicted, calendar)
    keyed = risks.set_index([SERVER_ID, METRIC])
    charts = {}
    for risk in top:
        row = keyed.loc[(risk.server_id, risk.metric)]
        chart = _fan(panel, predicted, risk, row)
        if chart is not None:
            charts[risk.server_id, risk.metric] = replace(chart, marks=_marks(anomalies, risk), peaks=peaks)
    return charts


def _marks(anomalies: pd.DataFrame, risk: Risk) -> tuple[Mark, ...]:
    if not len(anomalies):
        return ()
    here = anomalies[(anomalies[SERVER_ID] == risk.server_id) & (anomalies[METRIC] == risk.metric)]
    rows = here.sort_values(["began", "kind"]).to_dict("records")
    return tuple(Mark(str(r["kind"]), pd.Timestamp(r["began"]), float(r["value"]), float(r["size"])) for r in rows)


def _peaks(panel: Panel, predicted: Forecast, calendar: CalendarSettings) -> tuple[Peak, ...]:
    """Known peaks from the first moment that charts show to the last that is forecast."""
    moments = panel.timestamps[-HISTORY_SHOWN[panel.cadence] :].append(predicted.timestamps)
    if not len(moments):
        return ()
    found = occurrences(moments[0].date(), moments[-1].date(), calendar)
    return tuple(Peak(each.peak, pd.Timestamp(each.first), pd.Timestamp(each.last)) for each in found)


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
        peaks_unseen=risk.peaks_unseen,
    )


def _position(series: pd.DataFrame, risk: Risk) -> int | None:
    found = np.flatnonzero((series[SERVER_ID] == risk.server_id) & (series[METRIC] == risk.metric))
    return int(found[0]) if len(found) else None


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
