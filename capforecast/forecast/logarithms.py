"""Logarithms of series that may touch zero."""

from __future__ import annotations

import numpy as np

from capforecast.forecast.base import Array
from capforecast.forecast.baselines import median0


def log_offset(values: Array) -> Array:
    """What is added before taking logarithms, [N]: a twentieth of the usual level, so that zeros do no harm."""
    size = 0.5 * median0(values) + 0.5 * values.mean(axis=0)
    largest = np.maximum(values.max(axis=0), -values.min(axis=0))
    return offset_of(size, largest)


def offset_of(size: Array, largest: Array) -> Array:
    """`log_offset` from the usual and the largest size [N]; in proportion to them, whatever the unit."""
    offset = 0.05 * np.maximum(size, 0.0) + 5e-11 * largest
    return np.where(offset > 0, offset, 1.0)  # nothing but zeros


def to_log(values: Array, offset: Array) -> Array:
    """log(value + offset), negative values taken as zero."""
    raised = np.maximum(values, 0.0)
    raised += offset
    return np.asarray(np.log(raised, out=raised))


def from_log(values: Array, offset: Array) -> Array:
    """Inverse of `to_log`."""
    return np.asarray(np.exp(np.minimum(values, 300.0)) - offset)
