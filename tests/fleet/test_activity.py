"""What servers did in the last days: daily values, their peak, and by which statistic."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from capforecast.fleet.activity import ACTIVITY_COLUMNS, activity
from capforecast.schema import Cadence
from capforecast.settings import Settings

CUT_OFF = pd.Timestamp("2025-03-15", tz="UTC")
SETTINGS = Settings()
MBIT = 10_800  # MB a day at one Mbit/s


def frame(server="a", days=14, cadence=Cadence.DAILY, until=CUT_OFF, **columns):
    """Observations of a server up to `until`: each column one value for all periods, or a list."""
    periods = days * cadence.per_day
    times = pd.date_range(end=until - cadence.step, periods=periods, freq=cadence.frequency, unit="us")
    values = {name: np.broadcast_to(np.asarray(value, dtype=np.float32), periods) for name, value in columns.items()}
    return pd.DataFrame({"server_id": pd.Series([server] * periods, dtype="str"), "timestamp": times} | values)


def found(observations, cadence=Cadence.DAILY, cut_off=CUT_OFF, settings=SETTINGS):
    rows = activity(observations, cadence, cut_off, settings)
    assert list(rows.columns) == list(ACTIVITY_COLUMNS)
    return rows.set_index(["server_id", "metric"])


def hours(**columns):
    return frame(cadence=Cadence.HOURLY, **columns)


def test_the_busiest_day_of_the_window_counts_and_none_before_or_after_it():
    values = np.full(20, 2.0)
    values[3], values[10], values[-1] = 90, 4, 95
    rows = found(frame(days=20, until=CUT_OFF + pd.Timedelta(days=1), cpu_mean=values))
    assert rows.loc[("a", "cpu")].tolist() == ["mean", 14, 4]


def test_hours_of_means_become_means_of_days():
    day = np.where(np.arange(24) == 3, 48.0, 0.0)
    assert found(hours(cpu_mean=np.tile(day, 14)), Cadence.HOURLY).loc[("a", "cpu"), "peak"] == 2


def test_hours_of_maxima_become_the_largest_and_of_p95_their_quantile():
    values = np.tile(np.arange(24.0), 14)
    assert found(hours(cpu_max=values), Cadence.HOURLY).loc[("a", "cpu")].tolist() == ["max", 14, 23]
    rows = found(hours(cpu_p95=values), Cadence.HOURLY).loc[("a", "cpu")]
    assert rows["statistic"] == "p95"
    assert rows["peak"] == pytest.approx(np.quantile(np.arange(24), 0.95))


def test_days_of_hours_end_where_the_cut_off_says():
    cut_off = pd.Timestamp("2025-03-15 15:20", tz="UTC")
    rows = found(hours(until=cut_off.floor("h"), cpu_mean=1.0), Cadence.HOURLY, cut_off)
    assert rows.loc[("a", "cpu"), "days"] == 14


def test_a_day_that_is_not_over_at_the_cut_off_is_not_seen():
    rows = found(
        frame(days=15, until=CUT_OFF + pd.Timedelta(days=1), cpu_mean=[1.0] * 14 + [90.0]),
        cut_off=CUT_OFF + pd.Timedelta(hours=15),
    )
    assert rows.loc[("a", "cpu")].tolist() == ["mean", 14, 1]


def test_what_is_not_a_number_was_not_seen():
    rows = found(frame(cpu_mean=[*[1.0] * 12, np.inf, np.nan]))
    assert rows.loc[("a", "cpu")].tolist() == ["mean", 12, 1]


def test_traffic_of_both_directions_is_added_up_to_megabytes_a_day():
    rows = found(frame(net_in_mean=0.25, net_out_mean=[0.5] * 13 + [0.75]))
    assert rows.index.tolist() == [("a", "net")]
    assert rows.loc[("a", "net")].tolist() == ["mean", 14, MBIT]


def test_traffic_that_is_total_already_is_not_added_to():
    rows = found(frame(net_mean=0.5, net_in_mean=0.25, net_out_mean=0.125))
    assert rows["peak"].tolist() == [0.5 * MBIT]


def test_one_direction_alone_is_named_so():
    assert found(frame(net_out_max=2.0)).loc[("a", "net_out")].tolist() == ["max", 14, 2 * MBIT]


def test_directions_that_were_never_seen_on_the_same_day_are_no_day_of_traffic():
    none = [np.nan] * 7
    rows = found(frame(net_in_mean=[*none, *[1.0] * 7], net_out_mean=[*[3.0] * 7, *none]))
    assert rows.loc[("a", "net")].tolist() == ["mean", 0, 3 * MBIT]


def test_a_sum_is_called_by_the_statistic_that_says_less():
    assert found(frame(net_in_mean=1.0, net_out_p95=1.0)).loc[("a", "net"), "statistic"] == "p95"


def test_mean_goes_before_maximum_before_p95_server_by_server_where_it_has_days_enough():
    none = np.nan
    few, ten = [1.0] * 9 + [none] * 5, [1.0] * 10 + [none] * 4
    rows = found(
        pd.concat(
            [
                frame("all", cpu_mean=1.0, cpu_max=2.0, cpu_p95=3.0),
                frame("ten means", cpu_mean=ten, cpu_max=2.0, cpu_p95=3.0),
                frame("no mean", cpu_mean=none, cpu_max=2.0, cpu_p95=3.0),
                frame("few means", cpu_mean=few, cpu_max=none, cpu_p95=3.0),
                frame("few of all", cpu_mean=few, cpu_max=none, cpu_p95=[*few[:-1], none]),
            ]
        )
    )
    picked = rows.droplevel("metric")["statistic"].to_dict()
    assert picked.pop("all") == picked.pop("ten means") == picked.pop("few of all") == "mean"
    assert picked == {"no mean": "max", "few means": "p95"}


def test_a_day_of_which_little_was_seen_is_no_day_but_its_work_counts():
    values = np.full(14 * 24, 1.0)
    values[24:48] = np.nan
    values[30] = 70
    values[48:60] = np.nan  # half a day: still a day
    rows = found(hours(cpu_mean=values), Cadence.HOURLY)
    assert rows.loc[("a", "cpu")].tolist() == ["mean", 13, 70]


def test_what_was_not_seen_has_no_row():
    assert found(frame(cpu_mean=np.nan, disk_io_mean=0.0)).index.tolist() == [("a", "disk_io")]
    assert len(found(frame(until=CUT_OFF - pd.Timedelta(days=14), cpu_mean=1.0))) == 0
    assert len(found(frame().iloc[:0])) == 0


def test_a_unit_that_cannot_be_judged_is_left_out_and_a_known_one_converted():
    metrics = {"cpu": {"unit": "MHz"}, "net": {"unit": "MB/s"}}
    rows = found(frame(cpu_mean=1.0, net_mean=1.0, disk_io_mean=1.0), settings=Settings(metrics=metrics))
    assert rows["peak"].to_dict() == {("a", "net"): 86_400, ("a", "disk_io"): 1}


@examples(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), cadence=st.sampled_from(list(Cadence)))
def test_order_of_rows_and_company_change_nothing(seed, cadence):
    random = np.random.default_rng(seed)
    names = ("cpu_mean", "cpu_p95", "net_in_mean", "net_in_max", "net_out_max", "disk_io_p95")
    count = 16 * cadence.per_day
    parts = []
    for server in "abcd":
        values = {
            name: np.where(random.uniform(size=count) < 0.4, np.nan, random.uniform(size=count)) for name in names
        }
        parts.append(frame(server, days=16, cadence=cadence, **values))
    together = activity(pd.concat(parts), cadence, CUT_OFF, SETTINGS)
    mixed = activity(pd.concat(parts).sample(frac=1, random_state=seed), cadence, CUT_OFF, SETTINGS)
    pd.testing.assert_frame_equal(mixed, together)
    alone = pd.concat([activity(part, cadence, CUT_OFF, SETTINGS) for part in parts], ignore_index=True)
    pd.testing.assert_frame_equal(alone, together)
    assert np.isfinite(together["peak"]).all()
