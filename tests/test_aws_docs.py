"""docs/aws-compute.md: its policies allow what the code calls and no more, and the commands it names exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/aws-compute.md").read_text()
POLICIES = [json.loads(block) for block in re.findall(r"^```json\n(\{\n  \"Version\".*?)^```", TEXT, re.M | re.S)]
STATEMENTS: list[dict[str, Any]] = [statement for policy in POLICIES for statement in policy["Statement"]]
WITHOUT_RESOURCE = {"ecr:GetAuthorizationToken", "cloudwatch:PutMetricData"}  # AWS knows none for them


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_there_is_a_policy_for_the_function_for_who_submits_and_for_jobs() -> None:
    assert len(POLICIES) == 3


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement["Sid"])
def test_no_policy_allows_more_than_it_names(statement: dict[str, Any]) -> None:
    actions, resources = listed(statement["Action"]), listed(statement["Resource"])
    assert statement["Effect"] == "Allow"
    assert not [action for action in actions if "*" in action]
    assert "*" not in resources or set(actions) <= WITHOUT_RESOURCE
    assert all(resource == "*" or resource.startswith("arn:aws:") for resource in resources)


def test_who_submits_may_do_what_the_code_calls() -> None:
    code = (ROOT / "capforecast/cloud/jobs.py").read_text()
    verbs = {verb for verb in ("create", "describe", "stop", "list", "update", "delete") if f'f"{verb}_' in code}
    assert verbs == {"create", "describe", "stop"}
    wanted = {f"sagemaker:{verb.title()}{kind}Job" for verb in verbs for kind in ("Training", "Processing")}
    allowed = {action for statement in STATEMENTS for action in listed(statement["Action"])}
    assert wanted | {"sagemaker:AddTags", "iam:PassRole"} <= allowed


def test_commands_and_tests_that_it_names_exist() -> None:
    from typer.main import get_command

    from deployments.cli import app

    top: Any = get_command(app)
    for name, word in re.findall(r"^capforecast (\w+) (\w+)", TEXT, re.M):
        assert word in top.commands[name].commands, f"capforecast {name} {word}"
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
    for target in re.findall(r"`make ([a-z-]+)`", TEXT):
        assert target in targets, target
    for path in re.findall(r"`?(tests/[\w/]+\.py)", TEXT):
        assert (ROOT / path).exists(), path
