"""How often sizes of the rule were exceeded when it was replayed, by stratum; and what may be advised on the strength.

A stratum is a resource and a segment. Segments in which too few servers were replayed prove nothing by themselves and
are tested together. Two tests: `need`, whether servers used more than the rule said they need, of all that it said need
less than they have, those included whose size would have stayed; and `size`, whether those that would have been made
smaller used more than that size. Sizes are rounded up from needs, so the first is the harder one, and it is of servers
that nobody picked. Who needs all it has could not have been over it, and so proves nothing about those that do not.
"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pandas as pd

from capforecast.actions.exceedance import Index, exceedance, likeness
from capforecast.actions.rightsize import Action
from capforecast.schema import BOUND_COLUMNS, SERVER_ID, BoolArray
from capforecast.settings import SizingSettings

SMALLER, EVERYONE = "smaller segments", "all servers"
SIZE, NEED = "size", "need"
RESOURCES = {"vcpu": "cpu", "memory_gib": "memory"}


def strata(
    replays: pd.DataFrame, before: pd.Series, now: pd.Series, settings: SizingSettings
) -> tuple[pd.Series, pd.Series]:
    """Stratum of each server's past cases, and of each server now, by server_id: a segment's name, or SMALLER.

    replays: actions.replay.COLUMNS.  before, now: name of each server's segment, by server_id. `before` is what the
    server was like before the first replay: by what it became, servers that were over would have left the quiet
    segments, and these would look safer than they are. Servers make a segment large of which the rule said that they
    need less than they have. Where the smaller segments are few together, they are tested with EVERYONE, unless their
    own record, however short, already breaks the promise: others' clean ones do not mend it.
    """
    less = np.any([_less(replays, column) for column in RESOURCES.values()], axis=0)
    inside = before.index.isin(replays.loc[less, SERVER_ID])
    replayed = before[inside].value_counts()
    large = set(replayed.index[replayed >= settings.least_servers]) - {"unknown"}
    of_cases, of_servers = (names.where(names.isin(large), SMALLER) for names in (before, now))
    few = of_cases[inside].eq(SMALLER).sum() < settings.least_servers
    rest = replays[~replays[SERVER_ID].isin(of_cases.index[of_cases != SMALLER])]
    if few and not _breaks(rest, settings.exceedance_limit):
        of_servers = of_servers.where(of_servers != SMALLER, EVERYONE)
    return of_cases, of_servers


def bounds(replays: pd.DataFrame, stratum: pd.Series, settings: SizingSettings) -> pd.DataFrame:
    """BOUND_COLUMNS: a row for each stratum, resource and test; those without a case have none.

    stratum: of past cases, by server_id, as of `strata`. How alike the periods of a server are is told from all servers
    first.
    """
    own = replays[SERVER_ID].map(stratum).fillna(SMALLER).to_numpy(dtype=object)
    everyone = np.full(len(own), True)
    smaller = (replays["action"] == Action.DOWNSIZE).to_numpy(dtype=bool)
    known = {name: likeness(*_cases(replays, everyone, name, NEED)) for name in RESOURCES.values()}
    rows = []
    for name in [*sorted(set(own)), EVERYONE]:
        inside = everyone if name == EVERYONE else np.asarray(own == name)
        for test, which in ((NEED, inside), (SIZE, inside & smaller)):
            for resource, column in RESOURCES.items():
                found = exceedance(*_cases(replays, which, column, test), known[column])
                rows.append({"resource": resource, "stratum": name, "test": test} | asdict(found))
    table = pd.DataFrame([row for row in rows if row["periods"]], columns=list(BOUND_COLUMNS))
    table["promised"] = settings.exceedance_limit
    tested = np.where(table["test"] == NEED, table["upper"].astype("float64"), table["rate"].astype("float64"))
    table["kept"] = tested <= settings.exceedance_limit
    return table


def verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """By stratum: what stands behind advice to make a server smaller, of the resource that fares worse.

    Columns bound_servers, bound_periods, bound_over, bound_rate, bound_upper (of test `need`), size_periods, size_over
    (of `size`) and kept: is the promise borne out by the limit of `need`, and by the rate of `size`, of both resources.
    """
    names = {"servers": "bound_servers", "periods": "bound_periods", "over": "bound_over", "rate": "bound_rate"}
    of_need, of_size = _worst(table, NEED, "upper"), _worst(table, SIZE, "rate")[["periods", "over"]]
    worst = of_need.rename(columns=names | {"upper": "bound_upper"})
    both = table[table["test"] == NEED].groupby("stratum")["resource"].nunique() == len(RESOURCES)
    kept = table.groupby("stratum")["kept"].all() & both
    out = worst[[*names.values(), "bound_upper"]].join(of_size.add_prefix("size_")).join(kept.rename("kept"))
    return out.fillna({"size_periods": 0, "size_over": 0}).astype({"kept": bool})


def _breaks(replays: pd.DataFrame, limit: float) -> bool:
    """Was more than the limit of the periods over, of needs or of smaller sizes, of CPU or memory?"""
    everyone = np.full(len(replays), True)
    smaller = (replays["action"] == Action.DOWNSIZE).to_numpy(dtype=bool)
    for test, which in ((NEED, everyone), (SIZE, smaller)):
        for column in RESOURCES.values():
            over, periods, _ = _cases(replays, which, column, test)
            if over.sum() > limit * periods.sum():
                return True
    return False


def _worst(table: pd.DataFrame, test: str, figure: str) -> pd.DataFrame:
    """By stratum: the row of the resource that fares worse in a test."""
    rows = table[table["test"] == test].sort_values([figure, "resource"], ascending=[False, True], kind="stable")
    return rows.drop_duplicates("stratum").set_index("stratum")


def _less(replays: pd.DataFrame, column: str) -> BoolArray:
    """Did the rule say that less than the present size is needed?"""
    return np.asarray(replays[f"need_{column}_share"].to_numpy(dtype=np.float64) < 1.0)


def _cases(replays: pd.DataFrame, which: BoolArray, column: str, test: str) -> tuple[Index, Index, Index]:
    part = replays[which & _less(replays, column)] if test == NEED else replays[which]
    over, periods = (part[f"{name}_{column}"].to_numpy(dtype=np.int64) for name in (f"over_{test}", "periods"))
    return over, periods, np.asarray(pd.factorize(part[SERVER_ID])[0], dtype=np.int64)
