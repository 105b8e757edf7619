"""The targets of the Dockerfile: nobody is root, all have the same code; the Lambda image's entry starts the client.

Whether hadolint accepts the file is for `make lint-deploy`; what the images hold is run by `make test-aws`.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "deployments/docker/Dockerfile").read_text().replace("\\\n", "")
STAGES = {
    name: (parent, text)
    for parent, name, text in re.findall(r"^FROM (\S+) AS (\S+)\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.M | re.S)
}
TARGETS = ("worker", "lambda", "sagemaker", "dashboard", "proxy")
OURS = ("worker", "lambda", "sagemaker", "dashboard")
CALLS = """#!/bin/sh
echo "python $* with $(ls "$NUMBA_CACHE_DIR" 2>&1)"
"""


def chain(stage: str) -> list[str]:
    """A stage and those it is made from."""
    made = [stage]
    while (parent := STAGES[made[-1]][0]) in STAGES:
        made.append(parent)
    return made


@pytest.mark.parametrize("target", TARGETS)
def test_no_target_runs_as_root(target: str) -> None:
    text = STAGES[target][1]
    last = re.findall(r"^USER (\S+)$", text, re.M)[-1]
    argument = re.fullmatch(r"\$\{(\w+)\}", last)
    if argument:
        (last,) = re.findall(rf"^ARG {argument[1]}=(\S+)$", text, re.M)
    assert last == "10001:10001"


@pytest.mark.parametrize("target", OURS)
def test_all_targets_have_the_same_python_code_and_labels(target: str) -> None:
    text = STAGES[target][1]
    assert chain(target)[-1] == "base"
    assert STAGES["base"][0] == "${PYTHON_IMAGE}"
    (source,) = re.findall(r"^COPY --from=(\S+) /opt/capforecast /opt/capforecast$", text, re.M)
    assert "code" in chain(source)
    assert "org.opencontainers.image.revision" in text


def test_what_is_copied_out_of_the_code_is_there() -> None:
    inside = re.findall(r"^COPY --from=code /opt/capforecast/(\S+) ", DOCKERFILE, re.M)
    inside += re.findall(r"\bpython (deployments/\S+\.py)", DOCKERFILE)
    assert inside
    assert [path for path in inside if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("target", ["lambda", "sagemaker"])
def test_small_images_hold_their_lock_and_nothing_else(target: str) -> None:
    built = STAGES[f"build-{target}"][1]
    assert re.findall(r"\binstall (?:--\S+ )*.*?-r\s+(\S+)", built) == [f"requirements-{target}.lock"]
    assert "--no-deps" in built
    assert re.search(r"pip\b.* check$", built, re.M)


def test_handlers_and_entries_are_modules_that_exist() -> None:
    named = re.findall(r"deployments(?:\.\w+)+", STAGES["lambda"][1].partition("CMD")[2])
    named += re.findall(r"python -m (deployments(?:\.\w+)+)", DOCKERFILE)
    for name in named:
        path = ROOT / (name.removesuffix(".handler").replace(".", "/") + ".py")
        assert path.is_file(), name


def run_entry(folder: Path, image: Path) -> subprocess.CompletedProcess[str]:
    python = folder / "bin" / "python"
    python.parent.mkdir(exist_ok=True)
    python.write_text(CALLS)
    python.chmod(0o755)
    environment = {
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "NUMBA_CACHE_DIR": str(folder / "kernels"),
        "IMAGE_KERNELS": str(image),
    }
    command = ["sh", str(ROOT / "deployments/docker/lambda.sh"), "deployments.lambda_handler.handler"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True)


def test_the_lambda_image_starts_with_the_kernels_it_was_built_with(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.mkdir()
    (image / "one.nbc").write_text("")
    for _ in range(2):  # a sandbox that is used again finds them there
        done = run_entry(tmp_path, image)
        assert done.stdout == "python -m awslambdaric deployments.lambda_handler.handler with one.nbc\n"
        assert done.stderr == ""


def test_the_lambda_image_starts_without_kernels_too(tmp_path: Path) -> None:
    done = run_entry(tmp_path, tmp_path / "none")
    assert "awslambdaric" in done.stdout
    assert "compiled anew" in done.stderr
