"""Figures of the warnings' benchmark that the product does not print."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_thresholds_are_of_what_lay_before_each_origin() -> None:
    import real_cases
    import warning_cases

    values = np.arange(600, dtype=np.float32)[:, None] * np.array([1.0, 2.0], np.float32)
    times = pd.date_range("2024-01-01", periods=600, freq="D")
    panel = real_cases.panel_of(values, times, ["a", "b"], ["x", "x"])
    found = warning_cases.thresholds_before(panel, np.array([499, 419, 100]), 420)
    assert found[0, :, 1] == pytest.approx(np.quantile(values[:500, 1], 0.95) * np.array(warning_cases.FACTORS))
    assert np.isfinite(found[1]).all()
    assert np.isnan(found[2]).all()  # too little lay before
    later = values.copy()
    later[500:] = 1e6
    again = warning_cases.thresholds_before(
        real_cases.panel_of(later, times, ["a", "b"], ["x", "x"]), np.array([499]), 420
    )
    assert np.array_equal(found[:1], again)


def test_dates_are_judged_where_shown_and_among_all() -> None:
    import warning_tables

    cases = pd.DataFrame(
        {
            "p_90d": [0.05, 0.3, 0.8, 0.8],
            "observed_days": 90,
            "event_days": [np.nan, 20.0, 50.0, np.nan],
            "days_q10": [np.nan, 30.0, 10.0, 12.0],
            "days_q50": [np.nan, np.nan, 60.0, 60.0],
        }
    )
    q10, q50 = warning_tables.date_shares(cases, 90)
    assert q10 == ["q10", "3", "0.333", "0.10", "0.250", f"{(0.05 + 0.3) / 4:.3f}"]
    assert q50 == ["q50", "2", "0.500", "0.50", "0.500", f"{(0.05 + 0.3 + 1.0) / 4:.3f}"]


def test_a_wrong_date_of_a_breach_is_found_in_the_truth() -> None:
    import warning_cases

    origin = pd.Timestamp("2026-01-01", tz="UTC")
    case = {"server_id": "s", "metric": "cpu", "level": "high", "origin": origin, "observed_days": 90}
    truth = pd.DataFrame(
        [{"server_id": "s", "metric": "cpu", "level": "high", "rule": "daily", "date": origin + pd.Timedelta(days=9)}]
    )
    for days, wrong in ((9.0, 0), (8.0, 1), (np.nan, 1)):
        assert warning_cases._against_truth(pd.DataFrame([case | {"event_days": days}]), truth) == (1, wrong)
