"""Random numbers depend on seed, purpose and server, on nothing else, and are spread as they should be."""

from __future__ import annotations

import numpy as np
import pytest

from capforecast.fleet.synthetic_draws import dealt, noise, normal, uniform

FLEET = np.arange(2000)


def test_a_server_draws_the_same_whoever_else_draws_and_however_many() -> None:
    whole = uniform(7, "level", FLEET, 10)
    np.testing.assert_array_equal(uniform(7, "level", np.array([5, 1999]), 4), whole[[5, 1999], :4])
    for other in (uniform(8, "level", FLEET, 10), uniform(7, "pace", FLEET, 10)):
        assert not np.isin(other, whole).any()
    assert len(np.unique(whole)) == whole.size


def test_the_raw_stream_is_the_one_numpy_promises_to_keep() -> None:
    np.testing.assert_allclose(
        uniform(7, "level", np.array([3]), 3)[0], [0.098417646344, 0.965116803246, 0.139295211238], rtol=0, atol=1e-12
    )


def test_numbers_are_spread_as_they_should_be() -> None:
    flat, bell = uniform(1, "a", FLEET, 50), normal(1, "a", FLEET, 51)
    assert flat.mean() == pytest.approx(0.5, abs=0.005)
    assert flat.var() == pytest.approx(1 / 12, abs=0.003)
    assert bell.shape == (2000, 51)
    assert bell.mean() == pytest.approx(0, abs=0.02)
    assert bell.std() == pytest.approx(1, abs=0.02)
    assert np.abs(np.corrcoef(bell[:, :20].T) - np.eye(20)).max() < 0.12
    drifting = noise(1, "b", FLEET, 40, 0.8)
    assert drifting.std() == pytest.approx(1, abs=0.03)
    assert np.corrcoef(drifting[:, 20], drifting[:, 21])[0, 1] == pytest.approx(0.8, abs=0.05)


def test_names_are_dealt_in_exact_shares() -> None:
    names = dealt({"a": 1, "b": 3}, 7, "story", FLEET)
    for start in range(0, 2000, 4):
        assert sorted(names[start : start + 4]) == ["a", "b", "b", "b"]
    np.testing.assert_array_equal(dealt({"a": 1, "b": 3}, 7, "story", FLEET[10:30]), names[10:30])
    assert len(set(zip(names[::4], names[1::4], names[2::4], strict=True))) > 2
