from __future__ import annotations

import signal
import threading
from pathlib import Path

import hand_lake
import hypothesis.strategies as st
import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples

from capforecast.errors import LakeError, UsageError
from capforecast.lake.datasets import unit_key, write_table
from capforecast.lake.duckdb_engine import DuckDbEngine
from capforecast.lake.query import Answer, open_engine
from capforecast.lake.sql_files import load, names, read
from capforecast.lake.store import Store
from capforecast.schema import Cadence
from capforecast.settings import Settings

LATEST = "2026-03-02"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> DuckDbEngine:
    return DuckDbEngine(hand_lake.make(str(tmp_path_factory.mktemp("asked") / "lake")))


def asked(engine: DuckDbEngine, name: str, **given_: str) -> pd.DataFrame:
    return engine.run(load(name), given_).frame


def own(engine: DuckDbEngine, folder: Path, text: str, **given_: str) -> Answer:
    file = folder / "own.sql"
    file.write_text(text)
    return engine.run(read(file), given_)


def test_servers_over_a_level(engine: DuckDbEngine) -> None:
    found = asked(engine, "servers_over_p95", over="80").iloc[0]
    assert found["server_id"] == "retail-b"
    assert (found["periods"], found["periods_over"], found["highest"]) == (28, 3, 95.0)
    assert found["last_over"] == pd.Timestamp("2026-03-01")
    assert len(asked(engine, "servers_over_p95", over="80")) == 1
    assert list(asked(engine, "servers_over_p95", over="30")["server_id"]) == ["retail-b", "retail-a"]
    assert asked(engine, "servers_over_p95", over="84", days="1").empty  # the last value is 81
    assert list(asked(engine, "servers_over_p95", over="90", days="2")["server_id"]) == ["retail-b"]


def test_gaps_are_told_one_by_one_with_their_ends(engine: DuckDbEngine) -> None:
    found = asked(engine, "data_gaps")
    assert list(found["server_id"]) == ["shop-c", "retail-a"]
    assert list(found["periods"]) == [4, 2]
    assert list(found["open"]) == [True, False]
    assert found["business_unit"][0] == hand_lake.SHOP
    start = pd.Timestamp("2026-02-02") + pd.Timedelta(days=10)
    assert (found["gap_start"][1], found["gap_end"][1]) == (start, start + pd.Timedelta(days=1))
    assert list(asked(engine, "data_gaps", least="3")["server_id"]) == ["shop-c"]
    assert list(asked(engine, "data_gaps", days="10")["server_id"]) == ["shop-c"]


def test_first_breaches_are_dated_from_the_cut_off(engine: DuckDbEngine) -> None:
    found = asked(engine, "first_breach_by_month")
    assert found.to_dict("records") == [
        {"month": month, "business_unit": "retail", "servers": 1, "in_breach_now": now, "earliest": pd.Timestamp(day)}
        for month, now, day in (("2026-03", 1, "2026-03-02"), ("2026-04", 0, "2026-04-10"))
    ]  # fmt: skip


def test_forecasts_are_averaged_over_the_days_asked_for(engine: DuckDbEngine) -> None:
    found = asked(engine, "forecast_by_business_unit", days="7")
    assert list(found["business_unit"]) == [hand_lake.SHOP, "retail"]
    assert list(found["servers"]) == [1, 2]
    assert set(found["average"]) == {62.0}
    assert (found["peak_day"] <= pd.Timestamp("2026-03-08")).all()


def test_an_earlier_forecast_is_held_against_what_came(engine: DuckDbEngine) -> None:
    found = asked(engine, "forecast_against_actual").set_index("business_unit")
    retail = found.loc["retail"]
    assert (retail["servers"], retail["points"]) == (2, 14)
    actual = [50.0] * 7 + [70.0] * 4 + [85.0, 95.0, 81.0]
    assert retail["actual"] == pytest.approx(sum(actual) / 14)
    assert retail["mae"] == pytest.approx(sum(abs(60 - each) for each in actual) / 14)
    assert retail["bias"] == pytest.approx(60 - sum(actual) / 14)
    assert retail["coverage_80"] == pytest.approx(11 / 14)
    assert found.loc[hand_lake.SHOP, "points"] == 3  # four of seven were not observed


