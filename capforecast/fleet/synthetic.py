"""A fleet that never was, seeded: what a demo runs on and what tests know the truth of.

Levels differ by server and type; weekly (hourly input: daily) rhythm, growth, quarter ends, holidays, level shifts,
autocorrelated noise, memory that follows CPU, disks that fill, outages, and servers that cannot be forecast.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.fleet.calendar import calendar_features
from capforecast.fleet.synthetic_servers import Floats, Servers, cast, inventory_of, stream
from capforecast.schema import SERVER_ID, TIMESTAMP, Cadence
from capforecast.settings import CalendarSettings

END = pd.Timestamp("2026-03-02", tz="UTC")  # a Monday; a quarter end and a holiday lie in the next 90 days
_QUARTER_RAMP = 10  # days before a quarter ends in which closing work grows


def generate(
    servers: int = 48,
    days: int = 730,
    cadence: Cadence = Cadence.DAILY,
    seed: int = 7,
    end: pd.Timestamp = END,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(observations, inventory) of a synthetic fleet over the `days` before `end` (exclusive, UTC).

    Observations: server_id, timestamp, cpu_p95, cpu_mean, mem_p95, disk_p95 (percent), net_in_p95, net_out_p95
    (Mbit/s), float32, three decimals.  Inventory: dated rows with every column of the contract, and server_type.
    The same arguments give the same frames in every process.
    """
    end = end.floor("D").as_unit("us")
    timestamps = pd.date_range(end - pd.Timedelta(days=days), end, freq=cadence.frequency, inclusive="left", unit="us")
    parts = cast(servers, days, seed)
    age = ((end - timestamps) / pd.Timedelta(days=1)).to_numpy(dtype=np.float64)[:, None]  # days before the end
    cpu, load = _cpu(parts, timestamps, age, cadence, seed)
    metrics = {
        "cpu_p95": cpu,
        "cpu_mean": cpu * _spread(seed, "mean", 0.5, 0.75, servers),
        "mem_p95": _memory(parts, age, load, cadence, seed),
        "disk_p95": _disk(parts, age, cadence, seed),
    } | _network(parts, load, seed)
    there = _present(parts, age, cadence, seed)
    frame = _rows(parts, timestamps, metrics, there, seed)
    return frame, inventory_of(parts, seed, timestamps[0], end)


def _spread(seed: int, purpose: str, low: float, high: float, count: int) -> Floats:
    return stream(seed, purpose).uniform(low, high, count)


def _noise(seed: int, purpose: str, shape: tuple[int, int], memory: float) -> Floats:
    """Autocorrelated noise [T, N] of unit variance; `memory` = correlation of neighbours."""
    from scipy.signal import lfilter  # slow to import

    drawn = stream(seed, purpose).standard_normal(shape)
    drawn[1:] *= np.sqrt(1 - memory**2)
    return np.asarray(lfilter([1.0], [1.0, -memory], drawn, axis=0))


def _keeps(hours_to_half: float, cadence: Cadence) -> float:
    """Correlation of neighbouring periods of a noise that halves in `hours_to_half`."""
    return float(0.5 ** (cadence.step / pd.Timedelta(hours=1) / hours_to_half))


def _cpu(
    parts: Servers, timestamps: pd.DatetimeIndex, age: Floats, cadence: Cadence, seed: int
) -> tuple[Floats, Floats]:
    """CPU P95 in percent [T, N] and the load behind it, as a multiple of the server's own level."""
    count, shape = len(parts.story), (len(timestamps), len(parts.story))
    level = _level(parts, seed)
    rhythm = _rhythm(parts, timestamps, cadence, seed)
    slow = _noise(seed, "cpu-slow", shape, _keeps(24 * 12, cadence)) * 0.02
    fast = _noise(seed, "cpu-fast", shape, _keeps(24 if cadence is Cadence.DAILY else 3, cadence))
    jitter = fast * np.where(
        parts.plays("overloaded", "hot", "growing"), 0.025, _spread(seed, "jitter", 0.03, 0.09, count)
    )
    load = rhythm * _course(parts, age, level, seed) * (1 + slow + jitter)
    bursts = stream(seed, "bursts").random(shape) < 0.006
    load *= 1 + bursts * stream(seed, "burst-size").uniform(0.1, 0.5, shape)
    load = np.maximum(load, 0.02)
    return np.minimum(level * load, 100.0), load


