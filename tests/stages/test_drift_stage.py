"""The stage `drift` in the lake: alarms on what was injected; earlier runs of every shape, or none, break nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from capforecast import stages
from capforecast.exchange import Unit
from capforecast.fleet import snapshot
from capforecast.forecast import frames
from capforecast.lake.datasets import read_frame, write_table
from capforecast.lake.store import Store
from capforecast.schema import DRIFT_COLUMNS, DRIFT_SERIES_COLUMNS, SERIES_COLUMNS, Cadence, Forecast, Panel
from capforecast.settings import Settings

SETTINGS = Settings()
DAYS, SERVERS, NOISE = 400, 24, 3.0
CUT_OFF = pd.Timestamp("2026-11-23", tz="UTC")
LEVEL = np.linspace(30, 60, SERVERS)
NAMES = [f"srv-{i:02d}" for i in range(SERVERS)]
CHECKS = ["live_error", "forecast_change", "tier_change", "input_level", "input_spread"]


def history(shift: float = 0.0, shifted: int = 8) -> Panel:
    """Noise about a level; the last two weeks of some servers are `shift` points higher."""
    values = LEVEL + np.random.default_rng(5).normal(0, NOISE, (DAYS, SERVERS))
    values[-14:, :shifted] += shift
    series = pd.DataFrame({"server_id": NAMES}).assign(
        metric="cpu", statistic="p95", business_unit="shop", region="eu", criticality="", verdict="ok", reason="",
        flags="", observed=DAYS, capacity=np.nan, unseen_peaks="",
    )  # fmt: skip
    stamps = pd.date_range(end=CUT_OFF - pd.Timedelta(days=1), periods=DAYS, freq="D")
    series["first_seen"], series["last_seen"] = stamps[0], stamps[-1]
    return Panel(values.astype(np.float32), stamps, series[list(SERIES_COLUMNS)], Cadence.DAILY)


def predicted(
    first: pd.Timestamp,
    level: np.ndarray,
    horizon: int = 30,
    names: list[str] = NAMES,
    cadence: Cadence = Cadence.DAILY,
) -> Forecast:
    """A flat forecast with the intervals that the noise deserves."""
    steps = NOISE * np.array([-1.96, -1.28, 0.0, 1.28, 1.96, 0.0])
    quantiles = np.broadcast_to(steps[:, None, None] + level, (6, horizon, len(level))).astype(np.float32)
    series = pd.DataFrame({"server_id": names, "metric": "cpu"})
    series = series.assign(origin=first, model="ensemble", model_version="1")
    return Forecast(quantiles, pd.date_range(first, periods=horizon, freq=cadence.step), series, cadence)


def found(
    folder: Path, panel: Panel, new: Forecast, old: Forecast | None, tiers: str = "ok", horizon: int = 30
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables `drift`, by check, and `drift_series` of a unit with this history and these forecasts, now and earlier."""
    store = Store(folder)
    unit = Unit(
        cadence=Cadence.DAILY, as_of=CUT_OFF.isoformat(), business_unit="shop", servers=SERVERS, series=SERVERS,
        usable=SERVERS, horizon=horizon, references={},
    )  # fmt: skip
    processed, quality = snapshot.to_tables(panel)
    promise = panel.series[["server_id", "metric"]]
    tables = {
        "processed": processed, "quality": quality, "forecasts": frames.to_table(new),
        "servers": pd.DataFrame({"server_id": NAMES, "tier": "ok"}),
        "backtests": pd.concat([promise.assign(bucket="1-7", mae=2.4), promise.assign(bucket="all", mae=9.0)]),
    }  # fmt: skip
    if old is not None:
        tables["previous_forecasts"] = frames.to_table(old)
        tables["previous_servers"] = pd.DataFrame({"server_id": NAMES, "tier": tiers})
    unit = unit.having(**{name: write_table(store, f"{name}.parquet", table) for name, table in tables.items()})
    added = stages.drift(store, SETTINGS, unit.only(stages.NEEDS["drift"]))
    assert set(added) == {"drift", "drift_series"}
    rows, series = (read_frame(store, added[name]) for name in ("drift", "drift_series"))
    assert list(rows.columns) == ["business_unit", *DRIFT_COLUMNS]
    assert list(series.columns) == ["business_unit", *DRIFT_SERIES_COLUMNS]
    assert rows["check"].tolist() == CHECKS
    assert (rows["sentence"] != "").all()
    return rows.set_index("check"), series


