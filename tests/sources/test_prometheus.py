"""Prometheus at its edges: odd answers, refusals, limits, names that collide. A stand-in answers over HTTP."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fake_prometheus import Answer, FakePrometheus, error, instances, serving
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from capforecast.errors import ConfigError, SourceError, SourceRefusedError, UsageError
from capforecast.schema import Cadence
from capforecast.settings import Settings
from capforecast.sources import http_body
from capforecast.sources.prometheus import Prometheus, from_settings, in_the_open
from capforecast.sources.remote import Answer as Told
from capforecast.sources.remote import Window

DAY = pd.Timedelta(days=1)
WINDOW = Window(pd.Timestamp("2026-01-01", tz="UTC"), pd.Timestamp("2026-01-11", tz="UTC"))
CPU = {"mem": None, "disk": None, "net_in": None, "net_out": None, "disk_io": None}  # only cpu is asked for


@pytest.fixture
def fake() -> Iterator[FakePrometheus]:
    with serving(FakePrometheus()) as one:
        yield one


def source(fake: FakePrometheus, waits: list[float] | None = None, **own: Any) -> Prometheus:
    made = Settings.model_validate({"remote": {"prometheus": {
        "url": fake.url, "metrics": CPU, "per_second": 1e6, **own}}})  # fmt: skip
    return Prometheus(made.remote, sleep=lambda seconds: waits.append(seconds) if waits is not None else None)


def read(one: Prometheus, window: Window = WINDOW, cadence: Cadence = Cadence.DAILY) -> Told:
    found = one.discover(window)
    return one.read(found, cadence, window, sorted(found.series["server_id"].unique()))


def only_ranges(answer: Answer) -> Any:
    """An odd answer to all range queries of metrics."""
    return lambda path, given: answer if path.endswith("query_range") and "_over_time(0.95" in given["query"] else None


# --- values and their times


def test_a_period_is_labelled_by_its_begin(fake: FakePrometheus) -> None:
    fake.value = lambda query, instance, at: str(at / 86400)  # the day at whose begin it is evaluated
    rows = read(source(fake)).observations
    ours = rows[rows["server_id"] == "a"]
    assert ours["timestamp"].iloc[0] == WINDOW.since
    np.testing.assert_allclose(ours["cpu_p95"], (ours["timestamp"] + DAY).map(pd.Timestamp.timestamp) / 86400)
    assert len(ours) == 10
    assert str(rows["timestamp"].dtype) == "datetime64[us, UTC]"
    assert rows["cpu_p95"].dtype == np.float32


def test_nan_infinity_and_silence_are_gaps_never_zero(fake: FakePrometheus) -> None:
    texts = {1: "NaN", 2: "+Inf", 3: "-Inf", 4: None}

    def value(query: str, instance: str, at: float) -> str | None:
        day = int((at - WINDOW.since.timestamp()) / 86400) - 1
        return texts.get(day, "7") if instance.startswith("a") else None if instance.startswith("b") else "0"

    fake.value = value
    told = read(source(fake))
    a = told.observations[told.observations["server_id"] == "a"]
    assert (a["timestamp"] - WINDOW.since).dt.days.tolist() == [0, 5, 6, 7, 8, 9]
    assert (a["cpu_p95"] == 7).all()
    assert "b" not in set(told.observations["server_id"])  # it had nothing to say: a gap
    assert (told.observations.loc[told.observations["server_id"] == "c", "cpu_p95"] == 0).all()  # a true zero stays
    assert told.missed == ()
    assert any("infinite" in text for text in told.warnings)


def test_what_is_too_large_for_the_lake_is_a_gap(fake: FakePrometheus) -> None:
    fake.value = lambda query, instance, at: "1e300" if instance.startswith("a") else "-1e300"
    told = read(source(fake))
    assert told.observations.empty
    assert any("infinite" in text for text in told.warnings)


@pytest.mark.parametrize(
    "series", [{"metric": {"instance": "a:9100"}, "values": [[1, "forty"]]}, {"metric": None, "values": [[1, "2"]]},
               {"metric": {"instance": "a:9100"}, "values": [5]}, {"metric": {"instance": "a:9100"}, "values": None},
               "series"],
)  # fmt: skip
def test_answers_that_are_no_series_of_numbers_are_missed(fake: FakePrometheus, series: Any) -> None:
    fake.odd.append(only_ranges(fake.good({"resultType": "matrix", "result": [series]})))
    one = source(fake, retry_seconds=0)
    told = one.read(one.discover(WINDOW), Cadence.DAILY, WINDOW, ["a", "b", "c"])
    assert told.observations.empty
    assert told.missed[0].server_ids == ("a", "b", "c")
    assert fake.url in told.missed[0].reason


def test_an_answer_for_other_times_is_refused(fake: FakePrometheus) -> None:
    def moved(path: str, given: dict[str, str]) -> Answer | None:
        if not path.endswith("query_range") or "0.95" not in given["query"]:
            return None
        shifted = {**given, "start": str(float(given["start"]) - 3600), "end": str(float(given["end"]) - 3600)}
        return fake.good({"resultType": "matrix", "result": fake.matrix(shifted)})

    fake.odd.append(moved)
    told = read(source(fake))
    assert told.observations.empty
    assert "other times" in told.missed[0].reason


def test_windows_off_the_grid_are_a_mistake(fake: FakePrometheus) -> None:
    one = source(fake)
    found = one.discover(WINDOW)
    with pytest.raises(UsageError):
        one.read(found, Cadence.DAILY, Window(WINDOW.since + pd.Timedelta(hours=1), WINDOW.until), ["a"])


def test_only_what_is_asked_for_is_answered(fake: FakePrometheus) -> None:
    one = source(fake)
    told = one.read(one.discover(WINDOW), Cadence.DAILY, WINDOW, ["b"])
    assert set(told.observations["server_id"]) == {"b"}
    assert 'instance="b:9100"' in fake.queries()[-1]


# --- limits


def limited(fake: FakePrometheus, most: int) -> Any:
    """Refuses what would go through more than so many servers x periods."""

    def odd(path: str, given: dict[str, str]) -> Answer | None:
        if not path.endswith("query_range"):
            return None
        periods = (float(given["end"]) - float(given["start"])) / float(given["step"]) + 1
        if len(instances(given["query"], fake.instances)) * periods > most:
            return error(
                422, "execution", "query processing would load too many samples into memory in query execution"
            )
        return None

    return odd


@settings(max_examples=8, deadline=None)
@given(
    st.integers(1, 7), st.integers(1, 12), st.integers(1, 90), st.integers(1, 11_000), st.integers(1, 200_000)
)  # fmt: skip
def test_whatever_the_limits_the_values_are_the_same(
    servers: int, days: int, most: int, points: int, samples: int
) -> None:
    window = Window(WINDOW.since, WINDOW.since + days * DAY)
    fake = FakePrometheus([f"s{number}:1" for number in range(servers)])
    fake.value = lambda query, instance, at: str(at / 86400 + int(instance[1:-2]) * 1000)
    with serving(fake):
        fake.odd.append(limited(fake, most))
        told = read(source(fake, max_points=points, max_samples=samples), window)
    expected = (window.since + DAY).timestamp() / 86400 + np.add.outer(np.arange(servers) * 1000, np.arange(days))
    assert told.missed == ()
    np.testing.assert_allclose(told.observations["cpu_p95"].to_numpy().reshape(servers, days), expected)


@pytest.mark.parametrize(
    "refusal",
    [
        error(422, "execution", "query processing would load too many samples into memory in query execution"),
        error(400, "bad_data", "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing ..."),
        error(503, "timeout", "query timed out in expression evaluation"),
        error(422, "execution", "the query hit the max number of series limit (err-mimir-max-series-per-query)"),
        error(422, "422", "cannot select more than -search.maxSamplesPerQuery=1000000000 samples"),
        error(413, "", "entity too large"),
    ],
)
def test_too_heavy_in_whatever_words_is_halved_at_once(fake: FakePrometheus, refusal: Answer) -> None:
    fake.odd.append(
        lambda path, given: (
            refusal
            if path.endswith("range")
            and "0.95" in given["query"]
            and len(instances(given["query"], fake.instances)) > 1
            else None
        )
    )
    waits: list[float] = []
    told = read(source(fake, waits))
    assert set(told.observations["server_id"]) == {"a", "b", "c"}
    assert told.missed == ()
    assert not [wait for wait in waits if wait > 0.1]


def test_what_is_too_heavy_as_a_subquery_is_aggregated_here(fake: FakePrometheus) -> None:
    fake.instances = ["a:9100"]
    fake.odd.append(only_ranges(error(422, "execution", "would load too many samples into memory")))
    fake.value = lambda query, instance, at: str(at % 86400 // 300)  # 0 ... 287 within a day
    told = read(source(fake), Window(WINDOW.since, WINDOW.since + 2 * DAY))
    np.testing.assert_allclose(told.observations["cpu_p95"], [np.quantile(np.arange(288), 0.95)] * 2)


def test_a_server_that_cannot_be_computed_leaves_the_others(fake: FakePrometheus) -> None:
    fake.instances = [f"s{number}:1" for number in range(9)]

    def odd(path: str, given: dict[str, str]) -> Answer | None:
        bad = "s4:1" in instances(given.get("query", ""), fake.instances) and "0.95" in given.get("query", "")
        return error(422, "execution", "found duplicate series for the match group") if bad else None

    fake.odd.append(odd)
    told = read(source(fake))
    assert len(set(told.observations["server_id"])) == 8
    assert [(one.server_ids, one.column, one.window) for one in told.missed] == [(("s4",), "cpu_p95", WINDOW)]
    assert "duplicate series" in told.missed[0].reason


def test_a_column_that_never_passes_is_given_up_soon(fake: FakePrometheus) -> None:
    fake.instances = [f"s{number}:1" for number in range(400)]
    fake.odd.append(only_ranges(error(422, "execution", "vector cannot contain metrics with the same labelset")))
    told = read(source(fake))
    assert told.requests < 60
    assert len(told.missed[0].server_ids) == 400 or sum(len(one.server_ids) for one in told.missed) == 400


def test_promql_that_is_none_is_said_and_the_rest_goes_on(fake: FakePrometheus) -> None:
    fake.odd.append(
        lambda path, given: (
            error(400, "bad_data", 'invalid parameter "query": 1:5: parse error')
            if "my_mem" in given.get("query", "")
            else None
        )
    )
    one = source(fake, metrics={**CPU, "mem": "my_mem{"})
    found = one.discover(WINDOW)
    assert found.series["column"].unique().tolist() == ["cpu_p95"]
    row = found.missing[found.missing["column"] == "mem_p95"].iloc[0]
    assert "parse error" in row["reason"]
    assert "remote.prometheus.metrics.mem" in row["remedy"]


# --- partial answers


@pytest.mark.parametrize("more", [{"warnings": ["No StoreAPIs matched: store-2 is away"]}, {"isPartial": True}])
def test_partial_answers_are_refused_or_accepted_with_a_word(fake: FakePrometheus, more: dict[str, Any]) -> None:
    def odd(path: str, given: dict[str, str]) -> Answer | None:
        if path.endswith("query_range") and "0.95" in given["query"]:
            return fake.good({"resultType": "matrix", "result": fake.matrix(given)}, **more)
        return None

    fake.odd.append(odd)
    strict = read(source(fake))
    assert strict.observations.empty
    assert "partial" in strict.missed[0].reason
    assert fake.asked[-1][1]["partial_response"] == "false"
    assert fake.asked[-1][1]["deny_partial_response"] == "1"
    lax = read(source(fake, partial="accept"))
    assert lax.missed == ()
    assert len(lax.observations) == 30
    assert any("away" in text for text in lax.warnings)
    assert fake.asked[-1][1]["partial_response"] == "true"


def test_remarks_on_promql_are_shown_and_refuse_nothing(fake: FakePrometheus) -> None:
    fake.odd.append(
        lambda path, given: fake.good({"resultType": "matrix", "result": fake.matrix(given)},
                                      infos=["PromQL info: metric might not be a counter"])
        if path.endswith("query_range") else None
    )  # fmt: skip
    told = read(source(fake))
    assert told.missed == ()
    assert told.warnings == ("PromQL info: metric might not be a counter",)


# --- who asks, how hard


def test_retry_after_is_heeded(fake: FakePrometheus) -> None:
    left = [2]

    def odd(path: str, given: dict[str, str]) -> Answer | None:
        if not path.endswith("query_range") or "0.95" not in given["query"] or not left[0]:
            return None
        left[0] -= 1
        return error(429, "", "too many outstanding requests", Retry_After="7")

    fake.odd.append(odd)
    waits: list[float] = []
    told = read(source(fake, waits))
    assert len(told.observations) == 30
    assert told.retries == 2
    assert [wait for wait in waits if wait > 1] == [7.0, 7.0]


def test_waits_grow_and_end_with_their_budget(fake: FakePrometheus) -> None:
    one = source(fake)
    found = one.discover(WINDOW)
    waits: list[float] = []
    stubborn = source(fake, waits, retry_seconds=10.0)
    fake.odd.append(only_ranges((502, b"<html>Bad gateway</html>", {})))
    with pytest.raises(SourceError, match="answered 502"):
        stubborn.read(found, Cadence.DAILY, WINDOW, ["a", "b", "c"])
    grown = [wait for wait in waits if wait > 0.1]
    assert sum(grown) <= 10
    assert 3 <= len(grown) <= 7
    assert max(grown) > 1.9


def test_each_request_asks_for_its_pace(fake: FakePrometheus) -> None:
    one = source(fake, max_points=2)
    found = one.discover(WINDOW)
    costs: list[int] = []
    told = one.read(found, Cadence.DAILY, WINDOW, ["a", "b", "c"], costs.append)
    assert costs == [1] * told.requests == [1] * 5
    assert one.estimate(found, Cadence.DAILY, WINDOW).requests == 5


def test_no_more_than_so_many_per_second(fake: FakePrometheus) -> None:
    waits: list[float] = []
    one = source(fake, waits, max_points=1, per_second=0.5)
    read(one)
    assert len(waits) >= 9
    assert max(waits) > 10  # the tenth request would begin 20 s after the first


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_final_and_tells_no_secret(fake: FakePrometheus, tmp_path: Path, status: int) -> None:
    token = tmp_path / "token"
    token.write_text("s3cr3t-t0ken\n")
    fake.odd.append(lambda path, given: (status, b"token s3cr3t-t0ken is not known", {}))
    one = source(fake, token_file=str(token))
    with pytest.raises(SourceRefusedError, match=str(status)) as raised:
        one.discover(WINDOW)
    assert "s3cr3t" not in str(raised.value)
    assert "***" in str(raised.value)
    assert len(fake.asked) <= 2


def test_what_was_sent_of_a_password_is_not_repeated(fake: FakePrometheus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_PASSWORD", "open:sesame")
    fake.odd.append(lambda path, given: (401, fake.headers[-1]["Authorization"].encode(), {}))
    with pytest.raises(SourceRefusedError, match=r"Basic \*\*\*"):
        source(fake, username="ali", password_variable="PROMETHEUS_PASSWORD").discover(WINDOW)


def test_who_asks(fake: FakePrometheus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tmp_path / "token"
    token.write_text("one")
    bearer = source(fake, token_file=str(token), tenant="team-a")
    bearer.discover(WINDOW)
    assert fake.headers[-1]["Authorization"] == "Bearer one"
    assert fake.headers[-1]["X-Scope-OrgID"] == "team-a"
    assert bearer.identity == f"{fake.url} X-Scope-OrgID=team-a"
    token.write_text("two")  # rotated while we run
    bearer.discover(WINDOW)
    assert fake.headers[-1]["Authorization"] == "Bearer two"
    monkeypatch.setenv("PROMETHEUS_PASSWORD", "open:sesame")
    source(fake, username="ali", password_variable="PROMETHEUS_PASSWORD").discover(WINDOW)
    assert fake.headers[-1]["Authorization"] == "Basic YWxpOm9wZW46c2VzYW1l"
    monkeypatch.delenv("PROMETHEUS_PASSWORD")
    with pytest.raises(ConfigError, match="PROMETHEUS_PASSWORD"):
        source(fake, username="ali", password_variable="PROMETHEUS_PASSWORD").discover(WINDOW)


def test_redirects_are_not_followed(fake: FakePrometheus, tmp_path: Path) -> None:
    fake.odd.append(lambda path, given: (302, b"", {"Location": "https://login.example/sso?return=secret"}))
    with pytest.raises(SourceRefusedError, match=r"redirects to https://login\.example/sso, which is not followed"):
        source(fake).discover(WINDOW)


@pytest.mark.parametrize("answer", [(200, b"<html>Log in</html>", {}), (404, b"not found", {}), (200, {"a": 1}, {})])
def test_what_is_no_prometheus(fake: FakePrometheus, answer: Answer) -> None:
    fake.odd.append(lambda path, given: answer)
    with pytest.raises(SourceError, match=r"remote\.prometheus\.url|no Prometheus"):
        source(fake).discover(WINDOW)


def test_a_page_whose_style_speaks_of_limits_is_no_question_too_heavy(fake: FakePrometheus) -> None:
    fake.odd.append(lambda path, given: (200, b"<html><style>p{max-width:9em}</style>Log in: timeout</html>", {}))
    with pytest.raises(SourceError, match="no Prometheus API"):
        source(fake).discover(WINDOW)
    assert len(fake.asked) < 10


def test_a_server_that_says_nothing_is_not_asked_for_hours(fake: FakePrometheus) -> None:
    fake.odd.append(lambda path, given: time.sleep(0.6))
    with pytest.raises(SourceError, match=r"no answer within 0\.1 s.*not even `vector\(1\)`"):
        source(fake, timeout_seconds=0.1, metrics={}).discover(WINDOW)
    assert len(fake.asked) < 25  # in halves of halves: more than a hundred


def test_what_is_only_slow_is_halved(fake: FakePrometheus) -> None:
    def odd(path: str, given: dict[str, str]) -> None:
        heavy = "0.95" in given.get("query", "") and len(instances(given["query"], fake.instances)) > 1
        time.sleep(0.7 if heavy else 0)

    fake.odd.append(odd)
    assert set(read(source(fake, timeout_seconds=0.3)).observations["server_id"]) == {"a", "b", "c"}


def test_an_answer_that_drips_ends_with_the_time(fake: FakePrometheus, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10**9, 300))
    monkeypatch.setattr(http_body, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    with pytest.raises(SourceError, match="no answer within 120 s"):
        source(fake).discover(WINDOW)


def test_an_answer_without_end_is_asked_for_in_parts(fake: FakePrometheus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_body, "MOST_BYTES", 400)  # one series of ten days is shorter, three are not
    told = read(source(fake))
    assert set(told.observations["server_id"]) == {"a", "b", "c"}
    assert len(fake.queries()) > 1


def test_nobody_there() -> None:
    one = Prometheus(Settings.model_validate({"remote": {"prometheus": {
        "url": "http://127.0.0.1:9", "retry_seconds": 0}}}).remote)  # fmt: skip
    with pytest.raises(SourceError, match="connection failed"):
        one.discover(WINDOW)
    with pytest.raises(ConfigError, match="--url"):
        from_settings(Settings())


# --- settings


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"url": "https://ali:sesame@prometheus.example"}, "must not hold user and password"),
        ({"url": "https://prometheus.example/?token=sesame"}, "must end before"),
        ({"url": "prometheus.example:9090"}, "must be an address"),
        ({"url": "http://prometheus.example", "cert_file": "x.pem"}, "https"),
        ({"token_file": "x", "token_variable": "Y"}, "unset one"),
        ({"token_file": "x", "username": "ali", "password_file": "y"}, "not both"),
        ({"username": "ali"}, "basic authentication"),
        ({"token_variable": "ey/sesame"}, "name of an environment variable"),
        ({"tenant_header": "Authorization"}, "no secret"),
        ({"resolution_minutes": 7}, "divide an hour"),
        ({"select": {'a"}': "x"}}, "not the name of a label"),
        ({"server_id": "{cluster}/{host"}, "must hold labels in braces"),
        ({"server_id": "host"}, "must hold labels in braces"),
        ({"info": 'up{a="b"}'}, "not the name of a metric"),
        ({"metrics": {"CPU": "x"}}, "small letters"),
    ],
)
def test_settings_that_will_not_do(own: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said) as raised:
        Settings.model_validate({"remote": {"prometheus": own}})
    assert "sesame" not in "".join(str(one["msg"]) for one in raised.value.errors(include_input=False))


def test_the_address_may_end_with_the_path_of_the_api() -> None:
    own = Settings.model_validate({"remote": {"prometheus": {"url": "https://a.example/prometheus/api/v1/"}}})
    assert own.remote.prometheus.url == "https://a.example/prometheus"


# --- servers


def test_labels_become_inventory(fake: FakePrometheus) -> None:
    fake.labels = {"a:9100": {"bu": "shop", "region": "eu", "rack": "r7", "cost": "0.5"}, "b:9100": {"cost": "dear"}}
    own = {"bu": "business_unit", "rack": "rack", "cost": "hourly_cost"}
    found = source(fake, labels=own).discover(WINDOW)
    last = found.inventory.groupby("server_id").last()
    assert last.loc["a", ["business_unit", "region", "label_rack", "hourly_cost"]].tolist() == ["shop", "eu", "r7", 0.5]
    assert last.loc["b", "business_unit"] is None or pd.isna(last.loc["b", "business_unit"])
    assert any("'dear' is no number" in text for text in found.warnings)


def test_labels_that_cannot_be_sizes_or_prices_are_left_out(fake: FakePrometheus) -> None:
    fake.labels = {"a:9100": {"hourly_cost": "inf", "disk_gib": "-4", "network_mbps": "nan"}}
    found = source(fake).discover(WINDOW)
    row = found.inventory[found.inventory["server_id"] == "a"]
    assert not {"hourly_cost", "disk_gib", "network_mbps"} & set(row.dropna(axis=1, how="all"))
    assert sum("is no number" in text for text in found.warnings) == 3


def test_a_label_that_people_map_wins_over_one_of_equal_name(fake: FakePrometheus) -> None:
    fake.labels = {"a:9100": {"business_unit": "old", "bu": "shop", "zone": "eu"}}
    rows = source(fake, labels={"bu": "business_unit", "zone": "region"}).discover(WINDOW).inventory
    assert rows.loc[rows["server_id"] == "a", "business_unit"].dropna().tolist() == ["shop"]


def test_whose_a_server_is_says_the_job_that_scrapes_its_metrics(fake: FakePrometheus) -> None:
    def odd(path: str, given: dict[str, str]) -> Answer | None:
        if given.get("query", given.get("match[]", "")) != "up{}":
            return None
        jobs = {"app": "aaa", "node": "shop", "sql": "zzz"}
        sets = [{"__name__": "up", "instance": "a:9100", "job": job, "bu": unit} for job, unit in jobs.items()]
        if path.endswith("series"):
            return fake.good(sets)
        return fake.good({"resultType": "vector", "result": [{"metric": one, "value": [0, "1"]} for one in sets]})

    fake.odd.append(odd)
    rows = source(fake, labels={"bu": "business_unit"}).discover(WINDOW).inventory
    assert rows.loc[rows["server_id"] == "a", "business_unit"].dropna().tolist() == ["shop"]


def test_a_resize_has_its_day(fake: FakePrometheus) -> None:
    fake.instances = ["a:9100"]
    day = WINDOW.since + 4 * DAY

    def value(query: str, instance: str, at: float) -> str:
        grown = at > (day + pd.Timedelta(hours=1)).timestamp()
        return ("8" if grown else "4") if "count by" in query else ("31.1" if grown else "15.3")

    fake.value = value
    sizes = source(fake).discover(WINDOW).inventory.dropna(subset=["vcpus"])
    assert sizes["valid_from"].tolist() == [WINDOW.since, day]
    assert sizes["vcpus"].tolist() == [4, 8]
    assert sizes["memory_gib"].tolist() == [16, 32]


def test_two_instances_of_one_name_are_said_not_summed(fake: FakePrometheus) -> None:
    fake.instances = ["a:9100", "a:9200", "b:9100"]
    fake.value = lambda query, instance, at: {"a:9100": "30", "a:9200": "50", "b:9100": "1"}[instance]
    one = source(fake)
    found = one.discover(WINDOW)
    assert any("a for a:9100 and a:9200" in text for text in found.warnings)
    assert not found.series.duplicated(["server_id", "column"]).any()
    rows = read(one).observations
    assert (rows.loc[rows["server_id"] == "a", "cpu_p95"] == 50).all()
    apart = source(fake, server_id="{instance}").discover(WINDOW)
    assert sorted(apart.series["server_id"]) == ["a:9100", "a:9200", "b:9100"]


def test_targets_that_look_like_several_servers_are_said(fake: FakePrometheus) -> None:
    def two_clusters(path: str, given: dict[str, str]) -> Answer | None:
        if path.endswith("/query") and given["query"].startswith("up"):
            made = [{"instance": "a:9100", "job": "node", "cluster": name, "replica": name} for name in ("x", "y")]
            return fake.good({"resultType": "vector", "result": [{"metric": m, "value": [0, "1"]} for m in made]})
        return None

    fake.odd.append(two_clusters)
    warnings = source(fake).discover(WINDOW).warnings
    assert [text for text in warnings if "differ in the label" in text] == [
        "1 server(s), such as a:9100, are scraped as several targets that differ in the label cluster: should these be "
        "servers of their own, add it to remote.prometheus.by"
    ]


@pytest.mark.parametrize(
    ("hourly", "said"), [("240", []), ("60", []), ("30", ["8 or more"]), ("6", ["40 or more", "lookback"])]
)
def test_scrapes_too_rare_for_rates_are_said(fake: FakePrometheus, hourly: str, said: list[str]) -> None:
    fake.odd.append(
        lambda path, given: (
            fake.good({"resultType": "vector", "result": [{"metric": {}, "value": [0, hourly]}]})
            if "count_over_time(up" in given.get("query", "")
            else None
        )
    )
    warnings = [text for text in source(fake).discover(WINDOW).warnings if "scraped every" in text]
    assert len(warnings) == len(said)
    assert all(word in text for word, text in zip(said, warnings, strict=True))


def test_what_is_missing_and_how_to_get_it(fake: FakePrometheus) -> None:
    def odd(path: str, given: dict[str, str]) -> Answer | None:
        if path.endswith("/series") and "filesystem" in given["match[]"]:
            return fake.good([fake.about("a:9100")])
        return fake.good([]) if path.endswith("/series") and "MemAvailable" in given["match[]"] else None

    fake.odd.append(odd)
    one = source(fake, metrics=dict.fromkeys(("net_in", "net_out", "disk_io")))
    missing = one.discover(WINDOW).missing
    assert missing[["server_id", "column"]].to_numpy().tolist() == [
        ["", "mem_p95"], ["b", "disk_p95"], ["c", "disk_p95"]]  # fmt: skip
    assert "filesystem" in missing.iloc[1]["remedy"]


def test_where_nothing_is_a_server_the_jobs_are_told(fake: FakePrometheus) -> None:
    fake.odd.append(
        lambda path, given: fake.good([]) if path.endswith("/series") and given["match[]"] != "up" else None
    )
    found = source(fake, select={"job": "nod"}).discover(WINDOW)
    assert found.series.empty
    assert any("node (3 targets); none of it is a server by" in text for text in found.warnings)
    assert any("and select (job)" in text for text in found.warnings)
    fake.odd.append(lambda path, given: fake.good([]) if path.endswith("/series") else None)
    assert any("nothing was scraped between 2026-01-01" in text for text in source(fake).discover(WINDOW).warnings)


def test_servers_that_cannot_be_named_are_not_told_to_run_an_exporter(fake: FakePrometheus) -> None:
    found = source(fake, server_id="{cluster}/{host}").discover(WINDOW)
    assert any("have not all labels that name a server" in text for text in found.warnings)
    assert found.missing.empty


def test_a_selector_that_is_none_is_refused(fake: FakePrometheus) -> None:
    fake.odd.append(lambda path, given: error(400, "bad_data", "missing closing )") if "nod(" in str(given) else None)
    with pytest.raises(SourceRefusedError, match=r"remote\.prometheus\.select makes of it: .*missing closing"):
        source(fake, select={"job": "nod("}).discover(WINDOW)


def test_typing_errors_in_labels_are_said(fake: FakePrometheus) -> None:
    fake.labels = {name: {"bu": "shop"} for name in fake.instances}
    warnings = source(fake, labels={"bu": "busines_unit", "team": "owner"}).discover(WINDOW).warnings
    assert any("is business_unit meant?" in text for text in warnings)
    assert any("no target has the label team, so owner stays empty; there are bu, instance, job" in text
               for text in warnings)  # fmt: skip
    assert not any("labels:" in text for text in source(fake, labels={"bu": "business_unit"}).discover(WINDOW).warnings)


def test_own_promql_by_own_labels(fake: FakePrometheus) -> None:
    def odd(path: str, given: dict[str, str]) -> Answer | None:
        if not path.endswith("query_range"):
            return None
        times = [float(given["start"]), float(given["end"])]
        labels = [{"site": "x", "box": "1"}, {"site": "x", "box": "2"}, {"site": "x", "box": "2"}, {"other": "z"}]
        values = ("1", "2", "3", "9")
        return fake.good({"resultType": "matrix", "result": [
            {"metric": one, "values": [[at, text] for at in times]} for one, text in zip(labels, values, strict=True)
        ]})  # fmt: skip

    fake.odd.append(odd)
    one = source(
        fake, metrics={**CPU, "cpu": None, "load": "load_percent"}, by=["site", "box"], server_id="{site}-{box}"
    )
    told = read(one, Window(WINDOW.since, WINDOW.since + 2 * DAY))
    assert told.observations[["server_id", "load_p95"]].to_numpy().tolist() == [
        ["x-1", 1.0], ["x-1", 1.0], ["x-2", 3.0], ["x-2", 3.0]]  # fmt: skip
    assert any("several series of one server" in text for text in told.warnings)
    assert any("without the label site" in text for text in told.warnings)
    assert not any(re.search(r"site=", query) for query in fake.queries())  # it cannot be narrowed, and is not


@pytest.mark.parametrize(
    ("url", "own", "told"),
    [
        ("http://prometheus:9090", {"token_file": "/run/held"}, True),
        ("http://prometheus:9090", {"username": "ann", "password_file": "/run/held"}, True),
        ("https://prometheus:9090", {"token_file": "/run/held"}, False),
        ("http://127.0.0.1:9090", {"token_file": "/run/held"}, False),
        ("http://prometheus:9090", {}, False),
    ],
)
def test_credentials_that_are_sent_unencrypted_are_warned_of(url: str, own: dict[str, str], told: bool) -> None:
    said = in_the_open(Settings.model_validate({"remote": {"prometheus": {"url": url, **own}}}).remote.prometheus)
    assert any("unencrypted" in text for text in said) is told
