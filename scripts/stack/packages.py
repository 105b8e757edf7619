"""PostgreSQL and Redis: where their programs are, and how they get here."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from stack.state import ROOT, StackError

PACKAGES = {"postgresql": "postgres", "redis-server": "redis-server"}  # Debian package -> its program


def program(name: str) -> Path | None:
    """Where a program is, also below Debian's folder of PostgreSQL, the newest version first."""
    found = shutil.which(name)
    if found:
        return Path(found)
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
    return versions[-1] if versions else None


def needed(name: str) -> str:
    """The same, as text; raises StackError where it is missing."""
    found = program(name)
    if found is None:
        raise StackError(f"{name} is not installed; `make stack` says how, or installs it")
    return str(found)


def moto() -> str:
    """Python of the environment that holds the S3 server of tests; raises StackError."""
    python = ROOT / ".venv-services" / "bin" / "python"
    if not python.exists():
        raise StackError("the S3 server is not installed; `make stack` installs it into .venv-services")
    return str(python)


def install() -> int:
    """Install what is missing by apt where we are root, else print the command; 0 = all is there."""
    missing = [package for package, name in PACKAGES.items() if program(name) is None]
    if not missing:
        return 0
    command = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    print(f"Missing for the stack: {', '.join(missing)}", flush=True)
    if shutil.which("apt-get") is None:
        print("Install PostgreSQL and Redis with your package manager (macOS: brew install postgresql redis).")
        return 1
    if os.geteuid() != 0:
        print(f"Run this, then the same make target again:\n    sudo apt-get update && sudo {' '.join(command)}")
        return 1
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in (["apt-get", "update"], command):
        print("+", " ".join(step), flush=True)
        if subprocess.run(step, env=environment, stdin=subprocess.DEVNULL, check=False).returncode != 0:
            return 1
    return int(any(program(PACKAGES[package]) is None for package in missing))
