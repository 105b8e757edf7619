"""What the servers of a synthetic fleet do, and what they would do without chance: [N, T] per metric.

Load is a multiple of a server's own ordinary working day. CPU follows it, and memory and traffic follow the CPU.
Means are expectations given the true parameters and the level shifts so far; incidents are no part of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr

from capforecast.fleet import synthetic_traits as traits
from capforecast.fleet.synthetic_clock import Clock
from capforecast.fleet.synthetic_draws import Floats, noise, normal, uniform
from capforecast.fleet.synthetic_servers import ORDINARY, Servers
from capforecast.schema import Cadence

SPIKE_RATE, SPIKE_LEAST, SPIKE_MOST = 0.006, 0.15, 0.6  # share of periods; size as a share of the load
_SLOW = 0.02  # size of the slow part of the load's noise
_MEMORY_NOISE, _DISK_NOISE, _NET_NOISE = 1.2, 0.25, 0.12  # points, points, share
_INCIDENT_RATE = 0.5  # per year
_CALM_DAYS = 21  # no incident in the last days, so that a demo's tiers tell of what lasts


@dataclass(frozen=True)
class Lives:
    """values and means: metric -> [N, T]; percent, network Mbit/s. Where chance struck:

    spike: size as a share of the load [N, T], 0 = none.  incident_at, incident_days, incident_size: [N, slots];
    days before the end (NaN = none), length, factor on the load.
    """

    values: dict[str, Floats]
    means: dict[str, Floats]
    spike: Floats
    incident_at: Floats
    incident_days: Floats
    incident_size: Floats


def live(servers: Servers, clock: Clock) -> Lives:
    """Every metric of every server over the whole grid, seen or not."""
    count, seed, number = len(clock.timestamps), servers.seed, servers.number
    expected = _rhythm(servers, clock) * course(servers, clock)
    jitter = traits.jitter_of(servers)
    slow = noise(seed, "cpu-slow", number, count, _keeps(24 * 12, clock.cadence))
    fast = noise(seed, "cpu-fast", number, count, _keeps(24 if clock.cadence is Cadence.DAILY else 3, clock.cadence))
    chance = 1 + _SLOW * slow + jitter[:, None] * fast
    spike = _spikes(servers, count)
    at, length, size = _incidents(servers, clock)
    load = np.maximum(expected * chance * (1 + spike) * _struck(clock, at, length, size), 0.02)
    level = traits.level_of(servers)[:, None] * capacity(servers, clock)
    cpu = np.minimum(level * load, 100.0)
    usual = 1 + SPIKE_RATE * (SPIKE_LEAST + SPIKE_MOST) / 2
    sigma = level * expected * np.hypot(_SLOW, jitter)[:, None]
    mean = {"cpu": clipped_mean(level * expected * usual, sigma, 0.0, 100.0)}
    values = {"cpu": cpu}
    served, mean_served = cpu / level, mean["cpu"] / level
    values["mem"], mean["mem"] = _memory(servers, clock, served, mean_served, sigma / level)
    values["disk"], mean["disk"] = _disk(servers, clock)
    for way in ("in", "out"):
        rate = traits.net_scale(servers, way)[:, None]
        shake = np.exp(_NET_NOISE * normal(seed, f"net-{way}", number, count) - _NET_NOISE**2 / 2)
        values[f"net_{way}"], mean[f"net_{way}"] = rate * served * shake, rate * mean_served
    constant = servers.plays("constant")
    for name, usual_value in _constants(servers).items():
        values[name][constant] = mean[name][constant] = usual_value[constant, None]
    return Lives(values, mean, spike, at, length, size)


def _constants(servers: Servers) -> dict[str, Floats]:
    now = {"cpu": traits.level_of(servers), "mem": traits.memory_base(servers), "disk": traits.disk_now(servers)[0]}
    return now | {f"net_{way}": traits.net_scale(servers, way) for way in ("in", "out")}


def _keeps(hours_to_half: float, cadence: Cadence) -> float:
    """Correlation of neighbouring periods of a noise that halves in `hours_to_half`."""
    return float(0.5 ** (cadence.step / pd.Timedelta(hours=1) / hours_to_half))


def clipped_mean(mean: Floats, sigma: Floats, low: float, high: float) -> Floats:
    """Expectation of a normal value that is clipped to low..high; exact where a limit lies within 6 sigma."""
    clipped = np.clip(mean, low, high)
    sigma = np.broadcast_to(sigma, mean.shape)
    near = (sigma > 0) & ((mean - low < 6 * sigma) | (high - mean < 6 * sigma))
    mu, sd = mean[near], sigma[near]
    below, above = (low - mu) / sd, (high - mu) / sd
    inside = ndtr(above) - ndtr(below)
    clipped[near] = (
        low * ndtr(below) + high * ndtr(-above) + mu * inside
        + sd * (np.exp(-(below**2) / 2) - np.exp(-(above**2) / 2)) / np.sqrt(2 * np.pi)
    )  # fmt: skip
    return clipped


def capacity(servers: Servers, clock: Clock) -> Floats:
    """Percent at that time over percent of today's capacity [N, T]: other than 1 before a resize."""
    before = clock.age > servers.change[:, None]
    return np.where(before, servers.scale_before[:, None], 1.0)


