"""Prints what CHANGELOG.md says of the version that a tag names.

Refuses a tag that pyproject.toml and the package do not tell, or whose version CHANGELOG.md has no dated section of.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class ReleaseError(ValueError):
    """The files do not tell the version that is to be released."""


def notes(tag: str, root: Path = ROOT) -> str:
    """The section of the version, without its heading. Raises ReleaseError, saying which file tells what."""
    version = tag.removeprefix("v")
    declared = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    package = (root / "capforecast" / "__init__.py").read_text()
    told = {
        "pyproject.toml": declared,
        "capforecast/__init__.py": "".join(re.findall(r'__version__ = "([^"]+)"', package)),
    }
    for name, said in told.items():
        if said != version:
            raise ReleaseError(f"the tag is {tag}, but {name} says {said or 'no version'}: change it and tag anew")
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$"
    found = re.search(heading + r"\n(.*?)(?=^## |\Z)", (root / "CHANGELOG.md").read_text(), re.M | re.S)
    if found is None or not found.group(1).strip():
        raise ReleaseError(
            f"CHANGELOG.md has no section `## [{version}] - YYYY-MM-DD` with a text: write it and tag anew"
        )
    return found.group(1).strip() + "\n"


if __name__ == "__main__":
    try:
        sys.stdout.write(notes(sys.argv[1]))
    except ReleaseError as error:
        raise SystemExit(f"release: {error}") from None
