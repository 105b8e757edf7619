"""Times and numbers as people and systems write them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from capforecast.sources import cells


def column(values: list[object], kind: pa.DataType | None = None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, kind)])


MOMENT = np.datetime64("2024-03-01T10:00:00", "us")


@pytest.mark.parametrize(
    "written",
    [
        "2024-03-01T10:00:00Z", "2024-03-01 10:00", "2024-03-01T12:00:00+02:00", "2024-03-01 12:00:00+02",
        "2024-03-01T05:30:00-0430", "2024/03/01 10:00:00", "1709287200", "1709287200000", 1709287200, 1709287200000,
        1709287200.0, pd.Timestamp("2024-03-01 10:00"), pd.Timestamp("2024-03-01 11:00", tz="Europe/Berlin"),
    ],
)  # fmt: skip
def test_one_moment_is_read_however_it_is_written(written: object) -> None:
    times = cells.moments(column([written]), "UTC")
    assert times.utc[0] == MOMENT
    assert not any(bad.any() for bad in times.bad.values())


def test_a_time_without_a_zone_is_in_the_zone_of_the_settings_and_keeps_its_day() -> None:
    times = cells.moments(column(["2024-03-01", "2024-07-01T00:30", "2024-07-01T00:30+00:00"]), "Europe/Berlin")
    assert times.utc.astype(str).tolist() == [
        "2024-02-29T23:00:00.000000", "2024-06-30T22:30:00.000000", "2024-07-01T00:30:00.000000",
    ]  # fmt: skip
    assert times.wall.astype("datetime64[D]").astype(str).tolist() == ["2024-03-01", "2024-07-01", "2024-07-01"]


def test_an_hour_that_a_clock_change_repeats_or_skips_has_no_utc() -> None:
    times = cells.moments(column(["2024-03-31T02:30", "2024-10-27T02:30", "2024-10-27T04:00"]), "Europe/Berlin")
    assert np.isnat(times.utc).tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("", "missing_timestamp"), (None, "missing_timestamp"), ("tomorrow", "unparseable_timestamp"),
        ("2024-02-30", "unparseable_timestamp"), ("01/02/2024", "unparseable_timestamp"),
        ("1970-01-01", "implausible_timestamp"), (0, "implausible_timestamp"), ("2999-01-01", "implausible_timestamp"),
    ],
)  # fmt: skip
def test_what_is_no_moment_says_why(written: object, reason: str) -> None:
    times = cells.moments(column([written, None], pa.string() if written is None else None), "UTC")
    assert [name for name, bad in times.bad.items() if bad[0]] == [reason]


def test_numbers_written_as_text_are_read_and_words_are_not() -> None:
    values, odd = cells.numbers(column(["4.5", " 7 ", "45 %", "-1e3", "", "NA", "x", "1,5", None]))
    np.testing.assert_array_equal(values, [4.5, 7, 45, -1000, np.nan, np.nan, np.nan, np.nan, np.nan])
    assert odd.tolist() == [False] * 6 + [True, True, False]
    assert cells.numbers(column(["1,5"]), ",")[0].tolist() == [1.5]


def test_ids_keep_leading_zeros_and_whole_numbers_lose_their_fraction() -> None:
    codes, names = cells.texts(column(["007", " a ", "", None]))
    assert [names[code] if code >= 0 else None for code in codes] == ["007", "a", None, None]
    assert cells.texts(column([7.0, None]))[1] == ["7"]
    assert cells.texts(column([7, 8]).dictionary_encode())[1] == ["7", "8"]
