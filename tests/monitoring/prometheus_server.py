"""Debian's Prometheus on loopback, with a made-up past: written as OpenMetrics, turned into blocks by promtool."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml

PROMETHEUS, PROMTOOL, NODE_EXPORTER = (
    shutil.which(name) for name in ("prometheus", "promtool", "prometheus-node-exporter")
)
Labels = Mapping[str, str]
Numbers = npt.NDArray[np.float64]


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def write_openmetrics(file: Path, series: Iterable[tuple[str, Labels, Numbers, Numbers]]) -> int:
    """Write series (name, labels, times in seconds, values; NaN = no sample); the number of samples."""
    count = 0
    with file.open("w", encoding="utf-8") as out:
        for name, labels, times, values in series:
            inside = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items())
            there = ~np.isnan(values)
            pairs = zip(values[there].tolist(), times[there].tolist(), strict=True)
            out.writelines(f"{name}{{{inside}}} {value!r} {at:.0f}\n" for value, at in pairs)
            count += int(there.sum())
        out.write("# EOF\n")
    return count


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def backfill(file: Path, data: Path, block: str = "486h") -> None:
    """Turn OpenMetrics into blocks of a Prometheus' data folder; each file gives blocks of its own."""
    command = [str(PROMTOOL), "tsdb", "create-blocks-from", "openmetrics", "--quiet", f"--max-block-duration={block}"]
    done = subprocess.run([*command, str(file), str(data)], capture_output=True, text=True, timeout=900, check=False)
    if done.returncode:
        raise RuntimeError(f"promtool: {done.stdout[-1000:]}{done.stderr[-1000:]}")


@dataclass
class Server:
    """A Prometheus in a process of its own; may be stopped and started again."""

    data: Path
    port: int = field(default_factory=free_port)
    options: tuple[str, ...] = ()
    scrape: tuple[dict[str, object], ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        config = self.data.parent / f"{self.data.name}.yml"
        config.write_text(yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": list(self.scrape)}))
        command = [
            str(PROMETHEUS), f"--config.file={config}", f"--storage.tsdb.path={self.data}",
            f"--web.listen-address=127.0.0.1:{self.port}", "--storage.tsdb.retention.time=20y", "--log.level=error",
            "--storage.tsdb.allow-overlapping-blocks", *self.options,
        ]  # fmt: skip
        log = (self.data.parent / f"{self.data.name}.log").open("ab")
        self.process = subprocess.Popen(command, stdout=log, stderr=log)
        log.close()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(OSError), urllib.request.urlopen(f"{self.url}/-/ready", timeout=2):
                return
            time.sleep(0.1)
        raise RuntimeError(f"Prometheus did not start: {Path(log.name).read_text()[-1500:]}")

    def stop(self) -> None:
        """End it, the hard way where it must be."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None


@contextmanager
def running(data: Path, options: tuple[str, ...] = (), scrape: tuple[dict[str, object], ...] = ()) -> Iterator[Server]:
    """A Prometheus on this data while the `with` lasts."""
    server = Server(data, options=options, scrape=scrape)
    try:
        server.start()
        yield server
    finally:
        server.stop()
