"""What commands that look back see of a source."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from capforecast.fleet.shapes import CAPACITY_OF
from capforecast.settings import Settings
from capforecast.sources.files import read_files
from deployments.origins import panel_of


def test_sizes_come_from_the_instance_type_as_in_a_run(tmp_path: Path) -> None:
    days = pd.date_range("2025-01-01", periods=60, freq="D")
    observed = pd.DataFrame({"server_id": "a", "timestamp": days, "cpu_p95": 50.0, "net_p95": 100.0})
    observed.to_csv(tmp_path / "observations.csv", index=False)
    inventory = pd.DataFrame([{"server_id": "a", "business_unit": "retail", "instance_type": "m5.large"}])
    inventory.to_csv(tmp_path / "inventory.csv", index=False)
    batch = read_files(str(tmp_path / "observations.csv"), Settings(), str(tmp_path / "inventory.csv"))
    series = panel_of(batch, pd.Timestamp("2025-03-01", tz="UTC"), Settings()).series.set_index("metric")
    assert {"cpu", "net"} <= set(CAPACITY_OF)
    assert series["capacity"].to_dict() == {"cpu": 2.0, "net": 750.0}
