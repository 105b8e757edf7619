from __future__ import annotations

from pathlib import Path

import hypothesis.strategies as st
import pytest
import sqlglot
from hypothesis import given
from hypothesis import settings as examples

from capforecast.errors import UsageError
from capforecast.lake import sql_files
from capforecast.lake.query import parsed
from capforecast.lake.segments import unit_segment
from capforecast.lake.sql_files import Parameter, literal, load, names, read

PROMISED = {  # issue 11
    "servers_over_p95", "forecast_by_business_unit", "first_breach_by_month", "savings_by_business_unit",
    "warning_record", "data_gaps", "forecast_against_actual",
}  # fmt: skip
GOOD = "-- Says it.\n-- param days integer = 3: days\n-- returns x integer: x\nSELECT :days AS x\n"


def written(folder: Path, text: str) -> Path:
    file = folder / "mine.sql"
    file.write_text(text)
    return file


def test_a_choice_takes_its_words_alone(tmp_path: Path) -> None:
    text = "-- Says it.\n-- param level one of high very_high = high: level\nSELECT :level AS x\n"
    parameter = read(written(tmp_path, text)).parameters[0]
    assert (parameter.takes, parameter.value("very_high")) == ("one of high, very_high", "very_high")
    with pytest.raises(UsageError, match=r"'High' is not one of high, very_high; did you mean 'high'"):
        parameter.value("High")
    with pytest.raises(UsageError, match="'both' is not one of"):
        read(written(tmp_path, text.replace("= high", "= both")))


def test_a_count_is_neither_negative_nor_endless(tmp_path: Path) -> None:
    parameter = read(written(tmp_path, "-- Says it.\n-- param days count = 3: days\nSELECT :days AS x\n")).parameters[0]
    assert parameter.value("100000") == 100_000
    for text in ("0", "-3", "100001", "1e3", ""):
        with pytest.raises(UsageError, match="must be a whole number of 1 to 100000"):
            parameter.value(text)


def test_the_queries_that_were_promised_are_there() -> None:
    assert set(names()) >= PROMISED


@pytest.mark.parametrize("name", names())
def test_a_shipped_query_says_what_it_means_takes_and_returns(name: str) -> None:
    query = load(name)
    assert query.meaning.splitlines()[0].endswith(".")
    tree = parsed(query.sql)
    assert [each.name for each in query.returns] == [each.alias_or_name for each in tree.selects]
    assert {"cadence", "as_of"} <= {each.name for each in query.parameters}
    marked, order = query.positional()
    assert marked.count("?") == len(order)
    assert set(order) == {each.name for each in query.parameters}


def test_values_are_defaults_unless_given(tmp_path: Path) -> None:
    query = read(written(tmp_path, GOOD))
    assert query.values({}) == {"days": 3}
    assert query.values({"days": "14"}) == {"days": 14}


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"dais": "3"}, r"no parameter 'dais'; did you mean 'days'"),
        ({"days": "3.5"}, r"parameter days \(integer\): '3.5' is no whole number"),
        ({"days": "3; DROP TABLE risks"}, "is no whole number"),
        ({"days": "99999999999"}, "is no whole number"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_with_the_fix(
    tmp_path: Path, given_: dict[str, str], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        read(written(tmp_path, GOOD)).values(given_)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("number", "nan"), ("number", "inf"), ("number", "1,5"), ("date", "2026-02-30"), ("cadence", "weekly"),
        ("as_of", "yesterday"), ("as_of", "2026-13-01"), ("text", "a\nb"), ("text", "x" * 201), ("text", "\0"),
        ("as_of", "2026-03-02' OR '1'='1"),
    ],
)  # fmt: skip
def test_kinds_refuse_what_they_do_not_hold(kind: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"parameter p \\({kind}\\)"):
        Parameter("p", kind, None, "").value(text)  # type: ignore[arg-type]


def test_a_business_unit_is_looked_for_as_its_partition_is_called() -> None:
    parameter = Parameter("unit", "business_unit", "*", "")
    assert parameter.value("Web Shop") == unit_segment("Web Shop") == "Web%20Shop"
    assert parameter.value("*") == "*"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace(":days", ":weeks"), "uses :weeks, which its header does not declare"),
        (GOOD.replace(":days", "1"), "declares the parameter days and does not use it"),
        (GOOD.replace("integer = 3", "whole = 3"), r"mine.sql, line 2: write `-- param"),
        (GOOD.replace("= 3", "= three"), "'three' is no whole number"),
        (GOOD.replace("returns x integer", "returns x"), r"mine.sql, line 3: write `-- returns"),
        ("-- Nothing.\n", "holds no query"),
        (GOOD.replace("-- returns", "-- param days integer: again\n-- returns"), "declares a parameter twice"),
    ],
)
def test_a_file_that_is_not_right_is_named_with_its_fault(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read(written(tmp_path, text))


def test_an_unknown_query_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'data_gaps'"):
        load("data_gap")


def test_no_query_is_read_from_outside_the_shipped_folder() -> None:
    with pytest.raises(UsageError, match="no query is called"):
        load("../queries/data_gaps")


def test_only_parameters_are_marked_not_what_looks_like_one(tmp_path: Path) -> None:
    sql = "SELECT ':days' AS a, \":days\" AS b, CAST(1 AS bigint) AS c, x::int, :days -- :days\n/* :days */"
    query = read(written(tmp_path, GOOD.replace("SELECT :days AS x", sql)))
    marked, order = query.positional()
    assert order == ["days"]
    assert marked == sql.replace("x::int, :days", "x::int, ?")


@given(st.text(max_size=60).filter(lambda text: "\0" not in text))
@examples(max_examples=150, deadline=None)
def test_a_text_as_a_literal_of_athena_is_that_text_and_nothing_else(text: str) -> None:
    made = literal(text)
    assert made.startswith("'")
    assert made.endswith("'")
    assert made[1:-1].replace("''", "") == text.replace("'", "")  # every quote within is doubled
    assert made[1:-1].replace("''", "'") == text
    if "\\" not in text and text.isprintable():
        tokens = sqlglot.tokenize(made, read="trino")
        assert len(tokens) == 1
        assert tokens[0].text == text


@given(st.floats(allow_nan=False, allow_infinity=False))
@examples(max_examples=60, deadline=None)
def test_a_number_as_a_literal_of_athena_is_a_double(number: float) -> None:
    made = literal(number)
    assert "e" in made.lower()
    assert float(made) == number


def test_the_folder_is_shipped_with_the_package() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert '"capforecast.lake" = ["queries/*.sql"]' in text
    assert sql_files.FOLDER.is_dir()


def test_the_page_on_queries_has_each() -> None:
    text = (Path(__file__).parents[2] / "docs" / "queries.md").read_text()
    assert [name for name in names() if f"| `{name}` |" not in text] == []


def test_the_query_that_the_page_shows_can_be_read(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "queries.md").read_text()
    query = read(written(tmp_path, text.partition("```sql\n")[2].partition("```")[0]))
    assert query.values({}) == {"as_of": "latest"}
    parsed(query.sql)