def test_savings_are_by_business_unit(engine: DuckDbEngine) -> None:
    found = asked(engine, "savings_by_business_unit")
    assert list(zip(found["business_unit"], found["kind"], found["monthly_change"], strict=True)) == [
        ("retail", "all", -20.0), (hand_lake.SHOP, "all", -10.0), ("retail", "downsize", -20.0),
    ]  # fmt: skip


def test_one_business_unit_is_asked_for_by_its_name(engine: DuckDbEngine) -> None:
    assert set(asked(engine, "data_gaps", business_unit=hand_lake.SHOP)["server_id"]) == {"shop-c"}
    with pytest.raises(UsageError, match=r"no business unit 'Retail'; did you mean 'retail'"):
        asked(engine, "data_gaps", business_unit="Retail")


def test_a_later_run_of_some_units_says_whom_it_lacks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = hand_lake.make(str(tmp_path / "lake"))
    now = store.read(unit_key("servers", Cadence.DAILY, hand_lake.AS_OF, hand_lake.SHOP))
    store.put(unit_key("servers", Cadence.DAILY, hand_lake.AS_OF + pd.Timedelta(days=1), hand_lake.SHOP), now, rows=1)
    asked(DuckDbEngine(store), "servers_at_risk")
    assert "the run of 2026-03-03 lacks business units that the one of 2026-03-02 has: retail" in caplog.text


def test_a_misspelt_place_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no lake in"):
        open_engine("duckdb", Settings.model_validate({"store": str(tmp_path / "typo")}))
    assert not (tmp_path / "typo").exists()


def test_what_no_cell_can_show_whole_is_refused(engine: DuckDbEngine, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'all_of_them' of the query holds lists"):
        own(engine, tmp_path, "-- Lists.\nSELECT array_agg(server_id) AS all_of_them FROM servers")


def test_a_single_precision_figure_is_shown_as_it_is_written(engine: DuckDbEngine, tmp_path: Path) -> None:
    found = own(engine, tmp_path, "-- One.\nSELECT CAST(99.3 AS real) AS figure FROM servers LIMIT 1")
    assert list(found.frame["figure"]) == [99.3]


@pytest.mark.parametrize("name", sorted(set(names()) - {"warning_record", "pools_running_out"}))
def test_an_answer_has_the_columns_and_types_that_the_file_promises(engine: DuckDbEngine, name: str) -> None:
    answer = engine.run(load(name))
    assert answer.types == {each.name: each.type for each in load(name).returns}
    kinds = {"text": "str", "integer": "Int64", "number": "float64", "yes/no": "boolean", "time": "datetime64[us]"}
    assert {each: str(answer.frame[each].dtype) for each in answer.types} == {
        k: kinds[v] for k, v in answer.types.items()
    }


def test_no_run_and_no_such_run_are_told_with_those_there_are(engine: DuckDbEngine) -> None:
    with pytest.raises(UsageError, match=r"no daily run of 2025-01-01 .*; there are 2026-02-23, 2026-03-02"):
        asked(engine, "forecast_by_business_unit", as_of="2025-01-01")
    with pytest.raises(UsageError, match=r"no earlier daily run with all .*; there are 2026-03-02"):
        asked(engine, "data_gaps", as_of="previous")
    with pytest.raises(UsageError, match=r"holds no hourly run with all that the query reads$"):
        asked(engine, "data_gaps", cadence="hourly")


def test_hours_count_as_cut_offs_at_home(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "lake"))
    for hour in (3, 14):
        frame = pd.DataFrame({"server_id": ["a"], "tier": ["critical"], "metric": ["cpu"], "last_value": [float(hour)]})
        at = pd.Timestamp(f"2026-03-02T{hour:02}", tz="UTC")
        write_table(store, unit_key("servers", Cadence.HOURLY, at, "retail"), frame)
    found = asked(DuckDbEngine(store), "servers_at_risk", cadence="hourly")
    assert list(found["last_value"]) == [14.0]


