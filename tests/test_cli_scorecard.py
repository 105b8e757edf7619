"""`capforecast scorecard`: past warnings, scored, on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pytest
from commands import Call

from capforecast.risk.scorecard import RULES
from capforecast.schema import RELIABILITY_COLUMNS, SCORECARD_COLUMNS
from deployments import console
from deployments.scorecard import show_scorecard


@pytest.fixture
def source(fleet_folder: Path) -> list[object]:
    return ["--source", fleet_folder / "observations.parquet", "--inventory", fleet_folder / "inventory.csv"]


def of_fleet(result: dict[str, Any], level: str) -> list[dict[str, Any]]:
    return [row for row in result["scorecard"] if row["scope"] == "fleet" and row["level"] == level]


def test_the_whole_scorecard_comes_as_json_tables_and_plot(call: Call, source: list[object], tmp_path: Path) -> None:
    files = ["--output", tmp_path / "new" / "card.csv", "--plot", tmp_path / "new" / "reliability.svg"]
    done = call("scorecard", *source, "--horizon", "14d", "--origins", 2, *files, "--json")
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert result["horizons_days"] == [7, 14]
    assert len(result["origins"]) == 2
    assert set(result["scorecard"][0]) == set(SCORECARD_COLUMNS)
    assert set(result["reliability"][0]) == set(RELIABILITY_COLUMNS)
    assert set(RULES) <= {row["rule"] for row in of_fleet(result, "both")}
    assert all(row["cases"] >= row["events"] >= 0 and row["servers"] > 0 for row in result["scorecard"])
    assert len(pd.read_csv(result["output"])) == len(result["scorecard"])
    picture = Path(result["plot"]).read_text()
    assert ElementTree.fromstring(picture).tag.endswith("svg")
    assert "Reliability diagram" in picture
    for level in ("both", "high"):
        with console.out.capture() as said:
            show_scorecard(result | {"level": level})
        for words in ("breach within 7 d", "too few to judge", "mean stated probability", *RULES):
            assert words in said.get()
        assert f"in {of_fleet(result, level)[0]['cases']:,} cases" in said.get()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--level", "low"], "--level 'low': use high, very_high, both"),
        (["--output", "card.xlsx"], "name a file that ends in .csv"),
        (["--plot", "card.png"], "name a file that ends in .svg"),
        (["--origins", 0], "--origins"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(
    call: Call, source: list[object], options: list[object], words: str
) -> None:
    done = call("scorecard", *source, *options)
    assert done.code == 2
    assert words in done.err
