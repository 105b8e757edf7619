"""`capforecast run`: the flow in this process, watched by a progress bar, its outcome in words and exit code."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from capforecast.errors import CapforecastError
from deployments import console
from deployments.options import absolute


def run_pipeline(parameters: dict[str, Any], *, as_json: bool, verbose: bool) -> int:
    """Run the flow and show what came of it; returns the exit code."""
    console.prepare_prefect(verbose)
    from capforecast import configuration
    from capforecast.lake.store import Store

    config = Path(parameters["config"]) if parameters["config"] else None
    asked = (parameters["overrides"] or {}) | ({"store": parameters["store"]} if parameters["store"] else {})
    loaded = configuration.load(parameters["profile"], config, overrides=asked)
    parameters = parameters | {"store": absolute(configuration.usable_store(loaded))}
    folder = Store(parameters["store"]).folder
    started = time.monotonic()
    with console.log_file(folder, loaded.settings.log.level) as log_path, console.progress_bar(verbose or as_json):
        outcome = _run_flow(parameters)
    seconds = time.monotonic() - started
    return _show(outcome, parameters, seconds, log_path, as_json, verbose)


def _run_flow(parameters: dict[str, Any]) -> Any:
    """What the flow returned, or the exception that ended it."""
    from flows.capacity import capacity_run

    state = capacity_run(**parameters, return_state=True)
    return state.result(raise_on_failure=False)


def _show(
    outcome: Any, parameters: dict[str, Any], seconds: float, log_path: Path | None, as_json: bool, verbose: bool
) -> int:
    from flows.capacity import IncompleteRun

    if isinstance(outcome, BaseException) and not isinstance(outcome, IncompleteRun):
        code = outcome.exit_code if isinstance(outcome, CapforecastError) else 1
        console.fail(outcome, code, as_json, verbose)
        return code
    incomplete = isinstance(outcome, IncompleteRun)
    made = outcome.outcome if incomplete else outcome
    code = (1 if outcome.all_failed else 4) if incomplete else 0
    retry = _retry_command(made["run_id"]) if incomplete else None
    result = _result(made, parameters["store"], seconds, log_path, code, retry)
    if as_json:
        console.show_json(result)
        return code
    console.show_tiers(result["summary"])
    console.out.print()
    for name in ("pdf", "workbook", "summary_json", "log"):
        console.out.print(f"{name.replace('_json', ''):<9} {result[name]}", soft_wrap=True)
    console.out.print(f"run       {made['run_id']}, attempt {made['attempt']}, {seconds:.0f} s")
    if incomplete:
        console.err.print(f"\n[bold red]incomplete[/]: {outcome}", soft_wrap=True)
        console.err.print(f"retry what failed and what follows, and nothing else:\n  {retry}", soft_wrap=True)
    else:
        console.out.print("see the run in Prefect: make ui, then http://127.0.0.1:4200")
    return code


def _result(
    made: dict[str, Any], store: str, seconds: float, log_path: Path | None, code: int, retry: str | None
) -> dict[str, Any]:
    import json

    from capforecast.exchange import Published
    from capforecast.lake.store import Store

    lake = Store(store)
    references = Published.model_validate(made["published"]).references
    where = {name: str(lake.folder / ref.uri) if lake.folder else ref.uri for name, ref in references.items()}
    return {
        "exit_code": code,
        "run_id": made["run_id"],
        "attempt": made["attempt"],
        "seconds": round(seconds, 1),
        "store": store,
        "pdf": where["pdf"],
        "workbook": where["workbook"],
        "summary_json": where["summary"],
        "log": str(log_path) if log_path else None,
        "retry": retry,
        "summary": json.loads(lake.fetch(references["summary"])),
    }


def _retry_command(run_id: str) -> str:
    """The command that retries a run, with the programs and paths of this installation."""
    import flows.capacity

    source = Path(flows.capacity.__file__)
    entrypoint = os.path.relpath(source) if source.is_relative_to(Path.cwd()) else str(source)
    prefect = Path(sys.executable).with_name("prefect")
    program = os.path.relpath(prefect) if prefect.is_relative_to(Path.cwd()) else str(prefect)
    return f"{program} flow-run retry {run_id} --entrypoint {entrypoint}:capacity_run"
