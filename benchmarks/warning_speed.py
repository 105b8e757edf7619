"""What breach probabilities, dates and tiers of 50,000 daily series cost, measured in a process of its own."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time

import numpy as np
import pandas as pd

from capforecast.risk.breach import assess
from capforecast.risk.tiers import server_tiers
from capforecast.schema import SERIES_COLUMNS, Cadence, ErrorPaths, Forecast, Panel
from capforecast.settings import Settings

SERIES, SECONDS, GIB = 50_000, 20.0, 3.0
ORIGINS, HORIZON, DAYS = 18, 90, 400
_WARM_UP = 300  # series


def measured(series: int = SERIES) -> dict[str, float]:
    """Wall and CPU seconds, and peak memory in GiB with the inputs in it."""
    command = [sys.executable, __file__, str(series)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def fleet(count: int) -> tuple[Panel, Forecast, ErrorPaths]:
    """Servers around levels of 20 to 90 % with errors like theirs, as float32 arrays."""
    rng = np.random.default_rng(2)
    level = np.linspace(20, 90, count, dtype=np.float32)
    noise = rng.standard_normal((DAYS, 1000), dtype=np.float32) * 5
    values = level + noise[:, np.arange(count) % 1000]
    times = pd.date_range("2024-01-01", periods=DAYS + HORIZON, freq="D", tz="UTC")
    names = [f"s{i:06d}" for i in range(count)]
    labels = {"business_unit": "one", "region": "eu", "criticality": "gold", "verdict": "ok", "reason": "", "flags": ""}
    series = pd.DataFrame({"server_id": names, "metric": "cpu", "statistic": "p95"}).assign(**labels)
    series = series.assign(**{name: "" for name in SERIES_COLUMNS if name not in series})
    series = series.assign(capacity=np.nan, observed=DAYS, first_seen=times[0], last_seen=times[DAYS - 1])
    keys = series[["server_id", "metric"]]
    errors = np.empty((ORIGINS, HORIZON, count), np.float32)
    for o in range(ORIGINS):
        errors[o] = rng.standard_normal((HORIZON, 1000), dtype=np.float32)[:, np.arange(count) % 1000] * 5
    states = rng.standard_normal((ORIGINS + 1, count, 2), dtype=np.float32)
    scale = np.full((ORIGINS + 1, count), 4.0, np.float32)
    origins = times[DAYS - HORIZON - 1 - np.arange(ORIGINS)]
    past = ErrorPaths(errors, origins, scale[1:], scale[0], states[1:], states[0], keys, Cadence.DAILY)
    ahead = Forecast(np.broadcast_to(level, (6, HORIZON, count)), times[DAYS:], keys, Cadence.DAILY)
    return Panel(values, times[:DAYS], series, Cadence.DAILY), ahead, past


def main() -> None:
    """Measure in this process; JSON on the last line."""
    settings = Settings()
    for count in (_WARM_UP, int(sys.argv[1])):
        panel, forecast, errors = fleet(count)
        wall, cpu = time.perf_counter(), time.process_time()
        risks = assess(panel, forecast, errors, settings)
        servers = server_tiers(risks, panel.series[["server_id", "business_unit", "region", "criticality"]])
        cost = {
            "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
            "servers": len(servers),
            "load": os.getloadavg()[0],
        }
    unit = 2**30 if sys.platform == "darwin" else 2**20
    cost["load"] = os.getloadavg()[0]
    print(json.dumps(cost | {"gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit}))


if __name__ == "__main__":
    main()