def test_partitions_of_the_fleet_and_of_runs_of_some_units_do_not_count_twice(
    engine: DuckDbEngine, tmp_path: Path
) -> None:
    store = Store(str(tmp_path / "lake"))
    frame = pd.DataFrame({"business_unit": ["a"], "region": ["eu"], "resource": ["vcpu"], "p_90d": [0.5]})
    for unit in ("a", "_fleet"):
        write_table(store, unit_key("pools", Cadence.DAILY, hand_lake.AS_OF, unit), frame)
    store.put(
        unit_key("pools", Cadence.DAILY, hand_lake.AS_OF, "a").replace("=a/", "=a+b/"),
        store.read(unit_key("pools", Cadence.DAILY, hand_lake.AS_OF, "a")),
    )
    assert len(asked(DuckDbEngine(store), "pools_running_out")) == 1


def test_the_latest_run_is_one_that_the_table_has_rows_of(tmp_path: Path) -> None:
    store = hand_lake.make(str(tmp_path / "lake"))
    key = unit_key("savings", Cadence.DAILY, hand_lake.AS_OF)
    later = key.replace(LATEST, "2026-03-09").replace("=_fleet/", "=retail+web/")  # a run of some units only
    store.put(later, store.read(key))
    assert len(asked(DuckDbEngine(store), "savings_by_business_unit")) == 3


def test_a_partition_of_before_a_column_was_there_has_null(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "lake"))
    write_table(
        store, unit_key("servers", Cadence.DAILY, hand_lake.AS_OF, "a"),
        pd.DataFrame({"server_id": ["a"], "tier": ["high"]}),
    )  # fmt: skip
    found = asked(DuckDbEngine(store), "servers_at_risk")
    assert found["probability_high"].isna().all()
    assert list(found["business_unit"]) == ["a"]


def test_a_query_of_ones_own_reads_any_table(engine: DuckDbEngine, tmp_path: Path) -> None:
    text = "-- All.\n-- param least number = 60: least\nSELECT count(*) AS rows FROM processed WHERE cpu_p95 > :least"
    assert own(engine, tmp_path, text).frame["rows"].item() == 28 + 21
    assert own(engine, tmp_path, text, least="84").frame["rows"].item() == 2


def test_a_cut_off_as_a_bound_reads_all_runs_before_it(engine: DuckDbEngine, tmp_path: Path) -> None:
    text = "-- All.\n-- param as_of as_of = latest: to\nSELECT DISTINCT as_of FROM forecasts WHERE as_of <= :as_of"
    assert sorted(own(engine, tmp_path, text).frame["as_of"]) == ["2026-02-23", LATEST]


@pytest.mark.parametrize(
    ("sql", "rows", "columns"),
    [
        ("SELECT * FROM savings", 4, 15), ("SELECT s.* FROM savings AS s", 4, 15),
        ("SELECT Server_ID FROM processed", 147, 1),
        ("SELECT count(*) AS n FROM raw_inventory", 1, 1), ("SELECT cadence FROM realised", 0, 1),
    ],
)  # fmt: skip
def test_a_query_finds_the_columns_it_names(
    engine: DuckDbEngine, tmp_path: Path, sql: str, rows: int, columns: int
) -> None:
    assert own(engine, tmp_path, f"-- Some.\n{sql}").frame.shape == (rows, columns)


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("7 / 2", 3), ("7 / 2.0", 3.5), ("-7 / 2", -3), ("count(*) / 2", 1),
        ("TIMESTAMP '2026-03-02 10:00:00 UTC'", pd.Timestamp("2026-03-02 10:00")),
    ],
)  # fmt: skip
def test_a_value_is_what_athena_gives(engine: DuckDbEngine, tmp_path: Path, sql: str, value: object) -> None:
    assert own(engine, tmp_path, f"-- One.\nSELECT {sql} AS x FROM servers").frame["x"][0] == value


def test_ctrl_c_ends_a_query_as_it_ends_the_rest(engine: DuckDbEngine, tmp_path: Path) -> None:
    many = ", ".join(f"processed AS p{at}" for at in range(12))
    timer = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        own(engine, tmp_path, f"-- Endless.\nSELECT sum(p0.cpu_p95 * p11.cpu_p95) AS x FROM {many}")
    timer.join()


