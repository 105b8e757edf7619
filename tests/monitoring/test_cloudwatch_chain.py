"""From an AWS account (moto over HTTP) to a report: cost, throttling on the way, an ingest that goes on, a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from aws_server import aws, instances, put, use
from commands import program
from fault_proxy import FaultProxy, Rule

from capforecast.lake import raw
from capforecast.lake.store import Store
from capforecast.schema import Cadence

pytestmark = pytest.mark.monitoring
DAYS = 75
END = pd.Timestamp.now(tz="UTC").floor("D")
CONFIG = """
remote:
  history_days: {days}
  cloudwatch:
    regions: [eu-west-1]
    services: [ec2]
    metrics: [cpu, mem]
    most_usd: {most}
    retry_seconds: 30
forecast: {{horizon_days: 14, origins_daily: 4}}
report: {{formats: [json, html]}}
"""
THROTTLED = b"<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"


def test_from_an_account_to_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = tmp_path / "lake"
    asked = ("ingest", "--from", "cloudwatch", "--store", lake, "--config")
    with aws() as server:
        use(monkeypatch, server, "eu-west-1")
        used = _filled()
        dry = program(*asked, _config(tmp_path, most=0.0), "--dry-run")
        assert dry.returncode == 0, dry.stderr
        assert "USD" in dry.stdout
        refused = program(*asked, _config(tmp_path, most=0.0))
        assert (refused.returncode, "give --yes" in refused.stderr) == (1, True), refused.stderr
        config = _config(tmp_path, most=5.0)
        checked = program("sources", "check", "cloudwatch", "--config", config, "--days", 30, "--json")
        assert checked.returncode == 0, checked.stderr
        assert {row["column"]: row["servers"] for row in json.loads(checked.stdout)["columns"]}["cpu_p95"] == 6
        rules = [Rule("GetMetricData", status=400, every=2, times=3, body=THROTTLED)]
        with FaultProxy(server, rules) as proxy:
            done = program(*asked, config, "--json", AWS_ENDPOINT_URL=proxy.url)
            assert done.returncode == 0, done.stderr
            assert proxy.faults == 3
        told = json.loads(done.stdout)
        assert told["complete"]
        assert told["expected"]["cost"] > 0
        again = program(*asked, config, "--json")
        assert len(json.loads(again.stdout)["windows"]) <= 2  # the overlap
    seen = _seen(Store(lake)).set_index(["server_id", "timestamp"])["cpu_p95"].astype(float)
    expected = used.resample("D").quantile(0.95).stack().swaplevel().sort_index()
    pd.testing.assert_series_equal(seen.sort_index(), expected, check_names=False, check_index=False, rtol=1e-5)
    ran = program("run", "--store", lake, "--config", config, "--json", PREFECT_HOME=str(tmp_path / "prefect"))
    assert ran.returncode == 0, ran.stderr
    summary = json.loads(ran.stdout)["summary"]
    assert summary["servers"] == 6
    assert {unit["name"] for unit in summary["business_units"]} == {"shop", "bank"}


def _config(folder: Path, most: float) -> Path:
    file = folder / f"cloudwatch-{most}.yaml"
    file.write_text(CONFIG.format(days=DAYS, most=most))
    return file


def _filled() -> pd.DataFrame:
    """Six instances of two business units with an hourly history; CPU [T, N]."""
    names = [*instances(3, business_unit="shop"), *instances(3, business_unit="bank")]
    at = pd.date_range(END - pd.Timedelta(days=DAYS), END, freq="h", inclusive="left")
    rng = np.random.default_rng(3)
    used = pd.DataFrame(
        {name: 40 + 20 * np.sin(2 * np.pi * at.hour / 24) + rng.normal(0, 3, len(at)) for name in names}, index=at
    )
    for name in names:
        put("AWS/EC2", "CPUUtilization", {"InstanceId": name}, at, used[name].to_numpy())
        put("CWAgent", "mem_used_percent", {"InstanceId": name}, at, rng.uniform(30, 50, len(at)))
    return used


def _seen(store: Store) -> pd.DataFrame:
    months = raw.observation_references(store, Cadence.DAILY, END + pd.Timedelta(days=1))
    inventory = raw.get_inventory(store)
    assert inventory is not None
    return raw.read_observations(
        store, months, pd.Series(inventory["server_id"].unique()), END - pd.Timedelta(days=DAYS), END
    )
