"""A run that trains by SageMaker jobs, and the same from the command line: the containers' own programs in between.

SageMaker is ours (sagemaker_endpoint.py), S3 is moto's, Prefect is real, and so is `train` of sagemaker-training. What
is shown: the models are the very ones that the run would have trained itself.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_environments import ROOT, program_of
from sagemaker_container import container, processing
from sagemaker_endpoint import Body, Endpoint
from sagemaker_samples import AS_OF, SHORT, UNITS, inventory, write_objects

from capforecast.forecast import pointers
from capforecast.lake.store import Store
from capforecast.schema import Cadence

pytestmark = pytest.mark.aws
Call = Callable[..., Any]
LIMIT = 180  # seconds of a container's program
JOBS = {
    "sagemaker.train": True,
    "sagemaker.role": "arn:aws:iam::111122223333:role/jobs",
    "sagemaker.image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/capforecast:1",
    "sagemaker.poll_seconds": 0.2,
    "flow.retry_delay_seconds": 0.1,
}


def variables(folder: Path, request: Body) -> dict[str, str]:
    """The environment of a container: nothing of AWS, as it is isolated from the network."""
    names = ("PATH", "HOME", "NUMBA_CACHE_DIR", "OMP_NUM_THREADS")
    kept = {name: text for name, text in os.environ.items() if name in names}
    return kept | {"PYTHONPATH": str(ROOT), "SAGEMAKER_BASE_DIR": str(folder)} | request.get("Environment", {})


def ended(command: list[str], folder: Path, environment: dict[str, str], reason: Path) -> str | None:
    """Run a container's program; the reason it leaves where it fails."""
    done = subprocess.run(
        command, cwd=folder, env=environment, timeout=LIMIT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        encoding="utf-8",
    )  # fmt: skip
    (folder / "log").write_text(done.stdout)
    if done.returncode == 0:
        return None
    return reason.read_text() if reason.exists() else done.stdout[-2000:]


def by_toolkit(folder: Path, request: Body) -> str | None:
    """Training as the image does it: `train` of sagemaker-training runs the script that SAGEMAKER_PROGRAM names."""
    train = program_of("sagemaker", "train")
    (folder / "code").mkdir()
    shutil.copy(ROOT / "deployments/sagemaker/training.py", folder / "code")
    environment = variables(folder, request) | {"SAGEMAKER_PROGRAM": "training.py"}
    return ended([str(train)], folder, environment, folder / "output/failure")


def by_python(folder: Path, request: Body) -> str | None:
    """Processing as its request says: the entry point and the arguments."""
    asked = request["AppSpecification"]
    python, *words = asked["ContainerEntrypoint"]
    assert python == "python"
    command = [sys.executable, *words, *asked["ContainerArguments"]]
    return ended(command, folder, variables(folder, request), folder / "output/message")


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    program_of("sagemaker", "train")  # skips where it is not installed
    jobs = {
        "Training": container(tmp_path / "jobs", by_toolkit),
        "Processing": processing(tmp_path / "jobs", by_python),
    }
    with Endpoint(
        work=lambda request: jobs[next(name for name in jobs if f"{name}JobName" in request)](request)
    ) as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", made.url)
        yield made


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    write_objects(tmp_path / "fleet")
    return tmp_path / "fleet"


def trained(source: Path, store: str, **more: Any) -> dict[str, Any]:
    """What the flow `train` left: references by business unit."""
    from flows.train import train

    overrides = SHORT | more.pop("overrides", {})
    made = train(source=str(source), store=store, as_of=AS_OF, overrides=overrides, **more)
    return {unit["business_unit"]: unit["references"] for unit in made["units"]}