def _level(parts: Servers, seed: int) -> Floats:
    """CPU P95 of an ordinary working day at the end of the history, percent [N]."""
    usual = {"app": (22, 52), "batch": (25, 55), "db": (25, 55), "file": (8, 25), "web": (20, 50)}
    draw = _spread(seed, "level", 0.0, 1.0, len(parts.story))
    level: Floats = np.zeros(len(draw))
    for kind, (least, most) in usual.items():
        level = np.where(parts.is_kind(kind), least + (most - least) * draw, level)
    told = {"overloaded": (95, 98), "hot": (83, 86), "growing": (71, 77), "peaking": (68, 72), "idle": (1.5, 3.5)}
    for story, (low, high) in told.items():
        level = np.where(parts.plays(story), low + (high - low) * draw, level)
    return level


def _rhythm(parts: Servers, timestamps: pd.DatetimeIndex, cadence: Cadence, seed: int) -> Floats:
    """Week, day, holidays and quarter ends as a factor [T, N]; 1 on an ordinary working day (at its busy hour)."""
    count = len(parts.story)
    calendar = calendar_features(timestamps, CalendarSettings(country="US"))
    weekend = (calendar["day_of_week"] >= 5).to_numpy()[:, None]
    quiet = weekend | calendar["holiday"].to_numpy()[:, None]
    dip = np.where(
        parts.is_kind("web"), _spread(seed, "dip-web", 0.0, 0.15, count), _spread(seed, "dip", 0.15, 0.45, count)
    )
    dip = np.where(parts.is_kind("batch", "file"), dip * 0.3, dip)
    dip = np.where(parts.plays("overloaded", "hot", "growing"), np.minimum(dip, 0.12), dip)
    rhythm: Floats = 1.0 - quiet * dip
    closing = parts.plays("peaking") | (
        np.isin(parts.unit, ("payments", "analytics")) & ~parts.plays("overloaded", "hot")
    )
    size = np.where(parts.plays("peaking"), 0.22, _spread(seed, "closing", 0.08, 0.2, count)) * closing
    rhythm = rhythm * (1.0 + _closing(timestamps)[:, None] * size)
    if cadence is Cadence.HOURLY:
        hour = calendar["hour"].to_numpy(dtype=np.float64)[:, None]
        busiest = np.where(parts.is_kind("batch"), 2.0, _spread(seed, "busiest", 11.0, 17.0, count))
        depth = np.where(parts.is_kind("file"), 0.2, _spread(seed, "depth", 0.25, 0.55, count))
        rhythm = rhythm * (1.0 - depth * (1.0 - np.cos(2 * np.pi * (hour - busiest) / 24)) / 2)
    return rhythm


def _closing(timestamps: pd.DatetimeIndex) -> Floats:
    """Closing work of a quarter's last days: 0, rising to 1 on the last day [T]."""
    days = timestamps.tz_localize(None)
    left = ((days.to_period("Q").end_time.normalize() - days.normalize()) / pd.Timedelta(days=1)).to_numpy()
    return np.asarray(np.clip(1.0 - left / _QUARTER_RAMP, 0.0, 1.0), dtype=np.float64)


def _course(parts: Servers, age: Floats, level: Floats, seed: int) -> Floats:
    """Growth, level shifts and resizes as a factor [T, N] that is 1 at the end."""
    count = len(parts.story)
    pace = np.where(parts.plays("steady", "shifted", "peaking"), _spread(seed, "pace", -0.04, 0.12, count), 0.0)
    course = np.exp(-pace * age / 365)
    ramp = _spread(seed, "ramp", 0.09, 0.13, count)  # points of CPU a day
    rising = 1 - ramp * np.minimum(age, 300.0) / level
    course = np.where(parts.plays("growing"), rising, course)
    before = np.where(parts.plays("shifted"), _spread(seed, "shift", 0.6, 1.3, count), 1.0)
    before = np.where(parts.plays("resized"), 1.6, before)
    return course * np.where(age > parts.change, before, 1.0)


def _memory(parts: Servers, age: Floats, load: Floats, cadence: Cadence, seed: int) -> Floats:
    """Memory P95 in percent [T, N]: a base, a share that follows the load, a leak that restarts clear."""
    count = len(parts.story)
    base = np.where(parts.is_kind("db"), _spread(seed, "mem-db", 52, 68, count), _spread(seed, "mem", 22, 52, count))
    base = np.where(parts.plays("idle"), _spread(seed, "mem-idle", 5, 15, count), base)
    follows = _spread(seed, "mem-follows", 4, 12, count) * ~parts.plays("idle")
    leak = np.where(parts.is_kind("app"), _spread(seed, "leak", 0.1, 0.4, count), 0.0)  # points a day
    since = (-age + _spread(seed, "restart", 0, 28, count)) % 28.0
    noise = _noise(seed, "mem-noise", load.shape, _keeps(72, cadence))
    return np.clip(base + follows * (load - 1) + leak * since + 1.2 * noise, 0.5, 100.0)


