"""What benchmarks measure against: the oracle of a synthetic fleet, and series of Prophet's own model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from capforecast.fleet.synthetic import Fleet
from capforecast.schema import Cadence

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_the_oracle_beats_the_expected_value_while_noise_is_remembered_and_sees_no_future() -> None:
    import oracle_forecast
    import synthetic_panels

    origin = 170
    made = synthetic_panels.made(Fleet(96, 200, dirty=False).blocks())
    best = oracle_forecast.oracle(made, origin)
    disk = (made.told["metric"] == "disk").to_numpy() & ~made.told["story"].isin(["constant"]).to_numpy()
    soon = slice(origin, origin + 2)
    of_oracle = np.nanmean(np.abs(made.values[soon] - best[:2])[:, disk])
    of_mean = np.nanmean(np.abs(made.values[soon] - made.means[soon])[:, disk])
    assert of_oracle < 0.92 * of_mean  # noise that halves in two days: 0.86 is the theory's ratio for days 1 and 2
    np.testing.assert_allclose(best[-1, disk], made.means[-1, disk], atol=1e-2)  # forgotten after a month
    made.values[origin:] = np.nan
    np.testing.assert_array_equal(oracle_forecast.oracle(made, origin), best)


def test_a_benchmark_panel_holds_what_validation_would_pass() -> None:
    import synthetic_panels

    panel = synthetic_panels.fleet_panel(48, 200, Cadence.DAILY)
    assert 48 * 4 < len(panel.series) < 48 * 5
    seen = np.isfinite(panel.values)
    assert seen[-7:].any(axis=0).all()
    assert (seen[-90:].mean(axis=0) >= 0.8).all()
    assert not panel.series.duplicated(["server_id", "metric"]).any()
    again = synthetic_panels.fleet_panel(24, 200, Cadence.DAILY)
    np.testing.assert_array_equal(panel.values[:, : len(again.series)], again.values)


def test_series_of_prophets_model_break_in_the_history_only() -> None:
    import prophet_series

    calm = prophet_series.Variant(breaks=3, size=0.5, noise=0.05, yearly=0.0, weekly=0.0)
    values, truth, stamps = prophet_series.draw(calm, 5, 400, 90, seed=1)
    assert values.shape == truth.shape == (490, 5)
    assert len(stamps) == 490
    bends = np.abs(np.diff(truth, n=2, axis=0)).max(axis=1) > 1e-6
    assert 1 <= bends[:400].sum() <= 6
    assert not bends[330:].any()
    assert np.std(values - truth) == pytest.approx(2.5, rel=0.1)
