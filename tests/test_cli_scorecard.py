"""`capforecast scorecard`: past warnings, scored, on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from commands import Call, program

from capforecast.risk.scorecard import RULES
from capforecast.schema import RELIABILITY_COLUMNS, SCORECARD_COLUMNS
from deployments import console
from deployments.scorecard import show_scorecard


@pytest.fixture(scope="module")
def source(fleet_folder: Path) -> list[object]:
    return ["--source", fleet_folder / "observations.parquet", "--inventory", fleet_folder / "inventory.csv"]


@pytest.fixture(scope="module")
def result(source: list[object], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    output = tmp_path_factory.mktemp("card") / "new" / "card.csv"
    done = program("scorecard", *source, "--horizon", "14d", "--origins", 2, "--output", output, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_whole_scorecard_comes_as_json_and_as_a_table(result: dict[str, Any]) -> None:
    assert result["horizons_days"] == [7, 14]
    assert len(result["origins"]) == 2
    assert set(result["scorecard"][0]) == set(SCORECARD_COLUMNS)
    assert set(result["reliability"][0]) == set(RELIABILITY_COLUMNS)
    fleet = [row for row in result["scorecard"] if row["scope"] == "fleet" and row["level"] == "both"]
    assert set(RULES) <= {row["rule"] for row in fleet}
    assert all(row["cases"] >= row["events"] >= 0 and row["servers"] > 0 for row in fleet)
    units = [row for row in result["scorecard"] if row["scope"] == "business_unit" and row["level"] == "both"]
    for rule in RULES:
        ours, parts = ([row["cases"] for row in rows if row["rule"] == rule and row["horizon_days"] == 7]
                       for rows in (fleet, units))  # fmt: skip
        assert sum(parts) == sum(ours)
    written = pd.read_csv(result["output"])
    assert len(written) == len(result["scorecard"])


@pytest.mark.parametrize("level", ["both", "high"])
def test_people_get_a_table_per_horizon_with_counts(result: dict[str, Any], level: str) -> None:
    with console.out.capture() as said:
        show_scorecard(result | {"level": level})
    for words in ("breach within 7 d", "too few to judge", "mean stated probability", "flag everything", "line 28 d"):
        assert words in said.get()
    cases = next(row["cases"] for row in result["scorecard"] if row["scope"] == "fleet" and row["level"] == level)
    assert f"in {cases:,} cases" in said.get()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--level", "low"], 2, "--level 'low': use high, very_high, both"),
        (["--output", "card.xlsx"], 2, "name a file that ends in .csv"),
        (["--origins", 0], 2, "origins"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    call: Call, source: list[object], options: list[object], code: int, words: str, tmp_path: Path
) -> None:
    done = call("scorecard", *source, *options)
    assert done.code == code, done.out
    assert words in done.err
