"""Hourly candidates that need no fitting: medians by hour, hour of the week and kind of day, flat, anchored weeks.

A median by group is read off while rows are taken in newest first, so one pass serves all look-backs of an origin.
"""

from __future__ import annotations

import numba
import numpy as np

from capforecast.forecast.base import Array32, Block, Family, Index, register
from capforecast.forecast.lanes import LANES, group_medians, row_medians
from capforecast.schema import Cadence

_WEEK = 168
_HOUR_DAYS = (1, 2, 4, 7, 14, 28)
_HOUR_WEEKS = (1, 2, 3, 5, 8)
_FLAT_HOURS = (1, 3, 6, 12, 24, 48, 72, 168, 336, 672, 1344)
_MUL_WEEKS = (2, 3, 5, 8)
_TYPE_WEEKS = (2, 4)
_ANCHOR_HOURS, _ANCHOR_DECAY = (24, 72), (1.0, 0.99, 0.97)
_ANCHOR_WEEKS = 4


@numba.njit(forceinline=True, nogil=True, error_model="numpy")
def _recent(values, origin, first, recent):  # type: ignore[no-untyped-def]
    """The last rows of some lanes before an origin, newest first, [P, LANES]."""
    for back in range(len(recent)):
        for j in range(LANES):
            recent[back, j] = values[origin - 1 - back, first + j]


