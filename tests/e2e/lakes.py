"""What end-to-end tests look at in a lake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PER_RUN = ("raw/observations", "runs/", "results/", "logs/", "locks/")  # carry clock times or run ids


def data_outputs(lake: Path) -> dict[str, bytes]:
    """Every file that must be the same for the same inputs."""
    files = {str(path.relative_to(lake)): path for path in sorted(lake.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if not name.startswith(PER_RUN)}


def executed(lake: Path, run_id: str, attempt: int) -> list[str]:
    """`stage:business unit` of every stage that was executed (not reused) in an attempt, sorted."""
    notes = [json.loads(path.read_text()) for path in (lake / f"runs/{run_id}/attempt={attempt}/executed").glob("*")]
    return sorted(f"{note['stage']}:{note['business_unit']}" for note in notes)


def start(fleet: Path, store: object, **more: Any) -> Any:
    """What the flow returned in this process, or the exception that ended it."""
    from flows.capacity import capacity_run

    state = capacity_run(
        source=str(fleet / "observations.parquet"),
        inventory=str(fleet / "inventory.csv"),
        store=str(store),
        overrides={
            "forecast.horizon_days": 14,
            "forecast.horizon_hours": 336,
            "report.per_business_unit": False,
        },
        return_state=True,
        **more,
    )
    return state.result(raise_on_failure=False)


def summary_of(lake: Path) -> dict[str, Any]:
    """The one published summary."""
    (path,) = lake.glob("reports/*/*/summary.json")
    return json.loads(path.read_text())
