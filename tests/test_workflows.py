"""What GitHub's workflows call is there, and nothing gets past the one check that branch protection asks for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import prefect_lint
import pytest

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
NAMES = [path.stem for path in WORKFLOWS]


def jobs(name: str) -> dict[str, Any]:
    return prefect_lint.read((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())["jobs"]


def commands(name: str) -> str:
    return "\n".join(step.get("run", "") for job in jobs(name).values() for step in job.get("steps", []))


@pytest.mark.parametrize("name", NAMES)
def test_targets_and_scripts_that_are_called_exist(name: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    called = re.findall(r"^make (?:PYTHON=\S+ )?([a-z-]+)$", commands(name), re.M)
    if not (ROOT / "deployments" / "cdk").is_dir():
        called = [target for target in called if target != "test-cdk"]  # comes with what it tests
    assert [target for target in called if not re.search(rf"^{target}:", makefile, re.M)] == []
    assert [script for script in re.findall(r"scripts/\S+", commands(name)) if not (ROOT / script).is_file()] == []


def test_the_last_check_waits_for_all_others() -> None:
    all_jobs = jobs("ci")
    assert set(all_jobs["passed"]["needs"]) == set(all_jobs) - {"passed"}


@pytest.mark.parametrize("name", ["deploy", "release"])
def test_nothing_is_published_that_has_not_passed(name: str) -> None:
    all_jobs = jobs(name)

    def after_ci(job: str) -> bool:
        needs = all_jobs[job].get("needs", [])
        return "ci" in needs or any(map(after_ci, [needs] if isinstance(needs, str) else needs))

    assert all(after_ci(job) for job in all_jobs if job != "ci")


@pytest.mark.parametrize("name", NAMES)
def test_jobs_that_may_do_more_than_read_wait_for_an_environment(name: str) -> None:
    powerful = {key: job for key, job in jobs(name).items() if "write" in job.get("permissions", {}).values()}
    assert [key for key, job in powerful.items() if "environment" not in job] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_job_ends(name: str) -> None:
    assert [key for key, job in jobs(name).items() if "timeout-minutes" not in job and "uses" not in job] == []


def test_python_versions_are_those_that_the_project_admits() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    versions = jobs("ci")["test"]["strategy"]["matrix"]["python"]
    assert f'requires-python = ">={versions[0]}"' in project
