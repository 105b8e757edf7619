"""Sets of half-open intervals of whole numbers, one set per code: union and difference of all of them at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


class Intervals(NamedTuple):
    """[since, until) of a code, each [N] int64; since < until. What a function returns is sorted and apart."""

    code: Integers
    since: Integers
    until: Integers


NONE = Intervals(*(np.empty(0, dtype=np.int64),) * 3)


def joined(*parts: Intervals) -> Intervals:
    """All intervals of several sets, as they are."""
    return Intervals(*(np.concatenate(each).astype(np.int64) for each in zip(*parts, strict=True)))


def union(intervals: Intervals) -> Intervals:
    """The same sets as few intervals as can be: sorted by code and begin, none touching the next."""
    return minus(intervals, NONE)


def minus(intervals: Intervals, without: Intervals) -> Intervals:
    """What of each code's intervals lies in none of `without` of the same code.

    A sweep over all ends: how many intervals of either kind are open between one end and the next.
    """
    code = np.concatenate([intervals.code, intervals.code, without.code, without.code])
    at = np.concatenate([intervals.since, intervals.until, without.since, without.until])
    opened = np.repeat([1, -1, 0, 0], [len(intervals.code)] * 2 + [len(without.code)] * 2)
    closed = np.repeat([0, 0, 1, -1], [len(intervals.code)] * 2 + [len(without.code)] * 2)
    order = np.lexsort((at, code))
    code, at = code[order], at[order]
    inside = (np.cumsum(opened[order]) > 0) & (np.cumsum(closed[order]) == 0)
    last = np.append((code[1:] != code[:-1]) | (at[1:] != at[:-1]), True)[: len(code)]  # of the ends at one place
    code, at, inside = code[last], at[last], inside[last]
    before = np.append(False, inside[:-1])[: len(inside)]  # nothing is open after the last end of a code
    begins, ends = np.flatnonzero(inside & ~before), np.flatnonzero(~inside & before)
    return Intervals(code[begins], at[begins], at[ends])


def clipped(intervals: Intervals, since: int | Integers, until: int | Integers) -> Intervals:
    """The part of each interval that lies in [since, until); of one bound for all, or one for each."""
    first, last = np.maximum(intervals.since, since), np.minimum(intervals.until, until)
    kept = first < last
    return Intervals(intervals.code[kept], first[kept], last[kept])
