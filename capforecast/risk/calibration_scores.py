"""Scores of stated probabilities: Brier score, calibration in ten bins, and what chance alone would show.

Brier (1950): mean squared difference of probability and outcome. Its skill is against the base rate of each stratum
(metric and level), known in hindsight, so that telling strata apart earns nothing. Expected calibration error: mean
over cases of the gap between stated and observed frequency of their bin (Naeini, Cooper and Hauskrecht, 2015).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from capforecast.schema import BoolArray

Array = npt.NDArray[np.float64]
BINS = 10


class Reliability:
    """Cases in bins of equal width: edges, counts, mean stated probability and observed frequency, all [BINS].

    probability: [C], 0..1.  event: [C], did it happen.  Mean and frequency are NaN in a bin without cases.
    """

    def __init__(self, probability: Array, event: BoolArray) -> None:
        place = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
        self.edges: Array = np.arange(BINS + 1) / BINS
        self.cases = np.bincount(place, minlength=BINS)
        stated = np.asarray(np.bincount(place, weights=probability, minlength=BINS), np.float64)
        came = np.asarray(np.bincount(place, weights=event, minlength=BINS), np.float64)
        self.mean = _ratio(stated, self.cases)
        self.rate = _ratio(came, self.cases)

    @property
    def calibration_error(self) -> float:
        """Expected calibration error; NaN without cases."""
        total = self.cases.sum()
        gaps = np.where(self.cases > 0, np.abs(self.mean - self.rate) * self.cases, 0.0)
        return float(gaps.sum() / total) if total else np.nan

    @property
    def chance_floor(self) -> float:
        """Calibration error expected of true probabilities, were cases independent; NaN without cases.

        Mean absolute deviation of a binomial in each bin (de Moivre, 1730). Cases that share a server or a season are
        not independent: the true floor is higher.
        """
        total = self.cases.sum()
        return float(_mean_deviation(self.cases, self.mean).sum() / total) if total else np.nan


def brier(probability: Array, event: BoolArray) -> float:
    """Brier score; NaN without cases."""
    return float(np.mean((probability - event) ** 2)) if len(event) else np.nan


def _ratio(total: Array, count: npt.NDArray[np.int64]) -> Array:
    return np.asarray(np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0))


def _mean_deviation(cases: npt.NDArray[np.int64], probability: Array) -> Array:
    """E|X - np| of binomials: 2 (m + 1) C(n, m + 1) p^(m + 1) q^(n - m), m the whole part of np."""
    p = np.nan_to_num(probability)
    inner = (cases > 0) & (p > 0) & (p < 1)
    n, p = np.where(inner, cases, 1), np.where(inner, p, 0.5)
    m = np.minimum(np.floor(n * p), n - 1)
    logs = np.log(2.0) + gammaln(n + 1) - gammaln(m + 1) - gammaln(n - m)
    logs += (m + 1) * np.log(p) + (n - m) * np.log1p(-p)
    return np.asarray(np.where(inner, np.exp(logs), 0.0))
