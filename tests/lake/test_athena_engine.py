from __future__ import annotations

import json
import urllib.request
from typing import Any

import hand_lake
import pandas as pd
import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from capforecast.errors import AccessDeniedError, CapforecastError, ConfigError, LakeError, UsageError
from capforecast.lake.athena_engine import AthenaEngine
from capforecast.lake.duckdb_engine import DuckDbEngine
from capforecast.lake.query import open_engine
from capforecast.lake.sql_files import load
from capforecast.lake.store import Store
from capforecast.settings import Settings

NAMED = {"workgroup": "capacity", "database": "fleet"}
GIB = 2**30


def settings(store: str = "memory://", **athena: Any) -> Settings:
    return Settings.model_validate({"store": store, "athena": NAMED | athena})


class Athena:
    """What boto3's client would do; `states` are told one after the other, the last again and again."""

    def __init__(self, *states: str, scanned: int = 0, fault: Exception | None = None) -> None:
        self.states, self.scanned, self.fault = list(states), scanned, fault
        self.started: dict[str, Any] = {}
        self.stopped: list[str] = []
        self.pages: list[dict[str, Any]] = [page([("x", "bigint")], [["1"]])]

    def start_query_execution(self, **request: Any) -> dict[str, str]:
        if self.fault:
            raise self.fault
        self.started = request
        return {"QueryExecutionId": "q-1"}

    def get_query_execution(self, QueryExecutionId: str) -> dict[str, Any]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if state == "Ctrl-C":
            raise KeyboardInterrupt
        status = {"State": state, "StateChangeReason": "TABLE_NOT_FOUND: line 1:8\nmore"}
        return {"QueryExecution": {"Status": status, "Statistics": {"DataScannedInBytes": self.scanned}}}

    def stop_query_execution(self, QueryExecutionId: str) -> dict[str, str]:
        self.stopped.append(QueryExecutionId)
        return {}

    def get_query_results(self, QueryExecutionId: str, NextToken: str = "0") -> dict[str, Any]:
        at = int(NextToken)
        more = {"NextToken": str(at + 1)} if at + 1 < len(self.pages) else {}
        return self.pages[at] | more


def page(columns: list[tuple[str, str]], rows: list[list[str | None]], names: bool = True) -> dict[str, Any]:
    cells = [[name for name, _ in columns]] * names + rows
    data = [{"Data": [{} if cell is None else {"VarCharValue": cell} for cell in row]} for row in cells]
    described = [{"Name": name, "Type": kind} for name, kind in columns]
    return {"ResultSet": {"Rows": data, "ResultSetMetadata": {"ColumnInfo": described}}}


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "because"}}, "StartQueryExecution")


def engine(client: Athena, waits: list[float] | None = None, **athena: Any) -> AthenaEngine:
    return AthenaEngine(client, settings(**athena), sleep=(waits if waits is not None else []).append)


def ask(client: Athena, waits: list[float] | None = None, **athena: Any) -> Any:
    return engine(client, waits, **athena).run(load("warning_record"), {"as_of": "2026-03-02"})


