"""What sections of RESULTS.md are made of: tables, targets beside measurements, and under what they were measured."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from peer_cache import PACKAGES, versions

ROOT = Path(__file__).parents[1]
OURS = ("numpy", "pandas", "scipy", "numba", "capforecast")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    lines = (head, ["---"] * len(head), *rows)
    return ["| " + " | ".join(cells) + " |" for cells in lines]


def target(words: str, measured: str, met: bool | None) -> list[str]:
    """A row of the table `target | measured | `; None = not all that it needs was run."""
    return [words, measured, "open" if met is None else "met" if met else "**not met**"]


def targets(rows: Iterable[Sequence[str]]) -> list[str]:
    """The table of targets."""
    return table(["target", "measured", ""], rows)


def provenance() -> str:
    """Date, commit, machine and versions, as one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = f"{os.cpu_count()} {platform.machine()} cores, {memory:.0f} GiB, {_system()}"
    ours = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in OURS if _installed(name))
    pinned = versions()
    peers = ", ".join(f"{name} {pinned[name]}" for name in sorted(set(PACKAGES.values()) - {""}))
    when = f"Measured {datetime.now(UTC):%Y-%m-%d} at commit {_commit()}"
    return f"{when}; {machine}; Python {platform.python_version()}, {ours}; peers: {peers}."


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _system() -> str:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return platform.system()
    return release.get("PRETTY_NAME", platform.system())


def _commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "capforecast", "benchmarks/*.py")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (" with changes" if changed else "")
