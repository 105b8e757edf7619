"""`capforecast backtest --models`: the leaderboard on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from commands import Call

from capforecast.forecast.leaderboard import LEADERBOARD_COLUMNS
from capforecast.forecast.models import model_names


@pytest.fixture
def source(fleet_folder: Path) -> list[object]:
    return ["--source", fleet_folder / "observations.parquet", "--inventory", fleet_folder / "inventory.csv"]


def test_models_are_ranked_and_plotted(call: Call, source: list[object], tmp_path: Path) -> None:
    options = ["--horizon", "14d", "--origins", 2, "--step", "7d", "--models", "seasonal-naive, fleet"]
    done = call("backtest", *source, *options, "--output", tmp_path / "new" / "board.svg", "--json")
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert set(result["leaderboard"][0]) == set(LEADERBOARD_COLUMNS)
    whole = [row for row in result["leaderboard"] if row["scope"] == "all"]
    assert [row["model"] for row in whole] == ["fleet", "seasonal-naive"]
    assert whole[0]["relative_mae"] < 0.95
    assert whole[1]["relative_mae"] == pytest.approx(1.0)
    assert all(row["cpu_seconds"] > 0 and row["origins"] == 2 for row in whole)
    assert {"metric", "business_unit"} <= {row["scope"] for row in result["leaderboard"]}
    origins = [origin[:10] for origin in result["origins"]]
    assert origins == ["2026-02-16", "2026-02-09"]
    picture = Path(result["plot"]).read_text()
    assert ElementTree.fromstring(picture).tag.endswith("svg")
    assert "seasonal-naive" in picture


def test_people_get_tables_progress_and_the_path_of_the_plot(call: Call, source: list[object], tmp_path: Path) -> None:
    options = ["--horizon", "14d", "--train-until", "2026-01-31", "--models", "seasonal-naive"]
    done = call("backtest", *source, *options, "--output", tmp_path / "board.svg")
    assert done.code == 0, done.err
    assert "1 of 1: seasonal-naive from 2026-01-31" in done.err
    for words in ("mix the units of all metrics", "near 0.80 and 0.95"):
        assert words in done.out
    for words in ("relative_mae", "coverage_95", "cpu_seconds", "by metric and business unit", "retail"):
        assert words in done.out
    assert f"plot in {tmp_path / 'board.svg'}" in done.out


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--models", "fleet,arima"], 2, "no model 'arima'; choose from: fleet"),
        (["--models", ","], 2, "names no model"),
        (["--models", ""], 2, "names no model"),
        (["--origins", 40], 3, "220 d of history hold 13 origins 14 d apart"),
        (["--origins", 2, "--train-until", "2026-01-31"], 2, "leave out --origins"),
        (["--models", "fleet", "--step", "soon"], 2, "--step 'soon': write 30d"),
        (["--models", "fleet", "--output", "board.gif"], 2, "ends in .svg"),
        (["--models", "fleet", "--output", "/proc/board.svg"], 2, "cannot be written"),
    ],
)
def test_what_cannot_be_meant_is_said_at_once(
    call: Call, source: list[object], tmp_path: Path, options: list[object], code: int, words: str
) -> None:
    done = call("backtest", *source, "--horizon", "14d", "--output", tmp_path / "board.svg", *options)
    assert done.code == code
    assert words in done.err
    assert not (tmp_path / "board.svg").exists()


def test_a_contest_that_fails_leaves_no_folder_behind(call: Call, source: list[object], tmp_path: Path) -> None:
    done = call(
        "backtest", *source, "--origins", 40, "--horizon", "14d", "--output", tmp_path / "new" / "dir" / "x.svg"
    )
    assert done.code == 3
    assert list(tmp_path.iterdir()) == []


def test_options_that_exclude_each_other_are_refused_before_the_source_is_read(call: Call, tmp_path: Path) -> None:
    done = call("backtest", "--source", tmp_path / "none.csv", "--origins", 2, "--train-until", "2026-01-31")
    assert done.code == 2
    assert "leave out --origins" in done.err


def test_the_help_names_every_model(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = " ".join(call("backtest", "--help").out.split())
    assert all(name in text for name in model_names())
