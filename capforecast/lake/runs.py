"""The immutable record of a run: one folder per attempt, create-only, the manifest last."""

from __future__ import annotations

from typing import Any

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
