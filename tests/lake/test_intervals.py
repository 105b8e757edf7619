"""Sets of intervals, against sets of whole numbers."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from capforecast.lake.intervals import NONE, Intervals, clipped, joined, minus, union

piece = st.tuples(st.integers(0, 2), st.integers(-5, 12), st.integers(1, 6))
pieces = st.lists(piece, max_size=8)


def made(each: list[tuple[int, int, int]]) -> Intervals:
    code, since, length = (np.array([one[place] for one in each], dtype=np.int64) for place in range(3))
    return Intervals(code, since, since + length)


def numbers(intervals: Intervals) -> set[tuple[int, int]]:
    return {
        (int(code), number)
        for code, since, until in zip(*intervals, strict=True)
        for number in range(int(since), int(until))
    }


@settings(max_examples=60, deadline=None)
@given(pieces, pieces)
def test_union_and_difference_are_those_of_sets(
    one: list[tuple[int, int, int]], two: list[tuple[int, int, int]]
) -> None:
    assert numbers(union(made(one))) == numbers(made(one))
    left = minus(made(one), made(two))
    assert numbers(left) == numbers(made(one)) - numbers(made(two))
    order = list(zip(left.code, left.since, left.until, strict=True))
    assert order == sorted(order)
    assert all(a[0] != b[0] or a[2] < b[1] for a, b in itertools.pairwise(order))  # none touches the next


def test_a_cut_keeps_what_is_inside() -> None:
    found = clipped(made([(0, 0, 5), (1, 8, 3)]), 3, np.array([4, 9]))
    assert numbers(found) == {(0, 3), (1, 8)}
    assert numbers(joined(NONE, found, NONE)) == numbers(found)
