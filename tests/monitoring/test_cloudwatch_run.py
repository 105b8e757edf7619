"""From CloudWatch (moto over HTTP) to a report by the command line, with faults on the way."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from aws_server import ENVIRONMENT, aws, instances, put, use
from commands import Call
from fault_proxy import FaultProxy, Rule

from capforecast.lake import raw
from capforecast.lake.datasets import read_frame
from capforecast.lake.store import Store
from capforecast.schema import Cadence

pytest.importorskip("boto3")
pytestmark = pytest.mark.monitoring
DAYS, SERVERS = 70, 10
TODAY = pd.Timestamp.now("UTC").floor("D")
UNITS = ("shop", "payments")
CONFIG = {"remote": {"history_days": DAYS, "statistics": ["p95", "max"], "cloudwatch": {"services": ["ec2", "rds"]}}}
Filled = tuple[str, dict[str, pd.DataFrame]]


@pytest.fixture(scope="module")
def filled() -> Iterator[Filled]:
    """A server with ten weeks of ten instances by the hour, and what was put there, by instance."""
    with aws(page=2000) as url, pytest.MonkeyPatch.context() as patch:
        use(patch, url, "eu-west-1")
        put_there: dict[str, pd.DataFrame] = {}
        at = pd.date_range(TODAY - pd.Timedelta(days=DAYS), TODAY, freq="h", inclusive="left")
        day = np.arange(len(at)) / 24
        for number in range(SERVERS):
            (name,) = instances(1, BusinessUnit=UNITS[number % 2], Environment="prod", Owner="ann")
            draws, own = np.random.default_rng(number), {"InstanceId": name}
            wave = 10 * np.sin(2 * np.pi * day) + draws.normal(0, 3, len(at))
            frame = pd.DataFrame({"cpu": 25 + 4 * number + wave, "net_in": 450e6 + 1e7 * wave}, index=at)
            frame = frame.assign(mem=60 + wave / 5, disk=30 + number + day / 2)
            put_there[name] = frame
            put("AWS/EC2", "CPUUtilization", own, at, frame["cpu"])
            put("AWS/EC2", "NetworkIn", own, at, frame["net_in"])
            put("CWAgent", "mem_used_percent", own, at, frame["mem"])
            put("CWAgent", "disk_used_percent", own | {"path": "/", "fstype": "xfs"}, at, frame["disk"])
        yield url, put_there


@pytest.fixture
def proxy(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """What the command line asks in place of the server."""
    with FaultProxy(filled[0]) as between:
        use(monkeypatch, between.url, "eu-west-1")
        yield between


@pytest.fixture
def asked(tmp_path: Path) -> tuple[object, ...]:
    """Options of every ingest."""
    file = tmp_path / "cloudwatch.yaml"
    file.write_text(json.dumps(CONFIG))
    return ("ingest", "--from", "cloudwatch", "--config", file)


def lake_of(folder: Path) -> pd.DataFrame:
    """All observations of a lake, without when they came."""
    store = Store(folder)
    months = raw.observation_references(store, Cadence.DAILY, TODAY)
    frame = pd.concat([read_frame(store, month) for month in months])
    return frame.drop(columns="ingested_at").sort_values(["server_id", "timestamp"], ignore_index=True)


def test_a_dry_run_says_what_it_costs_and_too_much_is_refused_before_it_is_spent(
    call: Call, proxy: FaultProxy, asked: tuple[object, ...], tmp_path: Path
) -> None:
    done = call(*asked, "--store", tmp_path / "lake", "--dry-run")
    assert done.code == 0
    assert "USD" in done.out
    assert not list((tmp_path / "lake").rglob("*.parquet"))
    config = json.loads(Path(str(asked[-1])).read_text())
    config["remote"]["cloudwatch"]["most_usd"] = 0
    Path(str(asked[-1])).write_text(json.dumps(config))
    refused = call(*asked, "--store", tmp_path / "lake")
    assert refused.code != 0
    assert "--yes" in refused.err
    assert not [request for request in proxy.seen if "GetMetricData" in request.text]


def test_faults_change_nothing_and_the_values_are_those_that_were_put_in(
    call: Call, filled: Filled, proxy: FaultProxy, asked: tuple[object, ...], tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG, "capforecast")
    proxy.rules += [
        Rule("GetMetricData", status=429, times=2, every=3),
        Rule("GetMetricData", status=503, times=2, every=2, skip=3),
        Rule("GetMetricData", drop=True, skip=2),
        Rule("GetMetricData", cut=True, skip=4),
        Rule("DescribeInstances", status=503, body=b"busy"),
        Rule("ListMetrics", cut=True),
    ]
    first = call(*asked, "--store", tmp_path / "broken")
    assert first.code == 0, first.out + first.err
    assert proxy.faults == 8
    proxy.rules.clear()
    whole = call(*asked, "--store", tmp_path / "whole")
    frame = lake_of(tmp_path / "broken")
    pd.testing.assert_frame_equal(frame, lake_of(tmp_path / "whole"))
    for name, put_in in filled[1].items():
        rows = frame[frame["server_id"] == name].set_index("timestamp")
        for metric, scale in (("cpu", 1.0), ("mem", 1.0), ("disk", 1.0), ("net_in", 8 / 1e6 / 3600)):
            days = put_in[metric].resample("D")
            for statistic, expected in (("p95", days.quantile(0.95)), ("max", days.max())):
                got = rows[f"{metric}_{statistic}"].reindex(expected.index).to_numpy()
                if metric == "net_in":  # read by the hour, then in five minutes, of which one in twelve was put there
                    age = (TODAY - expected.index).days
                    keep = age != 62  # the day on which that changes depends on the hour
                    expected, got = (expected * np.where(age > 62, 1, 12))[keep], got[keep]
                np.testing.assert_allclose(got, expected.to_numpy() * scale, rtol=1e-5)
    told = first.out + first.err + whole.out + whole.err + caplog.text
    kept = b"".join(file.read_bytes() for file in (tmp_path / "broken").rglob("*") if file.is_file()).decode("latin-1")
    for secret in ENVIRONMENT.values():
        assert secret not in told
        assert secret not in kept


def test_the_second_ingest_asks_for_the_overlap_alone_and_a_run_ends_in_a_report(
    call: Call, proxy: FaultProxy, asked: tuple[object, ...], tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    assert call(*asked, "--store", lake).code == 0
    before = lake_of(lake)
    proxy.seen.clear()
    assert call(*asked, "--store", lake).code == 0
    assert len([request for request in proxy.seen if "GetMetricData" in request.text]) <= 4
    pd.testing.assert_frame_equal(before, lake_of(lake))
    done = call("run", "--store", lake)
    assert done.code == 0, done.out + done.err
    (summary,) = lake.glob("reports/cadence=daily/as_of=*/summary.json")
    told = json.loads(summary.read_text())
    assert told["servers"] == SERVERS
    assert {unit["name"] for unit in told["business_units"]} == set(UNITS)
