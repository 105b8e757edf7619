"""`capforecast query` and `capforecast ddl`, as they are typed."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import hand_lake
import pytest
from commands import Call

from capforecast.lake.sql_files import names


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    hand_lake.make(str(tmp_path / "lake"))
    return tmp_path / "lake"


def test_without_a_name_the_queries_are_listed(call: Call) -> None:
    ended = call("query", "--format", "json")
    assert ended.code == 0
    assert [row["query"] for row in json.loads(ended.out)] == names()
    assert "days=90" in call("query").out


def test_a_query_is_described_without_being_run(call: Call) -> None:
    ended = call("query", "data_gaps", "--describe", "--store", "/nowhere/at/all")
    assert ended.code == 0
    assert "count, default 90: days back from the end of the history" in ended.out
    assert "FROM missing" in ended.out


def test_rows_go_to_standard_output_and_what_it_took_to_standard_error(call: Call, lake: Path) -> None:
    ended = call("query", "data_gaps", "--store", lake, "--format", "json", "-p", "least=3")
    assert ended.code == 0
    assert json.loads(ended.out) == [
        {
            "business_unit": hand_lake.SHOP, "server_id": "shop-c", "gap_start": "2026-02-26", "gap_end": "2026-03-01",
            "periods": 4, "open": True, "verdict": "ok", "reason": "",
        }
    ]  # fmt: skip
    assert "duckdb: 1 row in" in ended.err


def test_json_holds_nothing_that_is_no_json(call: Call, lake: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.sql"
    file.write_text(
        "-- Mine.\nSELECT CAST('Infinity' AS double) AS a, CAST('NaN' AS double) AS b FROM savings LIMIT 1\n"
    )
    ended = call("query", "--file", file, "--store", lake, "--format", "json")
    assert json.loads(ended.out, parse_constant=pytest.fail) == [{"a": None, "b": None}]


def test_csv_holds_nulls_as_nothing_and_quotes_what_must_be(call: Call, lake: Path) -> None:
    ended = call("query", "savings_by_business_unit", "--store", lake, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(ended.out)))
    assert [row["business_unit"] for row in rows] == ["retail", hand_lake.SHOP, "retail"]
    assert {row["change_q10"] for row in rows} == {""}
    assert rows[1]["monthly_change"] == "-10.0"


def test_a_table_is_for_people(call: Call, lake: Path) -> None:
    ended = call("query", "servers_at_risk", "--store", lake)
    assert ended.code == 0
    assert "retail-b" in ended.out
    assert "shop-c" not in ended.out


def test_a_table_cuts_nothing_off_and_has_its_header_without_rows_too(call: Call, lake: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.sql"
    columns = ", ".join(f"server_id AS server_{at}" for at in range(40))
    file.write_text(f"-- Mine.\nSELECT {columns} FROM servers WHERE server_id = 'retail-b'\n")
    head, row = call("query", "--file", file, "--store", lake).out.splitlines()
    assert head.split() == [f"server_{at}" for at in range(40)]
    assert row.split() == ["retail-b"] * 40
    ended = call("query", "data_gaps", "--store", lake, "-p", "least=1000")
    assert ended.out.split()[:2] == ["business_unit", "server_id"]


def test_a_query_of_ones_own_takes_parameters_too(call: Call, lake: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.sql"
    file.write_text(
        "-- Mine.\n-- param unit business_unit: which\nSELECT count(*) AS n FROM servers WHERE business_unit = :unit\n"
    )
    ended = call("query", "--file", file, "--param", f"unit={hand_lake.SHOP}", "--store", lake, "--format", "json")
    assert json.loads(ended.out) == [{"n": 1}]
    assert "needs --param unit=...: which" in call("query", "--file", file, "--store", lake).err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing",), "no query is called 'nothing'"),
        (("data_gaps", "--format", "xml"), "--format 'xml': write one of table, csv, json"),
        (("data_gaps", "-p", "least"), "--param 'least': write name=value"),
        (("data_gaps", "-p", "least=1", "-p", "least=2"), "--param least is given twice"),
        (("data_gaps", "--engine", "trino"), "no engine is called 'trino'"),
        (("data_gaps", "--engine", "athena"), "athena.workgroup"),
        (("data_gaps", "-p", "as_of=2020-01-01"), "there are 2026-03-02"),
        (("data_gaps", "--file", "x.sql"), "not both"),
    ],
)
def test_what_cannot_be_meant_ends_with_code_2_and_the_fix(
    call: Call, lake: Path, words: tuple[str, ...], said: str
) -> None:
    ended = call("query", *words, "--store", lake)
    assert ended.code == 2
    assert said in ended.err
    assert not ended.out


def test_ddl_is_of_the_business_units_of_the_lake(call: Call, bucket: str) -> None:
    hand_lake.make(bucket)
    ended = call("ddl", "--store", bucket, "--database", "fleet", "--table", "risks")
    assert ended.code == 0, ended.err
    assert ended.out.startswith("CREATE EXTERNAL TABLE IF NOT EXISTS `fleet`.`risks` (")
    assert "'projection.business_unit.values'='Web%20Shop%2C%20a%25,retail'" in ended.out
    assert f"'{bucket}/risks/'" in ended.out
    assert call("ddl", "--store", bucket).out.count("CREATE EXTERNAL TABLE") == 30


def test_ddl_replaces_tables_that_lack_a_new_business_unit(call: Call) -> None:
    words = ("ddl", "--store", "s3://b/p", "--business-unit", "new", "--database", "fleet")
    made = call(*words, "--replace").out
    statements = [each.strip().splitlines()[0] for each in made.split(";") if each.strip()]
    assert statements[0] == "DROP TABLE IF EXISTS `fleet`.`raw_observations`"
    assert [each.split()[0] for each in statements] == ["DROP", "CREATE"] * 30
    assert "DROP" not in call(*words).out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--store", "lake"), "Athena reads buckets only"),
        (("--store", "s3://b/p", "--business-unit", "a", "--table", "riks"), "no table is called 'riks'"),
    ],
)
def test_ddl_that_cannot_be_made_is_told(call: Call, words: tuple[str, ...], said: str) -> None:
    ended = call("ddl", *words)
    assert ended.code == 2
    assert said in ended.err
