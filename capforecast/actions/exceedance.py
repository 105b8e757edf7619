"""How often a rule's sizes were exceeded when it was replayed, and how often they may be at the worst.

Periods of one server are not independent: a bad week is a week long. The upper limit is the larger of two: the 95 %
quantile of a cluster bootstrap over servers (Efron and Tibshirani, 1993, ch. 8), which says nothing where no period
was over, and that of the mean of a beta-binomial over servers (Williams, 1975) of their intra-class correlation, the
mean taken as uniform beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaln

from capforecast.risk.resampling import per_server, ratio, server_draws

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
CONFIDENCE = 0.95
DRAWS = 1000
_GRID = 800  # rates at which the likelihood is worked out, from 1e-7 up
_MOST_ICC = 0.98


@dataclass(frozen=True)
class Likeness:
    """Intra-class correlation: how much alike the periods of a server are; and how many servers' evidence stand behind.

    Evidence are servers that were ever over. Sizes that are too small may be so for long: where nobody has seen any,
    that is assumed.
    """

    correlation: float = 2 / 3
    servers: float = 2.0


UNSEEN = Likeness()


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


def exceedance(over: Index, periods: Index, server: Index, known: Likeness = UNSEEN) -> Exceedance:
    """Of cases [C]: periods over 100 % of the size, of so many observed, and each one's server, 0 .. servers - 1.

    known: what other servers tell of the likeness of periods.
    """
    seen = periods > 0
    over, periods, server = over[seen], periods[seen], server[seen]
    total, hits = int(periods.sum()), int(over.sum())
    if not total:
        return Exceedance(0, 0, 0, 0, np.nan, np.nan)
    names, number = np.unique(server, return_inverse=True)
    servers = len(names)
    mine, size = per_server(number, over, servers), per_server(number, periods, servers)
    draws = server_draws(servers, DRAWS)
    bootstrap = float(np.quantile(ratio(draws @ mine, draws @ size)[1:], CONFIDENCE))
    limit = _limit(mine, size, _correlation(mine, size, known))
    return Exceedance(len(over), servers, total, hits, hits / total, max(bootstrap, limit))


def likeness(over: Index, periods: Index, server: Index, known: Likeness = UNSEEN) -> Likeness:
    """How alike the periods of a server are in these cases, as `exceedance` takes them."""
    seen = periods > 0
    if not seen.any():
        return known
    names, number = np.unique(server[seen], return_inverse=True)
    mine, size = (per_server(number, values[seen], len(names)) for values in (over, periods))
    return Likeness(_correlation(mine, size, known), known.servers + float((mine > 0).sum()))


def _limit(over: Array, size: Array, correlation: float) -> float:
    """95 % quantile of the rate, of servers that were over so often of so many periods."""
    if over.sum() == size.sum():
        return 1.0
    kinds, often = np.unique(np.stack([over, size]), axis=1, return_counts=True)
    rates = np.concatenate([np.geomspace(1e-7, 0.05, _GRID), np.linspace(0.05, 1 - 1e-6, _GRID)[1:]])
    spread = 1.0 / correlation - 1.0
    a, b = rates[:, None] * spread, (1 - rates[:, None]) * spread
    log = (betaln(a + kinds[0], b + kinds[1] - kinds[0]) - betaln(a, b)) @ often
    weight = np.exp(log - log.max()) * np.gradient(rates)
    return float(np.interp(CONFIDENCE, np.cumsum(weight) / weight.sum(), rates))


def _correlation(over: Array, size: Array, known: Likeness) -> float:
    """Intra-class correlation of over / not over within servers, by analysis of variance, drawn to what is known."""
    total, count, evidence = size.sum(), len(size), int((over > 0).sum())
    share = over.sum() / total
    if count < 2 or total == count or share in (0.0, 1.0):
        return known.correlation
    rates = over / size
    between = float((size * (rates - share) ** 2).sum() / (count - 1))
    within = float((size * rates * (1 - rates)).sum() / (total - count))
    typical = (total - float((size**2).sum()) / total) / (count - 1)
    below = between + (typical - 1) * within
    found = min(max((between - within) / below if below > 0 else 0.0, 1e-3), _MOST_ICC)
    return (evidence * found + known.servers * known.correlation) / (evidence + known.servers)
