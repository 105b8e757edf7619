"""Pools: what is asked of them, what they have, and who is counted how."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from simulated import make_fleet

from capforecast.errors import StageError
from capforecast.risk.pool_figures import demand_table, pool_table
from capforecast.risk.pools import PoolPaths, pool_paths
from capforecast.schema import DEMAND_COLUMNS, POOL_COLUMNS, Cadence, Panel
from capforecast.settings import PoolSettings, RiskSettings, Settings

SETTINGS = Settings()


def inventory(count: int, vcpus: float | list[float] = 8.0, regions: tuple[str, ...] = ("eu",)) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "server_id": [f"s{i:04d}" for i in range(count)],
            "business_unit": "retail",
            "region": [regions[i % len(regions)] for i in range(count)],
            "vcpus": vcpus,
            "memory_gib": 32.0,
        }
    )


def vcpu(paths: list[PoolPaths], settings: Settings = SETTINGS) -> pd.Series:
    """The row of the only pool's vCPU."""
    table = pool_table(paths, settings.risk)
    (row,) = table[table["resource"] == "vcpu"].to_dict("records")
    return pd.Series(row)


def table_of(fleet, servers: pd.DataFrame, settings: Settings = SETTINGS) -> pd.DataFrame:
    return pool_table(pool_paths(*fleet.arguments(), servers, settings), settings.risk)


def with_unknown(fleet, columns: list[int]):
    """The fleet with some series unknown: in the panel, not in the forecast."""
    series = fleet.panel.series.copy()
    series.loc[columns, ["verdict", "reason"]] = ["unknown", "stale"]
    keep = np.setdiff1d(np.arange(len(series)), columns)
    errors = replace(
        fleet.errors, errors=fleet.errors.errors[:, :, keep], scale=fleet.errors.scale[:, keep],
        scale_now=fleet.errors.scale_now[keep], states=fleet.errors.states[:, keep],
        states_now=fleet.errors.states_now[keep], series=fleet.errors.series.iloc[keep].reset_index(drop=True),
    )  # fmt: skip
    forecast = replace(
        fleet.forecast, quantiles=fleet.forecast.quantiles[:, :, keep],
        series=fleet.forecast.series.iloc[keep].reset_index(drop=True),
    )  # fmt: skip
    return replace(fleet, panel=replace(fleet.panel, series=series), forecast=forecast, errors=errors)


def test_demand_is_percent_of_each_servers_size():
    fleet = make_fleet(np.array([50.0, 25.0]), spread=1e-4)
    row = vcpu(pool_paths(*fleet.arguments(), inventory(2, [8.0, 16.0]), SETTINGS))
    assert (row["supply"], row["usable"], row["servers"]) == (24.0, 24.0, 2)
    assert row["demand_now"] == pytest.approx(8.0, abs=0.01)
    assert row["peak_q50"] == pytest.approx(8.0, abs=0.01)
    assert row["buy_q90"] == 0.0
    assert pd.isna(row["buy_by"])
    assert row["paths"] > 100


def test_tables_have_the_columns_of_the_schema_and_name_every_pool():
    fleet = make_fleet(np.full(6, 40.0), metrics=("cpu", "mem"))
    paths = pool_paths(*fleet.arguments(), inventory(6, regions=("us", "eu")), SETTINGS)
    table, demand = pool_table(paths, SETTINGS.risk), demand_table(paths)
    assert tuple(table) == POOL_COLUMNS
    assert tuple(demand) == DEMAND_COLUMNS
    assert table[["region", "resource"]].to_numpy().tolist() == [
        ["eu", "memory_gib"], ["eu", "vcpu"], ["us", "memory_gib"], ["us", "vcpu"],
    ]  # fmt: skip
    assert len(demand) == 4 * 90
    assert demand["date"].iloc[0] == fleet.forecast.timestamps[0]
    quantiles = demand[[name for name in DEMAND_COLUMNS if name.startswith("demand_")]].to_numpy()
    assert (np.diff(quantiles, axis=1) >= 0).all()


def test_a_pool_that_grows_runs_out_and_says_what_to_buy_by_when():
    fleet = make_fleet(np.full(8, 60.0), spread=3.0)
    fleet = fleet.with_median(60.0 + np.linspace(0, 60, 90)[:, None].repeat(8, axis=1))
    settings = Settings(risk=RiskSettings(pool=PoolSettings(buffer_share=0.1), lead_time_days=20))
    row = vcpu(pool_paths(*fleet.arguments(), inventory(8), settings), settings)
    # 64 vCPU, of which 57.6 = 90 % may be used: reached after 44 days or so
    assert row["usable"] == pytest.approx(57.6)
    assert (row["p_30d"], row["p_90d"]) == (0.0, 1.0)
    assert 38 <= row["days_q10"] <= row["days_q50"] <= row["days_q90"] <= 56
    origin = fleet.panel.timestamps[-1]
    assert row["buy_by"] == origin + pd.Timedelta(days=row["days_q10"] - 20)
    # the whole purchase is under the same buffer and leaves the headroom
    assert (row["supply"] + row["buy_q90"]) * 0.9 * 0.8 == pytest.approx(row["peak_q90"])


