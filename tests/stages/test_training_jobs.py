"""Training by a job, with a SageMaker of ours and a container that calls the same stage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sagemaker_container import container
from sagemaker_endpoint import Body, Endpoint

from capforecast import configuration, stages
from capforecast.cloud.job_errors import JobError
from capforecast.cloud.jobs import Jobs, open_jobs
from capforecast.configuration import config_hash
from capforecast.errors import ConfigError, ModelError
from capforecast.exchange import Unit
from capforecast.fleet.snapshot import to_tables
from capforecast.forecast import registry
from capforecast.lake.datasets import write_table
from capforecast.lake.store import Store
from capforecast.schema import Cadence, Panel
from capforecast.settings import Settings
from capforecast.stages.handover import hand_over_model, handed
from capforecast.stages.training_jobs import READS, hyperparameters, request_for, train_by_job

boto3 = pytest.importorskip("boto3")
OWN = {
    "forecast.model": "seasonal-naive",
    "forecast.horizon_days": 7,
    "sagemaker.train": True,
    "sagemaker.role": "arn:aws:iam::111122223333:role/jobs",
    "sagemaker.image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/c:1",
    "sagemaker.poll_seconds": 0.01,
}


@dataclass
class Place:
    """A lake in a bucket, a unit in it, and a SageMaker."""

    store: Store
    unit: Unit
    settings: Settings
    endpoint: Endpoint


def unit_in(store: Store, settings: Settings) -> Unit:
    """A business unit of three servers with a year of daily values."""
    days, count = 400, 3
    noise = np.random.default_rng(1).normal(size=(days, count))
    values = (50 + 5 * np.sin(np.arange(days) * 2 * np.pi / 7)[:, None] + noise).astype(np.float32)
    series = pd.DataFrame(
        {
            "server_id": [f"srv-{i}" for i in range(count)], "metric": "cpu", "statistic": "p95",
            "business_unit": "EU & West", "region": "EU", "criticality": "high", "verdict": "ok", "reason": "",
            "flags": "", "unseen_peaks": "", "observed": days,
        }
    )  # fmt: skip
    panel = Panel(values, pd.date_range("2025-10-20", periods=days, tz="UTC"), series, Cadence.DAILY)
    unit = Unit(cadence=Cadence.DAILY, as_of="2026-11-24T00:00:00+00:00", business_unit="EU & West", servers=count,
                series=count, usable=count, horizon=settings.horizon(Cadence.DAILY), references={})  # fmt: skip
    processed, quality = to_tables(panel)
    return unit.having(
        processed=write_table(store, unit.key("processed"), processed),
        quality=write_table(store, unit.key("quality"), quality),
        inventory=write_table(store, unit.key("inventory"), series),
    )


def trains(folder: Path, request: Body) -> str | None:
    """What deployments/sagemaker/training.py does, in short: settings from hyperparameters, the stage, the version."""
    given: dict[str, Any] = json.loads((folder / "input/config/hyperparameters.json").read_text())
    name = given.pop("business_unit")
    settings = configuration.load(environment={}, overrides=given).settings
    source = Store(folder / "input/data/train")
    units = {each.unit.business_unit: each.unit for each in handed(source)}
    made = stages.train(source, settings, units[name])
    hand_over_model(source, Store(folder / "model"), made["challenger"])
    return None


@pytest.fixture
def place(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    settings = configuration.load(overrides=OWN | {"store": bucket}).settings
    store = Store(bucket, settings.storage)
    with Endpoint(work=container(tmp_path / "jobs", trains)) as served:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", served.url)
        yield Place(store, unit_in(store, settings), settings, served)


def test_a_job_is_handed_what_the_stage_reads() -> None:
    assert stages.NEEDS["train"] == READS


def test_a_job_gives_the_reference_that_training_here_gives(place: Place, tmp_path: Path) -> None:
    made = train_by_job(place.store, place.settings, place.unit)
    here = Store(tmp_path / "here")
    for reference in place.unit.references.values():
        here.put(reference.uri, place.store.fetch(reference), rows=reference.rows)
    assert made == stages.train(here, place.settings, place.unit)
    assert registry.check(place.store, made["challenger"]) is None
    (request,) = [request for called, request in place.endpoint.calls if called == "CreateTrainingJob"]
    assert request["TrainingJobName"].startswith("capforecast-train-EU-West-")
    assert request["HyperParameters"] == {
        "business_unit": "EU & West", "forecast.horizon_days": "7", "forecast.model": "seasonal-naive"
    }  # fmt: skip
    (fetched,) = (tmp_path / "jobs").iterdir()
    seen = {path.parts[len(fetched.parts) + 3] for path in (fetched / "input/data/train").rglob("*") if path.is_file()}
    assert seen - {"models"} == {"processed", "quality", "units"}  # nothing but what the stage reads; it wrote models


def test_a_retry_attaches_and_pays_nothing(place: Place) -> None:
    made = train_by_job(place.store, place.settings, place.unit)
    assert train_by_job(place.store, place.settings, place.unit) == made
    assert place.endpoint.count("CreateTrainingJob") == 1
    for key in place.store.keys("sagemaker/jobs"):  # a lifecycle rule took the model away
        place.store.delete(key)
    assert train_by_job(place.store, place.settings, place.unit) == made
    assert place.endpoint.count("CreateTrainingJob") == 2


def test_who_is_interrupted_leaves_the_job_and_the_next_attaches(place: Place) -> None:
    def interrupted(seconds: float) -> None:
        raise TimeoutError  # as a task of Prefect ends that takes too long

    place.endpoint.hangs = True
    with pytest.raises(TimeoutError):
        train_by_job(
            place.store,
            place.settings,
            place.unit,
            Jobs(boto3.client("sagemaker", region_name="us-east-1"), 1, sleep=interrupted),
        )
    (job,) = place.endpoint.jobs.values()
    assert (job.status, place.endpoint.count("StopTrainingJob")) == ("InProgress", 0)
    place.endpoint.begin(job)
    assert train_by_job(place.store, place.settings, place.unit)["challenger"].uri.startswith("models/")
    assert place.endpoint.count("CreateTrainingJob") == 1


def test_other_data_is_another_job(place: Place) -> None:
    train_by_job(place.store, place.settings, place.unit)
    changed = place.store.put(place.unit.references["quality"].uri, b"other", rows=1)
    place.endpoint.hangs = True
    request = request_for(place.store, place.settings, place.unit.having(quality=changed).only(READS))
    assert not open_jobs(place.settings.sagemaker, place.settings.storage).submit(request).attached


def test_a_failed_job_fails_the_stage_with_its_reason(place: Place, tmp_path: Path) -> None:
    place.endpoint.work = container(tmp_path / "failing", lambda folder, request: "ModelError: no history")
    with pytest.raises(JobError, match="AlgorithmError: ModelError: no history"):
        train_by_job(place.store, place.settings, place.unit)
    assert place.store.keys("models") == []


def test_a_model_of_other_settings_or_code_is_refused(place: Place, tmp_path: Path) -> None:
    def older(folder: Path, request: Body) -> None:
        trains(folder, request)
        store = Store(folder / "model")
        (key,) = (key for key in store.keys("models") if key.endswith("manifest.json"))
        content = json.loads(store.read(key))
        content["recipe"]["code"] = "0" * 64
        store.put(key, json.dumps(content).encode())

    place.endpoint.work = container(tmp_path / "older", older)
    with pytest.raises(ModelError, match=r"other code than this run has.*requirements\.lock"):
        train_by_job(place.store, place.settings, place.unit)


def test_nothing_to_forecast_is_no_job(place: Place) -> None:
    assert train_by_job(place.store, place.settings, place.unit.model_copy(update={"usable": 0})) == {}
    assert place.endpoint.calls == []


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"store": "/tmp/lake"}, "SageMaker cannot read"),
        ({"sagemaker.role": None}, r"sagemaker\.role"),
        ({"sagemaker.image": None}, r"sagemaker\.image"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_sent(own: dict[str, Any], said: str, tmp_path: Path) -> None:
    given = {key: value for key, value in (OWN | own).items() if value is not None}
    settings = configuration.load(environment={}, overrides={"store": "s3://b/lake"} | given).settings
    with pytest.raises(ConfigError, match=said):
        stages.refuse_without_lake(settings, settings.store)
    unit = Unit(cadence=Cadence.DAILY, as_of="2026-11-24T00:00:00+00:00", business_unit="x", servers=1, series=1,
                usable=1, horizon=7, references={})  # fmt: skip
    with pytest.raises(ConfigError):
        train_by_job(Store(tmp_path), settings, unit)


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"forecast.horizon_days": 30, "calendar.country": "DE", "quality.min_days_daily": 50},
        {"metrics": {"gpu": {"unit": "%", "high": 70.0, "very_high": 85.5}}, "metrics.cpu.high": 75.25},
        {"metrics": {"net.rx": {"unit": "1e3", "high": 1e-05, "very_high": 2e22}}},
        {"flow.retries": 7, "report.title": "no part of a model", "log.level": "DEBUG"},
    ],
)
def test_settings_reach_the_job_whole(own: dict[str, Any]) -> None:
    settings = configuration.load(environment={}, overrides=own).settings
    told = hyperparameters(settings)
    heard = configuration.load(environment={}, overrides=told).settings
    assert config_hash(heard) == config_hash(settings)
    assert all(isinstance(text, str) for text in told.values())
    assert not any(key.startswith(("flow", "report", "log")) for key in told)
