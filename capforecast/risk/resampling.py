"""Cluster bootstrap over servers: whole servers are drawn with replacement, with all their series and origins.

Everything is a sum over cases, so a draw is a row of counts, one per server, and a resampled sum is a product of
matrices (Efron and Tibshirani, 1993, ch. 8). Row 0 counts every server once: the figure itself.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from capforecast.schema import BoolArray

Array = npt.NDArray[np.float64]
DRAWS = 300
_SEED = 4
_LOW, _HIGH = 0.025, 0.975
_BEYOND = 1e30  # stands for infinity, so that bounds can be interpolated


def server_draws(servers: int, draws: int = DRAWS) -> Array:
    """How often each server is drawn, [1 + draws, servers]; row 0 is all ones. The same every time."""
    out = np.ones((1 + draws, servers))
    if servers and draws:
        drawn = np.random.default_rng(_SEED).integers(0, servers, (draws, servers))
        drawn += np.arange(draws)[:, None] * servers
        out[1:] = np.bincount(drawn.ravel(), minlength=draws * servers).reshape(draws, servers)
    return out


def per_server(server: npt.NDArray[np.int64], values: npt.NDArray[np.generic] | BoolArray, servers: int) -> Array:
    """Sum of the cases' values [C] by server, [servers]."""
    return np.asarray(np.bincount(server, weights=np.asarray(values, np.float64), minlength=servers), np.float64)


def ratio(above: Array, below: Array) -> Array:
    """Quotient, NaN where there is nothing to divide by."""
    out = np.full(np.broadcast(above, below).shape, np.nan)
    return np.asarray(np.divide(above, below, out=out, where=below > 0))


def interval(drawn: Array) -> tuple[float, float]:
    """95 % interval of the drawn values [draws], where infinity counts as larger than all.

    A bound that is infinite, and both where half of the draws are unknown (NaN), are unknown.
    """
    known = drawn[~np.isnan(drawn)]
    if 2 * len(known) <= len(drawn):
        return np.nan, np.nan
    low, high = np.quantile(np.where(np.isinf(known), _BEYOND, known), (_LOW, _HIGH))
    return tuple(float(bound) if bound < _BEYOND / 1e6 else np.nan for bound in (low, high))  # type: ignore[return-value]
