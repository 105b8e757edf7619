"""Hourly autoregression: the change from a day ago on its own past, days and a week back, iterated over the horizon.

A seasonal ARIMA without moving-average terms (Box & Jenkins 1976, ch. 9): least squares on y(t) - y(t-24), so trends
and levels carry on, with the hours around each of the last seven days as regressors. It serves smooth load with a daily
and a weekly rhythm that both evolve; on noisy series it earns no weight.
"""

from __future__ import annotations

import numba
import numpy as np

from capforecast.forecast.base import Array, Array32, Block, Family, Index, register
from capforecast.forecast.logarithms import from_log, log_offset, to_log
from capforecast.schema import Cadence

_DAY = 24
_LAGS: Index = np.array([1, 2, 3, *(24 * day + near for day in range(1, 8) for near in (-1, 0, 1))], dtype=np.int64)
_LONGEST = int(_LAGS[-1])
_RIDGE = 1e-3  # of the mean square: no effect beyond keeping the equations solvable
_LEAST = 336  # hours of history: a day to difference, a week and an hour of lags, 143 equations
_HIGHEST = 80.0  # logarithm whose inverse a float32 still holds
_MEMBERS = ("level", "log")


def _pairs() -> tuple[Index, Index, Index]:
    """Pairs of lags (0 = the value itself) by distance: pairs [M, 2], distances [D], where each begins [D + 1]."""
    lags = np.concatenate([[0], _LAGS])
    first, second = np.triu_indices(len(lags))
    apart = lags[second] - lags[first]
    order = np.argsort(apart, kind="stable")
    starts = np.concatenate([np.flatnonzero(np.diff(apart[order], prepend=-1)), [len(order)]])
    pairs = np.stack([first[order], second[order]], axis=1)
    return pairs.astype(np.int64), apart[order][starts[:-1]].astype(np.int64), starts.astype(np.int64)


_PAIRS, _APART, _STARTS = _pairs()
_ABREAST = 4  # running sums kept at once: each waits for its last addition, so four take the time of one


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _moments(x: Array, begin: int, origins: Index, out: Array) -> None:
    """Sums of x(t - lag i) * x(t - lag j) over t = begin + longest lag .. origin - 1 of one series, out [O, P, P].

    They depend on t - j and on i - j only, so one running sum for each distance serves every pair and every origin.
    x ends with `_LONGEST` zeros.
    """
    running = np.zeros((len(x) - _LONGEST + 1, _ABREAST))
    for first in range(0, len(_APART), _ABREAST):
        last = min(first + _ABREAST, len(_APART))
        a, b, c, d = _APART[first], _APART[min(first + 1, last - 1)], _APART[min(first + 2, last - 1)], _APART[last - 1]
        for u in range(begin, len(running) - 1):
            running[u + 1, 0] = running[u, 0] + x[u] * x[u + a]
            running[u + 1, 1] = running[u, 1] + x[u] * x[u + b]
            running[u + 1, 2] = running[u, 2] + x[u] * x[u + c]
            running[u + 1, 3] = running[u, 3] + x[u] * x[u + d]
        for which in range(first, last):
            column = which - first if which < last - 1 else _ABREAST - 1
            for m in range(_STARTS[which], _STARTS[which + 1]):
                i, j = _PAIRS[m]
                back = _LAGS[j - 1] if j > 0 else 0
                before = running[begin + _LONGEST - back, column]
                for o in range(len(origins)):
                    out[o, i, j] = running[origins[o] - back, column] - before
                    out[o, j, i] = out[o, i, j]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _solve(moments: Array, out: Array) -> None:
    """Coefficients [P - 1] of the first variable on the others, by Cholesky decomposition with a ridge."""
    p = len(moments) - 1
    factor = np.zeros((p, p))
    for i in range(p):
        for j in range(i + 1):
            total = moments[i + 1, j + 1] + (_RIDGE * moments[0, 0] if i == j else 0.0)
            for k in range(j):
                total -= factor[i, k] * factor[j, k]
            factor[i, j] = np.sqrt(max(total, 1e-300)) if i == j else total / factor[j, j]
    for i in range(p):
        out[i] = moments[0, i + 1]
        for k in range(i):
            out[i] -= factor[i, k] * out[k]
        out[i] /= factor[i, i]
    for i in range(p - 1, -1, -1):
        for k in range(i + 1, p):
            out[i] -= factor[k, i] * out[k]
        out[i] /= factor[i, i]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _iterate(path: Array, effects: Array, limit: float) -> None:
    """Fill in path [longest lag + H], whose first `_LONGEST` values are the past, by the rule; never beyond `limit`."""
    for t in range(_LONGEST, len(path)):
        total = 0.0
        for i in range(len(_LAGS)):
            total += effects[i] * path[t - _LAGS[i]]
        path[t] = min(max(total, -limit), limit)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _series(y: Array, birth: int, origins: Index, out: Array) -> None:
    """Forecasts of one series at origins newest first, [O, H]; `y` ends at the newest."""
    begin, horizon = birth + _DAY, out.shape[1]
    x, largest = np.zeros(len(y) + _LONGEST), np.zeros(len(y) + 1)
    for t in range(begin, len(y)):
        x[t] = y[t] - y[t - _DAY]
        largest[t + 1] = max(largest[t], abs(x[t]))
    moments = np.zeros((len(origins), len(_LAGS) + 1, len(_LAGS) + 1))
    _moments(x, begin, origins, moments)
    effects, path = np.zeros(len(_LAGS)), np.zeros(_LONGEST + horizon)
    for o in range(len(origins)):
        effects[:] = 0.0
        if moments[o, 0, 0] > 0.0:
            _solve(moments[o], effects)
        path[:_LONGEST] = x[origins[o] - _LONGEST : origins[o]]
        _iterate(path, effects, largest[origins[o]])
        for h in range(horizon):
            before = out[o, h - _DAY] if h >= _DAY else y[origins[o] + h - _DAY]
            out[o, h] = before + path[_LONGEST + h]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _all_series(values: Array, birth: Index, origins: Index, out: Array) -> None:
    """Forecasts [N, O, H] of values [N, T]; series too young at an origin are left as they are."""
    for n in range(len(values)):
        old = 0
        while old < len(origins) and origins[old] - birth[n] >= _LEAST:
            old += 1
        if old > 0:
            _series(values[n, : origins[0]], birth[n], origins[:old], out[n, :old])


def _autoregression(block: Block, out: Array32) -> None:
    origins = np.array(sorted(block.origins, reverse=True), dtype=np.int64)
    seen = block.values[: origins[0]]
    offset = log_offset(block.values[: origins[-1]])
    for k, values in enumerate((seen, to_log(seen, offset))):
        result = np.full((block.width, len(origins), block.horizon), np.nan)
        _all_series(np.ascontiguousarray(values.T), block.birth, origins, result)
        for o, origin in enumerate(block.origins):
            made = result[:, np.flatnonzero(origins == origin)[0]].T
            if k:
                made = np.where(block.nonnegative(origin), from_log(np.minimum(made, _HIGHEST), offset), np.nan)
            out[o, k] = made


register(Family("autoregression", Cadence.HOURLY, _MEMBERS, _autoregression))
