"""The true parameters behind each server of a synthetic fleet, [N], from what was drawn for it once."""

from __future__ import annotations

import numpy as np

from capforecast.fleet.synthetic_draws import Floats
from capforecast.fleet.synthetic_servers import ORDINARY, Servers

RESTART_DAYS, CLEAN_DAYS = 28, 60  # an application with a leak is restarted, a disk cleaned, that often


def level_of(servers: Servers) -> Floats:
    """CPU P95 of an ordinary working day at the end of the history, percent [N]."""
    usual = {"app": (22.0, 52.0), "batch": (25.0, 55.0), "db": (25.0, 55.0), "file": (8.0, 25.0), "web": (20.0, 50.0)}
    level = np.zeros(len(servers.number))
    for kind, (low, high) in usual.items():
        level = np.where(servers.is_kind(kind), servers.draw("level", low, high), level)
    level = np.where(servers.plays("resized"), np.minimum(level, 42.0), level)
    told = {
        "saturated": (104, 112), "overloaded": (95, 98), "hot": (83, 86), "growing": (71, 77), "peaking": (68, 72),
        "idle": (1.5, 3.5), "constant": (12, 30),
    }  # fmt: skip
    for story, (low, high) in told.items():
        level = np.where(servers.plays(story), servers.draw("level", low, high), level)
    return level


def jitter_of(servers: Servers) -> Floats:
    """Size of the fast noise of the load [N], as a share."""
    told = servers.plays("saturated", "overloaded", "hot", "growing")
    return np.where(told, 0.025, servers.draw("jitter", 0.03, 0.09))


def dip_of(servers: Servers) -> Floats:
    """How much lower the load is on a weekend [N], as a share."""
    dip = np.where(servers.is_kind("web"), servers.draw("dip", 0.0, 0.15), servers.draw("dip", 0.15, 0.45))
    dip = np.where(servers.is_kind("batch", "file"), dip * 0.3, dip)
    return np.where(servers.plays("saturated", "overloaded", "hot", "growing"), np.minimum(dip, 0.12), dip)


def closing_of(servers: Servers) -> Floats:
    """Rise of the load on the last day of a quarter [N], as a share."""
    does = np.isin(servers.unit, ("payments", "analytics")) & ~servers.plays("saturated", "overloaded", "hot")
    size = np.where(servers.plays("peaking"), 0.22, np.where(does, servers.draw("closing", 0.08, 0.2), 0.0))
    return np.where(servers.plays("constant"), 0.0, size)


def season_of(servers: Servers) -> Floats:
    """Rise of the load in the shopping season [N], as a share: shops, and what delivers for them."""
    does = np.isin(servers.unit, ("retail", "logistics")) & servers.is_kind("web", "app", "db")
    return np.where(does & servers.plays(*ORDINARY), servers.draw("season", 0.06, 0.25), 0.0)


def wave_of(servers: Servers) -> Floats:
    """Amplitude of the yearly wave of the load [N], as a share."""
    return np.where(servers.plays(*ORDINARY), servers.draw("wave", 0.0, 0.06), 0.0)


def pace_of(servers: Servers) -> Floats:
    """Growth of the load per year [N], logarithmic."""
    return np.where(servers.plays(*ORDINARY), servers.draw("pace", -0.04, 0.12), 0.0)


def ramp_of(servers: Servers) -> Floats:
    """Steady rise of the CPU in points a day [N], of those that grow."""
    return np.where(servers.plays("growing"), servers.draw("ramp", 0.09, 0.13), 0.0)


def shift_of(servers: Servers) -> Floats:
    """Load before the level shift over the load after it [N]; 1 = none. At least 15 % either way."""
    draw = servers.draw("shift")
    before = np.where(draw < 0.6, 0.6 + 0.25 * draw / 0.6, 1.15 + 0.25 * (draw - 0.6) / 0.4)
    return np.where(servers.plays("shifted"), before, 1.0)


def memory_base(servers: Servers) -> Floats:
    """Memory that is always in use, percent of today's capacity [N]."""
    base = np.where(servers.is_kind("db"), servers.draw("mem", 52, 68), servers.draw("mem", 22, 52))
    base = np.where(servers.plays("resized"), np.minimum(base, 38.0), base)
    base = np.where(servers.plays("idle"), servers.draw("mem", 5, 15), base)
    return np.where(servers.plays("saturated"), servers.draw("mem", 95, 97), base)


def memory_follows(servers: Servers) -> Floats:
    """Points of memory that come with an ordinary day's load [N]."""
    return np.where(servers.plays("idle"), 0.0, servers.draw("mem_follows", 4, 12))


def leak_of(servers: Servers) -> Floats:
    """Points of memory lost per day until the restart [N]."""
    leaks = servers.is_kind("app") & ~servers.plays("constant", "idle", "saturated")
    return np.where(leaks, servers.draw("leak", 0.1, 0.4), 0.0)


def restart_of(servers: Servers) -> Floats:
    """Whole days before the end of the last restart [N]."""
    return np.floor(servers.draw("restart", 0, RESTART_DAYS))


def disk_now(servers: Servers) -> tuple[Floats, Floats]:
    """Fullness of the disk at the end in percent [N], and points a day [N] by which it fills."""
    now, draw = servers.draw("disk", 20, 60), servers.draw("fill")
    pace = np.where(servers.is_kind("db", "file"), 0.005 + 0.025 * draw, 0.004)
    full, soon = servers.plays("disk_full"), servers.plays("disk_soon")
    now = np.where(full, servers.draw("disk", 86, 88), np.where(soon, servers.draw("disk", 72, 76), now))
    return now, np.where(full, 0.2, np.where(soon, 0.1 + 0.06 * draw, pace))


def cleaned_of(servers: Servers) -> Floats:
    """Points of disk that each clean-up frees [N]."""
    return servers.draw("clean", 2.0, 6.0) * ~servers.plays("disk_full", "disk_soon", "constant")


def clean_day_of(servers: Servers) -> Floats:
    """Whole days before the end of the last clean-up [N]."""
    return np.floor(servers.draw("clean_day", 0, CLEAN_DAYS))


def net_scale(servers: Servers, way: str) -> Floats:
    """Traffic P95 of an ordinary working day in Mbit/s [N], `way` in or out; busy types move more."""
    radius = np.sqrt(-2 * np.log(1 - servers.draw("net")))
    scale: Floats = np.exp(2.5 + 0.9 * radius * np.cos(2 * np.pi * servers.draw("net_more")))
    scale *= np.where(servers.is_kind("web", "file"), 4.0, 1.0) * np.where(servers.plays("idle"), 1e-5, 1.0)
    if way == "out":
        scale *= np.where(servers.is_kind("web"), 3.0, 0.6)
    return scale
