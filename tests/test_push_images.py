"""Images are pushed once for a commit, and told by what the registry calls them. AWS and Docker are stand-ins here."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
AWS = """#!/bin/sh
echo "aws $*" >>"$CALLS"
case "$*" in
*get-caller-identity*) echo 111122223333 ;;
*get-login-password*) echo password ;;
*describe-images*)
    [ -z "$DENIED" ] || { echo "AccessDeniedException" >&2; exit 254; }
    [ -e "$PUSHED/$4" ] || { echo "ImageNotFoundException" >&2; exit 254; }
    echo "sha256:of-$4"
    ;;
esac
"""
DOCKER = """#!/bin/sh
echo "docker $*" >>"$CALLS"
case "$1" in
login) cat >/dev/null ;;
push) name=${2#*/}; touch "$PUSHED/${name%:*}" ;;
esac
"""


class Registry:
    """Runs the script against stand-ins that keep what was pushed."""

    def __init__(self, folder: Path) -> None:
        self.calls, self.pushed = folder / "calls", folder / "pushed"
        self.pushed.mkdir()
        for name, program in {"aws": AWS, "docker": DOCKER}.items():
            (folder / name).write_text(program)
            (folder / name).chmod(0o755)
        self.environment = {
            "PATH": f"{folder}:{os.environ['PATH']}", "CALLS": str(self.calls), "PUSHED": str(self.pushed),
            "AWS_REGION": "eu-west-1", "DENIED": "",
        }  # fmt: skip

    def run(self, **more: str) -> subprocess.CompletedProcess[str]:
        words = ["bash", str(ROOT / "scripts" / "push_images.sh"), "capforecast-dev", "abc123"]
        return subprocess.run(words, env=self.environment | more, capture_output=True, text=True, check=False)

    def count(self, command: str) -> int:
        return sum(line.startswith(command) for line in self.calls.read_text().splitlines())


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path)


def test_each_image_is_built_pushed_and_told_by_its_digest(registry: Registry) -> None:
    done = registry.run()
    assert done.returncode == 0, done.stderr
    name, _, images = done.stdout.strip().partition("=")
    assert name == "images"
    assert json.loads(images) == {
        image: f"sha256:of-capforecast-dev-{image}" for image in ("worker", "lambda", "sagemaker")
    }
    assert registry.count("docker push 111122223333.dkr.ecr.eu-west-1.amazonaws.com/capforecast-dev-") == 3


def test_what_is_there_is_not_pushed_again(registry: Registry) -> None:
    (registry.pushed / "capforecast-dev-lambda").touch()
    assert registry.run().returncode == 0
    assert registry.count("docker build") == registry.count("docker push") == 2


def test_a_registry_that_refuses_is_no_registry_without_the_image(registry: Registry) -> None:
    done = registry.run(DENIED="1")
    assert done.returncode != 0
    assert "AccessDeniedException" in done.stderr
    assert registry.count("docker build") == 0