@numba.njit(forceinline=True, nogil=True, error_model="numpy")
def _divide_by_level(recent, level):  # type: ignore[no-untyped-def]
    """Rows as a share of the size of their week's mean; `level` [LANES] becomes the newest week's mean."""
    mean = np.empty(LANES)
    for week in range(len(recent) // _WEEK - 1, -1, -1):
        rows = recent[week * _WEEK : (week + 1) * _WEEK]
        mean[:] = 0.0
        for t in range(_WEEK):
            for j in range(LANES):
                mean[j] += rows[t, j] / _WEEK
        for t in range(_WEEK):
            for j in range(LANES):
                rows[t, j] /= max(abs(mean[j]), 1e-30)
    level[:] = mean


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _by_group(values, birth, origins, group, most, looks, relative, out):  # type: ignore[no-untyped-def]
    """Medians of the rows' groups over several look-backs, repeated ahead: out [O, L, H, N].

    values: [T, N].  group: [T + H], of each row.  most: [groups], most rows of one group in the longest look-back.
    looks: hours, ascending.  relative: medians of shares of each week's mean, placed on the last week's.
    """
    groups, longest = group.max() + 1, looks[-1]
    recent, level = np.empty((longest, LANES)), np.ones(LANES)
    ordered, counts = np.empty((groups, most, LANES)), np.empty(groups, dtype=np.int64)
    medians = np.empty((len(looks), groups, LANES))
    for first in range(0, values.shape[1], LANES):
        for o in range(len(origins)):
            origin = origins[o]
            fit = np.searchsorted(looks, origin, side="right")
            if fit == 0:
                continue
            past = recent[: looks[fit - 1]]
            _recent(values, origin, first, past)
            if relative:
                _divide_by_level(past, level)
            group_medians(past, group[origin - len(past) : origin][::-1], looks[:fit], ordered, counts, medians)
            for i in range(fit):
                for h in range(out.shape[2]):
                    for j in range(LANES):
                        if origin - birth[first + j] >= looks[i]:
                            out[o, i, h, first + j] = medians[i, group[origin + h], j] * level[j]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _anchored(values, birth, origins, looks, powers, out):  # type: ignore[no-untyped-def]
    """Median weekly shape plus the median recent offset from it, which decays: out [O, looks x decays, H, N].

    looks: hours whose offset counts, ascending.  powers: [decays, H].
    """
    weeks, decays = _ANCHOR_WEEKS, len(powers)
    recent, shape = np.empty((weeks * _WEEK, LANES)), np.empty((1, _WEEK, LANES))
    ordered, counts = np.empty((_WEEK, weeks, LANES)), np.empty(_WEEK, dtype=np.int64)
    line, offset = np.empty((1, looks[-1], LANES)), np.empty((len(looks), 1, LANES))
    back = np.arange(weeks * _WEEK)
    slot, one = (-1 - back) % _WEEK, np.zeros(1, dtype=np.int64)  # hour of the week counted from the origin
    for first in range(0, values.shape[1], LANES):
        for o in range(len(origins)):
            if origins[o] < len(recent):
                continue
            _recent(values, origins[o], first, recent)
            group_medians(recent, slot, np.array([len(recent)]), ordered, counts, shape)
            for b in range(looks[-1]):
                for j in range(LANES):
                    recent[b, j] -= shape[0, slot[b], j]
            group_medians(recent[: looks[-1]], 0 * back, looks, line, one, offset)
            for k in range(len(looks) * decays):
                for h in range(out.shape[2]):
                    for j in range(LANES):
                        if origins[o] - birth[first + j] >= len(recent):
                            moved = powers[k % decays, h] * offset[k // decays, 0, j]
                            out[o, k, h, first + j] = shape[0, h % _WEEK, j] + moved


def _write_groups(block: Block, group: Index, looks: Index, out: Array32, relative: bool = False) -> None:
    """Medians by group over look-backs of hours, [O, L, H, N]."""
    windows = [group[max(0, origin - looks[-1]) : origin] for origin in block.origins]
    most = max(int(np.bincount(window).max()) for window in windows)
    _by_group(block.values, block.birth, np.array(block.origins), group, most, looks, relative, out)


def _write_flat(block: Block, out: Array32) -> None:
    """Medians of the last hours, [O, L, H, N]."""
    columns = np.ascontiguousarray(block.values[: max(block.origins)].T)
    for o, origin in enumerate(block.origins):
        for i, hours in enumerate(_FLAT_HOURS):
            if origin >= hours:
                middle = row_medians(columns[:, origin - hours : origin])
                out[o, i] = np.where(block.age(origin) >= hours, middle, np.nan)


def _profiles(block: Block, out: Array32) -> None:
    rows = np.arange(max(block.origins) + block.horizon)
    calendar = block.calendar.iloc[: len(rows)]
    kind_of_day = calendar["hour"].to_numpy() + 24 * (calendar["day_of_week"].to_numpy() >= 5)
    parts = np.split(out, np.cumsum([len(names) for names in _PARTS])[:-1], axis=1)
    _write_groups(block, rows % 24, 24 * np.array(_HOUR_DAYS), parts[0])
    _write_groups(block, rows % _WEEK, _WEEK * np.array(_HOUR_WEEKS), parts[1])
    _write_flat(block, parts[2])
    _write_groups(block, rows % _WEEK, _WEEK * np.array(_MUL_WEEKS), parts[3], relative=True)
    _write_groups(block, kind_of_day.astype(np.int64), _WEEK * np.array(_TYPE_WEEKS), parts[4])
    powers = np.array(_ANCHOR_DECAY)[:, None] ** np.arange(1, block.horizon + 1)
    _anchored(block.values, block.birth, np.array(block.origins), np.array(_ANCHOR_HOURS), powers, parts[5])


_PARTS: tuple[tuple[str, ...], ...] = (
    tuple(f"hour_{days}d" for days in _HOUR_DAYS),
    tuple(f"week_{weeks}w" for weeks in _HOUR_WEEKS),
    tuple(f"flat_{hours}h" for hours in _FLAT_HOURS),
    tuple(f"shape_mul_{weeks}w" for weeks in _MUL_WEEKS),
    tuple(f"day_type_{weeks}w" for weeks in _TYPE_WEEKS),
    tuple(f"anchored_{hours}h_{decay:g}" for hours in _ANCHOR_HOURS for decay in _ANCHOR_DECAY),
)
_MEMBERS = tuple(name for names in _PARTS for name in names)
register(Family("profiles", Cadence.HOURLY, _MEMBERS, _profiles))
