"""The command line: exit codes, errors that say what to do, JSON, and help that answers at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from commands import Call, program


def test_help_teaches_and_loads_nothing_heavy() -> None:
    code = "import sys, deployments.cli; print(*{'pandas', 'prefect', 'numpy', 'pyarrow'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []
    text = program("run", "--help").stdout
    assert "Example:" in text
    assert "Exit codes:" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run"], "--source"),
        (["run", "--source", "x", "--horizon", "soon"], "write 30d, 168h"),
        (["run", "--source", "x", "--local", "--aws"], "name different profiles"),
        (["train", "--source", "x", "--model", "arima"], "option --model: `forecast.model` must be 'fleet', 'prophet'"),
        (["run", "--source", "x", "--profile", "moon"], "local, aws"),
        (["backtest", "--source", "x", "--config", "missing.yaml"], "missing.yaml"),
        (["config", "show", "--profile", "local", "--aws"], "name different profiles"),
        (["nonsense"], "nonsense"),
        (["report", "--as-of", "2026-01-01", "--store", "/nowhere/lake"], "no lake at /nowhere/lake"),
        (["generate-data", "--output", "/proc/x"], "--output /proc/x"),
        (["generate-data", "--output", "x", "--end", "soon"], "'soon' is no date"),
    ],
)
def test_bad_usage_ends_with_2_and_says_why(call: Call, arguments: list[str], words: str) -> None:
    done = call(*arguments)
    assert done.code == 2
    assert words in done.err


def test_a_misspelt_key_names_the_nearest(call: Call, tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("forecast:\n  horizon_dys: 30\n")
    done = call("config", "show", "--config", tmp_path / "my.yaml")
    assert done.code == 2
    assert "horizon_dys" in done.err
    assert "my.yaml:2" in done.err
    assert "horizon_days" in done.err


def test_config_show_says_where_values_come_from(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my.yaml").write_text("risk:\n  watch_probability: 0.2\n")
    monkeypatch.setenv("CAPFORECAST_REPORT__TITLE", "Ours")
    done = call("config", "show", "--json", "--config", tmp_path / "my.yaml", "--horizon", "30d")
    shown = json.loads(done.out)
    assert shown["risk.watch_probability"]["value"] == 0.2
    assert "my.yaml:2" in shown["risk.watch_probability"]["from"]
    assert shown["report.title"] == {"value": "Ours", "from": "environment CAPFORECAST_REPORT__TITLE"}
    assert shown["forecast.horizon_days"] == {"value": 30, "from": "option --horizon"}
    assert shown["forecast.horizon_hours"]["value"] == 720


@pytest.mark.parametrize("command", ["backtest", "train"])
def test_no_input_ends_with_3(call: Call, command: str, tmp_path: Path) -> None:
    done = call(command, "--source", tmp_path / "nothing.parquet", "--json")
    assert done.code == 3
    assert "nothing.parquet" in done.err
    assert json.loads(done.out)["exit_code"] == 3


def test_generated_data_is_the_same_every_time(call: Call, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert call("generate-data", "--output", tmp_path / name, "--servers", 6, "--days", 40).code == 0
    for file in ("observations.parquet", "inventory.csv"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_generated_data_can_be_clean_and_bring_its_truth(call: Call, tmp_path: Path) -> None:
    options = ["generate-data", "--output", tmp_path, "--servers", 6, "--days", 40, "--json"]
    dirty = json.loads(call(*options, "--truth").out)
    assert len(list(Path(dirty["truth"]).glob("truth_*.parquet"))) == 4
    clean = json.loads(call(*options, "--clean", "--end", "2025-01-01").out)
    assert "truth" not in clean
    assert clean["servers"] == dirty["servers"] == 6
    refused = call("generate-data", "--output", tmp_path, "--end", "2025-01-01T05:00")
    assert refused.code == 2
    assert "midnight" in refused.err


def test_doctor_says_what_to_do(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    done = call("doctor", "--store", tmp_path / "file" / "lake")
    assert done.code == 1
    assert "FAIL store" in done.out
    assert "fix:" in done.out
    assert call("doctor", "--store", tmp_path / "lake").code == 0
    monkeypatch.setenv("CAPFORECAST_DELIVERY__WEBHOOK_URL_ENV", "REPORT_HOOK")
    unset = call("doctor", "--store", tmp_path / "lake")
    assert unset.code == 1
    assert "environment variable REPORT_HOOK, which is not set" in unset.out
    monkeypatch.setenv("REPORT_HOOK", "https://hooks.example.com/hunter2")
    ready = call("doctor", "--store", tmp_path / "lake")
    assert ready.code == 0
    assert "hunter2" not in ready.out


def test_train_then_forecast_then_report(call: Call, fleet_folder: Path, tmp_path: Path) -> None:
    source = ["--source", fleet_folder / "observations.parquet", "--inventory", fleet_folder / "inventory.csv"]
    common = [*source, "--store", tmp_path / "lake", "--horizon", "14d", "--json"]
    early = call("forecast", *common)
    assert early.code == 1
    assert "train first" in early.err
    trained = json.loads(call("train", *common).out)
    assert len(trained) == 4
    forecast = json.loads(call("forecast", *common).out)
    longer = call("forecast", *[part if part != "14d" else "15d" for part in common])
    assert longer.code == 1
    assert "looks 14 d ahead, not 15 d" in longer.err
    assert sum(row[tier] for row in forecast for tier in ("critical", "high", "watch", "ok", "unknown")) == 16
    assert {row["model"] for row in forecast} == {row["champion"] for row in trained}
    assert {(row["age_days"], row["note"]) for row in forecast} == {(0.0, "")}
    missing = call("report", "--as-of", "2020-01-01", "--store", tmp_path / "lake")
    assert missing.code == 2
    assert "there is none yet" in missing.err


def test_a_forecast_says_what_must_be_known_of_the_model(call: Call, fleet_folder: Path, tmp_path: Path) -> None:
    seen = pd.read_parquet(fleet_folder / "observations.parquet")
    listed = pd.read_csv(fleet_folder / "inventory.csv")
    retail = listed[listed["business_unit"] == "retail"]
    retail.to_csv(tmp_path / "i.csv", index=False)
    new, end = retail["server_id"].iloc[-1], seen["timestamp"].max().normalize()
    seen = seen[seen["server_id"].isin(retail["server_id"])]
    common = ["--inventory", tmp_path / "i.csv", "--store", tmp_path / "lake", "--horizon", "7d", "--json"]
    for days, part in ((8, seen[seen["server_id"] != new]), (3, seen)):
        name = tmp_path / f"{days}.parquet"
        part[part["timestamp"] < end - pd.Timedelta(days=days)].to_parquet(name, index=False)
        made = call("train" if days == 8 else "forecast", "--source", name, *common)
        assert made.code == 0, made.err
    (row,) = json.loads(made.out)
    assert row["age_days"] == 5.0
    assert "newer than the model and unknown: train to include them" in row["note"]
    assert row["unknown"] >= 1


@pytest.mark.parametrize("command", ["run", "train", "forecast"])
def test_an_unknown_business_unit_is_refused_with_the_known_ones(
    call: Call, fleet_folder: Path, tmp_path: Path, command: str
) -> None:
    source = ["--source", fleet_folder, "--store", tmp_path / "lake", "--horizon", "7d"]
    done = call(command, *source, "--business-unit", "nobody", "--business-unit", "retail")
    assert done.code == 2
    assert "no business unit is called 'nobody'; known: " in done.err
    assert "retail" in done.err
    assert command != "run" or not (tmp_path / "lake").exists()


def test_another_model_is_trained_and_forecasts_as_champion(call: Call, fleet_folder: Path, tmp_path: Path) -> None:
    source = ["--source", fleet_folder / "observations.parquet", "--inventory", fleet_folder / "inventory.csv"]
    common = [*source, "--store", tmp_path, "--horizon", "7d", "--business-unit", "retail", "--json"]
    trained = json.loads(call("train", *common, "--model", "trees").out)
    (manifest,) = tmp_path.glob(f"models/**/{trained[0]['model']}/manifest.json")
    assert json.loads(manifest.read_text())["kind"] == "trees"
    assert json.loads(call("forecast", *common).out)[0]["problem"] == ""
    rows = pd.concat(pd.read_parquet(path) for path in tmp_path.glob("forecasts/**/*.parquet"))
    assert set(rows["model"]) == {"trees"}


def test_a_test_period_outside_the_data_is_refused(call: Call, fleet_folder: Path) -> None:
    for day in ("2000-01-01", "2030-01-01"):
        done = call("backtest", "--source", fleet_folder / "observations.parquet", "--train-until", day)
        assert done.code == 2
        assert "within the observations (2025-" in done.err
        assert "00:00" not in done.err


def test_backtest_beats_seasonal_naive(call: Call, fleet_folder: Path) -> None:
    source = ["--source", fleet_folder / "observations.parquet", "--inventory", fleet_folder / "inventory.csv"]
    rows = json.loads(call("backtest", *source, "--horizon", "14d", "--json").out)
    assert {"cpu", "mem", "disk"} <= {row["metric"] for row in rows}
    cpu = next(row for row in rows if row["metric"] == "cpu")
    assert 0 < cpu["relative_mae"] < 1


@pytest.fixture(scope="module")
def prefect_server(prefect_api: str) -> str:
    return prefect_api


def test_run_json_and_exit_codes(call: Call, fleet_folder: Path, tmp_path: Path, prefect_server: str) -> None:
    source = ["--source", fleet_folder / "observations.parquet", "--inventory", fleet_folder / "inventory.csv"]
    common = ["run", *source, "--store", tmp_path / "lake", "--horizon", "14", "--json"]
    done = program(*common, PREFECT_API_URL=prefect_server, CAPFORECAST_REPORT__MOST_UNIT_PDFS="1")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert Path(result["pdf"]).exists()
    units = result["unit_reports"]
    assert sorted(units) == [unit["name"] for unit in result["summary"]["business_units"]]
    assert sorted(len(files) for files in units.values()) == [3, 3, 3, 4]  # one is printed
    assert all(Path(file).exists() for files in units.values() for file in files.values())
    assert Path(result["log"]).exists()
    lines = [json.loads(line) for line in Path(result["log"]).read_text().splitlines()]
    assert {"stage_started", "stage_done"} <= {line.get("event") for line in lines}
    unit = result["summary"]["business_units"][0]["name"]
    failed = program(*common, "--refresh", PREFECT_API_URL=prefect_server, CAPFORECAST_FLOW__DRILL=f"forecast:{unit}",
                     CAPFORECAST_REPORT__PER_BUSINESS_UNIT="false")  # fmt: skip
    assert failed.returncode == 4, failed.stderr
    assert "capforecast rerun" in json.loads(failed.stdout)["retry"]
    nothing = call("run", "--source", tmp_path / "no.csv", "--store", tmp_path / "lake")
    assert nothing.code == 3
    rendered = call("report", "--as-of", result["summary"]["as_of"], "--store", tmp_path / "lake", "--json")
    assert rendered.code == 0, rendered.err
    assert set(json.loads(rendered.out)) == {"pdf", "xlsx", "json", "html"}


def test_nothing_known_at_a_date_is_no_empty_report(call: Call, fleet_folder: Path, tmp_path: Path) -> None:
    seen = pd.read_parquet(fleet_folder / "observations.parquet").drop(columns="ingested_at")
    seen.drop_duplicates(["server_id", "timestamp"]).to_parquet(tmp_path / "o.parquet", index=False)
    done = call("train", "--source", tmp_path / "o.parquet", "--store", tmp_path / "lake", "--known-at", "2026-02-01")
    assert done.code == 3
    assert "had arrived by" in done.err


def test_one_unit_without_a_model_keeps_no_other_from_its_forecast(
    call: Call, fleet_folder: Path, tmp_path: Path
) -> None:
    source = ["--source", fleet_folder / "observations.parquet", "--inventory", fleet_folder / "inventory.csv"]
    common = [*source, "--store", tmp_path / "lake", "--horizon", "7d", "--json"]
    assert call("train", *common, "--business-unit", "retail").code == 0
    done = call("forecast", *common)
    assert done.code == 4, done.err
    problems = {row["business_unit"]: row["problem"] for row in json.loads(done.out)}
    assert problems.pop("retail") == ""
    assert len(problems) == 3
    assert all("train first" in problem for problem in problems.values())
