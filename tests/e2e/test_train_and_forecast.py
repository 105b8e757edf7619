"""Trained on one day, forecast on others: new and vanished servers, a retry, and champions that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from lakes import executed

from capforecast.forecast import pointers
from capforecast.forecast.pointers import Pointer
from capforecast.lake.store import Store
from capforecast.schema import Cadence, Reference

DAYS = 200
START = pd.Timestamp("2026-01-01", tz="UTC")
UNITS = ["retail", "web"]
ANSWERS = ["forecast", "risk", "pools", "warnings", "drift", "sizing"]
OF_FLEET = ["scorecard:_fleet", "fleet-pools:_fleet", "actions:_fleet", "report:_fleet"]


def observed(path: Path, servers: dict[str, tuple[int, int]]) -> str:
    """A source of weekly series; name of a server -> its first day and the day after its last."""
    parts = []
    for name, (first, end) in servers.items():
        rng = np.random.default_rng(sum(name.encode()))
        values = 45 + 10 * np.sin(2 * np.pi * np.arange(DAYS + 9) / 7) + rng.normal(0, 2, DAYS + 9)
        stamps = pd.date_range(START + pd.Timedelta(days=first), periods=end - first, unit="us")
        seen = pd.DataFrame({"server_id": name, "timestamp": stamps, "cpu_p95": values[first:end]})
        parts.append(seen.assign(business_unit=name.split("-")[0]))
    pd.concat(parts).to_parquet(path, index=False)
    return str(path)


def ran(flow: Any, source: str, lake: Path, **more: Any) -> Any:
    """What a flow returned, or the exception that ended it."""
    overrides = {
        "forecast.horizon_days": 14,
        "forecast.origins_daily": 5,
        "report.per_business_unit": False,
    } | more.pop("overrides", {})
    state = flow(source=source, store=str(lake), overrides=overrides, return_state=True, **more)
    return state.result(raise_on_failure=False)


def model(outcome: Any, business_unit: str) -> Reference:
    (unit,) = [unit for unit in outcome["units"] if unit["business_unit"] == business_unit]
    return Reference.model_validate(unit["references"]["model"])


def used(lake: Path) -> dict[str, dict[str, Any]]:
    """What the published summary says of each unit's model."""
    (path,) = lake.glob("reports/*/*/summary.json")
    return {row["business_unit"]: row for row in json.loads(path.read_text())["model_versions"]}


class Trained(NamedTuple):
    """A lake in which models were trained twice, a week apart, and three days of data since."""

    lake: Path
    first: dict[str, Any]
    second: dict[str, Any]
    later: str


@pytest.fixture(scope="module")
def trained(prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    from flows.train import train

    folder = tmp_path_factory.mktemp("trained")
    lake = folder / "lake"
    servers = {f"{unit}-{k}": (0, DAYS) for unit in UNITS for k in range(4)}
    source = observed(folder / "first.parquet", servers)
    first = ran(train, source, lake, as_of=str((START + pd.Timedelta(days=DAYS - 7)).date()))
    second = ran(train, source, lake)
    since = dict.fromkeys(servers, (0, DAYS + 3)) | {"web-3": (0, DAYS), "retail-new": (50, DAYS + 3)}
    return Trained(lake, first, second, observed(folder / "later.parquet", since))


def test_training_makes_champions_and_no_report(trained: Trained) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

    for outcome in (trained.first, trained.second):
        wanted = [f"{stage}:{unit}" for stage in ("validate", "train", "champion") for unit in UNITS]
        assert executed(trained.lake, outcome["run_id"], 1) == sorted(["ingest:_fleet", *wanted])
    for unit in UNITS:
        records = pointers.history(Store(trained.lake), Cadence.DAILY, unit)
        assert [record.pointer.outcome for record in records] == ["first", "refreshed"]
        assert records[-1].pointer.manifest == model(trained.second, unit)
    with get_client(sync_client=True) as client:
        run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[trained.second["run_id"]]))
        (shown,) = [found for found in client.read_artifacts(artifact_filter=run) if found.key == "models"]
    assert '"action": "refreshed"' in str(shown.data)


