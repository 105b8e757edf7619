"""What a run makes of people's decisions on earlier advice (actions.decisions).

A run proposes; a person accepts, rejects, or says that it is applied; the inventory of a later run shows whether it is
realised. What was rejected is not advised again for a while.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.actions.prices import monthly
from capforecast.actions.rightsize import MOVES, Action
from capforecast.fleet.inventory import RETIRED
from capforecast.fleet.shapes import INSTANCE_TYPE
from capforecast.schema import SERVER_ID, VALID_FROM, BoolArray
from capforecast.settings import LifecycleSettings

STOP = str(Action.STOP)
ADVICE = (str(Action.UPSIZE), str(Action.DOWNSIZE), STOP)  # actions that somebody can decide on
REJECTED_ON = "rejected on"  # how the reason begins of what is withheld because somebody said no
REALISED_COLUMNS = (
    SERVER_ID, "action",
    "promised", "achieved",  # change of the monthly cost; achieved: both sizes at today's prices; NaN = not known
    "currency",
    "since",  # when the inventory began to show it; where that has no date, when it was decided
)  # fmt: skip
SIZES = {"vcpus": "cpu_share", "memory_gib": "memory_share"}  # and the share of the present size that stands for it
CHANGES = ("monthly_change", "monthly_change_discounted")
UNITS = {"vcpus": "vCPU", "memory_gib": "GiB"}


class State(StrEnum):
    """Where advice stands."""

    PROPOSED = "proposed"  # nobody has decided
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    APPLIED = "applied"  # somebody says so
    REALISED = "realised"  # the inventory shows it


def apply(
    actions: pd.DataFrame, states: pd.DataFrame, as_of: pd.Timestamp, settings: LifecycleSettings
) -> pd.DataFrame:
    """`actions` (ACTION_COLUMNS) with what was decided before (decisions.state_table): state, state_since, state_note.

    Advice that was rejected at most `repeat_after_days` ago, the same action to the same size, is withheld: no size and
    no change of cost stay, as of all that is withheld. The state is that of what the row advises; where it advises
    nothing, that of the advice before. New advice after another decision is `proposed`, and the note tells that one.
    """
    told = states.set_index(SERVER_ID).reindex(actions[SERVER_ID]).reset_index(drop=True)
    decided, advised = told["state"].notna().to_numpy(), actions["action"].isin(ADVICE).to_numpy()
    same = advised & (_plain(told["action"]) == _plain(actions["action"])) & _same_size(told, actions)
    rejected = same & (told["state"] == State.REJECTED).to_numpy()
    recent = (told["at"] >= as_of - pd.Timedelta(days=settings.repeat_after_days)).to_numpy()
    shown = _shown(told, actions)
    about = decided & ~(rejected & ~recent) & (same | ~advised)  # the decision is about what the row says
    state = np.where(shown, str(State.REALISED), told["state"].fillna(""))
    state = np.where(about, state, np.where(advised, str(State.PROPOSED), ""))
    held = rejected & recent
    reasons = actions["reason"].to_numpy(dtype=object, copy=True)
    reasons[held] = [_rejection(row) for row in told[held].to_dict("records")]
    notes = np.full(len(actions), "", dtype=object)
    rows = zip(told[decided].to_dict("records"), about[decided], state[decided], strict=True)
    notes[decided] = [_note(row, current, now) for row, current, now in rows]
    return _as_it_is(actions, held).assign(
        action=np.where(held, str(Action.WITHHELD), actions["action"]),
        reason=reasons,
        withheld_action=np.where(held, actions["action"], actions["withheld_action"]),
        state=state, state_since=told["at"].where(about).array, state_note=notes,
    )  # fmt: skip


def realised(actions: pd.DataFrame, states: pd.DataFrame, inventory: pd.DataFrame) -> pd.DataFrame:
    """What the advice that was followed has come to: REALISED_COLUMNS, one row per server, sorted.

    inventory: the dated rows that the run sees, in standard form (fleet.inventory), with `hourly`, the cost of each row
    at today's prices (prices.costs; NaN = not known). A server that was to be stopped is realised once it is retired
    there. `actions` tells the currency of today's prices: what was promised in another is not set against them.
    """
    states = states[states["state"].isin([State.ACCEPTED, State.APPLIED])].set_index(SERVER_ID)
    rows = inventory[[SERVER_ID, VALID_FROM, INSTANCE_TYPE, *SIZES, "environment", "hourly"]]
    rows = rows[rows[SERVER_ID].isin(states.index)].reset_index(drop=True)
    told = states.reindex(rows[SERVER_ID]).reset_index(drop=True)
    gone = rows["environment"].str.lower().isin(RETIRED).to_numpy(dtype=bool)
    shown = pd.Series(np.where(told["action"] == STOP, gone, _shown(told, rows)), index=rows.index)
    spell = (shown != shown.groupby(rows[SERVER_ID]).shift()).cumsum()  # rows in a row that agree
    last = ~rows.duplicated(SERVER_ID, keep="last")
    now = spell.isin(spell[last & shown])
    first, before = (part.set_index(SERVER_ID) for part in (
        rows[now].drop_duplicates(SERVER_ID), rows[~now].drop_duplicates(SERVER_ID, keep="last"),
    ))  # fmt: skip
    out = states.reindex(first.index)
    cost = rows[last].set_index(SERVER_ID)["hourly"].reindex(out.index).where(out["action"] != STOP, 0.0)
    change = monthly((cost - before["hourly"].reindex(out.index)).to_numpy(dtype=np.float64))
    here = out["currency"].isin(["", *actions["currency"].unique()]).to_numpy()
    out = out.assign(achieved=np.where(here, change, np.nan), since=first[VALID_FROM].fillna(out["at"]))
    return out.rename_axis(SERVER_ID).reset_index().sort_values(SERVER_ID, ignore_index=True)[list(REALISED_COLUMNS)]


def size_text(row: Mapping[Any, Any], prefix: str = "to_") -> str:
    """A size in words: `m5.xlarge`, `4 vCPU, 16 GiB`, or `50 % of its CPU, 75 % of its memory`; "" = none is told."""
    if isinstance(name := row["to_type" if prefix else INSTANCE_TYPE], str) and name.strip():
        return name
    units = [f"{round(size, 2):g} {unit}" for name, unit in UNITS.items() if (size := row[prefix + name]) and size > 0]
    if units or not prefix:
        return ", ".join(units)
    shares = [(row[f"to_{share}"], whole) for share, whole in zip(SIZES.values(), ("CPU", "memory"), strict=True)]
    return ", ".join(f"{share:.0%} of its {whole}".replace("%", " %") for share, whole in shares if share and share > 0)


def _as_it_is(actions: pd.DataFrame, which: BoolArray) -> pd.DataFrame:
    """The table, in which some servers stay as they are and cost what they cost."""
    money = {"to_monthly": actions["monthly"], **dict.fromkeys(CHANGES, actions["monthly"] * 0.0)}
    blank = {name: np.nan for name in MOVES if name in actions} | {"to_type": "", "alternatives": ""}
    return actions.assign(**{name: actions[name].where(~which, to) for name, to in (blank | money).items()})


def _plain(texts: pd.Series) -> npt.NDArray[np.object_]:
    """Text without case and spaces around it; missing = ""."""
    plain: npt.NDArray[np.object_] = texts.fillna("").astype(str).str.strip().str.lower().to_numpy(dtype=object)
    return plain


def _same_size(told: pd.DataFrame, actions: pd.DataFrame) -> BoolArray:
    """Does a row advise the size that was decided on? To stop has no size."""
    ours, theirs = _plain(actions["to_type"]), _plain(told["to_type"])
    sizes = np.ones(len(told), dtype=bool)
    for name, share in SIZES.items():
        one, other, part, then = (
            frame[f"to_{column}"].to_numpy(dtype=np.float64) for column in (name, share) for frame in (actions, told)
        )
        unknown = np.isnan(one) & np.isnan(other)
        sizes &= np.isclose(np.where(unknown, part, one), np.where(unknown, then, other), rtol=1e-6, equal_nan=True)
    stop = (told["action"] == STOP).to_numpy()
    return np.asarray(stop | np.where((ours != "") & (theirs != ""), ours == theirs, sizes), dtype=bool)


def _shown(told: pd.DataFrame, present: pd.DataFrame) -> BoolArray:
    """Where the present size is the one that somebody accepted or applied; never of what was to be stopped."""
    now, then = _plain(present[INSTANCE_TYPE]), _plain(told["to_type"])
    sizes = told["to_vcpus"].notna().to_numpy()
    for name in SIZES:
        has, wanted = present[name].to_numpy(dtype=np.float64), told[f"to_{name}"].to_numpy(dtype=np.float64)
        sizes = sizes & (np.isclose(has, wanted, rtol=1e-6) | np.isnan(wanted))
    there = np.where((now != "") & (then != ""), now == then, sizes)
    follows = told["state"].isin([State.ACCEPTED, State.APPLIED]).to_numpy() & (told["action"] != STOP).to_numpy()
    return np.asarray(there & follows, dtype=bool)


def _rejection(row: dict[Hashable, Any]) -> str:
    return f"{REJECTED_ON} {row['at']:%Y-%m-%d} by {_who(row)}"


def _note(row: dict[Hashable, Any], current: bool, state: str) -> str:
    """The decision in words; one on other or older advice says so."""
    size = size_text(row)
    what = f"{row['action']} to {size}" if size else row["action"]
    if not current:
        return f"before: {what}, {row['state']} on {row['at']:%Y-%m-%d} by {_who(row)}"
    waits = "; the inventory does not show it yet" if state == State.APPLIED else ""
    return f"{what}, by {_who(row)}{waits}"


def _who(row: dict[Hashable, Any]) -> str:
    return f"{row['by']}: {row['note']}" if row["note"] else str(row["by"])