WEEK_AGO = CUT_OFF - pd.Timedelta(days=7)


def test_a_quiet_unit_raises_no_alarm(tmp_path: Path) -> None:
    rows, series = found(tmp_path, history(), predicted(CUT_OFF, LEVEL), predicted(WEEK_AGO, LEVEL))
    assert not rows["alarm"].any()
    assert rows["value"].notna().all()
    assert len(series) <= 1


def test_servers_that_moved_raise_the_alarms_they_deserve_and_are_named(tmp_path: Path) -> None:
    moved = LEVEL + np.where(np.arange(SERVERS) < 14, 20.0, 0.0)
    panel = history(shift=20.0, shifted=14)
    rows, series = found(tmp_path, panel, predicted(CUT_OFF, moved), predicted(WEEK_AGO, LEVEL), tiers="watch")
    assert rows["alarm"].to_dict() == {check: check != "input_spread" for check in CHECKS}
    for check in ("live_error", "forecast_change", "input_level"):
        mine = series[series["check"] == check]
        assert sorted(mine["server_id"]) == NAMES[:14]
        assert (mine["now"] - mine["before"]).between(15, 25).all()


def test_a_first_run_says_what_it_lacks_and_still_checks_its_inputs(tmp_path: Path) -> None:
    rows, _ = found(tmp_path, history(shift=20.0), predicted(CUT_OFF, LEVEL), None)
    compared = ["live_error", "forecast_change", "tier_change"]
    assert rows.loc[compared, "value"].isna().all()
    assert rows.loc[compared, "sentence"].str.contains("no earlier").all()
    assert rows["alarm"].to_dict() == {check: check == "input_level" for check in CHECKS}


@pytest.mark.parametrize("horizon", [3, 10, 180])
def test_an_earlier_run_may_have_looked_less_far_or_farther(tmp_path: Path, horizon: int) -> None:
    rows, _ = found(tmp_path, history(), predicted(CUT_OFF, LEVEL), predicted(WEEK_AGO, LEVEL, horizon))
    assert not rows["alarm"].any()
    assert f"{min(horizon, 7)} periods" in rows.loc["live_error", "sentence"]
    assert np.isnan(rows.loc["forecast_change", "value"]) == (horizon < 8)


def test_a_horizon_below_a_week_is_judged_by_the_same_promise(tmp_path: Path) -> None:
    rows, _ = found(tmp_path, history(), predicted(CUT_OFF, LEVEL, 5), predicted(WEEK_AGO, LEVEL, 5), horizon=5)
    assert 0.7 < rows.loc["live_error", "value"] < 1.3


def test_servers_that_came_or_went_are_left_out(tmp_path: Path) -> None:
    old = predicted(WEEK_AGO, LEVEL[:12] + 40.0, names=[*NAMES[6:12], *(f"gone-{i}" for i in range(6))])
    rows, series = found(tmp_path, history(), predicted(CUT_OFF, LEVEL), old)
    assert rows.loc[["live_error", "forecast_change"], "series"].tolist() == [6, 6]
    assert set(series["server_id"]) == set(NAMES[6:12])


def test_a_forecast_of_days_to_come_cannot_have_failed(tmp_path: Path) -> None:
    rows, _ = found(tmp_path, history(), predicted(CUT_OFF, LEVEL), predicted(CUT_OFF, LEVEL + 40.0))
    assert not rows.loc["live_error", "alarm"]
    assert "Nothing has been observed yet" in rows.loc["live_error", "sentence"]
    assert rows.loc["forecast_change", "alarm"]


def test_forecasts_of_hours_are_not_compared_with_those_of_days(tmp_path: Path) -> None:
    old = predicted(WEEK_AGO, LEVEL + 40.0, 240, cadence=Cadence.HOURLY)
    rows, _ = found(tmp_path, history(), predicted(CUT_OFF, LEVEL), old)
    assert not rows["alarm"].any()
    assert rows.loc[["live_error", "forecast_change"], "value"].isna().all()


def test_a_unit_without_model_has_no_drift(tmp_path: Path) -> None:
    unit = Unit(
        cadence=Cadence.DAILY, as_of=CUT_OFF.isoformat(), business_unit="shop", servers=0, series=0, usable=0,
        horizon=30, references={},
    )  # fmt: skip
    assert stages.drift(Store(tmp_path), SETTINGS, unit) == {}
    assert stages.drift_overview(Store(tmp_path), unit) == []
