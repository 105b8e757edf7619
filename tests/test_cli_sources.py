"""`capforecast ingest` and `capforecast sources`, on a monitoring system that is made up."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml
from commands import Call
from fake_remote import FakeRemote

from capforecast import configuration
from capforecast.lake import raw
from capforecast.lake.store import Store
from capforecast.schema import Cadence
from capforecast.sources import registry
from capforecast.sources.http import Client
from capforecast.sources.remote import Window

NOW = pd.Timestamp.now(tz="UTC")
AGO = (NOW - pd.Timedelta(days=20)).strftime("%Y-%m-%d")
AGO_A_LITTLE = (NOW - pd.Timedelta(days=10)).strftime("%Y-%m-%d")


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> FakeRemote:
    """A system that the name `prometheus` stands for."""
    made = FakeRemote()
    monkeypatch.setitem(registry.SOURCES, "prometheus", "fake_remote:here")
    monkeypatch.setitem(registry.SOURCES, "cloudwatch", "fake_remote:here")
    monkeypatch.setattr("fake_remote.HERE", made)
    return made


def test_it_reads_and_says_what_is_missing_and_how_to_get_it(call: Call, remote: FakeRemote, tmp_path: Path) -> None:
    asked = ("ingest", "--from", "prometheus", "--store", tmp_path / "lake", "--since", AGO)
    done = call(*asked)
    assert done.code == 0
    assert "4 servers, 8 series (cpu_p95 of 4, mem_p95 of 4)" in done.out
    assert "160 values" in done.out
    assert "missing: disk_p95: it has no disks; plug one in" in done.out
    assert f"next: capforecast run --store {tmp_path / 'lake'}" in done.out
    assert "1 of 1 windows done" in done.err
    assert "nothing to read: all there is up to" in call(*asked[:-2], "--until", AGO_A_LITTLE, "--dry-run").out
    told = json.loads(call(*asked, "--json").out)
    assert (told["complete"], told["servers"], told["values"]) == (True, 4, 2 * 8)  # two days read again
    assert Store(tmp_path / "lake").keys("ingests")


def test_what_is_missing_of_the_same_servers_for_one_reason_is_said_once(
    call: Call, remote: FakeRemote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacks = [(f"s{number}", f"disk_{name}") for number in range(2) for name in ("p95", "mean", "max")]
    told = [(*each, "it has no disks", "plug one in") for each in lacks]
    table = pd.DataFrame(told, columns=["server_id", "column", "reason", "remedy"], dtype="str")
    discover = remote.discover
    monkeypatch.setattr(remote, "discover", lambda window: replace(discover(window), missing=table))
    done = call("ingest", "--from", "prometheus", "--store", tmp_path / "lake", "--since", AGO)
    said = [line for line in done.out.splitlines() if line.startswith("missing")]
    assert said == ["missing: disk_p95, disk_mean, disk_max on 2 servers (s0, s1): it has no disks; plug one in"]


def test_what_was_not_read_is_said_and_is_exit_code_4(call: Call, remote: FakeRemote, tmp_path: Path) -> None:
    remote.fails = (("s1", "cpu_p95", NOW.floor("D") - pd.Timedelta(days=9), NOW.floor("D") - pd.Timedelta(days=7)),)
    asked = ("ingest", "--from", "prometheus", "--store", tmp_path / "lake", "--since", AGO)
    done = call(*asked)
    assert done.code == 4
    assert "not read: cpu_p95 of s1" in done.out
    assert "it was told to fail; the next ingest asks again" in done.out
    remote.fails = ()
    assert call(*asked).code == 0


def test_what_could_not_be_looked_for_is_said_and_is_exit_code_4(
    call: Call, remote: FakeRemote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = replace(remote.discover(Window(NOW, NOW)), failed=("disk_p95: took too long",))
    monkeypatch.setattr(remote, "discover", lambda window: found)
    for asked in (("ingest", "--from", "prometheus", "--store", tmp_path / "lake", "--since", AGO),
                  ("sources", "check", "prometheus")):  # fmt: skip
        done = call(*asked)
        assert done.code == 4
        assert "not looked for: disk_p95: took too long; the next ingest asks again" in done.out


def test_nothing_at_all_is_exit_code_1(call: Call, remote: FakeRemote, tmp_path: Path) -> None:
    remote.dies_at = 0
    done = call("ingest", "--from", "prometheus", "--store", tmp_path / "lake", "--since", AGO)
    assert done.code == 1
    assert "fake://here does not answer" in done.err


def test_a_system_without_servers_is_not_taken_for_a_success(call: Call, remote: FakeRemote, tmp_path: Path) -> None:
    remote.servers = 0
    done = call("ingest", "--from", "prometheus", "--store", tmp_path / "lake")
    assert done.code == 4
    assert "no server was found between" in done.out
    assert "next:" not in done.out
    checked = call("sources", "check", "prometheus")
    assert checked.code == 4
    assert "not fit: no server was found" in checked.out


def test_a_dry_run_writes_nothing_and_more_than_is_allowed_is_not_spent(
    call: Call, remote: FakeRemote, tmp_path: Path
) -> None:
    remote.cost, remote.most = 7.0, 5.0
    asked = ("ingest", "--from", "cloudwatch", "--store", tmp_path / "lake", "--since", AGO)
    done = call(*asked, "--dry-run")
    assert done.code == 0
    assert "USD (a list of today)" in done.out
    assert "Nothing was written" in done.out
    assert not (tmp_path / "lake").exists()
    refused = call(*asked)
    assert refused.code == 1
    assert "5.00 USD may be spent without asking: give --yes" in refused.err
    assert not remote.reads
    assert Store(tmp_path / "lake").keys("raw") == []
    assert call(*asked, "--yes").code == 0


def test_a_check_tells_coverage_by_column_and_server(call: Call, remote: FakeRemote) -> None:
    remote.gaps = (("s2", NOW.floor("D") - pd.Timedelta(days=30), NOW.floor("D") - pd.Timedelta(days=2)),)
    done = call("sources", "check", "prometheus", "--days", "8")
    assert done.code == 0
    assert "4 servers, 8 series" in done.out
    assert "not complete: s2: cpu_p95 25 %, mem_p95 25 %" in done.out
    told = json.loads(call("sources", "check", "prometheus", "--days", "8", "--json").out)
    (cpu, _) = told["columns"]
    assert cpu == {"column": "cpu_p95", "servers": 4, "coverage": 0.8125, "complete": 3, "empty": 0}
    assert told["business_units"] == {"fakes": 4}


def test_a_check_ends_with_what_to_do_next(call: Call, remote: FakeRemote) -> None:
    done = call("sources", "check", "cloudwatch")
    assert "fit without what is missing above. next: capforecast ingest --from " in done.out
    assert "at least" not in done.out
    assert "or give ingest an --inventory" not in done.out
    remote.inventory = pd.DataFrame({"server_id": remote.ids()})
    assert "business units: unassigned 4: name the labels" in call("sources", "check", "prometheus").out
    remote.keeps = pd.Timedelta(days=15)  # Prometheus' default
    assert "warning: it keeps 14 days, and a forecast of daily values takes 30 at least" in call(
        "sources", "check", "prometheus"
    ).out  # fmt: skip


def test_a_check_does_not_wait_for_minutes_and_says_that_it_waits(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("capforecast.sources.http.Client._wait_for_turn", lambda self: None)
    made = Client.__init__
    monkeypatch.setattr(Client, "__init__", lambda self, settings, key, sleep: made(self, settings, key, waits.append))
    done = call("sources", "check", "prometheus", "--url", "http://127.0.0.1:9")
    assert done.code == 1
    assert "connection failed" in done.err
    assert re.search(r"trying again in \d+ s", done.err)  # how long is drawn by lot
    assert "is it running, and is `remote.prometheus.url` right?" in done.err
    assert sum(waits) <= 15


def test_files_are_a_source_as_well(call: Call, fleet_folder: Path, tmp_path: Path) -> None:
    inventory = ("--inventory", fleet_folder / "inventory.csv")
    done = call("ingest", "--from", "files", "--source", fleet_folder / "observations.parquet", *inventory,
                "--store", tmp_path / "lake")  # fmt: skip
    assert done.code == 0
    assert "rows of" in done.out
    assert raw.span(Store(tmp_path / "lake"), Cadence.DAILY) is not None
    assert call("ingest", "--from", "files").code == 2


def test_an_inventory_of_ones_own_wins(call: Call, remote: FakeRemote, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("server_id,business_unit\ns1,payments\n")
    call("ingest", "--from", "prometheus", "--store", tmp_path / "lake", "--since", AGO,
         "--inventory", tmp_path / "mine.csv")  # fmt: skip
    rows = raw.get_inventory(Store(tmp_path / "lake"))
    assert rows is not None
    assert dict(zip(rows["server_id"], rows["business_unit"], strict=True)) == {
        "s0": "fakes", "s1": "payments", "s2": "fakes", "s3": "fakes",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--from", "nagios"), "'nagios' is no source; one of: prometheus, cloudwatch"),
        (("--from", "file", "--source", "x.csv"), "'file' is no source; one of: prometheus, cloudwatch, files"),
        (("--from", "prometheus", "--source", "x.csv"), "--source is for --from files"),
        (("--from", "prometheus", "--cadence", "weekly"), "remote.cadence"),
        (("--from", "prometheus", "--since", "last week"), "is no date"),
        (("--from", "cloudwatch", "--url", "http://x"), "--url is the address of a Prometheus; cloudwatch has none"),
    ],
)
def test_what_cannot_be_meant_is_refused(call: Call, options: tuple[str, ...], message: str, tmp_path: Path) -> None:
    done = call("ingest", *options, "--store", tmp_path / "lake")
    assert done.code == 2
    assert message in done.err
    assert not list((tmp_path / "lake").rglob("*"))


def test_no_complete_period_is_refused(call: Call, remote: FakeRemote, tmp_path: Path) -> None:
    done = call("ingest", "--from", "prometheus", "--since", NOW.strftime("%Y-%m-%d"), "--store", tmp_path / "lake")
    assert done.code == 2
    assert "no complete day lies between" in done.err


@pytest.mark.parametrize("name", ["files", *registry.SOURCES])
def test_each_source_has_an_example_that_can_be_loaded(call: Call, name: str, tmp_path: Path) -> None:
    done = call("sources", "example", name)
    assert done.code == 0
    file = tmp_path / "mine.yaml"
    file.write_text(done.out)
    assert yaml.safe_load(done.out)
    configuration.load(user_file=file, environment={})
    assert done.out.count("#") > 2


def test_the_sources_are_listed(call: Call) -> None:
    told = json.loads(call("sources", "list", "--json").out)
    assert {row["source"] for row in told} == {"files", *registry.SOURCES}
