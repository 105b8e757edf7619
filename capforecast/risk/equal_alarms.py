"""How many breaches a stated probability finds when its cut-off is moved to another rule's number of false alarms.

Cases of one probability are told together or not at all; where the wanted number lies between two cut-offs, the share
of the tied cases that fits is taken, which is what drawing lots among them gives on average.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from capforecast.schema import BoolArray

Array = npt.NDArray[np.float64]
_DIGITS = 4  # probabilities closer than this are tied


def hits_at(score: Array, event: BoolArray, server: npt.NDArray[np.int64], draws: Array, false_alarms: Array) -> Array:
    """Hits [B, R] of telling the highest scores, down to `false_alarms` [B, R], in each draw of servers.

    score: [C], rounded to four digits, higher = told earlier.  server: [C], column of `draws` [B, S].
    """
    _, place = np.unique(-np.round(score, _DIGITS), return_inverse=True)
    bins = int(place.max()) + 1 if len(place) else 0
    out = np.zeros(false_alarms.shape)
    _walk(place.astype(np.int64), event, server, draws, np.ascontiguousarray(false_alarms), bins, out)
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _walk(place, event, server, draws, wanted, bins, out):  # type: ignore[no-untyped-def]
    """Fills out [B, R]; place [C]: rank of each case's score, 0 = highest."""
    for b in range(draws.shape[0]):
        came, false = np.zeros(bins), np.zeros(bins)
        for c in range(len(place)):
            weight = draws[b, server[c]]
            if event[c]:
                came[place[c]] += weight
            else:
                false[place[c]] += weight
        for r in range(wanted.shape[1]):
            left, hits = wanted[b, r], 0.0
            for i in range(bins):
                if false[i] <= left:
                    left -= false[i]
                    hits += came[i]
                else:
                    hits += came[i] * left / false[i]
                    break
            out[b, r] = hits
