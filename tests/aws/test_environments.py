"""What the images of Lambda and SageMaker hold: the stages run on it, and nothing is in it that must not be."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from aws_environments import ROOT, program_of, python_of

pytestmark = pytest.mark.aws
FORBIDDEN = {"prefect", "scikit-learn", "prophet", "matplotlib", "weasyprint", "typer", "sagemaker", "moto"}
OURS = {"capforecast", "pip", "setuptools"}
HELD = """
import importlib.metadata as m, json
print(json.dumps({d.metadata["Name"]: d.version for d in m.distributions()}))
"""
LOADED = """
import sys, capforecast.stages, capforecast.configuration
capforecast.configuration.load(environment={})
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def said_by(python: Path, program: str) -> str:
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("environment", ["lambda", "sagemaker"])
def test_an_environment_holds_what_its_lock_says_and_nothing_else(environment: str) -> None:
    lines = (ROOT / f"requirements-{environment}.lock").read_text().splitlines()
    locked = dict(line.split("==") for line in lines if not line.startswith("#"))
    held = {plain(name): version for name, version in json.loads(said_by(python_of(environment), HELD)).items()}
    assert {name: version for name, version in held.items() if name not in OURS} == {
        plain(name): version for name, version in locked.items()
    }


def test_the_lambda_environment_is_without_what_a_function_must_not_load() -> None:
    held = {plain(name) for name in json.loads(said_by(python_of("lambda"), HELD))}
    assert not held & FORBIDDEN


def test_the_stages_load_on_what_the_lambda_image_holds() -> None:
    loaded = set(said_by(python_of("lambda"), LOADED).split())
    assert "numba" in loaded
    assert not loaded & {"boto3", "botocore", "holidays"}  # only where SSM is asked and a country is set


def test_the_training_toolkit_stands_beside_the_stages() -> None:
    program_of("sagemaker", "train")
    said_by(python_of("sagemaker"), "import capforecast.stages, sagemaker_training, sklearn, prophet")
