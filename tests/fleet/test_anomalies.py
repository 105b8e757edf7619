"""Spikes and level shifts are found from the past alone, and what was marked stays marked."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capforecast.fleet.anomalies import WINDOWS, Marks, mark
from capforecast.fleet.anomaly_kernels import _slide
from capforecast.fleet.synthetic import Block, Fleet
from capforecast.schema import Cadence

CADENCES = list(Cadence)


def stamps(count: int, cadence: Cadence = Cadence.DAILY) -> pd.DatetimeIndex:
    return pd.date_range("2025-01-01", periods=count, freq=cadence.frequency, tz="UTC")


def week(count: int, seed: int, noise: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rhythm = np.where(np.arange(count) % 7 >= 5, -12.0, 0.0)
    return 50 + rhythm + noise * rng.standard_normal(count)


def marked(values: np.ndarray, cadence: Cadence = Cadence.DAILY) -> Marks:
    return mark(values, stamps(len(values), cadence), cadence)


def test_a_single_outlier_is_a_spike_and_no_shift() -> None:
    values = week(200, 1)
    values[150] += 15
    marks = marked(values[:, None])
    assert np.flatnonzero(marks.spikes[:, 0]).tolist() == [150]
    assert not marks.shifts.any()
    assert marks.last_shift().tolist() == [-1]


@pytest.mark.parametrize("size", [12.0, -12.0])
def test_a_lasting_move_is_one_shift_dated_when_told_and_when_it_began(size: float) -> None:
    values = week(260, 2)
    values[150:] += size
    marks = marked(values[:, None])
    (told,) = np.flatnonzero(marks.shifts[:, 0])
    assert 150 <= told <= 150 + WINDOWS[Cadence.DAILY].run
    assert marks.began[told, 0] == 150
    assert marks.last_shift().tolist() == [150]
    assert marks.sizes[told, 0] == pytest.approx(size, abs=2)
    assert marks.usual[told, 0] == pytest.approx(50, abs=2)
    assert np.isnan(marks.sizes[~(marks.shifts | marks.spikes)]).all()


def test_after_a_shift_the_new_level_is_what_is_usual() -> None:
    values = week(300, 7)
    values[150:] += 20
    values[[165, 190]] += 15  # five days after the shift is told, and later
    values[230:] -= 20  # back again
    marks = marked(values[:, None])
    told = np.flatnonzero(marks.shifts[:, 0])
    assert marks.began[told, 0].tolist() == [150, 230]
    assert np.sign(marks.sizes[told, 0]).tolist() == [1, -1]
    between = np.flatnonzero(marks.spikes[:, 0] & (np.arange(300) > told[0]) & (np.arange(300) < 230))
    assert between.tolist() == [165, 190]
    assert marks.usual[between, 0] == pytest.approx(values[between] - 15, abs=4)


def test_weekends_and_slow_growth_are_nothing_strange() -> None:
    values = week(400, 3) + np.arange(400) * 0.05
    marks = marked(values[:, None])
    assert marks.spikes.mean() < 0.003
    assert not marks.shifts.any()


@given(
    seed=st.integers(0, 1000), cut=st.integers(60, 219), missing=st.floats(0, 0.5), cadence=st.sampled_from(CADENCES)
)
@settings(max_examples=25, deadline=None)
def test_the_future_changes_no_earlier_mark(seed: int, cut: int, missing: float, cadence: Cadence) -> None:
    rng = np.random.default_rng(seed)
    scale = 1 if cadence is Cadence.DAILY else 5
    values = np.stack([week(220 * scale, seed + column) for column in range(3)], axis=1)
    values[120 * scale :, 0] += 20
    values[rng.random(values.shape) < missing] = np.nan
    other = values.copy()
    other[cut * scale :] = rng.normal(300, 100, other[cut * scale :].shape)
    one, two = marked(values, cadence), marked(other, cadence)
    short = marked(values[: cut * scale], cadence)
    for name in ("spikes", "shifts", "began", "usual", "sizes"):
        before = getattr(one, name)[: cut * scale]
        np.testing.assert_array_equal(before, getattr(two, name)[: cut * scale])
        np.testing.assert_array_equal(before, getattr(short, name))


@given(seed=st.integers(0, 1000), power=st.integers(-20, 20), missing=st.floats(0, 0.4))
@settings(max_examples=25, deadline=None)
def test_another_unit_gives_the_same_marks(seed: int, power: int, missing: float) -> None:
    values = week(200, seed)[:, None]
    values[120:] *= 1.5
    values[90] *= 2
    values[np.random.default_rng(seed).random(values.shape) < missing] = np.nan
    one, two = marked(values), marked(values * 2.0**power)
    np.testing.assert_array_equal(one.spikes, two.spikes)
    np.testing.assert_array_equal(one.shifts, two.shifts)
    np.testing.assert_array_equal(one.began, two.began)


def test_missing_values_are_never_marked_and_do_no_harm() -> None:
    values = np.tile(week(200, 4)[:, None], (1, 3))
    values[60:120, 1] = np.nan
    values[:, 2] = np.nan
    values[170] += 20
    marks = marked(values)
    assert not (marks.spikes & np.isnan(values)).any()
    assert not (marks.shifts & np.isnan(values)).any()
    assert marks.spikes[170].tolist() == [True, True, False]
    empty = mark(np.empty((0, 2)), stamps(0), Cadence.DAILY)
    assert empty.spikes.shape == (0, 2)
    assert empty.last_shift().tolist() == [-1, -1]
    with pytest.raises(ValueError, match="do not fit"):
        mark(values, stamps(5), Cadence.DAILY)


def test_marks_do_not_depend_on_what_stands_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.stack([week(150, seed) for seed in range(9)], axis=1)
    values[100:, ::2] += 15
    whole = marked(values)
    monkeypatch.setattr("capforecast.fleet.anomalies._BYTES", 1)
    alone = marked(values)
    np.testing.assert_array_equal(whole.shifts, alone.shifts)
    np.testing.assert_array_equal(whole.spikes, alone.spikes)


def test_a_sliding_median_is_the_median_of_what_was_seen() -> None:
    rng = np.random.default_rng(5)
    values = rng.random((4, 40)).round(1)  # with ties
    values[rng.random(values.shape) < 0.3] = np.nan
    got, tail = np.empty(values.shape), np.empty(40)
    for series, medians in zip(values, got, strict=True):
        _slide(series, 9, 5, medians, tail)
    for row, time in np.ndindex(*values.shape):
        window = values[row, max(time - 8, 0) : time + 1]
        seen = window[~np.isnan(window)]
        expected = np.median(seen) if len(seen) >= 5 else np.nan
        np.testing.assert_allclose(got[row, time], expected)


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> Callable[[Block, Cadence], dict[str, float]]:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    return importlib.import_module("marked_events").rates


def test_events_of_a_daily_fleet_are_found_with_few_false_alarms(rates) -> None:
    measured = rates(next(Fleet(480, 730).blocks(480)), Cadence.DAILY)
    assert measured["shifts_found"] > 0.7
    assert measured["spikes_found"] > 0.65
    assert measured["false_shifts"] < 0.1
    assert measured["false_spikes"] < 0.05


def test_events_of_an_hourly_fleet_are_found_with_few_false_alarms(rates) -> None:
    measured = rates(next(Fleet(192, 150, Cadence.HOURLY).blocks(192)), Cadence.HOURLY)
    assert measured["shifts_found"] > 0.7
    assert measured["spikes_found"] > 0.55
    assert measured["false_shifts"] < 0.05
    assert measured["false_spikes"] < 0.4


def test_bursts_are_nothing_strange_in_a_series_that_often_bursts() -> None:
    rng = np.random.default_rng(6)
    bursts = np.where(rng.random((24 * 60, 20)) < 0.15, 60 + rng.normal(0, 5, (24 * 60, 20)), 0)
    values = 5 + rng.normal(0, 0.3, bursts.shape) + bursts
    values[1200] = 250
    marks = marked(values, Cadence.HOURLY)
    assert marks.spikes[1200].all()
    assert np.delete(marks.spikes, 1200, axis=0).mean() < 0.0005
    assert not marks.shifts.any()
