from __future__ import annotations

import pytest

from capforecast.lake.partitions import wanted
from capforecast.lake.sql_files import load

VALUES = {"as_of": "2026-03-02", "seen_as_of": "2026-03-09", "unit": "retail", "any": "*", "business_unit": "retail"}


@pytest.mark.parametrize(
    ("condition", "key", "expected"),
    [
        ("as_of = :as_of", "as_of", {"2026-03-02"}),
        (":as_of = r.as_of AND tier = 'high'", "as_of", {"2026-03-02"}),
        ("(tier = 'high' OR tier = 'ok') AND (as_of = '2020-01-01')", "as_of", {"2020-01-01"}),
        ("(:unit = '*' OR business_unit = :unit)", "business_unit", {"retail"}),
        ("(:any = '*' OR business_unit = :any)", "business_unit", None),
        ("as_of <= :as_of", "as_of", None),
        ("as_of = :as_of OR tier = 'high'", "as_of", None),
        ("NOT as_of = :as_of", "as_of", None),
        ("substr(as_of, 1, 10) = :as_of", "as_of", None),
        ("other.as_of = :as_of", "as_of", None),
        ("tier = 'high'", "as_of", None),
    ],
)
def test_only_what_must_hold_leaves_partitions_out(condition: str, key: str, expected: set[str] | None) -> None:
    assert wanted(f"SELECT 1 AS x FROM risks AS r WHERE {condition}", "risks", key, VALUES) == expected


def test_every_mention_of_a_table_counts() -> None:
    two = "SELECT 1 AS x FROM risks WHERE as_of = :as_of UNION ALL SELECT 1 FROM risks WHERE as_of = :seen_as_of"
    assert wanted(two, "risks", "as_of", VALUES) == {"2026-03-02", "2026-03-09"}
    one = "WITH a AS (SELECT 1 AS x FROM risks WHERE as_of = :as_of) SELECT x FROM a UNION ALL SELECT 1 FROM risks"
    assert wanted(one, "risks", "as_of", VALUES) is None


def test_servers_that_moved_are_looked_for_in_every_business_unit() -> None:
    sql = load("forecast_against_actual").sql
    assert wanted(sql, "forecasts", "business_unit", VALUES) == {"retail"}
    assert wanted(sql, "processed", "business_unit", VALUES) is None
    assert wanted(sql, "processed", "as_of", VALUES) == {"2026-03-09"}
