"""Promised beside achieved: outcomes of advice by stratum, and what they add up to."""

from __future__ import annotations

import numpy as np
import pandas as pd
from action_cases import CARELESS, ROOMY, TIGHT, WAYS, Case
from page import table, target

from capforecast.actions import bounds
from capforecast.actions.rightsize import Action
from capforecast.schema import SERVER_ID
from capforecast.settings import SizingSettings

SIZES = ("vcpus", "memory_gib")
KINDS = tuple(f"{room}, {way}" for room in (TIGHT, ROOMY) for way in WAYS)
OURS = tuple(kind for kind in KINDS if not kind.endswith(CARELESS))
SHARE, CUT = 0.95, 0.5  # targets: replays within the promise, slack cut
_PROMISE_HEAD = (
    "fleet, sizes", "advised", "withheld", "server-days", "above 100 %", "achieved", "achieved, withheld",
    "replays within the promise", "worst replay", "within the limit stated",
)  # fmt: skip
_SLACK_HEAD = (
    "fleet, sizes", "resource", "paid, unit-days", "used", "paid after", "slack cut", "cut by needs",
    "cut in hindsight",
)  # fmt: skip
Rows = list[list[str]]


def tested(case: Case, rules: SizingSettings) -> pd.DataFrame:
    """One row per server, in order: stratum, the 95 % limit `upper` of its replay; advised: it keeps the promise."""
    of_cases, stratum = bounds.strata(case.replays, *case.segments, rules)
    found = bounds.verdicts(bounds.bounds(case.replays, of_cases, rules))
    mine = case.sized[SERVER_ID].map(stratum)
    advised = mine.map(found["kept"]).eq(True)
    return pd.DataFrame({"stratum": mine, "upper": mine.map(found["bound_upper"]), "advised": advised})


def outcomes(case: Case, rules: SizingSettings) -> pd.DataFrame:
    """One row per server that the rule would make smaller.

    fleet, cut, kind (one of KINDS), server_id, stratum, upper, advised (its stratum keeps the promise); periods
    observed, `over`: of these above 100 % of the new size; of both resources paid_, to_ and used_<size> in the periods
    observed, and least_<size>: what the largest use of the time would have needed, headroom
    included.
    """
    found = case.sized.join(tested(case, rules))
    smaller = (found["action"] == Action.DOWNSIZE).to_numpy()
    part = found[smaller].reset_index(drop=True)
    used = [values[:, smaller] for values in case.used]
    seen = np.isfinite(used[0]) & np.isfinite(used[1])
    over = np.zeros_like(seen)
    rooms = {"vcpus": rules.headroom, "memory_gib": rules.headroom_memory_p95}
    out = part[[SERVER_ID, "stratum", "upper", "advised"]].assign(fleet=case.fleet, cut=case.cut, kind=case.kind)
    for size, values in zip(SIZES, used, strict=True):
        now, then = part[size].to_numpy(float), part[f"to_{size}"].to_numpy(float)
        over |= seen & (values > then)
        out[f"paid_{size}"], out[f"to_{size}"] = now * seen.sum(axis=0), then * seen.sum(axis=0)
        out[f"used_{size}"] = np.where(seen, values, 0.0).sum(axis=0)
        largest = np.where(seen, values, 0.0).max(axis=0) / (1 - rooms[size])
        out[f"need_{size}"] = np.minimum(part[f"need_{size}"].to_numpy(float), now) * seen.sum(axis=0)
        out[f"least_{size}"] = np.minimum(largest, now) * seen.sum(axis=0)
    return out.assign(periods=seen.sum(axis=0), over=over.sum(axis=0))


def by_replay(found: pd.DataFrame) -> pd.DataFrame:
    """Advised servers of each fleet, date, kind and stratum: servers, periods, over, achieved, upper."""
    keys = ["fleet", "cut", "kind", "stratum"]
    kept = found[found["advised"]].groupby(keys, as_index=False)
    sums = kept.agg(
        servers=(SERVER_ID, "count"), periods=("periods", "sum"), over=("over", "sum"), upper=("upper", "max")
    )
    return sums.assign(achieved=sums["over"] / sums["periods"].where(sums["periods"] > 0))


def slack_cut(found: pd.DataFrame, size: str, paid: str = "to") -> float:
    """Share of what was paid for and not used that smaller sizes take away."""
    return float((found[f"paid_{size}"] - found[f"{paid}_{size}"]).sum() / _slack(found, size).sum())


