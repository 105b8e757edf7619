"""From answers of GetMetricData to values in our units."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from capforecast.schema import Cadence
from capforecast.sources import cloudwatch_data as data
from capforecast.sources.cloudwatch_batches import Batch, Query, Span, Wanted
from capforecast.sources.cloudwatch_calls import Counts, Place
from capforecast.sources.cloudwatch_errors import TooMuchError, TooSlowError
from capforecast.sources.cloudwatch_metrics import Ask, Metric, rds
from capforecast.sources.remote import unpaced

DAY = pd.Timestamp("2026-11-01T00:00Z")
HERE = Place("123456789012", "eu-west-1")
ONE, TWO = (Metric("AWS/EBS", "VolumeReadBytes", (("VolumeId", name),)) for name in ("vol-1", "vol-2"))


@settings(max_examples=30, deadline=None)
@given(arrays(np.float64, (4, 24), elements=st.one_of(st.floats(0, 1e12), st.just(np.nan))))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_statistics_leave_gaps_out_and_agree_with_numpy(values):
    for name, of in {"p95": 95, "p50": 50, "p99": 99}.items():
        np.testing.assert_allclose(data.statistic(values, name), np.nanpercentile(values, of, axis=1), rtol=1e-12)
    for name, function in {"mean": np.nanmean, "max": np.nanmax, "min": np.nanmin}.items():
        np.testing.assert_allclose(data.statistic(values, name), function(values, axis=1), rtol=1e-12)


def values_of(ask: Ask, statistic: str, span: Span, cadence: Cadence, **answers: list[float]) -> np.ndarray:
    wanted = Wanted(0, ask, statistic)
    got = data.Got(
        values={
            query: np.array(answers[dict(query.metric.dimensions)["VolumeId"].replace("-", "_")])
            for query in wanted.queries
        }
    )
    return data.series_values(wanted, got, span, cadence)


def test_amounts_of_several_disks_add_before_the_percentile_is_taken():
    ask = Ask((ONE, TWO), "amount", 1 / 1e6)
    span = Span(DAY, DAY + pd.Timedelta(hours=1), 300)
    first, second = [300e6] * 6 + [0.0] * 6, [0.0] * 6 + [300e6] * 6
    assert values_of(ask, "max", span, Cadence.HOURLY, vol_1=first, vol_2=second) == pytest.approx(
        1.0
    )  # 300 MB in 300 s
    gap = [np.nan] * 12
    assert values_of(ask, "max", span, Cadence.HOURLY, vol_1=first, vol_2=gap) == pytest.approx(1.0)
    assert np.isnan(values_of(ask, "max", span, Cadence.HOURLY, vol_1=gap, vol_2=gap)).all()


def test_the_sum_of_an_hour_is_a_mean_and_nothing_else():
    ask, span = Ask((ONE,), "amount", 1 / 1e6), Span(DAY, DAY + pd.Timedelta(hours=2), 3600)
    assert values_of(ask, "mean", span, Cadence.HOURLY, vol_1=[3600e6, np.nan])[0] == 1.0
    for name in ("p95", "max", "min"):
        assert np.isnan(values_of(ask, name, span, Cadence.HOURLY, vol_1=[3600e6, 1.0])).all()
    day = Span(DAY, DAY + pd.Timedelta(days=1), 3600)
    assert values_of(ask, "max", day, Cadence.DAILY, vol_1=[3600e6, *[0.0] * 23]).tolist() == [1.0]


def test_of_several_levels_the_highest_counts_and_nothing_is_never_zero():
    ask, span = Ask((ONE, TWO), "free", -1.0, 100.0), Span(DAY, DAY + pd.Timedelta(days=3), 86_400)
    found = values_of(ask, "p95", span, Cadence.DAILY, vol_1=[80, np.nan, np.nan], vol_2=[30, 40, np.nan])
    assert found[:2].tolist() == [70, 60]
    assert np.isnan(found[2])


def test_free_bytes_of_a_database_become_the_share_used():
    asks, lacks = rds("orders", "postgres", 8.0, 100.0)
    assert [lack.metric for lack in lacks] == ["disk_io"]
    for name, total in (("mem", 8), ("disk", 100)):
        ask = asks[name]
        assert ask.statistic("p95") == "p5"
        assert ask.statistic("max") == "Minimum"
        assert ask.offset + ask.scale * (total * 2**30 / 4) == pytest.approx(75)
    assert asks["net_in"].scale * 1e6 == 8  # bytes per second already
    asks, lacks = rds("reports", "aurora-mysql", None, 1.0)
    assert "mem" not in asks
    assert "disk" not in asks
    assert {lack.metric for lack in lacks} == {"mem", "disk", "disk_io"}


class Answers:
    """Stands for `Calls`: a page after the other, or an error for requests of more than `most` queries."""

    def __init__(self, *pages: dict, most: int = 500) -> None:
        self.pages, self.most, self.asked = list(pages), most, []

    def ask(self, place, service, operation, counts, pace, **given):
        self.asked.append(given)
        if len(given["MetricDataQueries"]) > self.most:
            raise TooMuchError("too much")
        if self.pages:
            return self.pages.pop(0)
        return {
            "MetricDataResults": [
                {"Id": each["Id"], "StatusCode": "Complete", "Timestamps": [], "Values": []}
                for each in given["MetricDataQueries"]
            ]
        }


def batch_of(*metrics: Metric) -> Batch:
    span = Span(DAY, DAY + pd.Timedelta(days=3), 86_400)
    return Batch(HERE, span, tuple(Wanted(row, Ask((metric,)), "p95") for row, metric in enumerate(metrics)))


def ask(calls, batch: Batch) -> data.Got:
    return data.ask(calls, batch, Counts(), unpaced)


def test_where_nothing_is_answered_in_time_not_each_metric_is_waited_for():
    class Hung(Answers):
        def ask(self, place, service, operation, counts, pace, **given):
            self.asked.append(given)
            raise TooSlowError("no answer within the time")

    calls = Hung()
    batch = batch_of(*(Metric("AWS/EBS", "VolumeReadBytes", (("VolumeId", str(n)),)) for n in range(500)))
    got = ask(calls, batch)
    assert len(got.failed) == 500
    assert isinstance(got.problem, TooSlowError)
    assert len(calls.asked) <= 10


def result(status: str, values: dict[int, float], **more) -> dict:
    times = [(DAY + pd.Timedelta(days=day)).timestamp() for day in values]
    return {"Id": "q0", "StatusCode": status, "Timestamps": times, "Values": list(values.values()), **more}


def test_pages_are_put_together_and_gaps_stay_gaps():
    calls = Answers(
        {"MetricDataResults": [result("PartialData", {0: 1.0})], "NextToken": "next"},
        {"MetricDataResults": [result("Complete", {2: 3.0})]},
    )
    got = ask(calls, batch_of(ONE))
    (values,) = got.values.values()
    assert values[[0, 2]].tolist() == [1.0, 3.0]
    assert np.isnan(values[1])
    assert got.failed == {}
    assert calls.asked[1]["NextToken"] == "next"


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [result("PartialData", {0: 1.0})],
        [result("InternalError", {})],
        [result("Forbidden", {}, Messages=[{"Code": "x", "Value": "not yours"}])],
        [result("Complete", {0.5: 1.0})],
        [result("Complete", {3: 1.0})],
        [result("Complete", {-1: 1.0})],
    ],
)
def test_what_was_not_answered_whole_and_in_its_place_failed(answer):
    got = ask(Answers({"MetricDataResults": answer}), batch_of(ONE))
    assert got.values == {}
    assert list(got.failed) == [Query(ONE, "p95")]
    assert got.problem is None


def test_times_as_text_and_values_that_are_no_numbers():
    values = {"Id": "q0", "Timestamps": ["2026-11-01T00:00:00Z", "2026-11-03T00:00:00Z"], "Values": [5.0, None]}
    (found,) = ask(Answers({"MetricDataResults": [values]}), batch_of(ONE)).values.values()
    assert found[0] == 5.0
    assert np.isnan(found[1:]).all()


def test_what_is_too_much_is_asked_in_halves_and_what_stays_too_much_is_named():
    metrics = [Metric("AWS/EC2", "CPUUtilization", (("InstanceId", f"i-{number}"),)) for number in range(8)]
    calls = Answers(most=3)
    got = ask(calls, batch_of(*metrics))
    assert len(got.values) == 8
    assert [len(each["MetricDataQueries"]) for each in calls.asked] == [8, 4, 2, 2, 4, 2, 2]
    got = ask(Answers(most=0), batch_of(*metrics))
    assert len(got.failed) == 8
    assert got.problem is None
