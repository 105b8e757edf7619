"""Vectors packed into bins: decreasing, at every hour, with bins kept empty that can stand in for any other."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from capforecast.actions.packing import bins_of, first_fit, fits_alone, loads


def load_of(*cpu: list[float]) -> np.ndarray:
    """[S, 2, T] of vCPU by hour; hardly any memory."""
    values = np.array(cpu, np.float32)
    return np.stack([values, np.full_like(values, 0.01)], axis=1)


def test_the_largest_come_first() -> None:
    """In their own order 4, 4, 6, 6 take three bins of 10; the large ones first, two."""
    bins = bins_of(["a", "b", "c", "d"], np.full((4, 2), 10.0), 0, 0.0)
    place = first_fit(load_of([4], [4], [6], [6]), bins)
    assert place.tolist() == [0, 1, 0, 1]


def test_every_hour_counts_and_only_hours_that_meet() -> None:
    bins = bins_of(["a", "b"], np.full((2, 2), 10.0), 0, 0.0)
    assert first_fit(load_of([9, 1, 1], [1, 9, 1]), bins).tolist() == [0, 0]
    assert first_fit(load_of([1, 1, 6], [1, 1, 6]), bins).tolist() == [0, 1]
    assert first_fit(load_of([1, 1, 6], [1, 1, 6], [1, 6, 6]), bins).tolist() == [0, 1, -1]


def test_a_spare_bin_can_take_over_from_any_other() -> None:
    """The largest has little memory: no other is filled with more than that, nor with more vCPUs than it has."""
    bins = bins_of(["a", "b", "c"], np.array([[64.0, 64.0], [8.0, 128.0], [16.0, 32.0]]), 1, 0.25)
    assert bins.spare_names == ("a",)
    assert bins.names == ("b", "c")
    np.testing.assert_array_equal(bins.capacity, [[8, 128], [16, 32]])
    np.testing.assert_array_equal(bins.room, [[6, 48], [12, 24]])


def test_equal_bins_stand_by_name_and_all_may_be_spare() -> None:
    bins = bins_of(["b", "a"], np.full((2, 2), 4.0), 1, 0.0)
    assert (bins.spare_names, bins.names) == (("a",), ("b",))
    none = bins_of(["b", "a"], np.full((2, 2), 4.0), 3, 0.0)
    assert none.names == ()
    assert first_fit(load_of([1]), none).tolist() == [-1]
    assert bins_of([], np.zeros((0, 2)), 1, 0.0).names == ()


def test_what_fits_alone_is_asked_of_every_bin_and_both_resources() -> None:
    bins = bins_of(["wide", "tall"], np.array([[8.0, 1.0], [2.0, 64.0]]), 0, 0.0)
    load = np.array([[[7.0], [0.5]], [[1.0], [60.0]], [[7.0], [60.0]]], np.float32)
    assert fits_alone(load, bins).tolist() == [True, True, False]


@given(arrays(np.float32, (7, 2, 5), elements=st.floats(0, 8, width=32)), st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_what_is_packed_fits_and_what_is_not_fits_nowhere(load: np.ndarray, count: int) -> None:
    bins = bins_of([f"b{i}" for i in range(count)], np.linspace(6, 10, 2 * count).reshape(count, 2), 0, 0.2)
    place = first_fit(load, bins)
    held = loads(load, place, count)
    assert (held <= bins.room[:, :, None] + 1e-9).all()
    for i in np.flatnonzero(place < 0):
        assert ((held + load[i]) > bins.room[:, :, None] - 1e-9).any(axis=(1, 2)).all()
