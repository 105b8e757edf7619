"""Prefect, SageMaker and Lambda are doors to the same stages: the same data and champion give the same bytes.

One lake is made by flows alone. The other never sees Prefect: SageMaker's processing prepares, its training trains,
the model is imported, and the Lambda function forecasts an object that comes to a bucket.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import obstore
import pandas as pd
import pytest
from sagemaker_samples import lay_out

from capforecast.forecast import curation
from capforecast.lake.store import Store
from capforecast.schema import Cadence
from capforecast.settings import StorageSettings
from capforecast.stages.model_imports import import_models
from deployments import lambda_handler
from deployments.sagemaker import processing, training
from flows.forecast import forecast
from flows.train import train

DAYS, WEEK = 150, 7
TRAINED_AT, FORECAST_AT = "2026-05-31", "2026-06-07"
SETTINGS = {"forecast.horizon_days": "14", "forecast.origins_daily": "4", "report.per_business_unit": "false"}
SERVERS = ("retail-a", "retail-b", "web-c", "web-d", "web-e")
ANSWERS = ("processed", "quality", "anomalies", "backtests", "forecasts", "risks", "servers")


def observed(folder: Path, days: int) -> Path:
    """Weekly series with a trend; the last server is so new that it is unknown."""
    stamps = pd.date_range("2026-01-01", periods=days, unit="us")
    parts = []
    for number, name in enumerate(SERVERS):
        rng = np.random.default_rng(number)
        time = np.arange(DAYS + WEEK)
        values = 40 + 8 * np.sin(2 * np.pi * time / 7) + 0.1 * number * time + rng.normal(0, 2, DAYS + WEEK)
        frame = pd.DataFrame({"server_id": name, "timestamp": stamps, "cpu_p95": values[:days]})
        frame = frame.assign(business_unit=name.split("-")[0])
        parts.append(frame[DAYS - 3 :] if name == "web-e" else frame)
    file = folder / f"observations-{days}.parquet"
    pd.concat(parts).to_parquet(file, index=False)
    return file


def by_flows(lake: Path, old: Path, new: Path) -> Store:
    """Trained and forecast by Prefect's flows."""
    overrides = {name: json.loads(value) for name, value in SETTINGS.items()}
    train(source=str(old), store=str(lake), overrides=overrides)
    forecast(source=str(new), store=str(lake), overrides=overrides)
    return Store(lake)


def by_jobs(root: Path, old: Path, lake: Store) -> None:
    """Prepared and trained as SageMaker does, imported, and made champion."""
    given = root / "processing/input/observations"
    given.mkdir(parents=True)
    (given / old.name).write_bytes(old.read_bytes())
    asked = [word for name, value in SETTINGS.items() for word in ("--setting", f"{name}={value}")]
    assert processing.main(asked, {"SAGEMAKER_BASE_DIR": str(root)}) == 0
    variables = lay_out(root / "training", SETTINGS)
    channel = root / "training/input/data/train"
    channel.rmdir()
    (root / "processing/output").rename(channel)
    assert training.main([], variables) == 0
    for made in import_models(lake, str(root / "training/model"), StorageSettings()):
        curation.promote(lake, Cadence.DAILY, made.content.business_unit, made.content.version, "trained elsewhere")


def by_lambda(lake: Store, new: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Forecast by the Lambda function, of an object that has come."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(f"CAPFORECAST_{name.upper().replace('.', '__')}", value)
    monkeypatch.setenv("CAPFORECAST_STORE", lake.url)
    monkeypatch.setattr(lambda_handler, "_ready", None)
    bucket = lake.url.removeprefix("s3://").split("/")[0]
    at = obstore.store.from_url(f"s3://{bucket}", client_options={"allow_http": True})
    obstore.put(at, f"incoming/{new.name}", new.read_bytes())
    record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put"}
    record |= {"s3": {"bucket": {"name": bucket}, "object": {"key": f"incoming/{new.name}"}}}
    context = SimpleNamespace(aws_request_id="request-1", get_remaining_time_in_millis=lambda: 300_000)
    return lambda_handler.handler({"Records": [record]}, context)


@pytest.mark.usefixtures("own_logging")
def test_three_doors_give_the_same_bytes(
    tmp_path: Path, prefect_api: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = observed(tmp_path, DAYS), observed(tmp_path, DAYS + WEEK)
    flows, doors = by_flows(tmp_path / "flows", old, new), Store(bucket)
    by_jobs(tmp_path / "ml", old, doors)
    reply = by_lambda(doors, new, monkeypatch)

    (record,) = reply["records"]
    assert (record["status"], record["as_of"][:10]) == ("done", FORECAST_AT)
    assert record["tiers"]["unknown"] == 1
    models = [key for key in flows.keys("models") if "/champion/" not in key]
    assert len({key.split("/")[3] for key in models}) == 2  # a version of each unit, trained at the same cut-off
    assert all(f"/{TRAINED_AT}-" in key for key in models)
    assert {key: doors.read(key) for key in models} == {key: flows.read(key) for key in models}
    for unit in ("retail", "web"):
        for dataset in ANSWERS:
            key = f"{dataset}/cadence=daily/as_of={FORECAST_AT}/business_unit={unit}/part-0.parquet"
            assert doors.read(key) == flows.read(key), key
