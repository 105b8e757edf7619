"""Random numbers that stay the same: keyed by seed, purpose and server, whatever else is drawn.

numpy promises the raw stream of a bit generator for good, but not what Generator makes of it. So raw Philox words
(Salmon et al. 2011) are turned into uniform and normal numbers here.
"""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
_WORD = 2**64


def uniform(seed: int, purpose: str, servers: Whole, count: int) -> Floats:
    """[N, count] numbers in [0, 1); row i depends on the seed, the purpose and the number servers[i] alone."""
    key = np.array([seed % _WORD, zlib.crc32(purpose.encode())], dtype=np.uint64)
    bits = np.random.Philox(key=key)
    state = bits.state
    words = np.empty((len(servers), count), dtype=np.uint64)
    counter = np.zeros(4, dtype=np.uint64)
    for row, server in enumerate(servers):  # setting the counter is all that is done per server: about 2 us
        counter[2] = server
        state["state"]["counter"] = counter
        bits.state = state
        words[row] = bits.random_raw(count)
    return np.asarray((words >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def normal(seed: int, purpose: str, servers: Whole, count: int) -> Floats:
    """[N, count] standard normal numbers, by Box and Muller (1958)."""
    half = (count + 1) // 2
    return _box_muller(uniform(seed, purpose, servers, 2 * half), half)[:, :count]


def noise(seed: int, purpose: str, servers: Whole, count: int, memory: float) -> Floats:
    """[N, count] autocorrelated noise of unit variance; `memory` = correlation of neighbours."""
    drawn = normal(seed, purpose, servers, count)
    drawn[:, 1:] *= np.sqrt(1 - memory**2)
    return np.asarray(lfilter([1.0], [1.0, -memory], drawn, axis=1))


def dealt(shares: dict[str, int], seed: int, purpose: str, servers: Whole) -> npt.NDArray[np.str_]:
    """A name for each server [N]: every run of sum(shares) servers gets each name exactly so often, in random order."""
    pack = np.repeat(np.array(list(shares), dtype=str), list(shares.values()))
    rounds, place = np.divmod(servers, len(pack))
    known, which = np.unique(rounds, return_inverse=True)
    order = np.argsort(uniform(seed, purpose, known, len(pack)), axis=1, kind="stable")
    names: npt.NDArray[np.str_] = pack[order[which, place]]
    return names


def _box_muller(drawn: Floats, half: int) -> Floats:
    radius = np.sqrt(-2.0 * np.log(1.0 - drawn[:, :half]))
    angle = 2.0 * np.pi * drawn[:, half:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
