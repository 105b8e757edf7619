"""Compiles the kernels that an image needs, by doing its work once on a small generated fleet.

    python warm_kernels.py train FOLDER     # history into the lakes FOLDER/daily and FOLDER/hourly, champions
    python warm_kernels.py serve FOLDER     # what the Lambda function does with them

Kernels go to NUMBA_CACHE_DIR. An image in which this fails is not built.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from capforecast import stages
from capforecast.exchange import RunKey
from capforecast.fleet import synthetic_files
from capforecast.fleet.synthetic import END, Fleet
from capforecast.lake.store import Store
from capforecast.schema import Cadence
from capforecast.settings import Settings
from capforecast.stages.lake_history import from_lake
from capforecast.stages.serve import serve

FLEETS = {Cadence.DAILY: (24, 400), Cadence.HOURLY: (12, 90)}  # servers, days
WEEK = 7  # between training and what is forecast


def train(folder: Path, cadence: Cadence) -> None:
    """A lake with a history, and champions trained on all of it but the last week."""
    servers, days = FLEETS[cadence]
    source = folder / f"{cadence}-fleet"
    synthetic_files.write(Fleet(servers=servers, days=days, cadence=cadence), source)
    store, settings = Store(folder / str(cadence)), Settings()
    before = (END - pd.Timedelta(days=WEEK)).isoformat()
    ingested = stages.ingest(
        store, settings, str(source / synthetic_files.OBSERVATIONS), str(source / synthetic_files.INVENTORY), before
    )
    for name in ingested.business_units:
        unit = stages.validate(store, settings, ingested, name)
        for stage in (stages.anomalies, stages.train, stages.champion, stages.forecast, stages.risk):
            unit = unit.having(**stage(store, settings, unit))


def once(folder: Path, cadence: Cadence) -> None:
    """Forecast the whole history by its champions."""
    store, settings = Store(folder / str(cadence)), Settings()
    made = serve(store, settings, from_lake(store, settings, cadence), RunKey(run_id="warm", attempt=1))
    if made.problems:
        raise SystemExit(f"warm_kernels: {made.problems}")
    print(f"warm_kernels: {cadence}: {made.tiers} in {made.seconds} s")


if __name__ == "__main__":
    step, where = {"train": train, "serve": once}[sys.argv[1]], Path(sys.argv[2])
    for each in Cadence:
        step(where, each)