def _rhythm(servers: Servers, clock: Clock) -> Floats:
    """Week, day, holidays, quarter ends and season as a factor [N, T]; 1 on an ordinary working day at its peak."""
    rhythm = 1.0 - clock.quiet * traits.dip_of(servers)[:, None]
    rhythm *= 1.0 + clock.closing * traits.closing_of(servers)[:, None]
    rhythm *= 1.0 + clock.season * traits.season_of(servers)[:, None]
    if clock.cadence is Cadence.HOURLY:
        busiest = np.where(servers.is_kind("batch"), 2.0, servers.draw("busiest", 11.0, 17.0))[:, None]
        depth = np.where(servers.is_kind("file"), 0.2, servers.draw("depth", 0.25, 0.55))[:, None]
        rhythm *= 1.0 - depth * (1.0 - np.cos(2 * np.pi * (clock.hour - busiest) / 24)) / 2
    return rhythm


def course(servers: Servers, clock: Clock) -> Floats:
    """Growth, the yearly wave and level shifts as a factor [N, T] that ends at 1."""
    age = clock.age
    factor = np.exp(-traits.pace_of(servers)[:, None] * age / 365)
    turn = 2 * np.pi * servers.draw("phase")[:, None]
    wave = np.cos(turn - 2 * np.pi * age / 365.25) - np.cos(turn)
    factor *= 1 + traits.wave_of(servers)[:, None] * wave
    factor *= 1 - (traits.ramp_of(servers) / traits.level_of(servers))[:, None] * np.minimum(age, 300.0)
    return np.where(age > servers.change[:, None], traits.shift_of(servers)[:, None], 1.0) * factor


def _spikes(servers: Servers, count: int) -> Floats:
    drawn = uniform(servers.seed, "spikes", servers.number, count)
    size = SPIKE_LEAST + (SPIKE_MOST - SPIKE_LEAST) * drawn / SPIKE_RATE
    spike: Floats = np.where(drawn < SPIKE_RATE, size, 0.0)
    spike[servers.plays("constant")] = 0.0
    return spike


def _incidents(servers: Servers, clock: Clock) -> tuple[Floats, Floats, Floats]:
    """Start (days before the end, NaN = none), days and factor on the load [N, slots], at most one a year."""
    slots = max(int(np.ceil(clock.days / 365)), 1)
    drawn = uniform(servers.seed, "incidents", servers.number, 4 * slots).reshape(-1, slots, 4)
    happens = (drawn[..., 0] < _INCIDENT_RATE) & servers.plays(*ORDINARY)[:, None]
    span = np.minimum(clock.days - 365.0 * np.arange(slots), 365.0)
    length = np.floor(1 + 3 * drawn[..., 2])
    at = 365.0 * np.arange(slots) + np.ceil(drawn[..., 1] * span)
    kept = happens & (at - length > _CALM_DAYS)
    kind = drawn[..., 3]
    size = np.where(kind < 0.3, 0.05 + kind, 1.4 + kind)  # three in ten are a fall in demand, the others run away
    return np.where(kept, at, np.nan), length, size


def _struck(clock: Clock, at: Floats, length: Floats, size: Floats) -> Floats:
    """Factor of the incidents on the load [N, T]."""
    factor = np.ones((len(at), len(clock.age)))
    for slot in range(at.shape[1]):
        during = (clock.age <= at[:, slot, None]) & (clock.age > (at - length)[:, slot, None])
        factor[during] = np.broadcast_to(size[:, slot, None], factor.shape)[during]
    return factor


def _memory(
    servers: Servers, clock: Clock, served: Floats, mean_served: Floats, sigma: Floats
) -> tuple[Floats, Floats]:
    """Memory P95 in percent [N, T] and its mean: a base, a share that follows the load, a leak that restarts clear."""
    since = (-clock.age + traits.restart_of(servers)[:, None]) % traits.RESTART_DAYS
    follows, scale = traits.memory_follows(servers)[:, None], capacity(servers, clock)
    base = traits.memory_base(servers)[:, None] + traits.leak_of(servers)[:, None] * since - follows
    drawn = noise(servers.seed, "mem-noise", servers.number, len(clock.age), _keeps(72, clock.cadence))
    values = np.clip(scale * (base + follows * served + _MEMORY_NOISE * drawn), 0.5, 100.0)
    spread = scale * np.hypot(_MEMORY_NOISE, follows * sigma)
    return values, clipped_mean(scale * (base + follows * mean_served), spread, 0.5, 100.0)


def _disk(servers: Servers, clock: Clock) -> tuple[Floats, Floats]:
    """Disk fullness in percent [N, T] and its mean: fills, is cleaned up now and then; some are full soon."""
    now, pace = traits.disk_now(servers)
    phase = (-clock.age + traits.clean_day_of(servers)[:, None]) % traits.CLEAN_DAYS
    filled = now[:, None] - pace[:, None] * np.minimum(clock.age, ((now - 10.0) / pace)[:, None])
    mean = filled + traits.cleaned_of(servers)[:, None] * (phase / traits.CLEAN_DAYS - 0.5)
    drawn = noise(servers.seed, "disk-noise", servers.number, len(clock.age), _keeps(48, clock.cadence))
    spread = np.full((len(now), 1), _DISK_NOISE)
    return np.clip(mean + _DISK_NOISE * drawn, 1.0, 100.0), clipped_mean(mean, spread, 1.0, 100.0)