def _slack(found: pd.DataFrame, size: str) -> pd.Series:
    return found[f"paid_{size}"] - found[f"used_{size}"]


def promise_targets(found: pd.DataFrame, replays: pd.DataFrame, promised: float) -> Rows:
    """Targets: promise kept in replays and over all, slack cut; of the program's own rule."""
    replays = replays[_ours(replays)]
    within = float((replays["achieved"] <= promised).mean())
    words = f"{percent(within, 1)} of {len(replays)} (strata x fleets x dates x kinds of sizes)"
    rows = [
        target(f"achieved <= promised ({percent(promised, 0)}) in >= {SHARE:.0%} of replays", words, within >= SHARE)
    ]
    for kind in OURS:
        mine = found[(found["kind"] == kind) & found["advised"]]
        if mine.empty:
            rows.append(target(f"{kind}: all downsized together <= {percent(promised, 0)}", "nothing advised", None))
            continue
        achieved = float(mine["over"].sum() / mine["periods"].sum())
        words = f"{percent(achieved)} of {int(mine['periods'].sum()):,} server-days"
        rows.append(target(f"{kind}: all downsized together <= {percent(promised, 0)}", words, achieved <= promised))
        cuts = [slack_cut(mine, size) for size in SIZES]
        words = " / ".join(percent(cut, 0) for cut in cuts)
        rows.append(target(f"{kind}: slack cut by >= {CUT:.0%}, vCPU / GiB", words, min(cuts) >= CUT))
    return rows


def _ours(found: pd.DataFrame) -> pd.Series:
    return ~found["kind"].str.endswith(CARELESS)


def percent(share: float, digits: int = 3) -> str:
    """A share in percent, "-" where nothing was observed."""
    return "-" if np.isnan(share) else f"{100 * share:.{digits}f} %"


def promise_table(found: pd.DataFrame, replays: pd.DataFrame, promised: float) -> list[str]:
    """Lines of a table, a row for each kind: advised, withheld, achieved, worst replay, slack cut."""
    rows = []
    for kind in KINDS:
        mine, kept = found[found["kind"] == kind], replays[replays["kind"] == kind]
        advised = mine[mine["advised"]]
        within = (kept["achieved"] <= promised).sum()
        rows.append(
            [
                kind, f"{len(advised):,}", f"{len(mine) - len(advised):,}",
                f"{int(advised['periods'].sum()):,}", f"{int(advised['over'].sum()):,}", percent(_rate(advised)),
                percent(_rate(mine[~mine["advised"]])),
                f"{within} of {len(kept)}", percent(float(kept["achieved"].max())),
                f"{(kept['achieved'] <= kept['upper']).sum()} of {len(kept)}",
            ]
        )  # fmt: skip
    return table(_PROMISE_HEAD, rows)


def _rate(found: pd.DataFrame) -> float:
    periods = found["periods"].sum()
    return float(found["over"].sum() / periods) if periods else float("nan")


def slack_table(found: pd.DataFrame) -> list[str]:
    """Lines of a table, a row for each kind and resource: paid for, used, paid for after; share of slack cut."""
    rows = []
    for kind in OURS:
        mine = found[(found["kind"] == kind) & found["advised"]]
        if mine.empty:
            continue
        for size in SIZES:
            paid = mine[f"paid_{size}"].sum()
            shares = [mine[f"{name}_{size}"].sum() / paid for name in ("used", "to")]
            cuts = [slack_cut(mine, size, name) for name in ("to", "need", "least")]
            rows.append([kind, size, f"{paid:,.0f}", *(percent(share, 0) for share in (*shares, *cuts))])
    return table(_SLACK_HEAD, rows)


def stratum_table(replays: pd.DataFrame) -> list[str]:
    """Lines of a table: strata over all fleets and dates, of the program's own rule."""
    rows = []
    for (kind, stratum), part in replays[_ours(replays)].groupby(["kind", "stratum"]):
        achieved = part["over"].sum() / part["periods"].sum()
        rows.append(
            [kind, stratum, str(len(part)), f"{part['servers'].sum():,}", percent(part["upper"].median()),
             percent(part["upper"].max()), percent(achieved), percent(part["achieved"].max())]
        )  # fmt: skip
    limits = ["limit stated, median", "largest limit", "achieved", "worst replay"]
    return table(["fleet, sizes", "stratum", "replays", "advised", *limits], rows)