def _disk(parts: Servers, age: Floats, cadence: Cadence, seed: int) -> Floats:
    """Disk fullness in percent [T, N]: fills, is cleaned up now and then; some reach the threshold soon."""
    count = len(parts.story)
    now = _spread(seed, "disk", 20, 60, count)
    pace = np.where(parts.is_kind("db", "file"), _spread(seed, "fill", 0.005, 0.03, count), 0.004)  # points a day
    now = np.where(parts.plays("disk_full"), _spread(seed, "disk-full", 86, 88, count), now)
    pace = np.where(parts.plays("disk_full"), 0.2, pace)
    now = np.where(parts.plays("disk_soon"), _spread(seed, "disk-soon", 72, 76, count), now)
    pace = np.where(parts.plays("disk_soon"), _spread(seed, "disk-pace", 0.1, 0.16, count), pace)
    cleaned = _spread(seed, "clean", 2.0, 6.0, count) * ~parts.plays("disk_full", "disk_soon")
    phase = (-age + _spread(seed, "clean-day", 0, 60, count)) % 60.0
    noise = _noise(seed, "disk-noise", (len(age), count), _keeps(48, cadence))
    filled = now - pace * np.minimum(age, (now - 10.0) / np.maximum(pace, 1e-9))
    return np.asarray(np.clip(filled + cleaned * (phase / 60.0 - 0.5) + 0.25 * noise, 1.0, 100.0))


def _network(parts: Servers, load: Floats, seed: int) -> dict[str, Floats]:
    """Traffic P95 in Mbit/s [T, N], driven by the load; busy types move more."""
    count = len(parts.story)
    scale = np.exp(stream(seed, "net").normal(2.5, 0.9, count))
    scale = scale * np.where(parts.is_kind("web", "file"), 4.0, 1.0) * np.where(parts.plays("idle"), 1e-5, 1.0)
    out = scale * np.where(parts.is_kind("web"), 3.0, 0.6)
    noise = [np.exp(0.12 * stream(seed, f"net-{way}").standard_normal(load.shape)) for way in ("in", "out")]
    return {"net_in_p95": scale * load * noise[0], "net_out_p95": out * load * noise[1]}


def _present(parts: Servers, age: Floats, cadence: Cadence, seed: int) -> npt.NDArray[np.bool_]:
    """Where [T, N] a row was delivered."""
    count, days = len(parts.story), float(age[0, 0])
    there = stream(seed, "lost").random((len(age), count)) > 0.004
    outage = stream(seed, "outage").uniform(0.15, 0.95, count) * days
    length = np.where(_spread(seed, "has-outage", 0, 1, count) < 0.12, _spread(seed, "outage-days", 2, 7, count), 0.0)
    there &= ~((age <= outage) & (age > outage - length))
    youngest, oldest = (10, 25) if cadence is Cadence.DAILY else (4, 11)
    born = _spread(seed, "born", youngest, oldest, count)
    there &= ~(parts.plays("young") & (age > born))
    there &= ~(parts.plays("retired") & (age <= np.minimum(_spread(seed, "gone", 15, 60, count), days / 3)))
    block = np.floor(age / 3).astype(np.int64) % 97
    holes = stream(seed, "holes").random((97, count))[block[:, 0]] < 0.45
    there &= ~(parts.plays("gappy") & holes & (age > 4))
    return there & ~parts.plays("listed")


def _rows(
    parts: Servers,
    timestamps: pd.DatetimeIndex,
    metrics: dict[str, Floats],
    there: npt.NDArray[np.bool_],
    seed: int,
) -> pd.DataFrame:
    """Delivered rows, sorted by server and time; few single values and all of a silent server are missing."""
    server, time = np.nonzero(there.T)
    columns = {SERVER_ID: pd.Index(parts.server_id, dtype="str").take(server), TIMESTAMP: timestamps.take(time)}
    for name, values in metrics.items():
        lost = (stream(seed, f"cell-{name}").random(values.shape) < 0.003) | parts.plays("silent")
        kept = np.where(lost, np.nan, np.round(values, 3)).astype(np.float32)
        columns[name] = kept[time, server]
    return pd.DataFrame(columns)
