"""What a run gives cause for is an event in Prefect, once per run; nothing to tell sends none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from prefect import flow
from report_samples import report_data, servers_frame
from test_drift_event import events, until

from capforecast.exchange import Published, RunKey, Unit
from capforecast.lake.datasets import write_table
from capforecast.lake.store import Store
from capforecast.schema import Cadence
from capforecast.settings import Settings
from tasks.alerts import FLEET, announce_alerts
from tasks.common import Job, run_stage

EVENT = "capforecast.new-critical"
NOW, THEN = "2026-11-23T00:00:00+00:00", "2026-11-16T00:00:00+00:00"


def servers(store: Store, unit: Unit, tier: str) -> Any:
    frame = pd.DataFrame({"server_id": ["a"], "tier": [tier], "business_unit": ["retail"], "region": ["eu"]})
    frame = frame.assign(criticality="gold", metric="cpu", reason="", probability_high=0.5)
    return write_table(store, unit.key("servers"), frame)


def announced(lake: Path, run_id: str, before: str) -> list[str]:
    """Announce a run in which a server is critical, twice, as a retry would; what was said."""
    store = Store(lake)
    unit = Unit(
        cadence=Cadence.DAILY, as_of=NOW, business_unit="retail", servers=1, series=1, usable=1, horizon=90,
        references={},
    )  # fmt: skip
    earlier = servers(store, unit.model_copy(update={"as_of": THEN}), before)
    unit = unit.having(servers=servers(store, unit, "critical"), previous_servers=earlier)
    summary = report_data(servers_frame(20)).summary.model_dump_json().encode()
    published = Published(
        complete=True, as_of=NOW, cadence=Cadence.DAILY, tiers={},
        references={"summary": store.put("summary.json", summary)},
    )  # fmt: skip
    job = Job(store_url=str(lake), settings=Settings(), run=RunKey(run_id=run_id, attempt=1))

    @flow(name="announce")
    def announce() -> list[str]:
        given = {"units": [unit.model_dump(mode="json")], "published": published.model_dump(mode="json")}
        said: list[list[str]] = [run_stage(announce_alerts, job, **given) for _ in range(2)]
        assert said[0] == said[1]
        return said[0]

    return announce()


def test_a_run_tells_once_which_servers_became_critical(prefect_api: str, tmp_path: Path) -> None:
    assert announced(tmp_path / "quiet", "quiet", "critical") == []
    assert announced(tmp_path / "loud", "loud", "high") == ["new-critical"]
    assert announced(tmp_path / "loud", "next", "high") == ["new-critical"]  # another run says it, too
    found = until(lambda: events(prefect_api, EVENT), 2, "event")
    assert sorted(event["payload"]["run_id"] for event in found) == ["loud", "next"]
    assert {event["resource"]["prefect.resource.id"] for event in found} == {FLEET}
    assert found[0]["resource"]["capforecast.as-of"] == NOW
    assert found[0]["payload"]["sentence"] == "1 server newly critical: a."
    assert any(related["prefect.resource.role"] == "flow-run" for related in found[0]["related"])  # for the link
