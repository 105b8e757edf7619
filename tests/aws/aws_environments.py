"""The environments that hold what the images hold: `make test-aws` makes them, and its tests start programs of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def program_of(environment: str, name: str) -> Path:
    """A program of .venv-lambda or .venv-sagemaker. Where it is missing: skips, but fails in `make test-aws`."""
    program = ROOT / f".venv-{environment}" / "bin" / name
    if not program.exists():
        reason = f".venv-{environment}/bin/{name} is missing; `make test-aws` makes it"
        if os.environ.get("CAPFORECAST_TEST_AWS"):
            pytest.fail(reason)
        pytest.skip(reason)
    return program


def python_of(environment: str) -> Path:
    """Python of .venv-lambda or .venv-sagemaker; skips or fails as program_of."""
    return program_of(environment, "python")
