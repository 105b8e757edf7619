"""Peers' forecasts on disk: what asks for them and what makes them (peers.py, in another environment) meet here.

A forecast is found by the content of its history, so a changed data file, cut or gap filling asks anew. One file per
peer, its version, cadence and horizon. Imports nothing that is in one of the two environments only.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements-peers.lock"
PYTHON = ROOT / ".venv-peers/bin/python"
CACHE = Path(__file__).with_name(".cache")
RECIPE = 1  # to be raised when peers.py calls a peer in another way

PACKAGES = {  # peer -> the package that makes its forecast; "" = a few lines of peers.py
    "SeasonalNaive": "", "Linear": "", "HoltWinters": "statsforecast", "MSTL": "statsforecast",
    "AutoTheta": "statsforecast", "AutoETS": "statsforecast", "Prophet": "prophet", "prophet-batch": "prophet-batch",
}  # fmt: skip
COLUMNS = ("point", "q025", "q10", "q50", "q90", "q975")
LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Request:
    """A history to forecast from: regular, without gaps, `start` its first timestamp."""

    start: pd.Timestamp
    values: Array

    def key(self, cadence: str) -> str:
        """Content hash."""
        digest = hashlib.sha256(f"{self.start.isoformat()}|{cadence}|".encode())
        digest.update(np.ascontiguousarray(self.values, dtype=np.float64).tobytes())
        return digest.hexdigest()[:32]


@dataclass(frozen=True)
class PeerForecast:
    """values: COLUMNS x horizon; seconds of CPU; failed: why seasonal naive stands in, or ""."""

    values: Array
    cpu: float
    failed: str


def versions() -> dict[str, str]:
    """Pinned version of every package in the lock."""
    lines = (line.split("==") for line in LOCK.read_text(encoding="utf-8").splitlines() if "==" in line)
    return {name.strip().lower(): version.strip() for name, version in lines if not name.startswith("#")}


def named(text: str) -> list[str]:
    """Peers of a comma-separated option; `none` = none."""
    peers = [] if text == "none" else text.split(",")
    unknown = set(peers) - set(PACKAGES)
    if unknown:
        raise SystemExit(f"no peer {min(unknown)!r}; there are {', '.join(PACKAGES)}")
    return peers


def cache_file(folder: Path, peer: str, cadence: str, horizon: int) -> Path:
    """Where a peer's forecasts are kept."""
    package = PACKAGES[peer]
    version = versions()[package] if package else "own"
    return folder / f"{peer}-{version}-r{RECIPE}-{cadence}-{horizon}.parquet"


def read(path: Path) -> pd.DataFrame:
    """Rows kept so far, by key."""
    if not path.exists():
        return pd.DataFrame(columns=["cpu", "failed", *COLUMNS], index=pd.Index([], name="key", dtype=str))
    return pd.read_parquet(path).set_index("key")


def add(path: Path, rows: pd.DataFrame) -> None:
    """Add rows to the file in one step; what another run added meanwhile stays."""
    kept = read(path)
    kept = kept[~kept.index.isin(rows.index)]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    both = pd.concat([kept, rows]) if len(kept) else rows
    both.reset_index().to_parquet(partial, index=False, compression="zstd")
    partial.replace(path)


def forecasts(
    requests: Sequence[Request],
    peers: Sequence[str],
    cadence: str,
    horizon: int,
    folder: Path = CACHE,
    make: bool = True,
) -> dict[str, list[PeerForecast]]:
    """Each peer's forecasts in the order of the requests; what is not cached is made now, by .venv-peers.

    A peer some of whose forecasts can or shall not be made is left out, with a message.
    """
    keys = [request.key(cadence) for request in requests]
    wanting = [peer for peer in peers if not set(keys) <= set(read(cache_file(folder, peer, cadence, horizon)).index)]
    if wanting and make and PYTHON.exists():
        _make(requests, keys, wanting, cadence, horizon, folder)
    found = {}
    for peer in peers:
        rows = read(cache_file(folder, peer, cadence, horizon))
        if set(keys) <= set(rows.index):
            found[peer] = [_forecast(rows.loc[key]) for key in keys]
        else:
            missing = len(set(keys) - set(rows.index))
            why = "run: make peers" if make else "run without --cached"
            print(f"{peer}, {cadence} {horizon}: left out, {missing} of its forecasts are not cached; {why}")
    return found


def _forecast(row: pd.Series) -> PeerForecast:
    return PeerForecast(np.stack([row[name] for name in COLUMNS]).astype(np.float64), float(row.cpu), str(row.failed))


def _make(
    requests: Sequence[Request], keys: Sequence[str], peers: Sequence[str], cadence: str, horizon: int, folder: Path
) -> None:
    table = pd.DataFrame(
        {
            "key": list(keys),
            "start": [request.start.isoformat() for request in requests],
            "values": [request.values for request in requests],
        }
    )
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "requests.parquet"
        table.drop_duplicates("key").to_parquet(path, index=False)
        script = Path(__file__).with_name("peers.py")
        options = ["--cadence", cadence, "--horizon", str(horizon), "--cache", str(folder), "--peers", ",".join(peers)]
        command = [str(PYTHON), str(script), str(path), *options]
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        subprocess.run(command, check=True, env={**clean, **one_thread})
