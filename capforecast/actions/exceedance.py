"""How often a rule's sizes were exceeded when it was replayed, and how often they may be at the worst.

Periods of one server are not independent: a bad week is a week long. The upper limit is the larger of two: the 95 %
quantile of a cluster bootstrap over servers (Efron and Tibshirani, 1993, ch. 8), which says nothing where no period
was over, and the exact binomial limit (Clopper and Pearson, 1934) on as many periods as the cases are worth by their
intra-class correlation (design effect; Kish, 1965).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from capforecast.risk.resampling import per_server, ratio, server_draws

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
CONFIDENCE = 0.95
DRAWS = 1000
_PRIOR_ICC, _PRIOR_SERVERS = 2 / 3, 2.0  # intra-class correlation assumed, and how many servers' evidence it is worth


@dataclass(frozen=True)
class Exceedance:
    """cases, servers: replayed.  periods, over: observed, and of these above 100 % of the size.

    rate: over / periods.  upper: 95 % limit of the rate.  NaN = no period.
    """

    cases: int
    servers: int
    periods: int
    over: int
    rate: float
    upper: float

    def keeps(self, promised: float) -> bool:
        """Does the replay support the promise?"""
        return bool(self.upper <= promised)


def exceedance(over: Index, periods: Index, server: Index) -> Exceedance:
    """Of cases [C]: periods over 100 % of the size, of so many observed, and each one's server, 0 .. servers - 1."""
    seen = periods > 0
    over, periods, server = over[seen], periods[seen], server[seen]
    servers = len(np.unique(server))
    total, hits = int(periods.sum()), int(over.sum())
    if not total:
        return Exceedance(0, 0, 0, 0, np.nan, np.nan)
    _, number = np.unique(server, return_inverse=True)
    draws = server_draws(servers, DRAWS)
    drawn = ratio(draws @ per_server(number, over, servers), draws @ per_server(number, periods, servers))
    worth = effective(over, periods, number)
    exact = beta.ppf(CONFIDENCE, hits / total * worth + 1, worth * (1 - hits / total)) if hits < total else 1.0
    bootstrap = float(np.quantile(drawn[1:], CONFIDENCE))
    return Exceedance(len(over), servers, total, hits, hits / total, max(bootstrap, float(exact)))


def effective(over: Index, periods: Index, server: Index) -> float:
    """How many independent periods the cases are worth: periods over the design effect of their servers."""
    servers = int(server.max()) + 1
    size = per_server(server, periods, servers)
    total, mean = float(size.sum()), float((size**2).sum() / size.sum())
    return total / (1.0 + (mean - 1.0) * _correlation(per_server(server, over, servers), size))


def _correlation(over: Array, size: Array) -> float:
    """Intra-class correlation of over / not over within servers, by analysis of variance, drawn to what is usual where
    few servers were ever over: sizes that are too small are so for long.
    """
    total, count, evidence = size.sum(), len(size), int((over > 0).sum())
    share = over.sum() / total
    if count < 2 or total == count or share in (0.0, 1.0):
        return _PRIOR_ICC
    rates = over / size
    between = float((size * (rates - share) ** 2).sum() / (count - 1))
    within = float((size * rates * (1 - rates)).sum() / (total - count))
    typical = (total - float((size**2).sum()) / total) / (count - 1)
    below = between + (typical - 1) * within
    found = min(max((between - within) / below if below > 0 else 0.0, 0.0), 1.0)
    return (evidence * found + _PRIOR_SERVERS * _PRIOR_ICC) / (evidence + _PRIOR_SERVERS)
