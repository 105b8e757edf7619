"""`capforecast run`: the flow in this process, its progress shown, its outcome in words and exit code."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from capforecast.errors import CapforecastError
from capforecast.lake import runs
from deployments import console, progress
from deployments.options import absolute

if TYPE_CHECKING:
    from capforecast.lake.store import Store

LOCAL_LOGS = "capforecast-logs"  # where the log of a run into a bucket is written, until it is done and goes there too


Start = Callable[[dict[str, Any]], tuple[str, Any]]  # runs the flow: its run's id and final state
Show = Callable[["Ran", bool, bool], int]  # shows what came of it, as JSON or with tracebacks; returns the exit code


def run_pipeline(
    parameters: dict[str, Any], *, as_json: bool, verbose: bool, start: Start | None = None, show: Show | None = None
) -> int:
    """Run the flow, a new one or by `start`, and show what came of it; returns the exit code."""
    console.prepare_prefect(verbose)
    from capforecast import configuration
    from capforecast.lake.store import Store

    config = Path(parameters["config"]) if parameters.get("config") else None
    asked = (parameters.get("overrides") or {}) | ({"store": parameters["store"]} if parameters.get("store") else {})
    loaded = configuration.load(parameters.get("profile"), config, overrides=asked)
    parameters = parameters | {"store": absolute(configuration.usable_store(loaded))}
    lake = Store(parameters["store"], loaded.settings.storage)
    lake.probe()  # before Prefect starts, which takes longer
    started = time.monotonic()
    with (
        console.log_file(lake.folder or _local_logs(), loaded.settings.log.level) as log_path,
        progress.shown("starting Prefect", quiet=verbose),
    ):
        run_id, state = (start or _run_flow)(parameters)
        outcome = _outcome(state, run_id, lake)
    seconds = time.monotonic() - started
    ran = Ran(run_id, outcome, lake, seconds, str(log_path) if lake.folder else _uploaded(log_path, lake))
    return (show or _show)(ran, as_json, verbose)


def _local_logs() -> Path:
    """A folder for the log until it can go to the bucket: here, or where that may not be written, the temporary one."""
    return Path(LOCAL_LOGS) if os.access(".", os.W_OK) else Path(tempfile.gettempdir()) / LOCAL_LOGS


def _uploaded(log_path: Path, lake: Store) -> str:
    """Move a run's log file into the lake; where that fails it stays where it is."""
    key = f"logs/{log_path.name}"
    try:
        lake.put(key, log_path.read_bytes())
    except (CapforecastError, OSError) as error:
        console.err.print(f"the log stays in {log_path}: {error}", markup=False, soft_wrap=True)
        return str(log_path)
    log_path.unlink()
    with contextlib.suppress(OSError):  # other runs' logs may lie there
        log_path.parent.rmdir()
        log_path.parent.parent.rmdir()
    return lake.address(key)


@dataclass(frozen=True)
class Ran:
    """A run that ended: `outcome` is what the flow returned, or the exception that ended it."""

    run_id: str
    outcome: Any
    lake: Store
    seconds: float
    log: str


def _run_flow(parameters: dict[str, Any]) -> tuple[str, Any]:
    from flows.capacity import capacity_run

    spare_the_server_from_ctrl_c()
    state = capacity_run(**parameters, return_state=True)
    return str(state.state_details.flow_run_id), state


def _outcome(state: Any, run_id: str, lake: Store) -> Any:
    """What the flow returned, or the exception that ended it.

    When the answer of a busy server is lost, Prefect asks again and gets a final state without its result: then what
    the run left on record counts.
    """
    from prefect.exceptions import MissingResult

    try:
        outcome = state.result(raise_on_failure=False)
    except MissingResult as missing:
        outcome = missing
    if not isinstance(outcome, MissingResult) or not state.is_completed():
        return outcome
    return runs.newest_manifest(lake, run_id) or outcome


