"""Write a small model of the current format, its panel and its forecast: what the next format must still read.

    .venv/bin/python scripts/model_fixture.py tests/fixtures/models/format-5

Run it once when a format is released; never again on a released one (tests/forecast/test_model_formats.py).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from capforecast.fleet.snapshot import to_tables
from capforecast.forecast import champions, frames, registry
from capforecast.lake.datasets import table_of
from capforecast.lake.store import Store
from capforecast.schema import Cadence, Panel
from capforecast.settings import Settings

SERVERS, DAYS, HORIZON = 3, 200, 30


def panel() -> Panel:
    """Six series with a weekly rhythm, growth and noise."""
    rng = np.random.default_rng(5)
    day, width = np.arange(DAYS)[:, None], 2 * SERVERS
    rhythm = rng.uniform(3, 9, width) * np.sin(2 * np.pi * day / 7)
    values = rng.uniform(20, 60, width) + rhythm + 0.02 * day + rng.normal(0, 2, (DAYS, width))
    series = pd.DataFrame(
        {
            "server_id": [f"srv-{i}" for i in range(SERVERS) for _ in range(2)], "metric": ["cpu", "mem"] * SERVERS,
            "statistic": "p95", "business_unit": "retail", "region": "eu", "criticality": "high",
            "verdict": "ok", "reason": "", "flags": "", "unseen_peaks": "", "observed": DAYS,
        }
    )  # fmt: skip
    stamps = pd.date_range("2026-05-01", periods=DAYS, freq="D", tz="UTC")
    return Panel(values.astype(np.float32), stamps, series, Cadence.DAILY)


def main(folder: Path) -> None:
    """Train, publish, and forecast with what was published."""
    seen, settings = panel(), Settings()
    trained = champions.train(seen, HORIZON, settings)
    as_of = seen.timestamps[-1] + seen.cadence.step
    window = {"first": seen.timestamps[0].isoformat(), "last": seen.timestamps[-1].isoformat(), "periods": DAYS}
    notes = {"horizon": HORIZON, "inputs": {}, "code": "fixture", "config": "fixture", "window": window}
    store = Store(folder)
    manifest = registry.save(store, trained, business_unit="retail", as_of=as_of, notes=notes)
    model, _ = registry.load(store, manifest)
    observed, series = to_tables(seen)
    pq.write_table(observed, folder / "panel.parquet")
    pq.write_table(series if hasattr(series, "schema") else table_of(series), folder / "series.parquet")
    pq.write_table(frames.to_table(model.predict(seen)), folder / "forecast.parquet")
    (folder / "reference.json").write_text(manifest.model_dump_json(indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
