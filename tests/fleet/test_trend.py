"""The trend people read: its size, since when, and silence where there is none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capforecast.fleet.trend import recent_trend
from capforecast.schema import Cadence

DAYS = 500


def noise(count: int = DAYS, series: int = 200, carry: float = 0.3, seed: int = 1) -> np.ndarray:
    """AR(1) around 50, standard deviation 3, with a quieter weekend."""
    rng = np.random.default_rng(seed)
    out = rng.normal(0, 1, (count, series))
    for t in range(1, count):
        out[t] = carry * out[t - 1] + np.sqrt(1 - carry**2) * out[t]
    return 50 + 3 * out - 8.0 * (np.arange(count) % 7 >= 5)[:, None]


def trends(values: np.ndarray, cadence: Cadence = Cadence.DAILY) -> pd.DataFrame:
    stamps = pd.date_range("2025-01-01", periods=len(values), freq=cadence.frequency, tz="UTC", unit="us")
    return recent_trend(values.astype(np.float32), stamps, cadence)


def days_since(found: pd.DataFrame, count: int = DAYS) -> float:
    end = pd.Timestamp("2025-01-01", tz="UTC") + pd.Timedelta(days=count)
    return float(((end - found["trend_since"]) / pd.Timedelta(days=1)).median())


def climb(per_month: float, since: int, count: int = DAYS) -> np.ndarray:
    return (np.maximum(np.arange(count) - (count - since), 0) * per_month * 12 / 365.25)[:, None]


@pytest.mark.parametrize(("per_month", "since"), [(2.0, 150), (-3.0, 120), (5.0, 80)])
def test_a_climb_is_told_with_its_size_and_its_beginning(per_month: float, since: int) -> None:
    found = trends(noise() + climb(per_month, since))
    told = found["trend_per_month"].dropna()
    assert len(told) > 0.5 * len(found)
    assert told.median() == pytest.approx(per_month, rel=0.15)
    assert days_since(found) == pytest.approx(since, abs=21)
    assert (found["trend_since"].notna() == found["trend_per_month"].notna()).all()


def test_a_climb_older_than_a_year_is_told_since_the_year_looked_at() -> None:
    found = trends(noise() + climb(1.0, DAYS))
    assert found["trend_per_month"].median() == pytest.approx(1.0, rel=0.1)
    assert days_since(found) == 364


@pytest.mark.parametrize("carry", [0.0, 0.5, 0.8])
def test_what_does_not_climb_has_no_trend(carry: float) -> None:
    assert trends(noise(carry=carry, series=400))["trend_per_month"].notna().mean() < 0.05


@pytest.mark.parametrize("ago", [10, 40, 100, 200])
def test_a_step_is_no_climb(ago: int) -> None:
    values = noise()
    values[-ago:] += 15
    assert trends(values)["trend_per_month"].notna().mean() < 0.05


def test_a_climb_counts_from_the_step_before_it() -> None:
    found = trends(noise() + climb(3.0, 100) - 15 * (np.arange(DAYS) >= DAYS - 100)[:, None])
    assert found["trend_per_month"].median() == pytest.approx(3.0, rel=0.15)
    assert days_since(found) == pytest.approx(100, abs=10)


@given(at=st.integers(150, DAYS - 15), size=st.sampled_from([-1000.0, 60.0, 1000.0]))
@settings(max_examples=15, deadline=None)
def test_a_three_day_incident_changes_nothing_that_people_would_read(at: int, size: float) -> None:
    values = noise(series=60) + climb(2.0, 200)
    struck = values.copy()
    struck[at : at + 3] += size
    before, after = trends(values), trends(struck)
    same = before["trend_per_month"].notna() & after["trend_per_month"].notna()
    assert (before["trend_per_month"].notna() == after["trend_per_month"].notna()).mean() >= 0.75
    assert (before["trend_per_month"] - after["trend_per_month"])[same].abs().median() < 0.1


@given(seed=st.integers(0, 1000), power=st.integers(-20, 20), missing=st.floats(0, 0.4))
@settings(max_examples=15, deadline=None)
def test_it_follows_the_unit_and_bears_gaps(seed: int, power: int, missing: float) -> None:
    values = noise(series=6, seed=seed) + climb(2.0, 200)
    values[np.random.default_rng(seed).random(values.shape) < missing] = np.nan
    one, two = trends(values), trends(values.astype(np.float32).astype(np.float64) * 2.0**power)
    np.testing.assert_allclose(two["trend_per_month"], one["trend_per_month"] * 2.0**power, rtol=1e-9)
    assert one["trend_since"].equals(two["trend_since"])
    assert np.isfinite(one["trend_per_month"].dropna()).all()


def test_a_short_a_constant_or_an_empty_history_has_none() -> None:
    for values in (noise(50), np.full((DAYS, 3), 7.0), np.full((DAYS, 3), np.nan), np.empty((0, 3)), noise()[:, :0]):
        found = trends(values)
        assert found["trend_per_month"].isna().all()
        assert found["trend_since"].isna().all()
        assert str(found["trend_since"].dtype) == "datetime64[us, UTC]"


def test_hours_give_the_trend_of_their_weeks() -> None:
    hours = 24 * 83
    rise = np.arange(hours)[:, None] / 24 * 6 / 30.4375
    values = 40 + rise + np.random.default_rng(3).normal(0, 3, (hours, 50))
    found = trends(values, Cadence.HOURLY)
    assert found["trend_per_month"].median() == pytest.approx(6, rel=0.1)
    since = found["trend_since"].dropna()
    assert len(since) > 40
    assert (since == since.dt.floor("D")).all()
