"""Asks peer_work.py, in the peers' own environment, for what other people's methods cost and forecast."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from capforecast.schema import Cadence

PYTHON = Path(__file__).parents[1] / ".venv-peers/bin/python"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


def there() -> bool:
    """Is the environment made?"""
    return PYTHON.exists()


def without_gaps(values: np.ndarray) -> np.ndarray:
    """Float64 [T, N] with gaps filled along a straight line: few peers take any."""
    return pd.DataFrame(values.astype(np.float64)).interpolate(limit_direction="both").to_numpy()


def run(
    values: np.ndarray, start: pd.Timestamp, cadence: Cadence, horizon: int, asked: dict[str, dict[str, Any]]
) -> dict[str, np.ndarray]:
    """Arrays `<peer>/cpu` and `<peer>/point`, see peer_work.py; values [T, N] may have gaps."""
    naive = start.tz_convert(None) if start.tz is not None else start
    with tempfile.TemporaryDirectory() as folder:
        job, result = Path(folder) / "job.npz", Path(folder) / "result.npz"
        np.savez(
            job, values=without_gaps(values), start=naive.isoformat(), cadence=str(cadence), horizon=horizon,
            asked=json.dumps(asked),
        )  # fmt: skip
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        script = Path(__file__).with_name("peer_work.py")
        subprocess.run([str(PYTHON), str(script), str(job), str(result)], check=True, env=clean | ONE_THREAD)
        with np.load(result) as made:
            return dict(made)