def test_a_purchase_that_is_late_is_due_at_once():
    fleet = make_fleet(np.full(8, 90.0), spread=3.0)
    servers = inventory(8)
    settings = Settings(risk=RiskSettings(pool=PoolSettings(reserve_servers=2)))
    row = vcpu(pool_paths(*fleet.arguments(), servers, settings), settings)
    assert row["usable"] == 48.0
    assert row["days_q10"] == 1.0  # the days before the origin fill the window of the rule
    assert row["buy_by"] == fleet.panel.timestamps[-1]


def test_the_reserve_holds_back_the_largest_servers_of_each_pool():
    fleet = make_fleet(np.full(4, 10.0))
    settings = Settings(risk=RiskSettings(pool=PoolSettings(reserve_servers=1)))
    table = table_of(fleet, inventory(4, [8.0, 2.0, 4.0, 2.0], regions=("eu", "us")), settings)
    cores = table[table["resource"] == "vcpu"].set_index("region")
    assert cores["supply"].to_dict() == {"eu": 12.0, "us": 4.0}
    assert cores["usable"].to_dict() == {"eu": 4.0, "us": 2.0}


def test_servers_that_cannot_be_counted_are_said():
    fleet = with_unknown(make_fleet(np.full(6, 50.0), spread=1e-4), [4])
    servers = inventory(8, [8.0, 8.0, 8.0, np.nan, 8.0, 0.0, 8.0, 8.0])  # the last two were never observed
    row = vcpu(pool_paths(*fleet.arguments(), servers, SETTINGS))
    assert (row["servers"], row["unsized"], row["unobserved"], row["unforecast"]) == (8, 2, 2, 1)
    assert row["supply"] == 48.0
    assert row["demand_now"] == pytest.approx(16.0, abs=0.01)
    assert row["peak_q50"] == pytest.approx(16.0, abs=0.01)
    assert row["reason"] == ""


def test_an_unknown_server_counts_at_its_last_known_demand():
    fleet = with_unknown(make_fleet(np.full(3, 50.0), spread=1e-4), [0])
    values = fleet.panel.values.copy()
    values[-40:, 0] = np.nan
    values[-41, 0] = 90.0
    row = vcpu(pool_paths(*fleet.with_values(values).arguments(), inventory(3), SETTINGS))
    assert row["demand_now"] == pytest.approx(0.08 * (90 + 50 + 50), abs=0.01)
    assert row["peak_q90"] == pytest.approx(0.08 * (90 + 50 + 50), abs=0.01)


@pytest.mark.parametrize(
    ("servers", "reason"),
    [
        (inventory(3).drop(columns="vcpus"), "no_sizes"),
        (inventory(3, [0.0, np.nan, 0.0]), "no_sizes"),
        (inventory(3).assign(server_id=["a", "b", "c"]), "no_observations"),
    ],
)
def test_a_pool_of_which_nothing_is_known_says_why(servers, reason):
    fleet = make_fleet(np.full(3, 50.0))
    paths = pool_paths(*fleet.arguments(), servers, SETTINGS)
    row = vcpu(paths)
    assert row["reason"] == reason
    assert row[["demand_now", "peak_q90", "p_90d", "days_q10", "horizon_days", "buy_q50"]].isna().all()
    assert row["paths"] == 0
    assert demand_table(paths).empty


def test_a_unit_without_forecast_still_tells_its_demand():
    fleet = make_fleet(np.full(3, 50.0), spread=1e-4)
    row = vcpu(pool_paths(fleet.panel, None, None, inventory(3), SETTINGS))
    assert row["reason"] == "no_forecast"
    assert row["unforecast"] == 3
    assert row["demand_now"] == pytest.approx(12.0, abs=0.01)
    few = make_fleet(np.full(3, 50.0), origins=2)
    assert vcpu(pool_paths(*few.arguments(), inventory(3), SETTINGS))["reason"] == "no_evidence"


def test_hours_are_added_up_before_they_become_a_daily_peak():
    fleet = make_fleet(np.full(2, 50.0), spread=0.01, cadence=Cadence.HOURLY, horizon=72, step=24)
    hours = fleet.forecast.timestamps.hour.to_numpy()
    day = np.where(hours < 12, 80.0, 20.0)
    opposite = np.stack([day, 100.0 - day], axis=1)  # one works by day, one by night
    row = vcpu(pool_paths(*fleet.with_median(opposite).arguments(), inventory(2), SETTINGS))
    assert row["peak_q50"] == pytest.approx(8.0, abs=0.2)
    assert row["horizon_days"] == 3.0


def test_what_came_after_the_origin_is_not_looked_at():
    fleet = make_fleet(np.full(4, 50.0))
    longer = Panel(
        np.vstack([fleet.panel.values, np.full((5, 4), 99.0, np.float32)]),
        fleet.panel.timestamps.append(fleet.forecast.timestamps[:5]), fleet.panel.series, Cadence.DAILY,
    )  # fmt: skip
    before = table_of(fleet, inventory(4))
    after = table_of(replace(fleet, panel=longer), inventory(4))
    pd.testing.assert_frame_equal(before, after)


def test_error_paths_of_other_series_are_refused():
    fleet = make_fleet(np.full(4, 50.0))
    errors = replace(fleet.errors, series=fleet.errors.series.iloc[::-1].reset_index(drop=True))
    with pytest.raises(StageError, match="other series"):
        pool_paths(fleet.panel, fleet.forecast, errors, inventory(4), SETTINGS)
