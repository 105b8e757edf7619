"""A fingerprint of the code that computes results, so that a cached result of other code is never used."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent


ENGINE = ("fleet", "forecast")  # rooms whose code makes a model


@cache
def code_fingerprint() -> str:
    """sha256 over the package's sources and data files and, in a checkout, the lock."""
    return _digest(path for path in PACKAGE.rglob("*") if path.suffix in {".py", ".html", ".css", ".j2", ".ttf"})


@cache
def engine_fingerprint() -> str:
    """The same over what a model is made with: a change of the report makes no other model."""
    return _digest(path for room in ENGINE for path in (PACKAGE / room).rglob("*.py"))


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    files = sorted(paths)
    lock = PACKAGE.parent / "requirements.lock"
    for path in [*files, *([lock] if lock.exists() else [])]:
        digest.update(str(path.relative_to(PACKAGE.parent)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def git_commit() -> str | None:
    """Commit of the checkout this package lies in; None where it is installed otherwise."""
    git = PACKAGE.parent / ".git"
    try:
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        if (git / name).exists():
            return (git / name).read_text().strip()
        packed = (git / "packed-refs").read_text().splitlines()
    except OSError:
        return None
    return next((line.split()[0] for line in packed if line.endswith(f" {name}")), None)
