"""`capforecast dashboard`: what it listens on, what it keeps quiet, and what it says when it cannot start."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from commands import Call

from capforecast.settings import StorageSettings
from deployments import dashboard
from deployments.dashboard import Address


def test_it_listens_on_loopback_and_tells_nobody() -> None:
    options = dashboard.options(Address("127.0.0.1", 8501))
    assert options["server.address"] == "127.0.0.1"
    assert options["browser.gatherUsageStats"] is False
    assert options["client.showErrorDetails"] == "none"


def test_tables_have_no_export_that_leaves_formulas_in() -> None:
    assert dashboard.options(Address("127.0.0.1", 8501))["client.disableDataExport"] is True


def test_it_answers_to_its_own_names_alone() -> None:
    assert dashboard.options(Address("127.0.0.1", 8501))["server.allowedHosts"] == ["127.0.0.1", "::1", "localhost"]
    proxied = Address("127.0.0.1", 8501, names=("dashboard.example.com",))
    assert "dashboard.example.com" in proxied.hosts
    assert Address("0.0.0.0", 8501).hosts == []
    assert Address("0.0.0.0", 8501, names=("db.example.com",)).hosts == [*dashboard.LOOPBACK, "db.example.com"]
    assert "10.0.0.7" in Address("10.0.0.7", 8501).hosts


def test_every_option_is_one_that_streamlit_has() -> None:
    config = pytest.importorskip("streamlit").config
    config.get_config_options()
    known = set(config._config_options_template)
    assert set(dashboard.options(Address("127.0.0.1", 8501, "x"))) <= known


def test_help_says_where_it_listens(call: Call) -> None:
    shown = call("dashboard", "--help").out
    assert "127.0.0.1" in shown
    assert "--read-only" in shown


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--prefect-url", "javascript:alert(1)"), "begins with http"),
        (("--base-path", "a b"), "letters, digits"),
        (("--allowed-host", "https://dashboard.example.com"), "without http://"),
        (("--host", "no.such.host.invalid"), "cannot listen on"),
    ],
)
def test_what_makes_no_sense_is_refused(call: Call, tmp_path: Path, more: tuple[str, ...], said: str) -> None:
    ended = call("dashboard", "--store", tmp_path, *more)
    assert ended.code == 2
    assert said in ended.err


def test_a_lake_that_is_not_there_is_said(call: Call, tmp_path: Path) -> None:
    ended = call("dashboard", "--store", tmp_path / "none", "--port", "8599")
    assert ended.code == 2
    assert "there is no lake" in ended.err


def test_a_port_that_is_taken_is_said(call: Call, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = call("dashboard", "--store", tmp_path, "--port", taken.getsockname()[1])
    assert ended.code == 2
    assert "give another --port" in ended.err


def test_without_streamlit_it_says_how_to_get_it(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard.importlib.util, "find_spec", lambda name: None)
    ended = call("dashboard", "--store", tmp_path)
    assert ended.code == 2
    assert "capforecast[dashboard]" in ended.err


def test_another_address_is_warned_of(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard, "_run", lambda *given: None)
    ended = call("dashboard", "--store", tmp_path, "--host", "0.0.0.0", "--port", "18599")
    assert ended.code == 0
    assert "knows no users" in ended.err


def test_nobody_waits_a_minute_for_a_bucket_that_does_not_answer() -> None:
    waited = dashboard.for_people(StorageSettings())
    assert (waited.retries, waited.timeout_seconds) == (2, 20)
    assert dashboard.for_people(StorageSettings(retries=0, timeout_seconds=5)).retries == 0


def test_a_lake_that_cannot_be_read_yet_is_said_in_words(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard, "_run", lambda *given: None)
    ended = call("dashboard", "--store", tmp_path, "--port", "18598")
    assert ended.code == 0
    assert ended.err.startswith("note There is no finished run")