def test_one_long_name_does_not_keep_the_other_units_from_an_answer(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "lake"))
    for unit in ("日" * 30, "a"):
        frame = pd.DataFrame({"server_id": ["s"], "tier": ["high"]})
        write_table(store, unit_key("servers", Cadence.DAILY, hand_lake.AS_OF, unit), frame)
    found = asked(DuckDbEngine(store), "servers_at_risk")["business_unit"]
    assert sorted(each.partition("~")[0] for each in found) == ["a", "日" * 8]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT tier, tier FROM servers", "several columns called 'tier'; name them by AS"),
        ("SELECT sum(9223372036854775807) AS x FROM servers", "too large"),
    ],
)
def test_an_answer_that_cannot_be_held_is_refused(engine: DuckDbEngine, tmp_path: Path, sql: str, said: str) -> None:
    with pytest.raises((UsageError, LakeError), match=said):
        own(engine, tmp_path, f"-- Wrong.\n{sql}")


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT * FROM nowhere", "'nowhere', which is no table of the lake; there are: raw_observations"),
        ("SELECT tier FROM other.risks", "other.risks: name tables of the lake, without a database"),
        ("SELECT serverid FROM risks", "own: Binder Error"),
        ("SELECT FROM WHERE", "cannot be read|one SELECT"),
        ("SELECT 1 AS x; DROP TABLE risks", "one SELECT"),
        ("DROP TABLE risks", "one SELECT"),
        ("COPY (SELECT 1) TO '/tmp/x'", "one SELECT"),
    ],
)
def test_what_is_no_query_of_the_lake_is_refused(engine: DuckDbEngine, tmp_path: Path, sql: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        own(engine, tmp_path, f"-- Wrong.\n{sql}")


def test_a_query_reads_no_file_but_those_of_the_lake(engine: DuckDbEngine, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    for place in (f"'{secret}'", f"read_csv('{secret}')", f"read_text('{secret}')", "information_schema.tables"):
        with pytest.raises(UsageError, match=r"name tables of the lake|no table of the lake|cannot be read"):
            own(engine, tmp_path, f"-- Out.\nSELECT * FROM {place}")


@given(st.text(max_size=40))
@examples(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_of_a_parameter_becomes_part_of_the_query(engine: DuckDbEngine, tmp_path: Path, text: str) -> None:
    file = tmp_path / "mine.sql"
    file.write_text("-- Given.\n-- param given text: any\nSELECT :given AS given, count(*) AS n FROM servers")
    try:
        found = engine.run(read(file), {"given": text}).frame
    except UsageError:
        assert not text.isprintable()
        return
    assert list(found["given"]) == [text]


@pytest.mark.parametrize(
    ("name", "given_", "said"),
    [
        ("data_gaps", {"metric": "CPU"}, "'CPU' is not one of cpu, mem, .*did you mean 'cpu'"),
        ("servers_over_p95", {"metric": ""}, "is not one of cpu"),
        ("first_breach_by_month", {"quantile": "q95"}, "is not one of q10, q50, q90"),
        ("warning_record", {"level": "critical"}, "is not one of both, high, very_high"),
        ("warning_record", {"scope": "unit"}, "is not one of fleet, business_unit"),
    ],
)
def test_a_word_that_nothing_can_answer_is_no_empty_answer(
    engine: DuckDbEngine, name: str, given_: dict[str, str], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        asked(engine, name, **given_)


def test_a_lake_in_a_bucket_answers_the_same(engine: DuckDbEngine, bucket: str) -> None:
    hand_lake.make(bucket)
    there = open_engine("duckdb", Settings.model_validate({"store": bucket, "storage": _storage()}))
    for name in ("data_gaps", "forecast_against_actual", "savings_by_business_unit", "servers_at_risk"):
        pd.testing.assert_frame_equal(there.run(load(name)).frame, asked(engine, name))


def _storage() -> dict[str, str]:
    import os

    return {"endpoint": os.environ["AWS_ENDPOINT_URL"], "region": os.environ["AWS_REGION"]}


def test_a_folder_whose_name_is_a_pattern_is_read_as_it_is(tmp_path: Path) -> None:
    engine = DuckDbEngine(hand_lake.make(str(tmp_path / "lake[1]*")))
    assert len(asked(engine, "data_gaps")) == 2
