"""Hosts that never were: what their node_exporter would have said for weeks, and what must come out of it.

Samples stand on a grid of `minutes`. Rates are taken over four steps: with the samples at both ends of the range,
Prometheus 2 computes them as the difference over it, exactly; what comes out is computed here from the same use, in
numpy alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .prometheus_server import Labels, Numbers

RATE_STEPS = 4


@dataclass
class Hosts:
    """Use of made-up hosts at times [T]: tables [N, T], NaN where a host was not there.

    cpu, mem: percent.  disk: percent of the fuller of two mounts.  net: Mbit/s received.  Each is the use of the step
    that ends at the time.
    """

    names: list[str]
    times: Numbers  # seconds
    minutes: int
    cpu: Numbers
    mem: Numbers
    disk: Numbers
    net: Numbers
    restarts: dict[int, int]  # host -> step at which its counters begin anew
    cores: int = 2
    lean: bool = False  # only series that some metric is made of

    def instance(self, host: int) -> str:
        """As Prometheus calls it."""
        return f"{self.names[host]}:9100"

    def target(self, host: int) -> dict[str, str]:
        """Labels of its target."""
        unit, region = ("shop", "bank", "post")[host % 3], ("eu-1", "us-2")[host % 2]
        return {"instance": self.instance(host), "job": "node", "bu": unit, "region": region}

    def series(self) -> Iterator[tuple[str, Labels, Numbers, Numbers]]:
        """What was scraped: name, labels, times, values."""
        for host in range(len(self.names)):
            own = self.target(host)
            there = np.where(np.isnan(self.cpu[host]), np.nan, 1.0)
            seconds = self.minutes * 60.0
            yield "up", own, self.times, there
            for core in range(self.cores):
                idle = self._counter(host, (1 - self.cpu[host] / 100) * seconds)
                busy = self._counter(host, self.cpu[host] / 100 * seconds)
                for mode, counter in (("idle", idle), ("user", busy))[: 1 if self.lean else 2]:
                    yield "node_cpu_seconds_total", {**own, "cpu": str(core), "mode": mode}, self.times, counter
            total = 15.4 * 2**30
            yield "node_memory_MemTotal_bytes", own, self.times, total * there
            yield "node_memory_MemAvailable_bytes", own, self.times, total * (1 - self.mem[host] / 100)
            mounts = (("/", "ext4", self.disk[host] / 2, 50e9), ("/data", "xfs", self.disk[host], 200e9),
                      ("/run", "tmpfs", 99 * there, 1e9), ("/far", "nfs4", 100 * there, 9e12))  # fmt: skip
            for mount, kind, percent, size in mounts[: 2 if self.lean else 4]:
                where = {**own, "device": f"dev{mount}", "fstype": kind, "mountpoint": mount}
                yield "node_filesystem_size_bytes", where, self.times, size * there
                yield "node_filesystem_avail_bytes", where, self.times, size * (1 - percent / 100)
            cards = (("eth0", 0.75), ("eth1", 0.25), ("lo", 5.0), ("veth1a2b", 3.0), ("bond0", 1.0))
            for card, share in (("eth0", 1.0),) if self.lean else cards:
                received = self._counter(host, self.net[host] * share * 1e6 / 8 * seconds)
                yield "node_network_receive_bytes_total", {**own, "device": card}, self.times, received

    def _counter(self, host: int, increments: Numbers) -> Numbers:
        """A counter that grows by the increments while the host is there, and begins anew at its restart."""
        sums = np.nancumsum(increments)
        if host in self.restarts:
            sums[self.restarts[host] :] -= sums[self.restarts[host] - 1]
        return np.where(np.isnan(increments), np.nan, sums)

    def expected(self, metric: str, level: float, period: pd.Timedelta) -> pd.DataFrame:
        """server_id, timestamp, value: the quantile of each period's values; hosts that restart are left out of rates.

        Of periods at the edge of a hole no rate is told: how far Prometheus extrapolates is its own affair.
        """
        use = {"cpu": self.cpu, "mem": self.mem, "disk": self.disk, "net_in": self.net}[metric]
        if metric in ("cpu", "net_in"):
            padded = np.concatenate([np.full((len(use), RATE_STEPS), np.nan), use], axis=1)
            windows = np.lib.stride_tricks.sliding_window_view(padded, RATE_STEPS + 1, axis=1)[:, : use.shape[1]]
            use = np.where(np.isnan(windows).any(axis=2), np.nan, windows[:, :, 1:].mean(axis=2))
        begins = pd.to_datetime(self.times - self.minutes * 60, unit="s", utc=True).floor(period)
        frame = pd.DataFrame(use.T, index=begins, columns=self.names)
        whole = frame.groupby(level=0).count() == int(period.total_seconds() / 60 / self.minutes)
        table = frame.groupby(level=0).quantile(level).where(whole)
        if metric in ("cpu", "net_in"):
            table = table.drop(columns=[self.names[host] for host in self.restarts])
        long = table.stack().rename("value").rename_axis(["timestamp", "server_id"]).reset_index()
        return long.dropna()[["server_id", "timestamp", "value"]]


def made_up(count: int, days: int, end: str, minutes: int = 30, seed: int = 5) -> Hosts:
    """Hosts with a daily rhythm; some come late, go early, have a day's hole, restart."""
    rng = np.random.default_rng(seed)
    steps = days * 24 * 60 // minutes
    last = pd.Timestamp(end, tz="UTC").timestamp()
    times = last - minutes * 60.0 * np.arange(steps - 1, -1, -1)
    day = np.sin(2 * np.pi * times / 86400)
    shape = (count, steps)
    tables = {
        "cpu": 35 + 15 * day + rng.uniform(-10, 25, (count, 1)) + rng.normal(0, 3, shape),
        "mem": 50 + rng.uniform(-20, 30, (count, 1)) + rng.normal(0, 1, shape),
        "disk": rng.uniform(20, 60, (count, 1)) + np.linspace(0, 30, steps) + rng.normal(0, 0.1, shape),
        "net": 100 + 60 * day + rng.uniform(0, 200, (count, 1)) + rng.normal(0, 10, shape),
    }
    tables = {name: np.clip(table, 0.5, 99.5 if name != "net" else None) for name, table in tables.items()}
    per_day = 24 * 60 // minutes
    for table in tables.values():
        table[1 % count, : steps // 3] = np.nan  # came late
        table[2 % count, -steps // 4 :] = np.nan  # is gone
        table[3 % count, steps // 2 : steps // 2 + per_day] = np.nan  # a day without a scrape
    names = [f"host-{number:04d}" for number in range(count)]
    return Hosts(names, times, minutes, *tables.values(), restarts={4 % count: steps // 2 + 7})
