"""Error paths in half precision: close, within range, and the same however often they are packed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capforecast.forecast.error_tables import packed, stored_errors, unpacked


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), decades=st.integers(-20, 30))
def test_packing_twice_changes_nothing_and_loses_a_twentieth_of_a_percent(seed: int, decades: int) -> None:
    rng = np.random.default_rng(seed)
    spread = 10.0 ** rng.uniform(-4, 0, (3, 5, 4))
    errors = (rng.normal(0, 1, (3, 5, 4)) * spread * 10.0**decades).astype(np.float32)
    errors[rng.random(errors.shape) < 0.1] = np.nan
    once = stored_errors(errors)
    np.testing.assert_array_equal(stored_errors(once), once)
    np.testing.assert_array_equal(np.isnan(once), np.isnan(errors))
    largest = np.fmax.reduce(np.abs(errors), axis=(0, 1), initial=0.0)
    assert (np.abs(once - errors) <= 2.0**-11 * np.abs(errors) + 2.0**-38 * largest)[np.isfinite(errors)].all()


@pytest.mark.parametrize("value", [0.0, 1.0, 65504.0, 3e38, -3e38, 1e-30, 1.9999999, 1023.9999])
def test_no_error_overflows_or_turns_into_nothing(value: float) -> None:
    errors = np.full((2, 3, 1), value, dtype=np.float32)
    kept = stored_errors(errors)
    assert np.isfinite(kept).all()
    np.testing.assert_allclose(kept, errors, rtol=5e-4)


def test_no_origin_no_series_and_nothing_observed_are_kept_as_they_are() -> None:
    for shape in ((0, 5, 3), (2, 5, 0), (2, 0, 3)):
        halves, unit = packed(np.zeros(shape, dtype=np.float32))
        assert unpacked(halves, unit).shape == shape
    assert np.isnan(stored_errors(np.full((2, 3, 2), np.nan, dtype=np.float32))).all()
