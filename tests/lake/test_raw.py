"""Raw history: it grows by what is new, corrections win, nothing after the cut-off is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from capforecast.errors import LakeError
from capforecast.lake import raw
from capforecast.lake.store import Store
from capforecast.schema import Cadence

NOW = pd.Timestamp("2026-03-05T10:00:00Z")


def day(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def rows(*values: tuple[str, str, float], column: str = "cpu_p95") -> pd.DataFrame:
    frame = pd.DataFrame(values, columns=["server_id", "timestamp", column])
    frame["timestamp"] = pd.to_datetime(frame["timestamp"], utc=True).astype("datetime64[us, UTC]")
    return frame.astype({column: np.float32})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def read(store: Store, since: str = "2026-01-01", until: str = "2026-12-31", server: str = "a") -> pd.DataFrame:
    months = raw.observation_references(store, Cadence.DAILY, day(until))
    return raw.read_observations(store, months, pd.Series([server]), day(since), day(until))


def test_history_is_split_by_month_and_read_back(store: Store) -> None:
    raw.add_observations(
        store, Cadence.DAILY, rows(("a", "2026-01-31", 1), ("a", "2026-02-01", 2), ("b", "2026-02-01", 9)), NOW
    )
    assert [key.split("month=")[1][:7] for key in store.keys("raw")] == ["2026-01", "2026-02"]
    assert read(store)["cpu_p95"].tolist() == [1, 2]


def test_nothing_at_or_after_the_cut_off_is_read(store: Store) -> None:
    raw.add_observations(store, Cadence.DAILY, rows(("a", "2026-02-01", 1), ("a", "2026-02-02", 2)), NOW)
    assert read(store, until="2026-02-02")["cpu_p95"].tolist() == [1]
    assert read(store, since="2026-02-02")["cpu_p95"].tolist() == [2]


def test_repeating_a_delivery_changes_no_byte(store: Store) -> None:
    raw.add_observations(store, Cadence.DAILY, rows(("a", "2026-02-01", 1), ("a", "2026-02-02", np.nan)), NOW)
    before = raw.observation_references(store, Cadence.DAILY, day("2026-12-31"))
    raw.add_observations(
        store, Cadence.DAILY, rows(("a", "2026-02-01", 1), ("a", "2026-02-02", np.nan)), NOW + pd.Timedelta("1h")
    )
    assert raw.observation_references(store, Cadence.DAILY, day("2026-12-31")) == before


def test_a_late_correction_wins_and_the_first_arrival_is_kept(store: Store) -> None:
    raw.add_observations(store, Cadence.DAILY, rows(("a", "2026-02-01", 1)), NOW)
    raw.add_observations(store, Cadence.DAILY, rows(("a", "2026-02-01", 5)), NOW + pd.Timedelta("1h"))
    assert read(store)["cpu_p95"].tolist() == [5]
    assert raw.observation_references(store, Cadence.DAILY, day("2026-12-31"))[0].rows == 2


def arrivals(*values: tuple[str, float]) -> pd.DataFrame:
    """Rows of server a on 1 February: (arrived, value)."""
    frame = rows(*[("a", "2026-02-01", value) for _, value in values])
    times = pd.to_datetime([arrived for arrived, _ in values], utc=True).astype("datetime64[us, UTC]")
    return frame.assign(ingested_at=times)


def test_what_was_known_at_a_time_is_what_had_arrived_by_then(store: Store) -> None:
    raw.add_observations(store, Cadence.DAILY, arrivals(("2026-02-02", 1), ("2026-02-20", 5)), NOW)
    months = raw.observation_references(store, Cadence.DAILY, day("2026-12-31"))
    seen = {
        known: raw.read_observations(store, months, pd.Series(["a"]), day("2026-01-01"), day("2026-12-31"), day(known))[
            "cpu_p95"
        ].tolist()
        for known in ("2026-02-01", "2026-02-02", "2026-02-19", "2026-02-20")
    }
    assert seen == {"2026-02-01": [], "2026-02-02": [1], "2026-02-19": [1], "2026-02-20": [5]}


def test_repeating_a_delivery_with_corrections_in_it_changes_no_byte(store: Store) -> None:
    delivery = arrivals(("2026-02-02", 1), ("2026-02-20", 5), ("2026-02-21", 1))
    raw.add_observations(store, Cadence.DAILY, delivery, NOW)
    before = raw.observation_references(store, Cadence.DAILY, day("2026-12-31"))
    raw.add_observations(store, Cadence.DAILY, delivery.iloc[::-1], NOW)
    assert raw.observation_references(store, Cadence.DAILY, day("2026-12-31")) == before
    assert before[0].rows == 3


def test_what_is_said_to_have_been_known_earlier_is_kept(store: Store) -> None:
    raw.add_observations(store, Cadence.DAILY, arrivals(("2026-02-20", 5)), NOW)
    raw.add_observations(store, Cadence.DAILY, arrivals(("2026-02-02", 5)), NOW)
    assert raw.observation_references(store, Cadence.DAILY, day("2026-12-31"))[0].rows == 2


def test_a_row_without_any_value_shows_that_the_server_was_there(store: Store) -> None:
    raw.add_observations(store, Cadence.DAILY, rows(("a", "2026-02-01", 1)), NOW)
    raw.add_observations(store, Cadence.DAILY, rows(("b", "2026-02-01", np.nan)), NOW)
    assert len(read(store, server="b")) == 1


def test_the_last_row_of_a_silent_server_is_found_in_any_month(store: Store) -> None:
    raw.add_observations(
        store, Cadence.DAILY, rows(("a", "2025-11-03", 1), ("a", "2026-01-02", 2), ("b", "2025-10-01", 3)), NOW
    )
    months = raw.observation_references(store, Cadence.DAILY, day("2026-12-31"))
    last = raw.last_observations(store, months, pd.Series(["a", "b", "c"]), day("2026-01-01"))
    assert last[["server_id", "cpu_p95"]].values.tolist() == [["a", 1], ["b", 3]]


def test_deliveries_of_different_metrics_complete_each_other(store: Store) -> None:
    raw.add_observations(store, Cadence.DAILY, rows(("a", "2026-02-01", 1)), NOW)
    raw.add_observations(store, Cadence.DAILY, rows(("a", "2026-02-01", 7), column="mem_p95"), NOW + pd.Timedelta("1h"))
    found = read(store)
    assert found[["cpu_p95", "mem_p95"]].to_numpy().tolist() == [[1, 7]]


def test_no_observations_give_an_empty_frame(store: Store) -> None:
    assert read(store).empty


def test_inventory_is_kept_whole(store: Store) -> None:
    assert raw.get_inventory(store) is None
    raw.put_inventory(store, pd.DataFrame({"server_id": ["a"], "business_unit": ["x"]}))
    kept = raw.get_inventory(store)
    assert kept is not None
    assert kept["business_unit"].tolist() == ["x"]


def test_a_delivery_with_late_corrections_can_be_repeated_for_nothing(store: Store) -> None:
    first = rows(("a", "2026-03-01", 1), ("b", "2026-03-01", 5)).assign(ingested_at=day("2026-03-02"))
    later = rows(("a", "2026-03-01", 2)).assign(ingested_at=day("2026-03-04"))
    delivery = pd.concat([first, later], ignore_index=True)
    delivery["ingested_at"] = delivery["ingested_at"].astype("datetime64[us, UTC]")
    raw.add_observations(store, Cadence.DAILY, delivery, NOW)
    before = raw.observation_references(store, Cadence.DAILY, day("2026-04-01"))
    raw.add_observations(store, Cadence.DAILY, delivery, NOW)
    assert raw.observation_references(store, Cadence.DAILY, day("2026-04-01")) == before
    assert read(store)["cpu_p95"].tolist() == [2]


def test_a_damaged_month_is_named_with_the_remedy(store: Store) -> None:
    raw.add_observations(store, Cadence.DAILY, rows(("a", "2026-02-01", 1)), NOW)
    (key,) = store.keys("raw/observations")
    store.put(key, b"garbage")
    with pytest.raises(LakeError, match=r"month=2026-02.* is damaged .* deliver its data again"):
        raw.observation_references(store, Cadence.DAILY, day("2026-12-31"))


def test_a_late_confirmation_outranks_an_earlier_correction_in_every_order_of_delivery(store: Store) -> None:
    def told(value: float, arrived: str) -> pd.DataFrame:
        return rows(("a", "2026-02-01", value)).assign(ingested_at=day(arrived).as_unit("us"))

    for frame in (told(55, "2026-03-02"), told(55, "2026-03-10"), told(77, "2026-03-08"), told(55, "2026-03-10")):
        raw.add_observations(store, Cadence.DAILY, frame, NOW)
    assert read(store)["cpu_p95"].tolist() == [55]
    (month,) = raw.observation_references(store, Cadence.DAILY, day("2026-12-31"))
    assert month.rows == 3


def test_what_had_arrived_is_asked_of_the_lake(store: Store) -> None:
    raw.add_observations(store, Cadence.DAILY, rows(("a", "2026-02-01", 1)), NOW)
    months = raw.observation_references(store, Cadence.DAILY, day("2026-12-31"))
    assert raw.any_arrived(store, months, NOW)
    assert not raw.any_arrived(store, months, NOW - pd.Timedelta("1s"))
