"""What people see and what machines read: the log file of a run, errors, tables, JSON."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from capforecast.report.model_notes import model_notes

WIDE = 160  # columns of a table that goes to a file or a pipe
UNBOUNDED = 1_000_000  # columns of a table that nothing may be cut off from
out = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
err = Console(stderr=True, highlight=False)
LOGGERS = ("capforecast", "prefect.flow_runs", "prefect.task_runs")
TIER_STYLE = {"critical": "bold red", "high": "red", "watch": "yellow", "ok": "green", "unknown": "dim"}


def prepare_prefect(verbose: bool) -> None:
    """Settings for the embedded Prefect, unless the user's environment says otherwise. Before prefect is imported."""
    defaults = {
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO" if verbose else "CRITICAL",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "capforecast",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


@contextmanager
def log_file(folder: Path, level: str) -> Iterator[Path]:
    """Write all log lines of a run to a JSON-lines file below `logs/` of a folder: the lake's, or one beside it."""
    from pythonjsonlogger.json import JsonFormatter

    path = folder / "logs" / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s", timestamp=False))
    handler.setLevel(level)
    loggers = [logging.getLogger(name) for name in LOGGERS]
    for logger in loggers:
        logger.addHandler(handler)
    logging.getLogger("capforecast").setLevel(min(logging.INFO, logging.getLevelName(level)))
    try:
        yield path
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
        handler.close()


def fail(
    error: BaseException, code: int, as_json: bool, verbose: bool, about: dict[str, str | None] | None = None
) -> None:
    """Say what went wrong, on standard error, and as JSON where asked. `about`: run id, log file, retry command."""
    if verbose:
        err.print_exception()
    known = type(error).__module__.startswith(("capforecast", "flows", "tasks"))
    text = str(error) if known else f"{type(error).__name__}: {error}"
    err.print(f"[bold red]error[/]: {_escaped(text)}", soft_wrap=True)
    for name, value in (about or {}).items():
        if value:
            err.print(f"{name.replace('_', ' '):<7} {_escaped(value)}", soft_wrap=True)
    if as_json:
        print(json.dumps({"error": text, "kind": type(error).__name__, "exit_code": code, **(about or {})}))


def show_json(content: Any) -> None:
    """Print JSON on standard output."""
    print(json.dumps(content, indent=2, ensure_ascii=False, default=str))


def show_text(text: str) -> None:
    """Print lines as they are, but for what a terminal would obey."""
    out.print(_visible(text), markup=False, soft_wrap=True)


def show_tiers(summary: dict[str, Any]) -> None:
    """The headline and a table of servers by tier and business unit."""
    tiers = summary["tiers"]
    at_risk = tiers["critical"] + tiers["high"]
    span = summary["reach"] or summary["horizon"]
    out.print(
        f"\n[bold]{at_risk} of {summary['servers']} servers at risk[/] within {span} of "
        f"{summary['as_of'][:16].replace('T00:00', '')}: {tiers['critical']} critical, {tiers['high']} high; "
        f"{tiers['watch']} on watch, {tiers['ok']} ok, {tiers['unknown']} unknown.",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("business unit")
    for name in tiers:
        table.add_column(name, justify="right", style=TIER_STYLE.get(name, ""))
    for unit in summary["business_units"]:
        if unit["status"] == "finished":
            table.add_row(_escaped(unit["name"]), *[str(unit["tiers"][name]) for name in tiers])
        else:
            table.add_row(_escaped(unit["name"]), f"[red]missing: {_escaped(unit['problem'] or '')}[/]")
    out.print(table)
    for note in notes(summary):
        out.print(f"  [yellow]note[/] {_escaped(note)}", soft_wrap=True)
    for risk in summary["top_risks"][:5]:
        told = _escaped(f"{risk['server_id']}: {risk['sentence']}")
        out.print(f"  [{TIER_STYLE[risk['tier']]}]{risk['tier']}[/] {told}", soft_wrap=True)
    if summary["actions"]:
        out.print(f"  [cyan]actions[/] {_escaped(summary['actions']['sentence'])}", soft_wrap=True)
    if summary["warnings"]:
        out.print(f"  [cyan]track record[/] {_escaped(summary['warnings']['sentence'])}", soft_wrap=True)


def notes(summary: dict[str, Any]) -> list[str]:
    """What a reader of the headline must know besides it."""
    quality = summary["quality"]
    said = []
    if summary["reach"]:
        said.append(f"tiers look {summary['reach']} ahead, not {summary['horizon']}: most histories support no more")
    if quality["rows_rejected"]:
        reasons = sorted(quality["rejected_by_reason"].items(), key=lambda item: -item[1])
        worst = ", ".join(f"{count} {reason}" for reason, count in reasons[:3])
        said.append(
            f"{quality['rows_rejected']} of {quality['rows_read']} rows read were set aside; "
            f"quarantine/ has each of their values with its reason ({worst})"
        )
    return said + model_notes(summary)


def show_scores(rows: list[dict[str, Any]]) -> None:
    """Rows of figures as a table, turned on its side where the terminal is too narrow: no figure may be cut off."""
    table = _table(rows)
    if rows and Measurement.get(out, out.options, table).maximum >= out.width:
        first, *names = rows[0]
        table = _table([{first: name} | {str(row[first]): row[name] for row in rows} for name in names])
    out.print(table)


def show_table(rows: list[dict[str, Any]]) -> None:
    """Rows as a table; numbers to three digits."""
    out.print(_table(rows))


def show_answer(names: list[str], rows: list[list[Any]]) -> None:
    """Rows of a query as a table as wide as its values, whatever the terminal: nothing is cut off. None: nothing."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    decimals = []
    for at, name in enumerate(names):
        table.add_column(name, justify="right" if any(isinstance(row[at], int | float) for row in rows) else "left")
        decimals.append(_decimals([row[at] for row in rows if isinstance(row[at], float)]))
    for row in rows:
        table.add_row(*[_shown(value, places) for value, places in zip(row, decimals, strict=True)])
    Console(highlight=False, width=UNBOUNDED).print(table)


def _decimals(values: list[float]) -> int:
    """Decimals that a column needs, at most three."""
    return next((places for places in range(3) if all(round(value, places) == round(value, 3) for value in values)), 3)


def _shown(value: Any, decimals: int) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else f"{value:.{decimals}f}" if isinstance(value, float) else _escaped(str(value))


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in rows[0] if rows else []:
        table.add_column(name, justify="left" if isinstance(rows[0][name], str) else "right")
    for row in rows:
        table.add_row(*map(_cell, row.values()))
    return table


def _cell(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else _escaped(str(value))


def _escaped(text: str) -> str:
    return _visible(text).replace("[", "\\[")


def _visible(text: str) -> str:
    """The text with control characters but line ends and tabs spelled out: a name of a server may hold any."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", lambda found: f"\\x{ord(found[0]):02x}", text)


def show_lines(title: str, lines: list[tuple[str, str]]) -> None:
    """A title, and below it lines with a label each; long ones go on below their beginning."""
    out.print(f"[bold]{_escaped(title)}[/]")
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in lines:
        table.add_row(f"  {_escaped(label)}", _escaped(text))
    out.print(table)


def show_settings(rows: list[tuple[str, Any, str, str]]) -> None:
    """Settings, where each came from, and what it means."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("setting", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("from", style="cyan", overflow="fold")
    table.add_column("meaning", style="dim", overflow="fold")
    for key, value, origin, meaning in rows:
        table.add_row(key, _escaped(json.dumps(value)), _escaped(origin), _escaped(meaning))
    out.print(table)


def show_checks(checks: list[dict[str, Any]]) -> None:
    """Checks with a mark each, and the fix of those that failed."""
    for check in checks:
        mark = "[green]ok  [/]" if check["ok"] else "[bold red]FAIL[/]"
        out.print(f"{mark} {check['name']}: {_escaped(check['found'])}", soft_wrap=True)
        if check["fix"]:
            out.print(f"     fix: {_escaped(check['fix'])}", soft_wrap=True)
