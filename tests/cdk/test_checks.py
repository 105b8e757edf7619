"""cfn-lint and cdk-nag: green on what we have, red on a fault that is put in, and no exception that nothing needs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from synthesis import Stage, program_of, run, synthesise

pytestmark = pytest.mark.cdk
# W3005: CDK says once more what a reference says. W6001: an output that repeats what another stack told.
LINT = ("--ignore-checks", "W3005", "W6001", "--")
BARE = """
from aws_cdk import App
from deployments.cdk import app, exceptions
exceptions.acknowledge = lambda *_: None
application = App()
app.build(application)
application.synth()
"""
OPEN = """
from aws_cdk import App
from aws_cdk import aws_s3 as s3
from deployments.cdk import app
application = App()
stacks = app.build(application)
s3.Bucket(stacks["lake"], "Open")
application.synth()
"""
REASONS = """
import json
from deployments.cdk import exceptions
from deployments.cdk.context import made, FILE
name = "{stage}"
stage = made(name, json.loads(FILE.read_text())["context"]["stages"][name])
print(json.dumps([*exceptions._always(stage), *exceptions._prefect(stage)]))
"""


def lint(*paths: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program_of("cfn-lint"), *LINT, *paths], capture_output=True, text=True, check=False)


def found_by_nag(folder: Path) -> set[tuple[str, str]]:
    """Rule and stack of each finding in the report of a synthesis."""
    report = json.loads((folder / "validation-report.json").read_text())
    return {
        (violation["ruleName"], construct["constructPath"].split("/")[0].rpartition("-")[2])
        for plugin in report["pluginReports"]
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    }


def test_cfn_lint_finds_nothing(stages: dict[str, Stage]) -> None:
    done = lint(*(path for stage in stages.values() for path in stage.folder.glob("*.template.json")))
    assert done.returncode == 0, done.stdout


def test_cfn_lint_finds_a_misspelt_property(stages: dict[str, Stage], tmp_path: Path) -> None:
    text = json.dumps(stages["dev"].templates["function"])
    assert "MemorySize" in text
    (tmp_path / "broken.template.json").write_text(text.replace("MemorySize", "MemorySise"))
    done = lint(tmp_path / "broken.template.json")
    assert (done.returncode, "MemorySise" in done.stdout) != (0, False)


def test_an_open_bucket_ends_the_synthesis(tmp_path: Path) -> None:
    done = run("-c", OPEN, out=tmp_path)
    assert done.returncode != 0
    assert {("AwsSolutions-S1", "lake"), ("AwsSolutions-S10", "lake")} <= found_by_nag(tmp_path)


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_every_exception_is_needed_and_has_a_reason(stage: str, tmp_path: Path) -> None:
    run("-c", BARE, out=tmp_path, stage=stage)
    told = json.loads(run("-c", REASONS.format(stage=stage), out=tmp_path).stdout)
    assert all(len(reason) > 15 for *_, reason in told)
    assert {(f"AwsSolutions-{finding}", stack) for stack, _, finding, _ in told} == found_by_nag(tmp_path)


WRONG = [
    ({"function_seconds": 1000}, "function_seconds must be 60 to 900, is 1000"),
    ({"workers": "many"}, "workers must be int, is 'many'"),
    ({"prefect": "external"}, "prefect_api_url must begin with https:// and end in /api"),
    ({"images": {"worker": "0.1.0"}}, "images must name worker, lambda, sagemaker by digest or tag"),
    ({"log_days": 31}, "log_days must be one of [7, 30, 90, 365, 731]"),
    ({"github_repository": "capacity"}, "github_repository must be owner/name"),
    ({"images": {"worker": 1, "lambda": "a", "sagemaker": "b/c"}}, "images must name"),
    ({"business_units": [1]}, "business_units must be names"),
    ({"run_cpu": 1024, "run_memory_mib": 16384}, "what Fargate takes with run_cpu: (2048, 8192, 1024)"),
    ({"run_cpu": 3000}, "what Fargate takes with run_cpu: [1024, 2048"),
    ({"schedule": "every day"}, "schedule must be like cron(0 6 * * ? *)"),
    ({"schedule": "rate(1 days)"}, "schedule must be like"),
    ({"alert_email": "ops"}, "alert_email must be an address"),
    ({"database_class": "db.t4g.small"}, "without `db.`"),
    ({"cost_center": "a<b>"}, "cost_center must be letters"),
    ({"workrs": 2}, "holds unknown ['workrs']"),
]
TRIED = """
import json, sys
from deployments.cdk.context import FILE, ContextError, made
values = json.loads(FILE.read_text())["context"]["stages"]["dev"]
for wrong in json.loads(sys.argv[1]):
    try:
        print(made("dev", values | wrong))
    except ContextError as error:
        print(error)
"""


def test_a_wrong_context_is_told_by_its_key(tmp_path: Path) -> None:
    told = run("-c", TRIED, json.dumps([wrong for wrong, _ in WRONG]), out=tmp_path).stdout.splitlines()
    assert [line for line, (_, said) in zip(told, WRONG, strict=True) if said not in line] == []


def test_a_misspelt_key_of_the_command_line_is_told_in_one_line(tmp_path: Path) -> None:
    told = synthesise(tmp_path, workres=2)
    assert told.returncode == 1
    assert told.stderr.strip().splitlines()[-1] == "error: the context has no key 'workres'; did you mean 'workers'?"
    assert "Traceback" not in told.stderr


def test_a_stage_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = synthesise(tmp_path, stage="test")
    assert "no stage is called 'test' in cdk.json; known: dev, prod" in done.stderr.splitlines()[-1]


def test_without_prefect_there_is_no_network(tmp_path: Path) -> None:
    assert synthesise(tmp_path, prefect="none").returncode == 0
    names = {path.name.split(".")[0].rpartition("-")[2] for path in tmp_path.glob("*.template.json")}
    assert names == {"images", "lake", "messages", "jobs", "function", "watch"}
