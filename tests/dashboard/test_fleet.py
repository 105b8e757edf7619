"""Searching and filtering servers, and taking them along."""

from __future__ import annotations

import csv
import io

import dashboard_lake
import pandas as pd
import pytest

from capforecast.dashboard import fleet
from capforecast.dashboard.fleet import Choice
from capforecast.dashboard.reading import OpenRun

TABLE = pd.DataFrame(
    {
        "server_id": ["web-1", "web-2", "db-1", "=1+1"],
        "business_unit": ["shop", "shop", "bank", "bank"],
        "tier": ["critical", "ok", "ok", "unknown"],
        "owner": ["ann", "bob", "ann", "-bob"],
        "vcpus": [2.0, 4.0, -8.0, None],
    }
)


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        (Choice(), ["web-1", "web-2", "db-1", "=1+1"]),
        (Choice(text="WEB"), ["web-1", "web-2"]),
        (Choice(text="ann db"), ["db-1"]),
        (Choice(text="1+1"), ["=1+1"]),
        (Choice(text="w.b"), []),
        (Choice(units=("shop",), tiers=("ok", "critical")), ["web-1", "web-2"]),
        (Choice(tiers=("unknown",), text="web"), []),
        (Choice(segments=("hot",)), []),
    ],
)
def test_a_choice_means_its_servers(choice: Choice, names: list[str]) -> None:
    assert list(fleet.chosen(TABLE, choice)["server_id"]) == names


@pytest.mark.parametrize(
    ("text", "names"),
    [("web-1", ["web-1"]), ("web", ["web-1", "web-2"]), ("bob", ["web-2", "=1+1"]), ("", []), ("zzz", [])],
)
def test_a_text_finds_servers(text: str, names: list[str]) -> None:
    assert fleet.find(TABLE, text) == names


def test_csv_holds_no_formula_and_every_figure(opened: OpenRun) -> None:
    rows = list(csv.DictReader(io.StringIO(fleet.to_csv(TABLE, ["server_id", "owner", "vcpus"]).decode("utf-8-sig"))))
    assert [row["server_id"] for row in rows] == ["web-1", "web-2", "db-1", "'=1+1"]
    assert rows[3]["owner"] == "'-bob"
    assert float(rows[2]["vcpus"]) == -8.0
    real = fleet.to_csv(fleet.servers(opened), fleet.COLUMNS).decode("utf-8-sig")
    cells = [cell for row in csv.reader(io.StringIO(real)) for cell in row]
    assert f"'{dashboard_lake.FORMULA}" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "@", "+"))]


def test_servers_are_worst_first_and_all_there(opened: OpenRun) -> None:
    table = fleet.servers(opened)
    assert len(table) == opened.summary.servers
    assert list(table["tier"].cat.codes) == sorted(table["tier"].cat.codes)
    assert opened.summary.top_risks[0].server_id == table["server_id"].iloc[0]
    assert {"segment", "action", "breach_date"} <= set(table.columns)
