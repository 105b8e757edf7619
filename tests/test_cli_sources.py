"""`capforecast ingest` and `capforecast sources`, on a monitoring system that is made up."""

from __future__ import annotations

import json
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
from capforecast.sources.remote import Window

NOW = pd.Timestamp.now(tz="UTC")
AGO = (NOW - pd.Timedelta(days=20)).strftime("%Y-%m-%d")


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
    assert "missing: disk_p95: it has no disks. plug one in" in done.out
    told = json.loads(call(*asked, "--json").out)
    assert (told["complete"], told["servers"], told["values"]) == (True, 4, 2 * 8)  # two days read again
    assert Store(tmp_path / "lake").keys("ingests")


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


def test_nothing_there_is_exit_code_3(call: Call, remote: FakeRemote, tmp_path: Path) -> None:
    remote.servers = 0
    done = call("ingest", "--from", "prometheus", "--store", tmp_path / "lake", "--since", AGO)
    assert done.code == 3
    assert "nothing of what is asked for is there" in done.err


def test_nothing_at_all_is_exit_code_1(call: Call, remote: FakeRemote, tmp_path: Path) -> None:
    remote.dies_at = 0
    done = call("ingest", "--from", "prometheus", "--store", tmp_path / "lake", "--since", AGO)
    assert done.code == 1
    assert "fake://here does not answer" in done.err


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
