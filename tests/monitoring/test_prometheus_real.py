"""Debian's Prometheus itself: what went in comes out, through faults, limits, restarts; and this machine, scraped."""

from __future__ import annotations

import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fault_proxy import FaultProxy, Rule

from capforecast import stages
from capforecast.errors import SourceError
from capforecast.lake import raw
from capforecast.lake.datasets import read_frame
from capforecast.lake.store import Store
from capforecast.schema import Cadence
from capforecast.settings import Settings
from capforecast.sources.prometheus import Prometheus, from_settings
from capforecast.sources.remote import Answer, Found, Pace, Window, unpaced

from .made_up_hosts import Hosts, made_up
from .prometheus_server import (
    NODE_EXPORTER,
    PROMETHEUS,
    PROMTOOL,
    Server,
    backfill,
    free_port,
    running,
    write_openmetrics,
)

pytestmark = [
    pytest.mark.monitoring,
    pytest.mark.skipif(
        not (PROMETHEUS and PROMTOOL) and not os.environ.get("CI"),
        reason="Prometheus is not installed; `make e2e-sources` does that",
    ),
]
END = "2026-03-01"
DAYS = 21
STRANGE = ['a"b', "c\\d", "e|f.*", "g{h}", "i\nj", "k$", "l,m=~n", "ö(ü)?", "#o' p", "[q]+^"]
WINDOW = Window(pd.Timestamp(END, tz="UTC") - pd.Timedelta(days=DAYS), pd.Timestamp(END, tz="UTC"))


@pytest.fixture(scope="module")
def hosts() -> Hosts:
    """200 hosts of three weeks; some with names that PromQL would take for something else."""
    made = made_up(200, DAYS, END)
    made.names[-len(STRANGE) :] = STRANGE
    return made


