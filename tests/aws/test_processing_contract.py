"""Processing by the container's contract with what the image holds, and training by `train` on what it made."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from aws_environments import ROOT, program_of, python_of
from sagemaker_samples import AS_OF, SETTINGS, SHORT, UNITS, files_below, lay_out, passed_on, validated, write_objects

from capforecast import stages
from capforecast.lake.store import Store
from capforecast.schema import Reference

pytestmark = pytest.mark.aws
HOSTS = ("algo-1", "algo-2")


def start(root: Path, host: str, units: list[str]) -> subprocess.Popen[str]:
    """One instance with these units' objects."""
    write_objects(root / "processing/input", units)
    (root / "config").mkdir(parents=True)
    (root / "config/resourceconfig.json").write_text(json.dumps({"current_host": host, "hosts": HOSTS}))
    command = [str(python_of("sagemaker")), "-m", "deployments.sagemaker.processing", "--as-of", AS_OF]
    command += [f"--setting={key}={value}" for key, value in SHORT.items()]
    given = passed_on() | {"SAGEMAKER_BASE_DIR": str(root), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=root, env=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_two_instances_then_one_training_job_make_what_a_run_makes(tmp_path: Path) -> None:
    roots = [tmp_path / host for host in HOSTS]
    instances = [start(roots[0], HOSTS[0], ["retail", "ops"]), start(roots[1], HOSTS[1], ["Zürich / EMEA"])]
    said = [instance.communicate(timeout=120)[0] for instance in instances]
    assert [instance.returncode for instance in instances] == [0, 0], said
    assert (roots[1] / "output/message").read_text().startswith("algo-2: 1 business units of 2 servers from 1 objects")

    ml = tmp_path / "ml"
    variables = passed_on() | lay_out(ml, SHORT) | {"PYTHONPATH": str(ROOT), "SAGEMAKER_PROGRAM": "training.py"}
    (ml / "code").mkdir()
    shutil.copy(ROOT / "deployments/sagemaker/training.py", ml / "code")
    for root in roots:  # as SageMaker uploads the output of all instances to one prefix, and mounts that as a channel
        shutil.copytree(root / "processing/output", ml / "input/data/train", dirs_exist_ok=True)
    train = [str(program_of("sagemaker", "train"))]
    ended = subprocess.run(train, cwd=ml, env=variables, timeout=120, capture_output=True, encoding="utf-8")
    assert ended.returncode == 0, ended.stdout + ended.stderr

    lake = Store(tmp_path / "lake")
    write_objects(tmp_path / "source")
    made = json.loads((ml / "model/trained.json").read_text())["business_units"]
    assert set(made) == set(UNITS)
    for unit in (validated(lake, tmp_path / "source", name).only(stages.NEEDS["train"]) for name in UNITS):
        assert Reference.model_validate(made[unit.business_unit]) == stages.train(lake, SETTINGS, unit)["challenger"]
    kept = files_below(Path(lake.address("models")))
    models = {name: data for name, data in files_below(ml / "model").items() if name != "trained.json"}
    assert models == {f"models/{name}": data for name, data in kept.items()}
