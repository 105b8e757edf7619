"""Moves and resizes have dates; nobody is lost; merging twice changes nothing."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capforecast.errors import InputError
from capforecast.fleet.inventory import at, join_renamed, merge, normalise, overlay, renames, resizes


def rows(*records: tuple[object, ...], columns: str = "server_id valid_from business_unit vcpus") -> pd.DataFrame:
    return pd.DataFrame(records, columns=columns.split())


def day(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


MOVED = rows(("b", None, "z", 2), ("a", "2024-01-01", "x", 2), ("a", "2024-06-01", "y", 4))


def units(inventory: pd.DataFrame, as_of: str) -> dict[str, str]:
    return at(inventory, day(as_of)).set_index("server_id")["business_unit"].to_dict()


def test_the_row_in_force_at_the_cut_off_counts() -> None:
    assert units(MOVED, "2024-03-01") == {"a": "x", "b": "z"}
    assert units(MOVED, "2024-06-01") == {"a": "x", "b": "z"}  # the cut-off is exclusive
    assert units(MOVED, "2024-06-02") == {"a": "y", "b": "z"}
    assert units(MOVED, "2020-01-01") == {"a": "x", "b": "z"}  # not there yet: its first row


@pytest.mark.parametrize(("column", "name"), [("business_unit", "_fleet"), ("region", "_all")])
def test_the_names_of_sums_are_refused(column: str, name: str) -> None:
    with pytest.raises(InputError, match=f"{column} of server a is '{name}'.*rename it"):
        at(rows(("a", name), columns=f"server_id {column}"), day("2024-01-01"))


def test_missing_dimensions_are_unassigned_and_blank_is_missing() -> None:
    servers = at(rows(("b", None, " ", None), ("a", None, None, 1)), day("2024-01-01"))
    assert servers["server_id"].tolist() == ["a", "b"]
    assert servers[["business_unit", "region", "criticality"]].eq("unassigned").all(axis=None)


def test_a_missing_cell_is_no_news() -> None:
    servers = rows(("a", "2024-01-01", "x", 2), ("a", "2024-02-01", None, 4), ("a", "2024-03-01", "y", None))
    assert units(servers, "2024-02-15") == {"a": "x"}
    assert at(servers, day("2024-04-01"))["vcpus"].tolist() == [4]


def test_a_resize_has_a_date_and_a_move_is_none() -> None:
    changed = at(MOVED, day("2024-12-01")).set_index("server_id")["capacity_changed_at"]
    assert changed["a"] == day("2024-06-01")
    assert pd.isna(changed["b"])
    assert at(MOVED, day("2024-05-01"))["capacity_changed_at"].isna().all()


def test_merging_a_delivery_adds_changes_once() -> None:
    later = rows(("a", "2024-09-01", "z", 4), ("c", "2024-09-01", "x", 1))
    merged = merge(MOVED, later)
    assert units(merged, "2024-07-01") == {"a": "y", "b": "z", "c": "x"}
    assert units(merged, "2024-10-01") == {"a": "z", "b": "z", "c": "x"}
    pd.testing.assert_frame_equal(merge(merged, later), merged)
    same = rows(("a", "2024-10-01", "z", 4))  # says nothing new
    pd.testing.assert_frame_equal(merge(merged, same), merged)


def test_an_old_delivery_that_comes_late_does_not_undo_newer_changes() -> None:
    assert units(merge(MOVED, rows(("a", "2023-01-01", "w", 1))), "2024-07-01")["a"] == "y"


def test_an_undated_delivery_corrects_the_present_and_keeps_the_history() -> None:
    corrected = merge(MOVED, rows(("a", None, "right", None)))
    assert units(corrected, "2024-12-01")["a"] == "right"
    assert units(corrected, "2024-03-01")["a"] == "x"
    assert at(corrected, day("2024-12-01")).set_index("server_id")["vcpus"].to_dict() == {"a": 4, "b": 2}
    undated = rows(("a", None, "x", 8))
    assert units(merge(undated, rows(("a", None, "right", None))), "2020-01-01")["a"] == "right"


def test_a_dated_change_after_an_undated_delivery_keeps_what_was_before() -> None:
    observed = rows(("a", None, None, None))
    change = overlay(observed, rows(("a", "2024-06-01", "y", 4)))
    merged = merge(rows(("a", None, "x", 8)), change)
    assert units(merged, "2024-05-01") == {"a": "x"}
    assert units(merged, "2024-06-02") == {"a": "y"}
    assert at(merged, day("2024-05-01"))["vcpus"].tolist() == [8]


def test_an_explicit_inventory_lies_over_what_was_observed() -> None:
    laid = overlay(MOVED, rows(("a", "2024-03-01", "told", None), ("c", None, "new", 8)))
    assert units(laid, "2024-02-01") == {"a": "x", "b": "z", "c": "new"}
    assert units(laid, "2024-12-01") == {"a": "told", "b": "z", "c": "new"}
    assert at(laid, day("2024-12-01"))["vcpus"].tolist() == [4, 2, 8]


CELL = st.one_of(st.none(), st.sampled_from(["x", "y"]))
ROW = st.tuples(st.sampled_from("ab"), st.sampled_from([None, "2024-01-01", "2024-02-01", "2024-03-01"]), CELL, CELL)
ROWS = st.lists(ROW, min_size=1, max_size=6)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(ROWS, ROWS)
def test_merging_is_idempotent_and_loses_no_server(first: list[tuple], second: list[tuple]) -> None:
    names = "server_id valid_from business_unit region"
    old, new = rows(*first, columns=names), rows(*second, columns=names)
    merged = merge(normalise(old), new)
    assert set(merged["server_id"]) == set(old["server_id"]) | set(new["server_id"])
    assert not merged.duplicated(["server_id", "valid_from"]).any()
    pd.testing.assert_frame_equal(merge(merged, new), merged)
    pd.testing.assert_frame_equal(normalise(merged), merged)
    assert at(merged, day("2024-02-15"))["server_id"].is_unique


RENAMED = rows(
    ("a", "2024-01-01", "x", 4, None), ("b", "2024-06-01", None, None, "a"), ("c", "2024-09-01", "y", 8, "b"),
    columns="server_id valid_from business_unit vcpus renamed_from",
)  # fmt: skip


def test_a_renamed_server_has_one_name_at_a_time_and_keeps_what_was_known_of_it() -> None:
    assert units(RENAMED, "2024-03-01") == {"a": "x"}
    assert units(RENAMED, "2024-07-01") == {"b": "x"}
    assert units(RENAMED, "2024-10-01") == {"c": "y"}
    assert at(RENAMED, day("2024-07-01"))["vcpus"].tolist() == [4]
    assert at(RENAMED, day("2024-10-01"))["capacity_changed_at"].tolist() == [day("2024-09-01")]


def test_a_rename_survives_merging_and_an_explicit_inventory_over_observed_rows() -> None:
    observed = rows(("a", None, None, None), ("b", None, None, None))
    merged = merge(normalise(observed), overlay(observed, RENAMED.iloc[:2]))
    assert units(merged, "2024-07-01") == {"b": "x"}
    assert units(merged, "2024-06-01") == {"a": "x"}


def test_observations_under_an_earlier_name_are_the_servers_own_and_the_newer_name_counts() -> None:
    times = pd.to_datetime(["2024-05-31", "2024-06-01", "2024-06-01", "2024-05-31"], utc=True)
    seen = pd.DataFrame({"server_id": ["a", "b", "a", "z"], "timestamp": times, "cpu_p95": [1.0, 2.0, 9.0, 5.0]})
    joined = join_renamed(seen, renames(normalise(RENAMED), day("2024-07-01")))
    assert joined["server_id"].tolist() == ["b", "b", "b", "z"]
    assert joined["cpu_p95"].tolist() == [1, 9, 2, 5]  # of one moment the last one is the newer name's


def test_a_name_given_to_another_machine_later_is_another_server() -> None:
    reused = normalise(pd.concat([RENAMED.iloc[:2], rows(("a", "2024-08-01", "z", 2))]))
    assert units(reused, "2024-07-01") == {"b": "x"}
    assert units(reused, "2024-12-01") == {"a": "z", "b": "x"}
    done = renames(reused, day("2024-12-01"))
    seen = pd.DataFrame({"server_id": ["a", "a"], "timestamp": [day("2024-05-01"), day("2024-09-01")]})
    assert join_renamed(seen, done)["server_id"].tolist() == ["b", "a"]


def test_renames_in_a_circle_or_claimed_twice_do_not_lose_a_server() -> None:
    columns = "server_id valid_from renamed_from"
    circle = rows(("a", "2024-01-01", "b"), ("b", "2024-02-01", "a"), columns=columns)
    assert set(units(circle, "2024-12-01")) == {"a", "b"}
    twice = rows(("n", "2024-03-01", "o"), ("m", "2024-02-01", "o"), columns=columns)
    assert set(units(twice, "2024-12-01")) == {"m", "n"}


def test_a_resize_says_how_percentages_before_it_compare() -> None:
    found = resizes(MOVED, day("2024-12-01"))
    assert found[["server_id", "metric", "at", "factor"]].values.tolist() == [["a", "cpu", day("2024-06-01"), 0.5]]
    assert resizes(MOVED, day("2024-06-01")).empty
    typed = rows(("a", "2024-01-01", "m"), ("a", "2024-02-01", "l"), columns="server_id valid_from instance_type")
    unknown = resizes(typed, day("2024-12-01"))
    assert unknown["metric"].tolist() == ["cpu", "mem"]
    assert unknown["factor"].isna().all()


def test_a_retired_server_leaves_the_fleet_on_its_date() -> None:
    dated = normalise(
        pd.DataFrame(
            {
                "server_id": ["a", "a", "b"],
                "environment": ["production", "Retired", "production"],
                "valid_from": pd.to_datetime(["2024-01-01", "2024-02-01", "2024-01-01"], utc=True),
            }
        )
    )
    assert at(dated, pd.Timestamp("2024-02-01", tz="UTC"))["server_id"].tolist() == ["a", "b"]
    assert at(dated, pd.Timestamp("2024-02-02", tz="UTC"))["server_id"].tolist() == ["b"]
