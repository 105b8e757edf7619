"""The training job under `train` of sagemaker-training, which SageMaker's training containers start."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from aws_environments import ROOT, program_of
from sagemaker_samples import SETTINGS, SHORT, files_below, give_unit, lay_out, passed_on, validated, write_objects

from capforecast import stages
from capforecast.cloud.training_metrics import DEFINITIONS
from capforecast.exchange import Unit
from capforecast.forecast import registry
from capforecast.lake.datasets import to_json
from capforecast.lake.store import Store
from capforecast.stages.handover import unit_file

pytestmark = pytest.mark.aws
UNIT = "Zürich / EMEA"
LIMIT = 120  # seconds; the toolkit waits 15 minutes for the name of a host that does not resolve


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="module")
def unit(lake: Store, tmp_path_factory: pytest.TempPathFactory) -> Unit:
    source = tmp_path_factory.mktemp("source")
    write_objects(source)
    return validated(lake, source, UNIT).only(stages.NEEDS["train"])


def laid_out(root: Path, given: Mapping[str, object]) -> dict[str, str]:
    """The container's folders, the entry point where the image has it, and the environment of `train`."""
    variables = lay_out(root, given)
    (root / "code").mkdir()
    shutil.copy(ROOT / "deployments/sagemaker/training.py", root / "code")
    return (
        passed_on() | variables | {"PYTHONPATH": str(ROOT), "SAGEMAKER_PROGRAM": "training.py", "OMP_NUM_THREADS": "1"}
    )


def run(root: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    train = program_of("sagemaker", "train")
    return subprocess.run(
        [str(train)], cwd=root, env=variables, timeout=LIMIT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        encoding="utf-8",
    )  # fmt: skip


def test_train_makes_the_very_version_that_a_run_makes(tmp_path: Path, lake: Store, unit: Unit) -> None:
    given = {name: json.dumps(value) for name, value in SHORT.items()} | {"business_unit": json.dumps(UNIT)}
    variables = laid_out(tmp_path, given)
    give_unit(tmp_path, lake, unit)
    ended = run(tmp_path, variables)
    assert ended.returncode == 0, ended.stdout
    assert (tmp_path / "output/success").exists()
    assert not (tmp_path / "output/failure").exists()
    expected = stages.train(lake, SETTINGS, unit)["challenger"]
    made = files_below(tmp_path / "model")
    assert json.loads(made.pop("trained.json"))["business_units"] == {UNIT: expected.model_dump(mode="json")}
    kept = files_below(Path(lake.address("models")))
    assert made == {f"models/{name}": data for name, data in kept.items()}
    scores = registry.read_manifest(lake, expected).scores["all"]
    (figure,) = re.findall(DEFINITIONS["relative_mae"], ended.stdout)
    assert float(figure) == pytest.approx(scores.relative_mae, rel=1e-5)


def test_a_bad_hyperparameter_is_the_reason_of_the_failure(tmp_path: Path, lake: Store, unit: Unit) -> None:
    variables = laid_out(tmp_path, {"forecast.horizon_days": "many", "forecast.horizon_dayz": "7"})
    give_unit(tmp_path, lake, unit)
    assert run(tmp_path, variables).returncode == 1
    reason = (tmp_path / "output/failure").read_text(encoding="utf-8")
    assert reason.startswith("ConfigError: 2 problems in the settings:")
    assert "hyperparameter forecast.horizon_days: `forecast.horizon_days` must be a whole number" in reason
    assert "hyperparameter forecast.horizon_dayz: unknown key" in reason
    assert not (tmp_path / "output/success").exists()
    assert files_below(tmp_path / "model") == {}


def test_a_crash_is_the_reason_of_the_failure(tmp_path: Path, lake: Store, unit: Unit) -> None:
    variables = laid_out(tmp_path, SHORT)
    give_unit(tmp_path, lake, unit)
    swapped = unit.having(quality=unit.references["processed"])  # a table, of other columns
    Store(tmp_path / "input/data/train").put(unit_file(UNIT), to_json(swapped.model_dump(mode="json")))
    assert run(tmp_path, variables).returncode == 1
    reason = (tmp_path / "output/failure").read_text(encoding="utf-8")
    assert reason.startswith("KeyError: 'metric' (")
    assert "capforecast/fleet/snapshot.py" in reason
    assert not (tmp_path / "output/success").exists()
