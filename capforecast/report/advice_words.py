"""All that stands behind what is advised for one server, as a record to defend in a review: grouped, and in words."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from capforecast.actions.lifecycle import ADVICE, State, size_text
from capforecast.actions.rightsize import Action
from capforecast.report.words import NONE, count, is_missing, number, plural
from capforecast.schema import SERVER_ID, UNASSIGNED

UNKNOWN = "not known"
Row = dict[str, Any]
Lines = list[tuple[str, str]]
# Keys of the JSON, and the columns of `actions` below each; what is in none of them is below `other`.
GROUPS = {
    "server": ("business_unit", "region", "criticality", "owner", "tier", "risk_basis", "segment"),
    "decision": ("action", "reason", "withheld_action", "state", "state_since", "state_note"),
    "size": (
        "instance_type", "vcpus", "memory_gib", "to_type", "to_vcpus", "to_memory_gib", "to_cpu_share",
        "to_memory_share", "need_vcpus", "need_memory_gib", "need_cpu_share", "need_memory_share", "fits", "basis",
        "alternatives",
    ),
    "money": (
        "monthly", "to_monthly", "monthly_change", "monthly_change_discounted", "change_q10", "change_q50",
        "change_q90", "currency", "price_source", "price_reason",
    ),
    "evidence": (
        "stratum", "bound_servers", "bound_periods", "bound_over", "bound_rate", "bound_upper", "promised",
        "size_periods", "size_over",
        "history_days", "peaks_unseen",
    ),
    "idleness": ("idle", "zombie", "idle_basis"),
    "forecast": ("horizon_days", "paths", "model_version", "window_first", "window_last"),
    "made_from": ("inputs", "config", "code"),
}  # fmt: skip


def record_of(row: Row, about: Row, decisions: list[Row], problems: list[str]) -> Row:
    """A row of `actions` (from `plain`) as a record: its columns in GROUPS, what is in none below `other`.

    about: what names the record: server_id, cadence, as_of.  decisions: what people decided on the server.
    """
    known = {SERVER_ID, *(name for names in GROUPS.values() for name in names)}
    grouped = {group: {name: row[name] for name in names if name in row} for group, names in GROUPS.items()}
    other = {name: value for name, value in row.items() if name not in known}
    return about | grouped | ({"other": other} if other else {}) | {"decisions": decisions, "problems": problems}


def plain(frame: pd.DataFrame) -> list[Row]:
    """Rows of `actions` for JSON: null for what is not there, counts as whole numbers."""
    found: list[Row] = json.loads(frame.to_json(orient="records", date_format="iso", double_precision=6))
    return found


def money(row: Row, name: str) -> str:
    """A change of cost with its sign and currency; a dash where there is no price."""
    value = row[name]
    return NONE if is_missing(value) else f"{'+' if value > 0 else ''}{number(value, 2)} {row['currency']}".rstrip()


def sections(record: dict[str, Any]) -> list[tuple[str, Lines]]:
    """The record in words: a title and labelled lines for each part."""
    row: Row = {name: value for group in GROUPS for name, value in record[group].items()}
    parts = [
        ("decision", _decision(row)), ("size", _size(row)), ("money, for a month of 730 hours", _money(row)),
        ("evidence", _evidence(row)), ("idleness", _idleness(row)), ("forecast", _forecast(row)),
        ("decisions of people", _people(record["decisions"], row)),
        ("made from", [(name, value or UNKNOWN) for name, value in record["made_from"].items()]),
    ]  # fmt: skip
    return [("server", _server(record, row)), *parts]


def _server(record: dict[str, Any], row: Row) -> Lines:
    places = [row[name] for name in ("business_unit", "region", "criticality") if row[name] != UNASSIGNED]
    return [
        ("name", record[SERVER_ID]),
        ("belongs to", ", ".join(filter(None, places)) or UNASSIGNED),
        ("owner", row["owner"] or "nobody is named"),
        ("tier", ": ".join(filter(None, (row["tier"] or UNKNOWN, row["risk_basis"])))),
        ("segment", row["segment"] or "none"),
        ("run", f"as of {record['as_of']}, {record['cadence']} data"),
    ]


def _decision(row: Row) -> Lines:
    held = row["action"] == Action.WITHHELD
    size = size_text(row)
    what = row["action"] + (f" to {size}" if size and not held else "")
    lines = [("advice", what), ("because", row["reason"] or "no reason was recorded")]
    if held:
        would = f"{row['withheld_action']}{f' to {size}' if size else ''}"
        lines.append(("withheld", would if row["withheld_action"] else "nothing can be said"))
    return lines


def _size(row: Row) -> Lines:
    lines = [("now", _with_units(row, "") or UNKNOWN), ("needed", _needed(row))]
    if size := _with_units(row, "to_"):
        shares = [(row["to_cpu_share"], "CPU"), (row["to_memory_share"], "memory")]
        said = " and ".join(f"{_whole(share)} of its {of}" for share, of in shares if share is not None)
        lines.append(("advised", size + (f": {said}" if said and "%" not in size else "")))
    if row["paths"]:
        of = "" if size else ", as it is"
        lines.append(("holds", UNKNOWN if row["fits"] is None else f"{_whole(row['fits'])} of the sample paths{of}"))
    lines.append(("sized by", row["basis"] or UNKNOWN))
    return lines + [("instead" if i == 0 else "", text) for i, text in enumerate(_parts(row["alternatives"]))]


def _with_units(row: Row, prefix: str) -> str:
    """The type with its size, as far as they are known."""
    name, untyped = size_text(row, prefix), dict(row) | {"instance_type": "", "to_type": ""}
    size = size_text(untyped, prefix)
    return f"{name} ({size})" if name and size and name != size and "%" not in size else name


def _needed(row: Row) -> str:
    units = [
        f"{number(row[name], 1)} {unit}"
        for name, unit in (("need_vcpus", "vCPU"), ("need_memory_gib", "GiB"))
        if row[name] is not None
    ]
    shares = [
        f"{_whole(row[name])} of its {of}"
        for name, of in (("need_cpu_share", "CPU"), ("need_memory_share", "memory"))
        if row[name] is not None
    ]
    said = " = ".join(filter(None, (", ".join(units), ", ".join(shares))))
    return f"{said}, headroom included" if said else UNKNOWN


def _money(row: Row) -> Lines:
    if row["monthly"] is None and row["monthly_change"] is None:
        return [("prices", f"none: {row['price_reason'] or 'nobody gave any'}; nothing is said of money")]
    lines = [("now", _amount(row, "monthly"))]
    if row["action"] not in ADVICE:
        return [*lines, ("prices", row["price_source"] or UNKNOWN)]
    if row["monthly_change"] is not None:
        lines += [
            ("then", _amount(row, "to_monthly")),
            ("change", money(row, "monthly_change")),
            ("with discounts", money(row, "monthly_change_discounted")),
        ]
    elif row["price_reason"]:
        lines.append(("change", f"{UNKNOWN}: {row['price_reason']}"))
    if row["change_q50"] is not None and row["action"] != Action.STOP:
        low, mid, high = (money(row, f"change_q{level}") for level in (10, 50, 90))
        lines.append(("range", f"{low} to {high}, median {mid}: the cheapest safe size, path by path"))
    return [*lines, ("prices", row["price_source"] or UNKNOWN)]


def _amount(row: Row, name: str) -> str:
    return UNKNOWN if row[name] is None else f"{number(row[name], 2)} {row['currency']}".rstrip()


def _evidence(row: Row) -> Lines:
    """What the rule came to when it was replayed on servers like this one, beside what is promised."""
    history = UNKNOWN if row["history_days"] is None else plural(int(row["history_days"]), "day")
    own = [("history", history), ("peaks ahead that it lacks", row["peaks_unseen"] or "none")]
    if row["promised"] is None:
        return [("replay of the rule", "not called for: no smaller size is in question"), *own]
    promise = f"at most {_percent(row['promised'])} of the periods above the size"
    if row["bound_upper"] is None:
        return [("promised", promise), ("replay of the rule", "none: nothing proves it"), *own]
    servers = plural(int(row["bound_servers"]), "server")
    tested = f"{servers} of `{row['stratum']}`, {count(row['bound_periods'])} periods"
    over = f"{count(row['bound_over'])} periods ({_percent(row['bound_rate'])}) above what it said they need"
    kept = row["bound_upper"] <= row["promised"]
    if row["size_periods"]:
        rate = row["size_over"] / row["size_periods"]
        kept &= rate <= row["promised"]
        sizes = f"{count(row['size_over'])} of {count(row['size_periods'])} periods ({_percent(rate)})"
        own = [("above smaller sizes", f"{sizes}, of servers it would have made smaller"), *own]
    return [
        ("promised", f"{promise}: {'kept' if kept else 'not kept'}"),
        ("replay of the rule", tested),
        ("achieved", f"{over}, at most {_percent(row['bound_upper'])}"),
        *own,
    ]


def _idleness(row: Row) -> Lines:
    word = "idle, and nobody owns it (zombie)" if row["zombie"] else "idle" if row["idle"] else "not idle"
    return [("it is", word), ("looked at", row["idle_basis"] or "nothing: no activity was measured")]


def _forecast(row: Row) -> Lines:
    dates = [None if is_missing(row[name]) else str(row[name])[:10] for name in ("window_first", "window_last")]
    return [
        ("looks ahead", UNKNOWN if row["horizon_days"] is None else plural(int(row["horizon_days"]), "day")),
        ("sample paths", UNKNOWN if row["paths"] is None else count(row["paths"])),
        ("model", row["model_version"] or UNKNOWN),
        ("learnt from", f"{dates[0]} to {dates[1]}" if all(dates) else UNKNOWN),
    ]


def _people(decisions: list[dict[str, Any]], row: Row) -> Lines:
    lines = [
        (
            decision["at"][:10],
            f"{decision['state']} by {decision['by']}: {decision['action']}"
            + (f" to {size}" if (size := size_text(decision)) else "")
            + (f" ({decision['note']})" if decision["note"] else ""),
        )
        for decision in decisions
    ]
    if row["state"] == State.REALISED:
        lines.insert(0, ("realised", "the inventory shows it"))
    return lines or [("nobody", "has decided yet" if row["action"] in ADVICE else "had anything to decide")]


def _parts(text: str | None) -> list[str]:
    return [part for part in (text or "").split("; ") if part]


def _whole(share: float) -> str:
    return f"{number(100 * share, 0)} %"


def _percent(share: float) -> str:
    """A share in percent, small ones with two decimals."""
    return f"{number(100 * share, 2 if 0 < share < 0.1 else 0)} %"
