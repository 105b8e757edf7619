"""The best forecast of a synthetic fleet, given its past and its true parameters: what no method can beat by much.

Expected values are the generator's own. What is left of the past days, the autocorrelated noise, says something of the
next ones: by its true autocovariance, the best linear forecast of it from the last 30 days is added. Undeclared future
shifts are no part of it; there are none in the windows judged. Not covered: the median of a skewed or clipped value
lies a little off its mean, so on single series the true optimum is up to about 1 % lower.
"""

from __future__ import annotations

import numpy as np
from synthetic_panels import Made

from capforecast.fleet import synthetic_load as load

_PAST = 30  # days that say something of the noise to come
_LIMIT = 3.0  # standard deviations beyond which a past day was an incident or a spike, no noise
_DAILY_HALF_LIVES = {"slow": 24 * 12, "fast": 24, "mem": 72, "disk": 48}  # hours, as in synthetic_load


def oracle(made: Made, origin: int) -> np.ndarray:
    """Forecast [T - origin, N] of what follows row `origin`."""
    horizon = len(made.means) - origin
    covariance = _autocovariances(made, _PAST + horizon)  # [N, lags]
    past, unit = made.values[origin - _PAST : origin] - made.means[origin - _PAST : origin], _units(made)
    with np.errstate(divide="ignore", invalid="ignore"):
        noise = past / unit[origin - _PAST : origin]
    deviation = np.sqrt(covariance[:, 0])
    noise = np.clip(np.nan_to_num(noise), -_LIMIT * deviation, _LIMIT * deviation)
    ahead = _best_linear(covariance, noise, horizon) * unit[origin:]
    forecast = made.means[origin:] + ahead
    percent = ~made.told["metric"].str.startswith("net").to_numpy()
    return np.where(percent, np.clip(forecast, 0.0, 100.0), np.maximum(forecast, 0.0))


def _units(made: Made) -> np.ndarray:
    """What noise is measured in [T, N]: the expected value of CPU and traffic, points of memory and disk."""
    proportional = made.told["metric"].isin(("cpu", "net_in", "net_out")).to_numpy()
    return np.where(proportional, made.means, 1.0)


def _autocovariances(made: Made, lags: int) -> np.ndarray:
    """Of each series' noise in its unit, [N, lags] from lag 0."""
    lag = np.arange(lags)
    decay = {name: 0.5 ** (24 * lag / hours) for name, hours in _DAILY_HALF_LIVES.items()}
    told = made.told
    jitter = told["noise"].to_numpy()[:, None]
    cpu = load._SLOW**2 * decay["slow"] + jitter**2 * decay["fast"]
    follows = told["memory_follows"].to_numpy()[:, None]
    metric = told["metric"].to_numpy()[:, None]
    mem = load._MEMORY_NOISE**2 * decay["mem"] + follows**2 * cpu
    disk = load._DISK_NOISE**2 * decay["disk"] + 0 * jitter
    net = cpu + load._NET_NOISE**2 * (lag == 0)
    return np.select([metric == "cpu", metric == "mem", metric == "disk"], [cpu, mem, disk], net)


def _best_linear(covariance: np.ndarray, noise: np.ndarray, horizon: int) -> np.ndarray:
    """Best linear forecast [H, N] of a stationary noise from its last days [P, N], oldest first."""
    past = len(noise)
    place = np.arange(past)
    matrix = covariance[:, np.abs(place[:, None] - place)]  # [N, P, P]
    distance = past - place[None] + np.arange(horizon)[:, None]  # [H, P]
    weights = np.linalg.solve(matrix, noise.T[:, :, None])[..., 0]  # [N, P]
    return np.einsum("nhp,np->hn", covariance[:, distance], weights)
