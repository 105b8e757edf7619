"""What components may do: what docs/aws-compute.md and docs/runbook.md say, nothing with a star but for a reason."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from synthesis import ROOT, Stage, run, text_of

pytestmark = pytest.mark.cdk
DOCUMENTED = re.compile(r"^```json\n(\{\n  \"Version\".*?)^```", re.M | re.S)
KINDS = ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::Role")


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(stage: Stage, stack: str | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement of every policy for roles and people, with where it stands."""
    for kind in KINDS:
        for name, properties in stage.resources(kind, stack).items():
            documents = [
                properties.get("PolicyDocument"),
                *(p["PolicyDocument"] for p in properties.get("Policies", [])),
            ]
            for document in filter(None, documents):
                yield from ((name, each) for each in listed(document["Statement"]))


def documented(page: str) -> list[dict[str, Any]]:
    return [json.loads(block) for block in DOCUMENTED.findall((ROOT / "docs" / page).read_text())]


def by_sid(found: list[dict[str, Any]]) -> dict[str, tuple[set[str], int]]:
    """Actions, and how many resources, by the statement's name."""
    return {each["Sid"]: (set(listed(each["Action"])), len(listed(each["Resource"]))) for each in found}


def of_role(stage: Stage, stack: str, role: str) -> list[dict[str, Any]]:
    found = [each for name, each in statements(stage, stack) if name.startswith(role)]
    assert found, f"{role} of {stack} may do nothing"
    return found


def test_no_policy_allows_every_action(stage: Stage) -> None:
    for name, statement in statements(stage):
        assert statement["Effect"] == "Allow", name
        assert not [action for action in listed(statement["Action"]) if "*" in action], f"{name}: {statement}"


def test_no_policy_is_for_every_resource_without_a_written_reason(stage: Stage, tmp_path: Path) -> None:
    told = run("-c", "import json; from deployments.cdk.policies import WITHOUT_RESOURCE as r; print(json.dumps(r))",
               out=tmp_path)  # fmt: skip
    reasons = json.loads(told.stdout)
    assert all(len(reason) > 20 for reason in reasons.values())
    for name, statement in statements(stage):
        if "*" in [text_of(each) for each in listed(statement["Resource"])]:
            assert set(listed(statement["Action"])) <= set(reasons), f"{name}: {statement}"


def test_policies_of_resources_allow_no_star_either(stage: Stage) -> None:
    for template in stage.templates.values():
        for name, resource in template["Resources"].items():
            properties = resource.get("Properties", {})
            for document in (properties.get("KeyPolicy"), properties.get("PolicyDocument")):
                if isinstance(document, dict) and "Statement" in document:
                    for each in listed(document["Statement"]):
                        if each["Effect"] == "Allow":
                            assert not [a for a in listed(each["Action"]) if "*" in a], f"{name}: {each}"
                            assert each.get("Principal") not in ("*", {"AWS": "*"}), f"{name}: {each}"


def test_no_managed_policy_of_aws_is_used(stage: Stage) -> None:
    for name, role in stage.resources("AWS::IAM::Role").items():
        assert "ManagedPolicyArns" not in role, name


@pytest.mark.parametrize(
    ("stack", "role", "number"), [("function", "Role", 0), ("jobs", "Submit", 1), ("jobs", "Role", 2)]
)
def test_function_and_jobs_may_do_what_the_documentation_says(
    stages: dict[str, Stage], stack: str, role: str, number: int
) -> None:
    wanted = by_sid(documented("aws-compute.md")[number]["Statement"])
    if stack == "function":  # the second key is that of SSM, which only SecureStrings of one's own need
        wanted["UseKeys"] = (wanted["UseKeys"][0], 1)
    assert by_sid(of_role(stages["prod"], stack, role)) == wanted
    del wanted["UseKeys" if number != 1 else "LetJobsRunAsTheirRole"]  # dev has no key of its own
    without_key = by_sid(of_role(stages["dev"], stack, role))
    assert without_key == wanted | ({} if number != 1 else {"LetJobsRunAsTheirRole": ({"iam:PassRole"}, 1)})


def test_a_run_may_do_with_the_lake_what_the_runbook_says(stages: dict[str, Stage]) -> None:
    wanted = by_sid(documented("runbook.md")[0]["Statement"])
    found = by_sid(of_role(stages["prod"], "prefect", "RunRole"))
    assert {sid: found[sid] for sid in wanted} == wanted


def test_roles_are_passed_only_to_the_service_that_they_are_for(stage: Stage) -> None:
    passed = [each for _, each in statements(stage) if "iam:PassRole" in listed(each["Action"])]
    assert passed
    for statement in passed:
        assert not [each for each in listed(statement["Resource"]) if "*" in text_of(each)]
        assert set(statement["Condition"]["StringEquals"]) == {"iam:PassedToService"}


def test_the_worker_starts_tasks_of_its_own_cluster_only(stages: dict[str, Stage]) -> None:
    may = {each["Sid"]: each for each in of_role(stages["prod"], "prefect", "WorkerTaskRole")}
    for sid in ("StartRuns", "FollowAndStopRuns"):
        assert list(may[sid]["Condition"]["ArnEquals"]) == ["ecs:cluster"]
    assert "s3:GetObject" not in json.dumps(list(may.values()))  # the lake is for runs, not for who starts them


def test_only_the_environment_of_the_repository_may_deploy(stages: dict[str, Stage]) -> None:
    trust = stages["other"].one("AWS::IAM::Role", "pipeline")["AssumeRolePolicyDocument"]["Statement"][0]
    claims = trust["Condition"]["StringEquals"]
    assert claims["token.actions.githubusercontent.com:sub"] == "repo:someone/capacity:environment:dev"
    assert "pipeline" not in stages["prod"].templates
