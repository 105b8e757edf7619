"""Versions of models and what changed between two of them, in lines for people."""

from __future__ import annotations

from typing import Any

from capforecast.forecast.manifest import EVERY

Row = dict[str, Any]


def as_text(made: Row) -> str:
    """A manifest as lines for people."""
    window = made["window"]
    lines = [
        f"{made['version']}  {made['kind']} of {made['business_unit']}, {made['cadence']}, format {made['format']}",
        f"made of   data before {made['as_of'][:10]}"
        + (f": {window['periods']} periods, {window['servers']} servers, {window['series']} series" if window else ""),
        f"looks     {made['horizon']} periods ahead",
        f"recipe    settings {made['recipe']['settings'][:12]}, code {made['recipe']['code'][:12]}"
        + (f", commit {made['git_commit'][:12]}" if made["git_commit"] else ""),
        f"libraries {', '.join(f'{name} {number}' for name, number in made['libraries'].items()) or 'not noted'}",
    ]
    for name, score in made["scores"].items():
        figures = {key: "-" if value is None else f"{value:.3g}" for key, value in score.items()}
        lines.append(
            f"{'scores' if name == EVERY else '':<9} {name}: {figures['series']} series, relative MAE "
            f"{figures['relative_mae']}, MASE {figures['mase']}, coverage {figures['coverage_80']} of 0.8 and "
            f"{figures['coverage_95']} of 0.95"
        )
    size = "" if made["bytes"] is None else f"{made['bytes'] / 1e6:.2f} MB, "
    lines.append(f"files     {size}{len(made['files'])} tables, " + ("intact" if made["intact"] else made["problem"]))
    return "\n".join(lines)


def diff_text(found: Row, rows: int) -> str:
    """A comparison as lines for people; the tables come beside it."""
    lines = [f"{found['business_unit']}: {found['before']} -> {found['after']}"]
    lines += [f"  {each['what']}: {_short(each['before'])} -> {_short(each['after'])}" for each in found["changes"]]
    if not found["changes"]:
        lines.append("  made in the same way of the same data")
    for name in ("added", "gone"):
        servers = [f"{row['server_id']} {row['metric']}" for row in found[name]]
        if servers:
            more = f" and {len(servers) - rows} more" if len(servers) > rows else ""
            lines.append(f"  {len(servers)} series {name}: {', '.join(servers[:rows])}{more}")
    return "\n".join(lines)


def _short(text: str) -> str:
    """Hashes need not be read whole."""
    return "-" if not text else text[:12] if len(text) in (40, 64) and text.isalnum() else text
