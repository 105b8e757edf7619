"""Business units of few or of new servers: through the stages, with what their history supports."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from capforecast import configuration, stages
from capforecast.forecast.engine import train
from capforecast.lake.datasets import read_frame
from capforecast.lake.store import Store
from capforecast.settings import Settings


def risks_of(tmp_path, days: int, servers: int, **overrides: object) -> pd.DataFrame:
    """Risks of a unit of `servers` servers seen for `days` days."""
    rng = np.random.default_rng(0)
    stamps = pd.date_range("2026-01-01", periods=days, tz="UTC")
    rows = [
        pd.DataFrame({"server_id": f"s{i}", "timestamp": stamps, "cpu_p95": 50 + rng.normal(0, 3, days)})
        for i in range(servers)
    ]
    source = tmp_path / "observations.parquet"
    pd.concat(rows).to_parquet(source)
    settings = configuration.load(overrides=overrides).settings
    store = Store(str(tmp_path / "lake"))
    ingested = stages.ingest(store, settings, str(source), None, None)
    unit = stages.validate(store, settings, ingested, ingested.business_units[0])
    for stage in (stages.train, stages.champion, stages.forecast, stages.risk):
        unit = unit.having(**stage(store, settings, unit.only(stages.NEEDS[stage.__name__])))
    return read_frame(store, unit.references["risks"])


@pytest.mark.parametrize(
    ("days", "servers", "horizon", "supported"),
    [(31, 2, 90, 7), (34, 1, 90, 7), (60, 1, 90, 14), (60, 3, 90, 14), (400, 1, 90, 90), (400, 1, 7, 7)],
)
def test_usable_servers_of_a_small_unit_get_probabilities(tmp_path, days, servers, horizon, supported):
    risks = risks_of(tmp_path, days, servers, **{"forecast.horizon_days": horizon})
    assert risks["tier"].tolist() == ["ok"] * servers
    assert (risks["probability_high"] < 0.1).all()
    assert (risks["horizon_days"] == supported).all()
    assert (risks["paths"] >= 10).all()


def test_without_any_checked_forecast_no_probability_is_made_up(tmp_path):
    risks = risks_of(tmp_path, 18, 2, **{"quality.min_days_daily": 15})
    assert risks["reason"].tolist() == ["no_evidence"] * 2
    assert risks["tier"].tolist() == ["unknown"] * 2
    assert risks["probability_high"].isna().all()


@pytest.mark.parametrize(("cadence", "total"), [("hourly", 169), ("hourly", 180), ("hourly", 168), ("daily", 8)])
def test_a_unit_too_young_for_any_replay_gets_finite_intervals(make_panel, cadence, total):
    values = 30 + np.random.default_rng(0).normal(0, 2, (total, 2))
    panel = make_panel(values, cadence)
    quantiles = train(panel, 7 if cadence == "daily" else 24, Settings()).model.predict(panel).quantiles
    assert np.isfinite(quantiles).all()
    assert (np.diff(quantiles[:5], axis=0) >= 0).all()