def spare_the_server_from_ctrl_c() -> None:
    """Start Prefect's embedded server in a session of its own. A terminal sends Ctrl-C to every process of its group:
    the server would be gone while the run still has to tell it how it ended, and wait minutes for an answer.
    """
    from prefect.settings import PREFECT_API_URL

    if PREFECT_API_URL.value():  # a server of the user's own
        return
    from prefect.server.api import server

    start = partial(subprocess.Popen, start_new_session=True)
    started = server.SubprocessASGIServer._run_uvicorn_command

    def in_a_session(self: server.SubprocessASGIServer) -> subprocess.Popen[Any]:
        with patch.object(server.subprocess, "Popen", start):
            return started(self)

    server.SubprocessASGIServer._run_uvicorn_command = in_a_session  # type: ignore[method-assign]


def _show(ran: Ran, as_json: bool, verbose: bool) -> int:
    from flows.units import IncompleteRun

    outcome = ran.outcome
    if isinstance(outcome, BaseException) and not isinstance(outcome, IncompleteRun):
        code = outcome.exit_code if isinstance(outcome, CapforecastError) else 1
        retry = None if code in (2, 3) else _retry_command(ran.run_id)  # bad settings or input: it cannot pass
        about = {"run_id": ran.run_id, "log": ran.log, "retry": retry}
        console.fail(outcome, code, as_json, verbose, about)
        return code
    if isinstance(outcome, IncompleteRun):
        result = _result(ran, outcome.outcome, 1 if outcome.all_failed else 4, _retry_command(ran.run_id))
    else:
        result = _result(ran, outcome, 0, None)
    if "summary" not in result:  # of a run that makes no report
        return _show_plain(result, as_json)
    if as_json:
        console.show_json(result)
        return int(result["exit_code"])
    console.show_tiers(result["summary"])
    console.out.print()
    for name in ("pdf", "workbook", "html", "summary_json", "log"):
        if result[name]:
            console.out.print(f"{name.replace('_json', ''):<9} {result[name]}", soft_wrap=True)
    if result["unit_reports"]:
        console.out.print(f"units     {len(result['unit_reports'])} reports, one each, beside it", soft_wrap=True)
    console.out.print(f"run       {ran.run_id}, attempt {result['attempt']}, {ran.seconds:.0f} s")
    if result["retry"]:
        console.err.print(f"\n[bold red]incomplete[/]: {outcome}", soft_wrap=True)
        console.err.print(f"retry what failed and what follows, and nothing else:\n  {result['retry']}", soft_wrap=True)
    else:
        server = os.environ.get("PREFECT_API_URL")
        where = server.removesuffix("/api") if server else "make ui, then http://127.0.0.1:4200"
        console.out.print(f"see the run in Prefect: {where}")
    return int(result["exit_code"])


def _show_plain(result: dict[str, Any], as_json: bool) -> int:
    if as_json:
        console.show_json(result)
    else:
        console.out.print(f"run {result['run_id']}, attempt {result['attempt']}, {result['seconds']:.0f} s")
    return int(result["exit_code"])


def _result(ran: Ran, made: dict[str, Any], code: int, retry: str | None) -> dict[str, Any]:
    from capforecast.exchange import Published

    if "published" not in made:
        about = {"exit_code": code, "run_id": ran.run_id, "attempt": made.get("attempt"), "store": ran.lake.url}
        return about | {"seconds": round(ran.seconds, 1), "log": ran.log, "retry": retry}
    published = Published.model_validate(made["published"])
    references = published.references
    where = {name: ran.lake.address(reference.uri) for name, reference in references.items()}
    return {
        "exit_code": code,
        "run_id": ran.run_id,
        "attempt": made["attempt"],
        "seconds": round(ran.seconds, 1),
        "store": ran.lake.url,
        "pdf": where.get("pdf"),
        "workbook": where.get("workbook"),
        "html": where.get("html"),
        "summary_json": where["summary"],
        "unit_reports": {
            unit: {name: ran.lake.address(each.uri) for name, each in files.items() if name != "inputs"}
            for unit, files in published.business_units.items()
        },
        "log": ran.log,
        "retry": retry,
        "summary": json.loads(ran.lake.fetch(references["summary"])),
    }


def _retry_command(run_id: str) -> str:
    """The command that retries a run."""
    return f"{program()} rerun {run_id}"


def program() -> str:
    """This installation's program, as it is called from here."""
    ours = Path(sys.executable).with_name("capforecast")
    return os.path.relpath(ours) if ours.is_relative_to(Path.cwd()) else str(ours)
