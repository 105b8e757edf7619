"""From nothing to a report: Debian's Prometheus, ingested from the command line with trouble on the way, then a run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import program
from fault_proxy import FaultProxy, Rule

from capforecast.lake import raw
from capforecast.lake.store import Store
from capforecast.schema import Cadence

from .made_up_hosts import Hosts, made_up
from .prometheus_server import PROMETHEUS, PROMTOOL, Server, backfill, running, write_openmetrics

pytestmark = [
    pytest.mark.monitoring,
    pytest.mark.skipif(
        not (PROMETHEUS and PROMTOOL) and not os.environ.get("CI"),
        reason="Prometheus is not installed; `make e2e-sources` does that",
    ),
]
DAYS = 90
END = pd.Timestamp.now(tz="UTC").floor("D")
CONFIG = """
remote:
  history_days: {days}
  prometheus:
    url: {url}
    resolution_minutes: 30
    rate_minutes: 120
    labels: {{bu: business_unit}}
    retry_seconds: 60
forecast: {{horizon_days: 14, origins_daily: 4}}
report: {{formats: [json, html]}}
"""


@pytest.fixture(scope="module")
def hosts() -> Hosts:
    """Thirty hosts of a quarter of a year."""
    return made_up(30, DAYS, str(END.date()))


@pytest.fixture(scope="module")
def server(hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Prometheus on that history."""
    folder = tmp_path_factory.mktemp("prometheus")
    write_openmetrics(folder / "history.txt", hosts.series())
    backfill(folder / "history.txt", folder / "data")
    with running(folder / "data") as one:
        yield one


def written(folder: Path, url: str) -> Path:
    file = folder / "prometheus.yaml"
    file.write_text(CONFIG.format(days=DAYS, url=url))
    return file


def test_from_nothing_to_a_report(hosts: Hosts, server: Server, tmp_path: Path) -> None:
    config, lake = written(tmp_path, server.url), tmp_path / "lake"
    checked = program("sources", "check", "prometheus", "--config", config, "--days", 30, "--json")
    assert checked.returncode == 0, checked.stderr
    told = json.loads(checked.stdout)
    assert told["servers"] == 30
    assert told["business_units"].keys() == {"bank", "post", "shop"}
    dry = program("ingest", "--from", "prometheus", "--config", config, "--store", lake, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert not list(lake.rglob("*.parquet"))
    done = program("ingest", "--from", "prometheus", "--config", config, "--store", lake, "--json")
    assert done.returncode == 0, done.stderr
    assert _differences(hosts, Store(lake)) > 30 * 80
    ran = program("run", "--store", lake, "--config", config, "--json", PREFECT_HOME=str(tmp_path / "prefect"))
    assert ran.returncode == 0, ran.stderr
    made = json.loads(ran.stdout)
    assert made["summary"]["servers"] == 30
    assert {unit["name"] for unit in made["summary"]["business_units"]} == {"bank", "post", "shop"}
    assert made["summary"]["as_of"].startswith(str(END.date()))
    assert sum(made["summary"]["tiers"].values()) - made["summary"]["tiers"]["unknown"] >= 28
    assert "History of the lake: this run read no source." in Path(made["html"]).read_text()


def test_trouble_on_the_way_leaves_the_same_lake(hosts: Hosts, server: Server, tmp_path: Path) -> None:
    quiet = program("ingest", "--from", "prometheus", "--config", written(tmp_path, server.url), "--store",
                    tmp_path / "quiet")  # fmt: skip
    assert quiet.returncode == 0, quiet.stderr
    rules = [Rule("query_range", status=503, every=3, times=4, headers={"Retry-After": "0"}),
             Rule("query_range", drop=True, skip=5, times=2)]  # fmt: skip
    with FaultProxy(server.url, rules) as proxy:
        lake = tmp_path / "lake"
        for _ in range(3):
            done = program("ingest", "--from", "prometheus", "--config", written(tmp_path, proxy.url), "--store", lake)
            if done.returncode == 0:
                break
        assert done.returncode == 0, done.stderr
        assert proxy.faults >= 4
    one, two = (_seen(Store(folder)) for folder in (tmp_path / "quiet", lake))
    pd.testing.assert_frame_equal(one, two)


def _seen(store: Store) -> pd.DataFrame:
    months = raw.observation_references(store, Cadence.DAILY, END + pd.Timedelta(days=1))
    inventory = raw.get_inventory(store)
    assert inventory is not None
    names = pd.Series(inventory["server_id"].unique())
    return raw.read_observations(store, months, names, END - pd.Timedelta(days=DAYS + 9), END)


def _differences(hosts: Hosts, store: Store) -> int:
    """Compare the lake with what went in; the number of values compared."""
    seen, count = _seen(store), 0
    for metric in ("cpu", "mem", "disk", "net_in"):
        both = hosts.expected(metric, 0.95, pd.Timedelta(days=1)).merge(seen, on=["server_id", "timestamp"], how="left")
        np.testing.assert_allclose(both[f"{metric}_p95"], both["value"], rtol=1e-5)
        count += len(both)
    return count