@pytest.fixture(scope="module")
def data(hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with their history."""
    folder = tmp_path_factory.mktemp("prometheus")
    write_openmetrics(folder / "history.txt", hosts.series())
    backfill(folder / "history.txt", folder / "data")
    (folder / "history.txt").unlink()
    return folder / "data"


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[Server]:
    """Prometheus on that history."""
    with running(data) as one:
        yield one


def settings(url: str, cadence: str = "daily", statistics: tuple[str, ...] = ("p95",), **more: object) -> Settings:
    own = {"url": url, "resolution_minutes": 30, "rate_minutes": 120, "labels": {"bu": "business_unit"},
           "metrics": {"net_out": None, "disk_io": None}, "per_second": 1000.0, **more}  # fmt: skip
    return Settings.model_validate(
        {"remote": {"cadence": cadence, "statistics": statistics, "prometheus": own, "history_days": 30}}
    )


def everything(source: Prometheus, cadence: Cadence = Cadence.DAILY) -> tuple[Found, Answer]:
    found = source.discover(WINDOW)
    return found, source.read(found, cadence, WINDOW, found.inventory["server_id"].unique().tolist())


def compared(hosts: Hosts, answer: Answer, cadence: Cadence, statistic: str = "p95", level: float = 0.95) -> int:
    """Compare what was read with what went in; the number of values."""
    count = 0
    for metric in ("cpu", "mem", "disk", "net_in"):
        truth = hosts.expected(metric, level, cadence.step)
        column = f"{metric}_{statistic}"
        both = truth.merge(answer.observations, on=["server_id", "timestamp"], how="left")
        np.testing.assert_allclose(both[column], both["value"], rtol=1e-5, err_msg=column)
        count += len(both)
    return count


@pytest.mark.parametrize("cadence", list(Cadence))
@pytest.mark.parametrize("where", ["server", "here"])
def test_what_went_in_comes_out(hosts: Hosts, server: Server, cadence: Cadence, where: str) -> None:
    found, answer = everything(from_settings(settings(server.url, cadence, aggregate=where)), cadence)
    assert answer.missed == answer.warnings == ()
    assert sorted(found.inventory["server_id"].unique()) == sorted(hosts.names)
    assert compared(hosts, answer, cadence) > 4 * 190 * (DAYS - 1) * cadence.per_day
    rows = answer.observations
    assert rows["disk_p95"].max() < 99  # neither the tmpfs nor the distant share
    restarted = rows[rows["server_id"] == hosts.names[4]]
    assert restarted["net_in_p95"].between(0, np.nanmax(hosts.net[4]) * 1.1).all()  # the counter fell, no rate did
    assert len(restarted) == DAYS * cadence.per_day


def test_holes_are_holes(hosts: Hosts, server: Server) -> None:
    _, answer = everything(from_settings(settings(server.url, "hourly")), Cadence.HOURLY)
    hours = answer.observations.groupby("server_id")["mem_p95"].count()
    per_day, steps = 24, DAYS * 24
    assert hours[hosts.names[1]] == steps - steps // 3
    assert hours[hosts.names[2]] == steps - steps // 4
    assert hours[hosts.names[3]] == steps - per_day
    assert (answer.observations[["cpu_p95", "mem_p95", "disk_p95"]] > 0).sum().min() > 190 * steps


def test_servers_and_sizes(hosts: Hosts, server: Server) -> None:
    found, _ = everything(from_settings(settings(server.url)))
    latest = found.inventory.groupby("server_id").last()
    assert latest.loc[hosts.names[0], ["business_unit", "region"]].tolist() == ["shop", "eu-1"]
    assert latest.loc[hosts.names[1], ["business_unit", "region"]].tolist() == ["bank", "us-2"]
    assert (latest["vcpus"] == 2).all()
    assert (latest["memory_gib"] == 16).all()  # 15.4 GiB are left of 16
    assert found.missing.empty


@pytest.mark.parametrize(
    "options", [("--query.max-samples=60000",), ("--query.max-samples=1200",)], ids=["some limit", "hardly any"]
)
def test_what_is_too_heavy_is_read_in_parts(hosts: Hosts, data: Path, options: tuple[str, ...]) -> None:
    with running(data, options) as small:
        source = from_settings(settings(small.url, max_samples=50_000_000))
        found = source.discover(WINDOW)
        names = hosts.names[:12] if "1200" in options[0] else hosts.names
        answer = source.read(found, Cadence.DAILY, WINDOW, names)
    assert answer.missed == ()
    assert answer.requests > 20
    truth = hosts.expected("mem", 0.95, pd.Timedelta(days=1))
    both = truth[truth["server_id"].isin(names)].merge(answer.observations, on=["server_id", "timestamp"], how="left")
    np.testing.assert_allclose(both["mem_p95"], both["value"], rtol=1e-5)


def test_faults_in_the_middle_change_nothing(hosts: Hosts, server: Server) -> None:
    _, calm = everything(from_settings(settings(server.url, max_samples=100_000)))
    rules = [
        Rule("query_range", status=503, skip=1, times=3),
        Rule("query_range", status=429, headers={"Retry-After": "0"}, skip=3, times=2),
        Rule("query_range", drop=True, skip=5, times=2),
        Rule("query_range", cut=True, skip=8, times=2),
    ]
    with FaultProxy(server.url) as proxy:
        source = Prometheus(settings(proxy.url, max_samples=100_000).remote, sleep=lambda seconds: None)
        found = source.discover(WINDOW)
        proxy.rules += rules
        stormy = source.read(found, Cadence.DAILY, WINDOW, hosts.names)
        assert proxy.faults == 9
        assert proxy.most_at_once <= 2
    assert stormy.retries == 9
    assert stormy.missed == ()
    pd.testing.assert_frame_equal(stormy.observations, calm.observations)


def test_a_restart_in_the_middle_of_an_ingest(hosts: Hosts, data: Path, tmp_path: Path) -> None:
    """Two ingests lose the server, the third one finds it again: the history of one calm ingest."""
    now = pd.Timestamp(END, tz="UTC") + pd.Timedelta(hours=1)
    with running(data) as one:
        ours = settings(one.url, max_samples=100_000, retry_seconds=0.0)

        def ingest(store: Store, name: str, pace: Pace = unpaced) -> stages.Collected:
            return stages.collect(store, ours, from_settings(ours), stages.Asked(name, now), pace=pace)

        calm, rough = Store(str(tmp_path / "calm")), Store(str(tmp_path / "rough"))
        ingest(calm, "calm")
        with pytest.raises(SourceError, match=r"connection failed|answered 503"):
            ingest(rough, "first", _stops(one, after=1))  # before anything was answered
        one.start()
        second = ingest(rough, "second", _stops(one, after=9))
        assert second.missed  # the first month was read, of the second some
        one.start()
        third = ingest(rough, "third")
        assert not third.missed
    pd.testing.assert_frame_equal(history(rough), history(calm))


def _stops(server: Server, after: int) -> Pace:
    """Stops the server before its n-th request."""
    left = [after]

    def pace(cost: int) -> None:
        left[0] -= 1
        if left[0] == 0:
            server.stop()

    return pace


def history(store: Store) -> pd.DataFrame:
    """What the lake knows of each server and time."""
    months = raw.observation_references(store, Cadence.DAILY, pd.Timestamp(END, tz="UTC"))
    rows = pd.concat([read_frame(store, month) for month in months])
    return rows.groupby(["server_id", "timestamp"]).last()


def test_this_machine_scraped(tmp_path: Path) -> None:
    if not NODE_EXPORTER:
        pytest.skip("node_exporter is not installed; `make e2e-sources` does that")
    port = free_port()
    exporter = subprocess.Popen(
        [str(NODE_EXPORTER), f"--web.listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    target = {"job_name": "node", "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": {"team": "core"}}]}
    try:
        with running(tmp_path / "data", scrape=(target,)) as live:
            at = _scraped(live)
            ours = settings(live.url, "hourly", rate_minutes=1, resolution_minutes=1, labels={"team": "owner"})
            source = from_settings(ours)
            window = Window(at.floor("h"), at.floor("h") + pd.Timedelta(hours=1))
            found = source.discover(window)
            answer = source.read(found, Cadence.HOURLY, window, ["127.0.0.1"])
    finally:
        exporter.terminate()
        exporter.wait()
    latest = found.inventory.groupby("server_id").last()
    assert latest.loc["127.0.0.1", "owner"] == "core"
    assert {"mem_p95", "disk_p95"} <= set(found.series["column"])
    row = answer.observations
    if len(row):  # a whole minute has passed within the hour
        assert row["mem_p95"].between(0, 100).all()


def _scraped(live: Server) -> pd.Timestamp:
    """Wait for the first scrape; when it was."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(f"{live.url}/api/v1/query?query=up%20%3D%3D%201") as answer:
            if b'"value"' in answer.read():
                return pd.Timestamp.now(tz="UTC")
        time.sleep(0.2)
    raise RuntimeError("nothing was scraped")
