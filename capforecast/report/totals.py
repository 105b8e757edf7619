"""Totals of servers: of a business unit, of every cell of a roll-up, and the check that they add up."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from capforecast.errors import StageError
from capforecast.report.inputs import UnitInput
from capforecast.report.summary import RollUp, Tiers, UnitSummary
from capforecast.risk.tiers import count_tiers, roll_up
from capforecast.schema import BUSINESS_UNIT, SERVER_ID, TIER_ORDER, Tier


def check_totals(units: Sequence[UnitInput], servers: pd.DataFrame, parts: list[UnitSummary], tiers: Tiers) -> None:
    """Raise StageError when totals of servers do not add up, or a server or unit is counted twice."""
    names = [unit.name for unit in units]
    if len(set(names)) < len(names):
        raise StageError(f"a business unit stands more than once: {', '.join(names)}")
    for unit in units:
        strangers = [] if unit.servers is None else set(unit.servers[BUSINESS_UNIT].unique()) - {unit.name}
        if strangers:
            raise StageError(f"business unit {unit.name!r} holds servers of {', '.join(map(repr, sorted(strangers)))}")
    if len(servers) and servers[SERVER_ID].duplicated().any():
        twice = servers.loc[servers[SERVER_ID].duplicated(keep=False)].sort_values(SERVER_ID)
        raise StageError(
            f"server {twice[SERVER_ID].iloc[0]} is counted in {' and '.join(twice[BUSINESS_UNIT].iloc[:2])}; "
            "a server belongs to one business unit at a time"
        )
    for name, total, summed in [
        ("servers", len(servers), sum(part.servers for part in parts)),
        ("tiers", tiers.total, sum(part.tiers.total for part in parts)),
        ("servers with a tier", tiers.total, len(servers)),
        ("unknown servers", tiers.unknown, sum(sum(part.unknown_reasons.values()) for part in parts)),
    ]:
        if total != summed:
            raise StageError(f"{name}: the fleet has {total}, its parts add up to {summed}")


def unit_summary(unit: UnitInput) -> UnitSummary:
    """Totals of one business unit, or why it has none."""
    if unit.servers is None or unit.risks is None:
        return UnitSummary(
            name=unit.name,
            status="failed",
            problem=unit.problem,
            servers=0,
            series=0,
            tiers=Tiers(),
            unknown_reasons={},
        )
    return UnitSummary(
        name=unit.name,
        status="finished",
        problem=None,
        servers=len(unit.servers),
        series=len(unit.risks),
        tiers=Tiers(**count_tiers(unit.servers)),
        unknown_reasons=unknown_reasons(unit.servers),
    )


def unknown_reasons(servers: pd.DataFrame) -> dict[str, int]:
    """Unknown servers by reason."""
    if not len(servers):
        return {}
    counts = servers.loc[servers["tier"] == Tier.UNKNOWN, "reason"].value_counts().sort_index()
    return {str(reason): int(count) for reason, count in counts.items()}


def cells(servers: pd.DataFrame, by: tuple[str, ...]) -> list[RollUp]:
    """Servers and tiers of each cell of a roll-up."""
    if not len(servers):
        return []
    names = [tier.value for tier in TIER_ORDER]
    return [
        RollUp(
            **{name: row[name] for name in by},
            servers=row["servers"],
            tiers=Tiers(**{name: row[name] for name in names}),
        )
        for row in roll_up(servers, by).to_dict("records")
    ]
