"""`python scripts/stack up|down|status|install`."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

from stack import environments, packages
from stack.control import Stack
from stack.state import ROOT, StackError


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 done, 1 it could not be done."""
    asked = _parser().parse_args(arguments)
    stack = Stack(asked.state, lambda words: print(words, flush=True))
    try:
        return int(asked.do(stack, asked))
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # while it was coming up: what had started is stopped by then
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python scripts/stack", description="The Prefect stack without containers.")
    commands = parser.add_subparsers(required=True)
    for name, do, help_ in (
        ("up", _up, "start all of it"),
        ("down", _down, "stop all of it"),
        ("status", _status, "say what runs"),
        ("install", lambda *_: packages.install(), "install PostgreSQL and Redis by apt where they are missing"),
    ):
        command = commands.add_parser(name, help=help_)
        command.set_defaults(do=do)
        command.add_argument("--state", type=Path, default=ROOT / ".stack", help="folder of the stack (.stack)")
        if name == "up":
            command.add_argument("--workers", type=int, help="workers of the pool (1)")
            command.add_argument("--port", type=int, help="port of the server; default: a free one, kept")
            command.add_argument("--foreground", action="store_true", help="stay, and stop all of it at Ctrl-C")
        if name == "down":
            command.add_argument("--remove", action="store_true", help="remove the database too")
    return parser


def _up(stack: Stack, asked: argparse.Namespace) -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    if not stack.up(asked.workers, asked.port):
        print(f"It is up already: {stack.plan.api.removesuffix('/api')}")
        return 0
    _usage(stack, asked.foreground)
    return _stay(stack) if asked.foreground else 0


def _stay(stack: Stack) -> int:
    """Until Ctrl-C, or until a part dies; raises StackError then."""
    try:
        while True:
            time.sleep(2)
            for name in [name for name, pid in stack.status().items() if pid is None]:
                raise StackError(f"{name} died; its log: {stack.state.logs / name}.log")
    except KeyboardInterrupt:
        print("\nstopping")
        return 0
    finally:
        stack.down()


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def _usage(stack: Stack, foreground: bool) -> None:
    env = stack.state.env
    print(f"""
UI:    {stack.plan.api.removesuffix("/api")}   (log in with all of PREFECT_API_AUTH_STRING in {env}, admin:...)
use:   . {env}
       {environments.PREFECT} deployment run capacity-run/ad-hoc --watch
stop:  {"Ctrl-C, or " if foreground else ""}{sys.executable} {Path(__file__).parent} down --state {stack.state.folder}
logs:  {stack.state.logs}""")


def _down(stack: Stack, asked: argparse.Namespace) -> int:
    print(f"stopped {stack.down(remove=asked.remove)} processes")
    return 0


def _status(stack: Stack, asked: argparse.Namespace) -> int:
    parts = stack.status()
    if not parts:
        print(f"no stack is up in {stack.state.folder}")
        return 1
    for name, pid in parts.items():
        print(f"{name:10} {f'runs, PID {pid}' if pid else 'died'}")
    return int(None in parts.values())