def said_by(name: str) -> list[str]:
    """Log lines of the flow runs of that name, as Prefect keeps them."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas import filters

    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(flow_run_filter=filters.FlowRunFilter(name=filters.FlowRunFilterName(any_=[name])))
        ids = filters.LogFilterFlowRunId(any_=[run.id for run in runs])
        return [line.message for line in client.read_logs(filters.LogFilter(flow_run_id=ids))]


def test_a_run_trains_by_jobs_what_it_would_have_trained_itself(
    prefect_api: str, endpoint: Endpoint, bucket: str, fleet: Path, tmp_path: Path
) -> None:
    here = trained(fleet, str(tmp_path / "lake"))
    there = trained(fleet, bucket, overrides=JOBS)
    assert set(there) == set(UNITS)
    assert {name: made["challenger"] for name, made in there.items()} == {
        name: made["challenger"] for name, made in here.items()
    }
    assert {name: made["model"] for name, made in there.items()} == {name: made["model"] for name, made in here.items()}
    lake = Store(bucket)
    mine = {key: Store(tmp_path / "lake").read(key) for key in Store(tmp_path / "lake").keys("models")}
    assert {key: lake.read(key) for key in lake.keys("models")} == mine
    assert endpoint.count("CreateTrainingJob") == len(UNITS)

    trained(fleet, bucket, overrides=JOBS, refresh=True)  # every stage anew, yet no job is paid for twice
    assert endpoint.count("CreateTrainingJob") == len(UNITS)


def test_a_failed_machine_is_retried_and_how_jobs_go_is_in_the_log(
    prefect_api: str, endpoint: Endpoint, bucket: str, fleet: Path
) -> None:
    whole, failed = endpoint.work, []

    def work(request: Body) -> Body:
        if not failed:
            failed.append(request["TrainingJobName"])
            raise RuntimeError("no power")
        return whole(request)

    endpoint.work = work
    from flows.train import train

    made = train(
        source=str(fleet), store=bucket, as_of=AS_OF, business_units=["ops"], overrides=SHORT | JOBS
    )  # fmt: skip
    assert list(endpoint.jobs) == [failed[0], f"{failed[0]}-2"]
    assert len(made["units"]) == 1
    told = "\n".join(_patiently(lambda: said_by(f"ops-{AS_OF}"), f"{failed[0]}-2: Completed"))
    for line in ("ops: trains by the SageMaker job", f"{failed[0]}: submitted", "no power", f"{failed[0]}-2: Training"):
        assert line in told


def _patiently(look: Callable[[], list[str]], wanted: str) -> list[str]:
    """Prefect sends logs in the background."""
    for _ in range(40):
        found = look()
        if any(wanted in line for line in found):
            return found
        time.sleep(0.25)
    return look()


def test_from_raw_data_to_a_model_by_jobs_alone(
    call: Call, endpoint: Endpoint, bucket: str, fleet: Path, tmp_path: Path
) -> None:
    """process on two machines, train, import: the models of a run that does it all itself."""
    raw = Store(f"{bucket}/incoming")
    for file in sorted(fleet.rglob("*.parquet")):
        raw.put(f"data/{file.relative_to(fleet).as_posix()}", file.read_bytes())
    inventory().to_csv(tmp_path / "inventory.csv", index=False)
    raw.put("inventory.csv", (tmp_path / "inventory.csv").read_bytes())
    config = tmp_path / "own.yaml"
    config.write_text(json.dumps({"forecast": {"horizon_days": 7, "origins_daily": 4}, "sagemaker": {
        name.removeprefix("sagemaker."): value for name, value in JOBS.items() if name.startswith("sagemaker.")
    }}))  # fmt: skip
    words = ("--store", bucket, "--config", config, "--submit", "--follow", "--json")
    places = ("--source", f"{raw.url}/data", "--inventory", f"{raw.url}/inventory.csv")
    done = call("sagemaker", "process", *places, "--as-of", AS_OF, "--instances", 2, *words)
    assert done.code == 0, done.err
    made = json.loads(done.out)
    assert sorted(made["business_units"]) == sorted(UNITS)
    done = call("sagemaker", "train", "--data", made["output"], *words)
    assert done.code == 0, done.err
    model = json.loads(done.out)["model"]
    done = call("models", "import", model, "--store", bucket, "--json")
    assert done.code == 0, done.err
    rows = json.loads(done.out)
    assert {row["business_unit"]: row["note"] for row in rows} == dict.fromkeys(UNITS, "new")

    done = call(
        "train", "--source", fleet, "--store", tmp_path / "lake", "--as-of", AS_OF, "--config", config, "--json"
    )
    assert done.code == 0, done.err
    for name in UNITS:
        one, other = (pointers.versions(Store(place), Cadence.DAILY, name) for place in (bucket, tmp_path / "lake"))
        assert one == other
