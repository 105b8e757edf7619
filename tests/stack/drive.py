"""What tests do on the stack: start runs of deployments, look at them and at their lakes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from stack.environments import BUCKET

from capforecast.lake.store import Store

PER_RUN = ("raw/", "runs/", "results/", "logs/", "locks/")  # carry clock times or run ids
WEEKLY, AD_HOC = "capacity-run/weekly-capacity", "capacity-run/ad-hoc"
SMALL: dict[str, Any] = {
    "forecast.horizon_days": 14,
    "forecast.horizon_hours": 336,
    "report.per_business_unit": False,
}


@dataclass(frozen=True)
class Run:
    """A flow run of a deployment, and the lake it writes."""

    id: UUID
    lake: Store
    fleet: Path


def begin(deployment: str, fleet: Path, lake: str, **more: Any) -> Run:
    """Start a run of the small fleet; `more` are further parameters, `overrides` is added to those of all tests.

    As of the end of the fleet's data, also where the deployment says another day: that of its schedule.
    """
    from prefect.deployments import run_deployment

    store = f"s3://{BUCKET}/{lake}"
    given: dict[str, Any] = {
        "source": str(fleet / "observations.parquet"),
        "inventory": str(fleet / "inventory.csv"),
        "store": store,
    }
    given |= {"as_of": None}
    overrides = SMALL | more.pop("overrides", {})
    run = run_deployment(deployment, parameters=given | more | {"overrides": overrides}, timeout=0, as_subflow=False)
    return Run(run.id, Store(store), fleet)


def seen(run: Run) -> Any:
    """The flow run as the server knows it."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return client.read_flow_run(run.id)


def states(run_id: UUID) -> list[str]:
    """Names of all states a flow run was in."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        known = client.read_flow_run_states(run_id)
    return [str(state.name) for state in sorted(known, key=lambda state: state.timestamp)]


def until(what: str, is_so: Callable[[], Any], seconds: float) -> Any:
    """Wait until something is so; what it was then."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = is_so()
        if found:
            return found
        time.sleep(1.0)
    raise AssertionError(f"not within {seconds:.0f} s: {what}")


def in_state(run: Run, *names: str, seconds: float) -> Any:
    """Wait until a run is in one of these states; a run that failed for good meanwhile is an error."""

    def there() -> Any:
        found = seen(run)
        if found.state.name in ("Failed", "Cancelled") and found.state.name not in names:
            raise AssertionError(f"{found.name} is {found.state.name}: {found.state.message}")
        return found if found.state.name in names else None

    return until(f"{run.id} is {' or '.join(names)}; it was {states(run.id)}", there, seconds)


def completed(run: Run, seconds: float = 240.0) -> Any:
    """Wait until a run has completed."""
    return in_state(run, "Completed", seconds=seconds)


def executed(run: Run) -> list[str]:
    """`stage:business unit` of every stage that was executed (not reused), in all attempts, sorted."""
    notes = [json.loads(run.lake.read(key)) for key in run.lake.keys(f"runs/{run.id}") if "/executed/" in key]
    return sorted(f"{note['stage']}:{note['business_unit']}" for note in notes)


def done(run: Run, stage: str, units: int = 1, seconds: float = 120.0) -> None:
    """Wait until a stage was executed for so many business units."""
    until(
        f"{stage} of {units} business unit(s)",
        lambda: sum(name.startswith(f"{stage}:") for name in executed(run)) >= units,
        seconds,
    )


def children(run: Run) -> list[Any]:
    """Flow runs of business units that a run asked for."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName

    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=["business-unit-run"])))
    return [child for child in runs if child.deployment_id and child.parameters.get("run_id") == str(run.id)]


def data_outputs(lake: Store) -> dict[str, bytes]:
    """Every object that must be the same for the same inputs."""
    return {key: lake.read(key) for key in lake.keys("") if not key.startswith(PER_RUN)}


def manifests(run: Run) -> list[str]:
    """The records of attempts that got to their end."""
    return [key for key in run.lake.keys(f"runs/{run.id}") if key.endswith("manifest.json")]
