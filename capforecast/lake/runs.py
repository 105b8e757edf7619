"""The immutable record of a run: one folder per attempt, create-only, the manifest last."""

from __future__ import annotations

import json
import re
from typing import Any

from capforecast.errors import MissingObjectError
from capforecast.exchange import Published, RunKey, Unit
from capforecast.lake.datasets import to_json, unit_segment
from capforecast.lake.store import Store
from capforecast.schema import Reference


def record(
    store: Store, run: RunKey, content: dict[str, Any], units: list[Unit], published: Published | None
) -> Reference:
    """Write the attempt's own immutable record: copies of summary and risks, then the manifest."""
    folder = f"runs/{run.run_id}/attempt={run.attempt}"
    for unit in units:
        if "risks" not in unit.references:  # of a run that only trains
            continue
        risks = store.fetch(unit.references["risks"])
        store.create(f"{folder}/risks/business_unit={unit_segment(unit.business_unit)}/part-0.parquet", risks)
    if published is not None:
        store.create(f"{folder}/summary.json", store.fetch(published.references["summary"]))
    return store.create(f"{folder}/manifest.json", to_json(content))


def note_execution(store: Store, run: RunKey, stage: str, business_unit: str, seconds: float) -> None:
    """Record that a stage was executed (not taken from cache) in this attempt: one small file each."""
    folder = f"runs/{run.run_id}/attempt={run.attempt}/executed"
    name = f"{stage}.{unit_segment(business_unit)}"
    again = sum(key.startswith(f"{folder}/{name}.") for key in store.keys(folder))
    content = {"stage": stage, "business_unit": business_unit, "seconds": round(seconds, 3)}
    store.create(f"{folder}/{name}.{again + 1}.json", to_json(content))


def newest_manifest(store: Store, run_id: str) -> dict[str, Any] | None:
    """The manifest of the latest attempt of a run that left one."""
    kept = _by_attempt(store, run_id, "manifest.json")
    manifest: dict[str, Any] | None = json.loads(store.read(kept[-1])) if kept else None
    return manifest


def next_attempt(store: Store, run_id: str) -> int:
    """Number of the attempt that follows those of a run that left anything, finished or not."""
    found = [re.match(r"runs/[^/]+/attempt=(\d+)/", key) for key in store.keys(f"runs/{run_id}")]
    return 1 + max((int(match[1]) for match in found if match), default=0)


def write_plan(store: Store, run: RunKey, content: dict[str, Any]) -> Reference:
    """What an attempt asks of the flow runs of its business units, for them to read."""
    return store.create(f"runs/{run.run_id}/attempt={run.attempt}/plan.json", to_json(content))


def read_plan(store: Store, run_id: str) -> dict[str, Any]:
    """The plan of the latest attempt of a run; raises MissingObjectError."""
    plans = _by_attempt(store, run_id, "plan.json")
    if not plans:
        raise MissingObjectError(
            f"run {run_id} has no plan in {store.url}: it never got as far as its business units, or used another lake"
        )
    plan: dict[str, Any] = json.loads(store.read(plans[-1]))
    return plan


def _by_attempt(store: Store, run_id: str, name: str) -> list[str]:
    """Keys of a record of that name, by attempt."""
    found = {
        key: re.fullmatch(rf"runs/[^/]+/attempt=(\d+)/{re.escape(name)}", key) for key in store.keys(f"runs/{run_id}")
    }
    return [key for _, key in sorted((int(match[1]), key) for key, match in found.items() if match)]


def write_unit(store: Store, run_id: str, child: RunKey, unit: Unit, asked: str) -> Reference:
    """What an attempt of a business unit's own flow run made, for the run that asked for it.

    asked: digest of what was asked, so that who asks for something else meanwhile does not take it for the answer.
    """
    content = {"asked": asked, "unit": unit.model_dump(mode="json")}
    return store.create(_unit_key(run_id, unit.business_unit, child), to_json(content))


def read_unit(store: Store, run_id: str, business_unit: str, child: RunKey) -> tuple[Unit, str]:
    """What such an attempt made, and the digest of what it was asked; raises MissingObjectError."""
    content = json.loads(store.read(_unit_key(run_id, business_unit, child)))
    return Unit.model_validate(content["unit"]), str(content["asked"])


def _unit_key(run_id: str, business_unit: str, child: RunKey) -> str:
    unit = unit_segment(business_unit)
    return f"runs/{run_id}/units/business_unit={unit}/run={child.run_id}/attempt={child.attempt}.json"


def force_from(store: Store, run_id: str, attempt: int, stage: str) -> None:
    """Note that an attempt to come is to run everything anew from a stage on; the last word counts."""
    store.put(_forced_key(run_id, attempt), to_json({"from_stage": stage}))


def forced_from(store: Store, run: RunKey) -> str | None:
    """From which stage on this attempt is to run everything anew; None = it reuses what it can."""
    try:
        return str(json.loads(store.read(_forced_key(run.run_id, run.attempt)))["from_stage"])
    except MissingObjectError:
        return None


def _forced_key(run_id: str, attempt: int) -> str:
    return f"runs/{run_id}/attempt={attempt}/forced.json"