def test_a_retried_forecast_keeps_the_model_that_its_run_chose(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three days later: no training, the new server unknown, the vanished one still forecast."""
    from prefect.client.orchestration import get_client
    from prefect.flow_engine import run_flow
    from prefect.states import Scheduled

    from flows.forecast import forecast

    lake, store = trained.lake, Store(trained.lake)
    with monkeypatch.context() as patch:
        patch.setenv("CAPFORECAST_FLOW__DRILL", "forecast:retail")
        error = ran(forecast, trained.later, lake)
    assert list(error.problems) == ["retail"]
    wanted = [f"{stage}:{unit}" for stage in ("validate", "anomalies", "champion") for unit in UNITS]
    wanted += [f"{stage}:web" for stage in ANSWERS] + ["decided:_fleet", *OF_FLEET]
    assert executed(lake, error.outcome["run_id"], 1) == sorted(["ingest:_fleet", *wanted])

    back = Pointer(manifest=model(trained.first, "retail"), as_of=trained.first["units"][0]["as_of"])
    pointers.append(store, Cadence.DAILY, "retail", back, after=2)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(error.outcome["run_id"], Scheduled(), force=True)
        run = client.read_flow_run(error.outcome["run_id"])
    outcome = run_flow(flow=forecast, flow_run=run, parameters=run.parameters, return_type="state").result()
    again = [f"{stage}:retail" for stage in ANSWERS] + OF_FLEET
    assert executed(lake, error.outcome["run_id"], 2) == sorted(again)
    assert model(outcome, "retail") == model(trained.second, "retail")

    seen = used(lake)
    assert {name: (row["action"], row["age_days"]) for name, row in seen.items()} == dict.fromkeys(
        UNITS, ("champion", 3.0)
    )
    servers = pd.concat([pd.read_parquet(path) for path in lake.glob("servers/**/*.parquet")]).set_index("server_id")
    assert servers["reason"][servers["tier"] == "unknown"].to_dict() == {"retail-new": "not_trained"}
    assert len(servers) == 9
    ahead = pd.concat([pd.read_parquet(path) for path in lake.glob("forecasts/**/*.parquet")])
    assert ahead["server_id"].nunique() == 8
    assert ahead["timestamp"].min() == START + pd.Timedelta(days=DAYS + 3)


def test_training_when_needed_trains_only_the_unit_whose_champion_will_not_do(trained: Trained) -> None:
    from flows.train import train

    outcome = ran(train, trained.later, trained.lake, retrain="when_needed")
    stages = ["champion:retail", "champion:web", "ingest:_fleet", "train:retail"]
    assert executed(trained.lake, outcome["run_id"], 1) == stages  # validated it was by the run before
    record = pointers.current(Store(trained.lake), Cadence.DAILY, "retail")
    assert record is not None
    assert record.pointer.manifest == model(outcome, "retail")
    assert "knows 80.0% of the series" in record.pointer.reason
    assert model(outcome, "web") == model(trained.second, "web")


def test_a_damaged_champion_gives_way_to_the_last_good_one_and_the_report_says_so(trained: Trained) -> None:
    from flows.forecast import forecast

    spoilt = trained.lake / model(trained.second, "web").uri.replace("manifest.json", "weights.parquet")
    spoilt.write_bytes(spoilt.read_bytes()[:-1] + b"?")
    outcome = ran(forecast, trained.later, trained.lake)
    assert model(outcome, "web") == model(trained.first, "web")
    web = used(trained.lake)["web"]
    assert (web["action"], web["age_days"]) == ("fell_back", 10.0)
    assert "weights.parquet was changed" in web["reason"]


def test_where_nothing_may_take_its_place_the_unit_fails_and_says_what_to_do(trained: Trained) -> None:
    from flows.forecast import forecast

    error = ran(forecast, trained.later, trained.lake, overrides={"models.fall_back": False})
    assert list(error.problems) == ["web"]
    assert "weights.parquet was changed" in error.problems["web"]
    assert "models rollback --to" in error.problems["web"]
    assert [unit["business_unit"] for unit in error.outcome["units"]] == ["retail"]
