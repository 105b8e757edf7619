"""The lock files of the images: pinned, without addresses, and the versions that are tested in the product's own."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = sorted(path.name for path in ROOT.glob("requirements*.lock"))
IMAGES = ("requirements-lambda.lock", "requirements-sagemaker.lock")
PINNED = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+")
ONLY_IN_PLACE = {"awslambdaric", "sagemaker-training"}  # no dependency of the product: its image's own


def lines(name: str) -> list[str]:
    """Names and versions of a file, without comments."""
    found = (line.partition("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return [line for line in found if line]


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=\[ ]", name, maxsplit=1)[0]).lower()


def versions(name: str) -> dict[str, str]:
    return {plain(line): line.partition("==")[2] for line in lines(name)}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_versions_and_no_addresses(name: str) -> None:
    assert all(map(PINNED.fullmatch, lines(name)))
    assert "://" not in (ROOT / name).read_text()


@pytest.mark.parametrize("name", IMAGES)
def test_images_have_the_versions_that_the_product_is_tested_with(name: str) -> None:
    tested = versions("requirements.lock")
    image = versions(name)
    assert {key: value for key, value in image.items() if key in tested and value != tested[key]} == {}


def test_the_function_needs_only_what_the_product_needs_and_its_lock_has_all_of_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    known = {plain(need) for need in [*project["dependencies"], *project["optional-dependencies"]["aws"]]}
    asked = set(versions("requirements-lambda.txt"))
    assert asked - ONLY_IN_PLACE <= known
    assert asked <= set(versions("requirements-lambda.lock"))
    assert not asked & {"prefect", "scikit-learn", "prophet", "matplotlib", "weasyprint", "typer"}
    assert "awslambdaric" not in versions("requirements-sagemaker.lock")
    assert asked - ONLY_IN_PLACE | {"scikit-learn", "prophet", "sagemaker-training"} <= set(
        versions("requirements-sagemaker.lock")
    )
