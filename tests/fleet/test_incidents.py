"""What was strange is listed once, with what was usual, and what the calendar knows is not strange."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from capforecast.fleet.incidents import incidents
from capforecast.schema import ANOMALY_COLUMNS, Cadence, Panel
from capforecast.settings import CalendarSettings, Event

PLAIN = CalendarSettings(country=None)


def panel(values: np.ndarray, cadence: Cadence = Cadence.DAILY, start: str = "2025-01-01") -> Panel:
    values = np.atleast_2d(values.T).T.astype(np.float32)
    count = values.shape[1]
    series = pd.DataFrame({"server_id": [f"s{i}" for i in range(count)], "metric": "cpu"})
    series = series.assign(business_unit="b", region="r", criticality="c")
    stamps = pd.date_range(start, periods=len(values), freq=cadence.frequency, tz="UTC")
    return Panel(values, stamps, series, cadence)


def steady(count: int, seed: int = 1) -> np.ndarray:
    rhythm = np.where(np.arange(count) % 7 >= 5, -12.0, 0.0)
    return 50 + rhythm + np.random.default_rng(seed).standard_normal(count)


def brief(found: pd.DataFrame) -> list[tuple[str, str, str]]:
    return [(row.kind, f"{row.began:%m-%d}", f"{row.told:%m-%d}") for row in found.itertuples()]


def test_a_spike_says_when_how_much_and_what_was_usual() -> None:
    values = steady(200)
    values[150] += 20
    found = incidents(panel(values), PLAIN)
    assert list(found.columns) == list(ANOMALY_COLUMNS)
    assert brief(found) == [("spike", "05-31", "05-31")]
    (row,) = found.to_dict("records")
    assert (row["server_id"], row["metric"], row["business_unit"]) == ("s0", "cpu", "b")
    assert row["value"] == pytest.approx(values[150], abs=1e-3)
    assert row["size"] == pytest.approx(20, abs=4)
    assert row["usual"] + row["size"] == pytest.approx(row["value"], abs=1e-3)


def test_spikes_next_to_each_other_are_one_incident_shown_at_its_worst() -> None:
    values = steady(200)
    values[[150, 152]] += [15, 30]
    values[160] -= 25
    found = incidents(panel(values), PLAIN)
    assert brief(found) == [("spike", "05-31", "05-31"), ("spike", "06-10", "06-10")]
    assert found["size"].to_numpy() == pytest.approx([30, -25], abs=4)


def test_the_spikes_a_shift_begins_with_are_part_of_it() -> None:
    values = steady(200)
    values[150:] += 20
    found = incidents(panel(values), PLAIN)
    ((kind, began, told),) = brief(found)
    assert (kind, began) == ("level_shift", "05-31")
    assert "05-31" < told <= "06-08"
    assert found["size"].item() == pytest.approx(20, abs=3)
    assert found["value"].item() == pytest.approx(found["usual"].item() + found["size"].item())


def test_peaks_the_calendar_knows_are_no_incidents() -> None:
    values = steady(200)
    values[150] += 20
    event = Event(name="sale", start="2025-05-31", end="2025-05-31")
    assert incidents(panel(values), CalendarSettings(country=None, events=(event,))).empty


def test_only_the_last_year_is_shown_and_history_before_it_counts() -> None:
    values = steady(800)
    values[[300, 434, 436, 600]] += 30
    found = incidents(panel(values), PLAIN)
    assert found["told"].tolist() == [pd.Timestamp("2025-01-01", tz="UTC") + pd.Timedelta(days=600)]
    assert incidents(panel(values[:700]), PLAIN)["told"].dt.day_of_year.tolist() == [70, 236]  # rows 434 and 600
    assert incidents(panel(values[:40]), PLAIN).empty
    assert incidents(panel(values[:0]), PLAIN).empty


def test_rows_do_not_depend_on_what_stands_beside() -> None:
    values = np.stack([steady(260, seed) for seed in range(6)], axis=1)
    values[200, ::2] += 25
    values[230:, 1] -= 20
    whole = panel(values)
    together = incidents(whole, PLAIN)
    alone = [
        incidents(replace(whole, values=whole.values[:, [i]], series=whole.series.iloc[[i]]), PLAIN) for i in range(6)
    ]
    pd.testing.assert_frame_equal(together, pd.concat(alone, ignore_index=True))
    assert len(together) >= 4


def test_hours_of_one_day_are_one_incident() -> None:
    hours = np.arange(24 * 40)
    values = 30 + 10 * np.sin(hours / 24 * 2 * np.pi) + np.random.default_rng(2).standard_normal(len(hours))
    values[[700, 705, 760]] += 40
    found = incidents(panel(values, Cadence.HOURLY), PLAIN)
    assert found["told"].dt.strftime("%d %H").tolist() == ["30 04", "01 16"]
