"""How a window is cut into requests of GetMetricData, and what they cost."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capforecast.schema import Cadence
from capforecast.settings_sources import CloudWatchSettings
from capforecast.sources import cloudwatch_metrics as metrics
from capforecast.sources.cloudwatch_batches import MOST_QUERIES, MOST_VALUES, batches
from capforecast.sources.cloudwatch_calls import Place
from capforecast.sources.cloudwatch_cost import estimate
from capforecast.sources.remote import Window

NOW = pd.Timestamp("2026-11-28T12:00Z")
HERE = Place("123456789012", "eu-west-1")


def days(first: int, last: int = 0) -> Window:
    """From so many days ago until so many."""
    midnight = NOW.floor("D")
    return Window(midnight - pd.Timedelta(days=first), midnight - pd.Timedelta(days=last))


def table(servers: int, statistics: tuple[str, ...] = ("p95",), names: tuple[str, ...] = ("cpu", "net_in")):
    asks = [(f"i-{number:04}", metrics.ec2(f"i-{number:04}", ())) for number in range(servers)]
    rows = [
        (server, f"{name}_{statistic}", HERE, statistic, of[name])
        for server, of in asks
        for name in names
        for statistic in statistics
    ]
    return pd.DataFrame(rows, columns=["server_id", "column", "place", "statistic", "ask"])


@settings(max_examples=25, deadline=None)
@given(
    servers=st.integers(1, 700),
    first=st.integers(1, 460),
    length=st.integers(1, 31),
    hourly=st.booleans(),
    statistics=st.sampled_from([("p95",), ("p95", "mean", "max")]),
)
def test_every_series_is_asked_for_all_of_the_window_once_and_within_the_limits(
    servers, first, length, hourly, statistics
):
    window = days(first, max(0, first - length))
    cadence = Cadence.HOURLY if hourly else Cadence.DAILY
    series = table(servers, statistics)
    covered = [pd.Timedelta(0)] * len(series)
    for batch in batches(series, cadence, window, NOW):
        assert len(batch.queries) <= MOST_QUERIES
        assert len(batch.queries) * batch.span.points <= MOST_VALUES or len({each.ask for each in batch.series}) == 1
        assert batch.span.since >= window.since
        assert batch.span.until <= window.until
        for each in batch.series:
            covered[each.row] += batch.span.until - batch.span.since
    assert covered == [window.until - window.since] * len(series)


@pytest.mark.parametrize(
    ("window", "periods"),
    [(days(7), [300]), (days(62), [300]), (days(70, 40), [3600, 300]), (days(400, 380), [3600])],
)
def test_amounts_are_read_in_five_minutes_as_long_as_these_are_kept(window, periods):
    plan = batches(table(1, names=("net_in",)), Cadence.DAILY, window, NOW)
    assert [batch.span.period for batch in plan] == periods
    for batch in plan:
        kept = {300: 63, 3600: 455}[batch.span.period]
        assert batch.span.since > NOW - pd.Timedelta(days=kept)
        assert (batch.span.since - NOW.floor("D")) % pd.Timedelta(days=1) == pd.Timedelta(0)


def test_levels_are_left_to_cloudwatch_whatever_their_age():
    for cadence, period in ((Cadence.DAILY, 86_400), (Cadence.HOURLY, 3600)):
        (batch,) = batches(table(1, names=("cpu",)), cadence, days(400, 390), NOW)
        assert batch.span.period == period
        assert [query.statistic for query in batch.queries] == ["p95"]


def test_statistics_of_a_metric_cost_as_one():
    window = days(30)
    one = estimate(table(10, ("p95",)), Cadence.DAILY, window, NOW, CloudWatchSettings())
    three = estimate(table(10, ("p95", "mean", "max")), Cadence.DAILY, window, NOW, CloudWatchSettings())
    assert one.cost == three.cost == pytest.approx(20 * 0.01 / 1000)
    assert three.values > one.values


def test_an_estimate_says_price_limit_and_what_old_windows_lack():
    own = CloudWatchSettings(usd_per_thousand=0.02, most_usd=1)
    told = estimate(table(1), Cadence.DAILY, days(30), NOW, own)
    assert (told.cost, told.most, told.notes) == (pytest.approx(2 * 0.02 / 1000), 1, ())
    assert "0.02 USD" in told.priced
    assert "remote.cloudwatch.usd_per_thousand" in told.priced
    old = estimate(table(1, ("p95", "mean")), Cadence.HOURLY, days(100, 90), NOW, own)
    assert len(old.notes) == 1
    assert old.notes[0].startswith("net_in_mean, net_in_p95: only means of an hour")
    assert "quoted" in estimate(table(1), Cadence.DAILY, days(30), NOW, CloudWatchSettings()).priced


def test_a_thousand_servers_for_a_year_cost_about_half_a_dollar():
    series = table(1000, names=("cpu", "net_in", "net_out"))
    months = [days(first, first - 30) for first in range(390, 0, -30)]
    cost = sum(estimate(series, Cadence.DAILY, window, NOW, CloudWatchSettings()).cost for window in months)
    assert 0.35 < cost < 0.45  # 3,000 metrics x 13 windows, one of which is cut where five minutes end
