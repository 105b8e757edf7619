"""`capforecast backfill`: dates checked, the flow in this process, and what became of each date."""

from __future__ import annotations

import shlex
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capforecast.errors import CapforecastError, UsageError
from capforecast.fleet.cut_offs import cut_offs, parse_date
from deployments import console

if TYPE_CHECKING:
    from deployments.pipeline import Ran

TIERS = ("critical", "high", "watch", "ok", "unknown")


def dates_of(start: str, end: str, every: str) -> list[date]:
    """The dates of a backfill; raises UsageError."""
    return cut_offs(parse_date(start, "--start"), parse_date(end, "--end"), every)


def show_dates(dates: list[date], end: str, as_json: bool) -> None:
    """The dates that would be done, without a look at anything else."""
    if as_json:
        console.show_json({"dates": [str(day) for day in dates], "count": len(dates)})
        return
    console.show_text("\n".join(map(str, dates)))
    rest = "" if str(dates[-1]) == end else f"; no step falls on {end}"
    console.err.print(f"{len(dates)} dates, {dates[0]} to {dates[-1]}{rest}", soft_wrap=True)


def run_backfill(parameters: dict[str, Any], dates: list[date], *, as_json: bool, verbose: bool) -> int:
    """Check what can be checked, run the flow, and show what became of each date; returns the exit code."""
    _refuse_unusable(parameters, dates)
    from deployments.pipeline import run_pipeline

    return run_pipeline(parameters, as_json=as_json, verbose=verbose, start=_run_flow, show=_show)


def _refuse_unusable(parameters: dict[str, Any], dates: list[date]) -> None:
    """Raise what every date would fail with, before Prefect is loaded or started; say which are short of history."""
    from capforecast import configuration
    from deployments.precheck import history_begins, refuse_unusable

    config = Path(parameters["config"]) if parameters["config"] else None
    asked = (parameters["overrides"] or {}) | {
        key: value
        for key, value in {"store": parameters["store"], "models.retrain": parameters["retrain"]}.items()
        if value
    }
    loaded = configuration.load(parameters["profile"], config, overrides=asked)
    source, inventory, known_at = parameters["source"], parameters["inventory"], parameters["known_at"]
    refuse_unusable(loaded, source, inventory, str(dates[0]), known_at, parameters["business_units"])
    begins = history_begins(loaded, source, inventory)
    if begins is None:  # too large to be read twice: each date says it for itself
        return
    first, least = begins
    early = [day for day in dates if day <= first]
    if early:
        later = [day for day in dates if day > first]
        fix = f"give --start {later[0]}" if later else f"give dates after {first}"
        raise UsageError(
            f"{len(early)} of {len(dates)} dates lie before the first row, of {first}: {early[0]} to {early[-1]}; {fix}"
        )
    short = [day for day in dates if (day - first).days < least]
    if short:
        console.err.print(
            f"{len(short)} of {len(dates)} dates, {short[0]} to {short[-1]}, have less than {least} days of history "
            f"(it begins on {first}): their servers will be unknown",
            soft_wrap=True,
        )


def _run_flow(parameters: dict[str, Any]) -> tuple[str, Any]:
    from deployments.pipeline import spare_the_server_from_ctrl_c
    from flows.backfill import backfill

    spare_the_server_from_ctrl_c()
    state = backfill(**parameters, return_state=True)
    return str(state.state_details.flow_run_id), state


def _show(ran: Ran, as_json: bool, verbose: bool) -> int:
    from flows.backfill import IncompleteBackfill

    outcome = ran.outcome
    again = shlex.join([_program(), *sys.argv[1:]])
    if isinstance(outcome, BaseException) and not isinstance(outcome, IncompleteBackfill):
        code = outcome.exit_code if isinstance(outcome, CapforecastError) else 1
        about = {"run_id": ran.run_id, "log": ran.log, "retry": None if code in (2, 3) else again}
        console.fail(outcome, code, as_json, verbose, about)
        return code
    incomplete = isinstance(outcome, IncompleteBackfill)
    code = outcome.exit_code if incomplete else 0
    rows = [_row(ran, row) for row in (outcome.outcome if incomplete else outcome)["dates"]]
    retry = again if code else None
    if as_json:
        about = {"exit_code": code, "run_id": ran.run_id, "store": ran.lake.url, "seconds": round(ran.seconds, 1)}
        console.show_json(about | {"log": ran.log, "retry": retry, "dates": rows})
        return code
    _show_rows(rows)
    console.out.print(f"\nlog  {ran.log}\nrun  {ran.run_id}, {ran.seconds:.0f} s", soft_wrap=True)
    for row in rows:
        if row["reason"]:
            console.err.print(f"[bold red]{row['date']} {row['status']}[/]: ", end="")
            console.err.print(row["reason"], markup=False, soft_wrap=True)
    if retry:
        console.err.print(f"do those again, and nothing that is done:\n  {retry}", markup=False, soft_wrap=True)
    return code


def _program() -> str:
    from deployments.pipeline import program

    return program()


def _row(ran: Ran, row: dict[str, Any]) -> dict[str, Any]:
    """A date as machines are told."""
    from capforecast.exchange import Published

    references = Published.model_validate(row["published"]).references if row["published"] else {}
    made = next((references[name] for name in ("pdf", "html", "workbook", "summary") if name in references), None)
    return {
        "date": row["as_of"],
        "status": row["status"],
        "tiers": row["tiers"],
        "seconds": row["seconds"],
        "report": ran.lake.address(made.uri) if made else None,
        "run_id": row["run_id"] or None,
        "reason": row["reason"] or None,
    }


def _show_rows(rows: list[dict[str, Any]]) -> None:
    """The summary table, and where the reports are; `seconds` of a date done already are those it took then."""
    console.show_table(
        [
            {"date": row["date"]}
            | {tier: row["tiers"].get(tier, "") for tier in TIERS}
            | {"seconds": round(row["seconds"]), "status": row["status"]}
            for row in rows
        ]
    )
    console.out.print()
    for row in rows:  # not in the table: a path must not be cut off
        if row["report"]:
            console.out.print(f"{row['date']}  {row['report']}", markup=False, soft_wrap=True)
