"""Templates as the CDK application makes them, by the environment of `make test-cdk`; read as plain JSON."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CONTEXT: dict[str, Any] = json.loads((ROOT / "deployments/cdk/cdk.json").read_text())["context"]
UNITS = ["retail", "web shop"]


def program_of(name: str) -> Path:
    """A program of .venv-cdk. Where it is missing: skips, but fails in `make test-cdk`."""
    program = ROOT / ".venv-cdk/bin" / name
    if not program.exists():
        reason = f".venv-cdk/bin/{name} is missing; `make test-cdk` makes it"
        if os.environ.get("CAPFORECAST_TEST_CDK"):
            pytest.fail(reason)
        pytest.skip(reason)
    return program


def run(*words: str | Path, out: Path, **context: Any) -> subprocess.CompletedProcess[str]:
    """Python of .venv-cdk, as the CDK's own program starts app.py."""
    environment = os.environ | {
        "CDK_OUTDIR": str(out),
        "CDK_CONTEXT_JSON": json.dumps(CONTEXT | {"business_units": UNITS} | context),
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1",
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.run(
        [program_of("python"), *words], capture_output=True, text=True, check=False, env=environment, cwd=ROOT
    )


def synthesise(out: Path, **context: Any) -> subprocess.CompletedProcess[str]:
    """`cdk synth` without the CDK's own program."""
    return run(ROOT / "deployments/cdk/app.py", out=out, **context)


@dataclass(frozen=True)
class Stage:
    """The templates of one stage, by the last word of their stack."""

    name: str
    folder: Path
    templates: dict[str, dict[str, Any]]

    def resources(self, kind: str, stack: str | None = None) -> dict[str, dict[str, Any]]:
        """Logical id and properties of the resources of a kind, of all stacks or of one."""
        return {
            name: resource.get("Properties", {})
            for part, template in self.templates.items()
            for name, resource in template["Resources"].items()
            if resource["Type"] == kind and stack in (None, part)
        }

    def one(self, kind: str, stack: str | None = None) -> dict[str, Any]:
        """The properties of the only one."""
        found = self.resources(kind, stack)
        assert len(found) == 1, f"{len(found)} of {kind} in {stack or self.name}: {', '.join(found)}"
        return next(iter(found.values()))


def made(out: Path, stage: str, **context: Any) -> Stage:
    """A stage, synthesised: what cdk-nag finds would end it."""
    done = synthesise(out, stage=stage, **context)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found = {path.name: json.loads(path.read_text()) for path in out.glob("*.template.json")}
    return Stage(stage, out, {name.split(".")[0].rpartition("-")[2]: found[name] for name in sorted(found)})


def text_of(value: Any) -> str:
    """A value with its references, as text: `<Bucket.Arn>/capacity/*`, `arn:<AWS::Partition>:...`."""
    if isinstance(value, str):
        return value
    ((kind, inner),) = value.items()
    if kind == "Fn::Join":
        return str(inner[0]).join(text_of(each) for each in inner[1])
    if kind == "Fn::GetAtt":
        return f"<{'.'.join(inner)}>"
    if kind == "Fn::ImportValue":
        return f"<{inner}>"
    return f"<{inner}>"
