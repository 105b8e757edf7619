"""From rows to a regular grid that sees nothing at or after the cut-off."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from capforecast.errors import InputError
from capforecast.fleet.inventory import at, normalise
from capforecast.fleet.panel import build, default_as_of
from capforecast.schema import SERIES_COLUMNS, Cadence, Panel
from capforecast.settings import Settings

SETTINGS = Settings()
AS_OF = pd.Timestamp("2024-03-01", tz="UTC")


def rows(server: str, start: str = "2024-01-01", periods: int = 60, freq: str = "D", **columns: object) -> pd.DataFrame:
    stamps = pd.date_range(start, periods=periods, freq=freq, tz="UTC", unit="us")
    frame = pd.DataFrame(
        {"server_id": server, "timestamp": stamps, **(columns or {"cpu_p95": 1.0 + np.arange(periods)})}
    )
    return frame.astype(
        {name: np.float32 for name in frame if "_" in name and name not in ("server_id", "ingested_at")}
    )


def built(
    observations: pd.DataFrame,
    servers: list[str],
    as_of: pd.Timestamp = AS_OF,
    cadence: Cadence = Cadence.DAILY,
    settings: Settings = SETTINGS,
) -> Panel:
    known = at(normalise(pd.DataFrame({"server_id": servers, "business_unit": "x"})), as_of)
    return build(observations, known, cadence, as_of, settings)


def test_the_grid_is_regular_and_values_stand_in_their_place() -> None:
    seen = pd.concat([rows("b", periods=40), rows("a").drop(index=[3, 4])]).sample(frac=1, random_state=1)
    panel = built(seen, ["b", "a"])
    assert panel.series["server_id"].tolist() == ["a", "b"]
    assert list(panel.series.columns) == list(SERIES_COLUMNS)
    assert (panel.timestamps[0], panel.timestamps[-1]) == (
        pd.Timestamp("2024-01-01", tz="UTC"),
        AS_OF - pd.Timedelta("1D"),
    )
    expected = np.full((60, 2), np.nan, dtype=np.float32)
    expected[:, 0] = np.arange(60) + 1
    expected[3:5, 0] = np.nan
    expected[:40, 1] = np.arange(40) + 1
    np.testing.assert_array_equal(panel.values, expected)
    assert panel.values.dtype == np.float32


@pytest.mark.parametrize(
    ("as_of", "last"), [("2024-02-10", "2024-02-09"), ("2024-02-10 14:00", "2024-02-09"), ("2024-02-11", "2024-02-10")]
)
def test_a_period_that_has_not_ended_by_the_cut_off_is_not_seen(as_of: str, last: str) -> None:
    panel = built(rows("a"), ["a"], pd.Timestamp(as_of, tz="UTC"))
    assert panel.timestamps[-1] == pd.Timestamp(last, tz="UTC")
    assert panel.series["last_seen"][0] == pd.Timestamp(last, tz="UTC")


def test_the_configured_statistic_is_taken_else_the_first_there_is() -> None:
    every = rows("a", cpu_mean=1.0, cpu_p95=2.0, mem_mean=3.0, net_max=4.0, disk_p95=np.nan, disk_mean=5.0)
    panel = built(every, ["a"])
    chosen = dict(zip(panel.series["metric"], panel.series["statistic"], strict=True))
    assert chosen == {"cpu": "p95", "disk": "mean", "mem": "mean", "net": "max"}
    assert panel.values[0].tolist() == [2, 5, 3, 4]
    other = Settings.model_validate({"metrics": {"cpu": {"statistic": "mean", "high": 80, "very_high": 90}}})
    assert built(every, ["a"], settings=other).values[0, 0] == 1


def test_silent_metrics_and_servers_are_told_and_unobserved_ones_have_no_series() -> None:
    seen = pd.concat(
        [
            rows("a", cpu_p95=1.0, mem_p95=2.0, net_p95=3.0),
            rows("half", cpu_p95=np.nan, mem_p95=2.0, net_p95=np.nan),
            rows("silent", cpu_p95=np.nan, mem_p95=np.nan, net_p95=np.nan),
        ]
    )
    series = built(seen, ["a", "half", "silent", "listed"]).series.set_index("server_id")
    assert series.loc["half", ["metric", "reason"]].values.tolist() == [["cpu", "all_missing"], ["mem", ""]]
    assert series.loc["silent", "reason"].tolist() == ["all_missing"] * 2  # cpu and mem have thresholds, net has none
    assert "listed" not in series.index
    blank = pd.concat([rows("a", net_p95=3.0), rows("silent", net_p95=np.nan)])
    assert built(blank, ["a", "silent"]).series["reason"].tolist() == ["", "all_missing"]


def test_the_latest_arrival_that_has_a_value_wins() -> None:
    first = rows("a", cpu_p95=1.0, mem_p95=1.0).assign(ingested_at=pd.Timestamp("2024-03-01", tz="UTC"))
    second = rows("a", cpu_p95=2.0, mem_p95=np.nan).assign(ingested_at=pd.Timestamp("2024-03-02", tz="UTC"))
    panel = built(pd.concat([second, first]), ["a"])
    assert panel.values[0].tolist() == [2, 1]


def test_history_is_limited_and_other_units_are_left_out() -> None:
    short = Settings.model_validate({"forecast": {"history_days": 40}})
    panel = built(pd.concat([rows("a"), rows("other", start="2023-01-01", periods=400)]), ["a"], settings=short)
    assert panel.values.shape == (40, 1)
    assert built(pd.concat([rows("a"), rows("other", start="2023-01-01", periods=400)]), ["a"]).values.shape == (60, 1)


def test_nothing_to_see_is_an_empty_panel() -> None:
    panel = built(rows("a"), ["b"])
    assert panel.values.shape == (0, 0)
    assert list(panel.series.columns) == list(SERIES_COLUMNS)


def test_a_row_off_the_grid_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="server a is not on the grid"):
        built(rows("a", start="2024-01-01 05:00"), ["a"])


def test_resizes_conflicts_and_percentages_over_100_are_flagged() -> None:
    sizes = pd.DataFrame({"server_id": "a", "valid_from": ["2023-01-01", "2024-02-01"], "vcpus": [2, 4]})
    conflicts = pd.DataFrame({"server_id": ["a"], "column": ["net_p95"], "reason": ["duplicate_conflict"]})
    values = np.linspace(50, 110, 60)
    seen = rows("a", cpu_p95=values, net_p95=values * 9)
    panel = build(seen, at(sizes, AS_OF), Cadence.DAILY, AS_OF, SETTINGS, conflicts)
    assert panel.series["flags"].tolist() == [
        "capacity_changed out_of_range peaks_unseen",
        "duplicate_conflict peaks_unseen",
    ]
    assert (panel.series["verdict"] == "ok").all()


def test_the_cut_off_is_the_end_of_the_last_complete_period() -> None:
    fleet = pd.concat([rows(f"s{number}") for number in range(10)])
    end = pd.Timestamp("2024-03-01", tz="UTC")
    assert default_as_of(fleet, Cadence.DAILY) == end
    half_delivered = pd.concat([fleet, rows("s1", start="2024-03-01", periods=1)])
    assert default_as_of(half_delivered, Cadence.DAILY) == end
    clock_ahead = pd.concat([fleet, rows("s1", start="2031-01-01", periods=5)])
    assert default_as_of(clock_ahead, Cadence.DAILY) == end
    shrunken = pd.concat([fleet, rows("s1", start="2024-03-01", periods=3)])
    assert default_as_of(shrunken, Cadence.DAILY) == pd.Timestamp("2024-03-04", tz="UTC")


def test_an_hourly_source_ends_with_its_last_hour_not_its_last_day() -> None:
    hours = rows("a", start="2024-01-01", periods=30, freq="h")
    assert default_as_of(hours, Cadence.HOURLY) == pd.Timestamp("2024-01-02 06:00", tz="UTC")
    with pytest.raises(InputError, match="--as-of"):
        default_as_of(hours.iloc[:0], Cadence.HOURLY)


def test_rejects_without_conflicts_flag_nothing() -> None:
    none = pd.DataFrame({name: pd.Series(dtype="str") for name in ("server_id", "column", "reason")})
    known = at(normalise(pd.DataFrame({"server_id": ["a"], "business_unit": "x"})), AS_OF)
    panel = build(rows("a"), known, Cadence.DAILY, AS_OF, SETTINGS, none)
    assert "duplicate_conflict" not in "".join(panel.series["flags"])


def resize(at: str, factor: float, metric: str = "cpu") -> pd.DataFrame:
    moment = pd.Timestamp(at, tz="UTC").as_unit("us")
    return pd.DataFrame({"server_id": ["a"], "metric": [metric], "at": [moment], "factor": [factor]})


def owned(*servers: str) -> pd.DataFrame:
    return at(normalise(pd.DataFrame({"server_id": list(servers), "business_unit": "x"})), AS_OF)


def test_percentages_before_a_resize_become_percent_of_the_capacity_after_it() -> None:
    both = pd.concat([resize("2024-01-11", 0.5), resize("2024-02-01T10:00", 2.0)])
    panel = build(rows("a", cpu_p95=40.0), owned("a"), Cadence.DAILY, AS_OF, SETTINGS, resizes=both)
    cpu = panel.values[:, panel.series["metric"].tolist().index("cpu")]
    assert cpu[:10].tolist() == [40] * 10  # halved, then doubled
    assert cpu[10:32].tolist() == [80] * 22  # 1 February began before the change
    assert cpu[32:].tolist() == [40] * 28
    assert "capacity_changed" in panel.series["flags"].iloc[0]


def test_where_capacity_is_not_known_the_history_begins_at_the_resize() -> None:
    panel = build(
        rows("a", cpu_p95=40.0), owned("a"), Cadence.DAILY, AS_OF, SETTINGS, resizes=resize("2024-02-01", np.nan)
    )
    series = panel.series.iloc[0]
    assert (series["first_seen"].date().isoformat(), series["observed"]) == ("2024-02-01", 29)
    assert "capacity_changed" in series["flags"]
    other = resize("2024-02-01", 0.5, metric="mem")
    untouched = build(rows("a", cpu_p95=40.0), owned("a"), Cadence.DAILY, AS_OF, SETTINGS, resizes=other)
    assert set(untouched.values[:, 0]) == {40}
    assert "capacity_changed" not in untouched.series["flags"].iloc[0]


def test_a_server_silent_since_before_the_history_is_stale_not_forgotten() -> None:
    last = rows("b", start="2023-01-05", periods=1, cpu_p95=7.0, odd_mean=1.0)
    panel = build(rows("a"), owned("a", "b", "c"), Cadence.DAILY, AS_OF, SETTINGS, earlier=last)
    silent = panel.series[panel.series["server_id"] == "b"].set_index("metric")
    assert silent["reason"].to_dict() == {"cpu": "stale", "odd": "stale"}
    assert silent["last_seen"]["cpu"] == pd.Timestamp("2023-01-05", tz="UTC")
    assert "c" not in set(panel.series["server_id"])


def test_what_is_reported_later_does_not_choose_the_statistic() -> None:
    seen = rows("a", cpu_mean=np.arange(60.0))
    later = rows("a", start="2024-03-10", periods=5, cpu_p95=np.arange(5.0))
    panel = built(pd.concat([seen, later], ignore_index=True), ["a"])
    assert panel.series["statistic"].tolist() == ["mean"]


def test_one_server_with_a_wrong_clock_does_not_move_the_cut_off() -> None:
    fleet = pd.concat([rows(name) for name in "abcdef"])
    wrong = rows("g", start="2190-01-01")
    assert default_as_of(pd.concat([fleet, wrong]), Cadence.DAILY) == pd.Timestamp("2024-03-01", tz="UTC")


def test_series_say_their_capacity_and_the_peaks_they_have_not_seen() -> None:
    known = pd.DataFrame({"server_id": ["a", "b"], "business_unit": "x", "vcpus": [4.0, None], "network_mbps": 781.0})
    seen = pd.concat([rows(name, cpu_p95=np.ones(60), net_in_p95=np.ones(60)) for name in "ab"])
    panel = build(seen, at(normalise(known), AS_OF), Cadence.DAILY, AS_OF, SETTINGS)
    found = panel.series[panel.series["metric"].isin(["cpu", "net_in"])]
    np.testing.assert_array_equal(found["capacity"], [4, 781, np.nan, 781])
    assert panel.series["capacity"].dtype == np.float64
    assert set(found["unseen_peaks"]) == {"quarter_end"}  # January holds a month end and holidays
    assert found["flags"].str.contains("peaks_unseen").all()
    two_years = build(rows("a", "2022-01-01", 790), at(normalise(known), AS_OF), Cadence.DAILY, AS_OF, SETTINGS)
    cpu = two_years.series[two_years.series["metric"] == "cpu"]
    assert (cpu["unseen_peaks"].item(), "peaks_unseen" in cpu["flags"].item()) == ("", False)