@pytest.fixture(autouse=True)
def _a_lake(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `memory://` would forget: cut-offs and a business unit that the lake has rows of."""
    from capforecast.lake import query

    monkeypatch.setattr(query, "_cut_offs", lambda *_, **__: ["2026-02-23", "2026-03-02"])
    monkeypatch.setattr(Store, "keys", lambda _, folder: [f"{folder}/business_unit=Web%20Shop/part-0.parquet"])


def test_a_query_is_sent_with_its_parameters_as_literals() -> None:
    client = Athena("SUCCEEDED")
    engine(client).run(load("data_gaps"), {"metric": "disk", "days": "7", "business_unit": "Web Shop"})
    assert client.started["WorkGroup"] == "capacity"
    assert client.started["QueryExecutionContext"] == {"Database": "fleet"}
    assert client.started["ExecutionParameters"][:4] == ["'disk'", "'daily'", "'2026-03-02'", "'Web%20Shop'"]
    assert client.started["ExecutionParameters"][-3:] == ["'daily'", "7", "1"]
    assert client.started["QueryString"].count("?") == len(client.started["ExecutionParameters"])
    assert ":" not in client.started["QueryString"].replace("00:00:00", "")


def test_a_business_unit_that_the_run_does_not_have_costs_no_query() -> None:
    client = Athena("SUCCEEDED")
    with pytest.raises(UsageError, match=r"no business unit 'web shop'; did you mean 'Web Shop'"):
        engine(client).run(load("data_gaps"), {"business_unit": "web shop"})
    assert not client.started


def test_where_answers_go_is_said_only_if_the_settings_do() -> None:
    client = Athena("SUCCEEDED")
    ask(client)
    assert "ResultConfiguration" not in client.started
    ask(client, output="s3://answers/here")
    assert client.started["ResultConfiguration"] == {"OutputLocation": "s3://answers/here"}


def test_it_waits_longer_and_longer_but_never_long() -> None:
    waits: list[float] = []
    ask(Athena("QUEUED", *["RUNNING"] * 12, "SUCCEEDED"), waits)
    assert len(waits) == 13
    assert waits == sorted(waits)
    assert waits[0] < 0.5
    assert max(waits) == 5.0


def test_an_answer_comes_in_its_types_from_all_pages() -> None:
    columns = [
        ("name", "varchar"), ("n", "bigint"), ("x", "double"), ("yes", "boolean"), ("at", "timestamp"), ("d", "date"),
    ]  # fmt: skip
    client = Athena("SUCCEEDED", scanned=50_000_000)
    client.pages = [
        page(columns, [["a", "1", "1.5", "true", "2026-03-02 10:00:00.000", "2026-03-02"]]),
        page(columns, [["", None, "NaN", "false", None, None], [None, "9007199254740993", *[None] * 4]], names=False),
    ]  # fmt: skip
    answer = ask(client)
    assert [str(kind) for kind in answer.frame.dtypes] == [
        "str", "Int64", "float64", "boolean", "datetime64[us]", "datetime64[us]",
    ]  # fmt: skip
    assert list(answer.frame["name"].fillna("null")) == ["a", "", "null"]
    assert answer.frame["n"][2] == 9007199254740993
    assert answer.frame["at"][0] == pd.Timestamp("2026-03-02 10:00")
    assert answer.frame["yes"].tolist()[:2] == [True, False]
    assert (answer.query_id, answer.scanned_bytes) == ("q-1", 50_000_000)
    assert answer.cost_usd == pytest.approx(50e6 / 1e12 * 5)


def test_the_least_that_is_billed_is_what_a_small_query_costs() -> None:
    assert ask(Athena("SUCCEEDED", scanned=1)).cost_usd == pytest.approx(10e6 / 1e12 * 5)


def test_two_columns_of_one_name_are_refused() -> None:
    client = Athena("SUCCEEDED")
    client.pages = [page([("x", "bigint"), ("x", "varchar")], [["1", "a"]])]
    with pytest.raises(UsageError, match="several columns called 'x'"):
        ask(client)


def test_an_answer_without_rows_has_its_columns() -> None:
    client = Athena("SUCCEEDED")
    client.pages = [page([("x", "bigint")], [])]
    assert list(ask(client).frame.columns) == ["x"]


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED"])
def test_a_query_that_fails_says_why(state: str) -> None:
    with pytest.raises(LakeError, match=f"query q-1 {state.lower()}: TABLE_NOT_FOUND: line 1:8$"):
        ask(Athena("RUNNING", state))


def test_ctrl_c_cancels_the_query_in_athena_too() -> None:
    client = Athena("RUNNING", "Ctrl-C")
    with pytest.raises(KeyboardInterrupt):
        ask(client)
    assert client.stopped == ["q-1"]


def test_a_query_that_reads_too_much_is_cancelled() -> None:
    client = Athena("RUNNING", scanned=3 * GIB)
    with pytest.raises(LakeError, match=r"read 3\.0 GiB, more than athena\.most_scanned_gib \(2\)"):
        ask(client, most_scanned_gib=2)
    assert client.stopped == ["q-1"]


def test_a_query_that_takes_too_long_is_cancelled() -> None:
    client, waits = Athena("RUNNING"), []
    with pytest.raises(LakeError, match=r"athena\.timeout_seconds \(30\)"):
        ask(client, waits, timeout_seconds=30)
    assert client.stopped == ["q-1"]
    assert 30 <= sum(waits) <= 36


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (refusal("AccessDeniedException"), AccessDeniedError, "because"),
        (refusal("InvalidRequestException"), UsageError, "because"),
        (refusal("TooManyRequestsException"), LakeError, "because"),
        (NoCredentialsError(), ConfigError, "AWS_PROFILE"),
    ],
)  # fmt: skip
def test_what_athena_refuses_is_told_in_our_words(fault: Exception, kind: type[CapforecastError], said: str) -> None:
    with pytest.raises(kind, match=said):
        ask(Athena("SUCCEEDED", fault=fault))


def test_latest_is_the_newest_run_that_athena_can_see(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(UsageError, match="Athena sees only runs whose cut-off is midnight"):
        engine(Athena("SUCCEEDED")).run(load("warning_record"), {"as_of": "2026-03-02T14"})


@pytest.mark.parametrize("missing", ["workgroup", "database"])
def test_without_workgroup_or_database_the_setting_is_named(missing: str) -> None:
    with pytest.raises(ConfigError, match=rf"athena\.{missing}"):
        AthenaEngine(Athena("SUCCEEDED"), settings(**{missing: None}))


@pytest.fixture
def served(bucket: str, s3_server: str) -> Settings:
    """A lake in a bucket, and Athena of the same server (moto) with a workgroup that keeps answers to itself."""
    import boto3

    hand_lake.make(bucket)
    place = {"ResultConfiguration": {"OutputLocation": f"{bucket}/answers/"}, "EnforceWorkGroupConfiguration": True}
    client = boto3.client("athena", region_name="us-east-1", endpoint_url=s3_server)
    name = bucket.split("/")[2]
    client.create_work_group(Name=name, Configuration=place)
    storage = {"endpoint": s3_server, "region": "us-east-1"}
    return Settings.model_validate({"store": bucket, "storage": storage, "athena": NAMED | {"workgroup": name}})


def promise(server: str, columns: list[tuple[str, str]], rows: list[list[str]]) -> None:
    """Let moto answer the next query with these rows."""
    described = [{"Name": name, "Type": kind, "Nullable": "UNKNOWN"} for name, kind in columns]
    data = [{"Data": [{"VarCharValue": cell} for cell in row]} for row in rows]
    body = {"results": [{"rows": data, "column_info": described}]}
    request = urllib.request.Request(
        f"{server}/moto-api/static/athena/query-results",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request).close()


def test_over_http_the_answer_is_that_of_duckdb(
    served: Settings, s3_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    for name, value in (("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "x" * 40)):
        monkeypatch.setenv(name, value)
    at_home = DuckDbEngine(hand_lake.make("memory://")).run(load("first_breach_by_month"))
    names = list(at_home.frame.columns)
    cells = [names] + [[str(cell) for cell in row] for row in at_home.frame.itertuples(index=False)]
    kinds = {"text": "varchar", "integer": "bigint", "time": "timestamp"}
    promise(s3_server, [(name, kinds[at_home.types[name]]) for name in names], cells)
    answer = open_engine("athena", served).run(load("first_breach_by_month"))
    pd.testing.assert_frame_equal(answer.frame, at_home.frame)
    assert answer.types == at_home.types
    assert answer.query_id

    import boto3

    kept = boto3.client("athena", region_name="us-east-1").get_query_execution(QueryExecutionId=answer.query_id)
    assert kept["QueryExecution"]["Status"]["State"] == "SUCCEEDED"
    assert kept["QueryExecution"]["ExecutionParameters"][1:3] == ["'daily'", "'2026-03-02'"]
