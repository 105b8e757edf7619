from __future__ import annotations

import re

import hypothesis.strategies as st
import pandas as pd
import pytest
import sqlglot
from hypothesis import given
from hypothesis import settings as examples

from capforecast import schema
from capforecast.actions.decisions import STATE_COLUMNS
from capforecast.actions.lifecycle import REALISED_COLUMNS
from capforecast.actions.segments import SEGMENT_COLUMNS
from capforecast.errors import UsageError
from capforecast.lake.athena_ddl import Table, ddl, tables
from capforecast.lake.datasets import PER_UNIT, unit_key
from capforecast.risk.tiers import SERVER_COLUMNS
from capforecast.schema import Cadence
from capforecast.settings import Settings

STORE = "s3://lake/fleet"
MADE = {each.name: each for each in tables(STORE, ["retail", "Web Shop"])}
PROMISED = {  # issue 11
    "raw_observations", "raw_inventory", "processed", "quality", "forecasts", "backtests", "risks", "actions", "pools",
    "scorecard",
}  # fmt: skip


def column_names(table: Table) -> list[str]:
    return [each.name for each in (*table.columns, *table.partitions)]


def test_there_is_a_table_for_what_was_promised() -> None:
    assert set(MADE) >= PROMISED
    assert {each.dataset for each in MADE.values()} <= {*PER_UNIT, "raw/observations", "raw/inventory"}


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("quality", schema.SERIES_COLUMNS), ("backtests", schema.BACKTEST_COLUMNS), ("risks", schema.RISK_COLUMNS),
        ("servers", SERVER_COLUMNS), ("warnings", schema.WARNING_COLUMNS), ("actions", schema.ACTION_COLUMNS),
        ("pools", schema.POOL_COLUMNS), ("demand", schema.DEMAND_COLUMNS), ("pool_sums", schema.POOL_COLUMNS),
        ("scorecard", schema.SCORECARD_COLUMNS), ("reliability", schema.RELIABILITY_COLUMNS),
        ("savings", schema.SAVING_COLUMNS), ("bounds", schema.BOUND_COLUMNS), ("anomalies", schema.ANOMALY_COLUMNS),
        ("consolidation", schema.CONSOLIDATION_COLUMNS), ("packing", schema.PACKING_COLUMNS),
        ("drift", schema.DRIFT_COLUMNS), ("drift_series", schema.DRIFT_SERIES_COLUMNS),
        ("segments", SEGMENT_COLUMNS), ("lifecycle", STATE_COLUMNS), ("realised", REALISED_COLUMNS),
    ],
)  # fmt: skip
def test_a_table_has_every_column_of_its_dataset(name: str, columns: tuple[str, ...]) -> None:
    assert set(columns) <= set(column_names(MADE[name]))


def test_no_column_is_also_a_partition_which_hive_refuses() -> None:
    for table in MADE.values():
        names = column_names(table)
        assert len(set(names)) == len(names), table.name


def test_a_projected_place_is_where_the_lake_keeps_the_partition() -> None:
    as_of = pd.Timestamp("2026-03-02", tz="UTC")
    for table in MADE.values():
        if not table.partitions or table.dataset.startswith("raw"):
            continue
        unit = schema.FLEET if table.fleet else "Web Shop"
        place = table.properties["storage.location.template"]
        for name, value in {"cadence": "daily", "as_of": "2026-03-02", "business_unit": "Web%20Shop"}.items():
            place = place.replace(f"${{{name}}}", value)
        assert place + "part-0.parquet" == f"{STORE}/{unit_key(table.dataset, Cadence.DAILY, as_of, unit)}"


def test_every_partition_key_is_projected_and_none_injected() -> None:
    for table in MADE.values():
        kinds = {each.name: table.properties[f"projection.{each.name}.type"] for each in table.partitions}
        assert set(kinds.values()) <= {"enum", "date"}, table.name
        assert kinds.get("business_unit", "enum") == "enum"
        if table.partitions:
            assert table.properties["projection.enabled"] == "true"
            found = set(re.findall(r"\$\{(\w+)\}", table.properties["storage.location.template"]))
            assert found == set(kinds)


def test_fleet_level_rows_keep_their_own_business_unit() -> None:
    for name in ("actions", "pool_sums", "demand_sums", "segments"):
        assert "business_unit" in [each.name for each in MADE[name].columns]
        assert [each.name for each in MADE[name].partitions] == ["cadence", "as_of"]


def test_metrics_and_horizons_of_the_settings_have_columns() -> None:
    own = Settings.model_validate({"metrics": {"queue": {"unit": "jobs"}}, "risk": {"horizons_daily": [45]}})
    made = {each.name: column_names(each) for each in tables(STORE, ["a"], own)}
    assert {"queue_p95", "queue_mean"} <= set(made["processed"]) & set(made["raw_observations"])
    assert {"p_high_45d", "p_very_high_45d", "p_high_24h"} <= set(made["risks"])
    assert "p_45d" in made["warnings"]


def test_the_ddl_is_read_by_a_parser_of_athenas_dialect() -> None:
    for table in MADE.values():
        statement = sqlglot.parse_one(ddl(table, "capacity"), read="athena")
        assert isinstance(statement, sqlglot.exp.Create)
        named = [each.name for each in statement.find_all(sqlglot.exp.ColumnDef)]
        assert named == column_names(table)
        assert statement.find(sqlglot.exp.Table).db == "capacity"


def test_any_text_may_stand_for_the_store() -> None:
    token = "s3://${Token[TOKEN.12]}/capacity"
    assert {each.location.startswith(token) for each in tables(token, ["a"])} == {True}


def test_without_business_units_there_is_nothing_to_project() -> None:
    with pytest.raises(UsageError, match="business units"):
        tables(STORE, [])


@given(st.lists(st.text(min_size=1, max_size=40).filter(lambda text: text != schema.FLEET), min_size=1, max_size=4))
@examples(max_examples=40, deadline=None)
def test_whatever_units_are_called_the_enum_holds_one_safe_value_each(names: list[str]) -> None:
    try:
        for name in names:
            name.encode()
    except UnicodeEncodeError:
        return
    risks = next(each for each in tables(STORE, names) if each.name == "risks")
    held = risks.properties["projection.business_unit.values"].split(",")
    assert len(held) == len(set(names))
    assert all(re.fullmatch(r"[A-Za-z0-9_.~%-]+", each) for each in held)
    assert f"'{','.join(held)}'" in ddl(risks)
