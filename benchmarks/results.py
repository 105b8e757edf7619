"""Sections of RESULTS.md that benchmarks write themselves, and what a command cost."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds of wall and CPU time, and the most memory it held, GiB."""

    wall: float
    cpu: float
    peak: float


# A process starts out with the peak memory of the one that forked it: a small one stands in between.
_BETWEEN = """
import json, os, subprocess, sys, time
start = time.perf_counter()
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
status, usage = os.wait4(child.pid, 0)[1:]
wall, cpu = time.perf_counter() - start, usage.ru_utime + usage.ru_stime
print(json.dumps([os.waitstatus_to_exitcode(status), wall, cpu, usage.ru_maxrss]))
"""


def measure(command: Sequence[str | Path]) -> Cost:
    """Run a command in a process of its own; raises SystemExit with its error output when it fails."""
    words = [str(part) for part in command]
    done = subprocess.run([sys.executable, "-c", _BETWEEN, *words], capture_output=True, text=True, check=True)
    code, wall, cpu, peak = json.loads(done.stdout)
    if code:
        raise SystemExit(f"{' '.join(words)} ended with {code}:\n{done.stderr}")
    return Cost(wall, cpu, peak / (2**30 if sys.platform == "darwin" else 2**20))


def write_section(name: str, body: str, page: Path = RESULTS) -> None:
    """Put `body` between the marker comments of section `name`; the rest of the page stays as it is.

    A section that is not there yet is added at the end.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    section = f"{begin}\n{body.strip()}\n{end}"
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    if begin in text:
        pattern = f"{re.escape(begin)}.*?{re.escape(end)}"
        found = re.search(pattern, text, flags=re.DOTALL)
        if found is None:
            raise SystemExit(f"{page}: section {name} begins but does not end; add the line {end}")
        text = text[: found.start()] + section + text[found.end() :]
    else:
        text = (text.rstrip() + "\n\n" if text.strip() else "") + section + "\n"
    page.write_text(text, encoding="utf-8")


def setting() -> str:
    """When, where and with what a figure was measured, as a sentence."""
    names = ("numpy", "pandas", "numba")
    versions = [f"{name} {metadata.version(name)}" for name in names if _is_there(name)]
    return (
        f"{time.strftime('%Y-%m-%d', time.gmtime())}, {os.cpu_count()} cores {platform.machine()}, "
        f"Python {platform.python_version()}, {', '.join(versions)}, commit {_commit()}."
    )


def _is_there(package: str) -> bool:
    try:
        return bool(metadata.version(package))
    except metadata.PackageNotFoundError:
        return False


def _commit() -> str:
    command = ["git", "-C", str(RESULTS.parent), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
