"""The command line: in the tests' own process, which saves a new one its seconds of imports, or as a user starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Call = Callable[..., Ended]
PROGRAM = Path(sys.executable).with_name("capforecast")


def caller(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """What runs one command; no command may end in a traceback."""

    def run(*arguments: object) -> Ended:
        from deployments.cli import main

        monkeypatch.setattr(sys, "argv", ["capforecast", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return Ended(code, captured.out, captured.err)

    return run


def program(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own, as a user starts it; `environment` is added to ours."""
    return subprocess.run(
        [str(PROGRAM), *map(str, arguments)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
