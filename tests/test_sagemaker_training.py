"""The training job's entry point, called as SageMaker lays out its container, without the toolkit (tests/aws)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sagemaker_samples import (
    SETTINGS,
    SHORT,
    UNITS,
    files_below,
    give_unit,
    lay_out,
    observed,
    validated,
    write_objects,
)

from capforecast import stages
from capforecast.cloud.training_metrics import DEFINITIONS
from capforecast.exchange import Unit
from capforecast.forecast import registry
from capforecast.lake.store import Store
from capforecast.schema import Reference
from deployments.sagemaker import training

RETAIL = "models/cadence=daily/business_unit=retail"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="module")
def units(lake: Store, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Unit]:
    source = tmp_path_factory.mktemp("source")
    write_objects(source)
    return {name: validated(lake, source, name) for name in UNITS}


@pytest.fixture(scope="module")
def trained(lake: Store, units: dict[str, Unit]) -> Reference:
    """What the stage `train` of a run makes of retail."""
    return stages.train(lake, SETTINGS, units["retail"].only(stages.NEEDS["train"]))["challenger"]


def failure_of(root: Path) -> str:
    return (root / "output/failure").read_text(encoding="utf-8")


def test_a_job_makes_the_very_version_that_the_stage_makes(
    tmp_path: Path, lake: Store, units: dict[str, Unit], trained: Reference, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "ml"
    variables = lay_out(root, SHORT | {"business_unit": "retail", "sagemaker_program": "training.py"})
    give_unit(root, lake, units["retail"])
    assert training.main([], variables) == 0
    made = files_below(root / "model")
    record = json.loads(made.pop("trained.json"))
    expected = {
        f"models/{name}": data for name, data in files_below(lake.folder / "models").items() if "retail" in name
    }
    assert made == expected
    assert record["business_units"] == {"retail": trained.model_dump(mode="json")}
    assert not (root / "output/failure").exists()
    assert registry.load(Store(root / "model"), trained)[1] in trained.uri
    printed = capsys.readouterr().out
    scores = registry.read_manifest(lake, trained).scores["all"]
    for name in ("relative_mae", "coverage_80", "series"):
        (figure,) = re.findall(DEFINITIONS[name], printed)
        assert float(figure) == pytest.approx(getattr(scores, name), rel=1e-5)
    assert f"business unit retail: {trained.uri}" in printed


def test_all_units_of_a_channel_are_trained_each_as_alone(
    tmp_path: Path, lake: Store, units: dict[str, Unit], trained: Reference
) -> None:
    root = tmp_path / "ml"
    variables = lay_out(root, SHORT)
    for unit in units.values():
        give_unit(root, lake, unit)
    assert training.main([], variables) == 0
    record = json.loads((root / "model/trained.json").read_text())["business_units"]
    assert set(record) == set(UNITS)
    assert record["retail"] == trained.model_dump(mode="json")
    model = Store(root / "model")
    for name, made in record.items():
        assert registry.read_manifest(model, Reference.model_validate(made)).business_unit == name


def test_some_units_of_a_channel_can_be_asked_for(tmp_path: Path, lake: Store, units: dict[str, Unit]) -> None:
    root = tmp_path / "ml"
    variables = lay_out(root, SHORT | {"business_unit": json.dumps(["ops", "Zürich / EMEA"])})
    for unit in units.values():
        give_unit(root, lake, unit)
    assert training.main([], variables) == 0
    assert set(json.loads((root / "model/trained.json").read_text())["business_units"]) == {"ops", "Zürich / EMEA"}


def test_the_failure_of_one_unit_stops_no_other_and_is_named(
    tmp_path: Path, lake: Store, units: dict[str, Unit]
) -> None:
    root = tmp_path / "ml"
    variables = lay_out(root, SHORT)
    for unit in units.values():
        give_unit(root, lake, unit)
    Store(root / "input/data/train").put(units["ops"].references["quality"].uri, b"spoilt")
    assert training.main([], variables) == 1
    reason = failure_of(root)
    assert reason.startswith("StageError: 1 of 3 business units failed: ops: StaleReferenceError: ")
    assert (root / "model" / RETAIL).is_dir()
    assert set(json.loads((root / "model/trained.json").read_text())["business_units"]) == {"retail", "Zürich / EMEA"}


def test_a_unit_with_nothing_to_forecast_makes_no_model_and_is_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, own = tmp_path / "source", Store(tmp_path / "lake")
    source.mkdir()
    observed("ops").head(5).to_parquet(source / "few.parquet", index=False)
    unit = stages.validate(own, SETTINGS, stages.ingest(own, SETTINGS, str(source)), "ops")
    root = tmp_path / "ml"
    variables = lay_out(root, SHORT)
    give_unit(root, own, unit)
    assert training.main([], variables) == 0
    assert list(files_below(root / "model")) == ["trained.json"]
    assert json.loads((root / "model/trained.json").read_text())["business_units"] == {"ops": None}
    assert "business unit ops: nothing to forecast" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"forecast.horizon_days": "many"}, "hyperparameter forecast.horizon_days: `forecast.horizon_days` must be"),
        ({"forecast.horizon_dayz": "7"}, "forecast.horizon_days"),
        ({"forecast.horizon_days": "-1"}, "hyperparameter forecast.horizon_days: "),
        ({"profile": "moon"}, "unknown profile `moon`"),
        ({"business_unit": "retial"}, "InputError: business unit 'retial' is not among those handed over: retail"),
        ({"forecast.horizon_days": "many", "forecast.model": "oracle"}, "2 problems in the settings"),
    ],
)
def test_bad_hyperparameters_end_with_the_whole_message(
    tmp_path: Path, lake: Store, units: dict[str, Unit], given: dict[str, str], said: str
) -> None:
    root = tmp_path / "ml"
    variables = lay_out(root, given)
    give_unit(root, lake, units["retail"])
    assert training.main([], variables) == 1
    assert said in failure_of(root)
    assert not (root / "model/models").exists()


def test_a_crash_leaves_its_place_in_the_first_line(
    tmp_path: Path, lake: Store, units: dict[str, Unit], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "ml"
    variables = lay_out(root, SHORT)
    give_unit(root, lake, units["retail"])

    def broken(*_: object) -> None:
        raise KeyError("ü" * 2000)

    monkeypatch.setattr(stages, "train", broken)
    assert training.main([], variables) == 1
    raw = (root / "output/failure").read_bytes()
    assert raw[:1024].decode().startswith("KeyError: 'üü")
    assert "test_sagemaker_training.py" in raw.decode()
    assert "Traceback" in raw.decode()


@pytest.mark.parametrize(
    ("hosts", "said"),
    [(("algo-1", "algo-2"), "training takes one instance, not 2"), (("algo-1",), "holds no business")],
)
def test_what_cannot_be_trained_is_said(tmp_path: Path, hosts: tuple[str, ...], said: str) -> None:
    assert training.main([], lay_out(tmp_path / "ml", {}, hosts)) == 1
    assert said in failure_of(tmp_path / "ml")


def test_a_folder_that_cannot_be_written_is_found_out_before_the_work(
    tmp_path: Path, lake: Store, units: dict[str, Unit], monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = lay_out(tmp_path / "ml", SHORT)
    give_unit(tmp_path / "ml", lake, units["retail"])
    (tmp_path / "ml/model").rmdir()
    (tmp_path / "ml/model").write_text("no folder")
    monkeypatch.setattr(stages, "train", None)
    assert training.main([], variables) == 1
    assert re.match(
        r"ConfigError: .*/ml/model cannot be written by user \d+ .* SAGEMAKER_USER", failure_of(tmp_path / "ml")
    )


def test_a_job_without_the_channel_is_told_its_name(tmp_path: Path) -> None:
    variables = lay_out(tmp_path / "ml", {})
    (tmp_path / "ml/input/data/train").rmdir()
    assert training.main([], variables) == 1
    assert "channel `train`" in failure_of(tmp_path / "ml")


def test_hyperparameters_come_as_text_json_or_options(tmp_path: Path) -> None:
    given = {"a.b": "7", "c": '"quoted"', "d": "null", "e": '"open', "f": 3, "sagemaker_program": "x", "g": "[1, 2]"}
    (tmp_path / "hyperparameters.json").write_text(json.dumps(given))
    read = training.hyperparameters(tmp_path, ["--a.b", "9"])
    assert read == {"a.b": "7", "c": "quoted", "d": "null", "e": '"open', "f": "3", "g": "[1, 2]"}
    assert training.hyperparameters(tmp_path / "none", ["--a.b", "-9", "--c", ""]) == {"a.b": "-9", "c": ""}
    for wrong in (["a.b", "9"], ["--a.b"]):
        with pytest.raises(training.UsageError, match="as pairs"):
            training.hyperparameters(tmp_path / "none", wrong)


def test_settings_come_by_file_environment_and_hyperparameter_later_ones_winning(
    tmp_path: Path, lake: Store, units: dict[str, Unit], trained: Reference
) -> None:
    root = tmp_path / "ml"
    variables = lay_out(root, {"forecast.horizon_days": "7"})
    folder = root / "input/data/settings"
    folder.mkdir()
    (folder / "own.yaml").write_text("forecast: {horizon_days: 9, origins_daily: 5}")
    give_unit(root, lake, units["retail"])
    assert training.main([], variables | {"CAPFORECAST_FORECAST__ORIGINS_DAILY": "4"}) == 0
    record = json.loads((root / "model/trained.json").read_text())
    assert record["business_units"]["retail"]["uri"] == trained.uri


def test_the_containers_import_no_prefect_and_no_command_line() -> None:
    code = (
        "import sys; from deployments.sagemaker import processing, training; from capforecast import stages; "
        "from capforecast.stages import handover, preparation; "
        "print([name for name in ('prefect', 'typer', 'rich', 'flows', 'tasks', 'matplotlib', 'prophet') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
