"""What advice is worth: the month's cost of each server before and after, its range by path, and sums to the cent.

Costs per server are rounded to cents once; every sum is one of whole cents, so that parts add up in every output.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.actions.prices import HOURLY, INVENTORY, PriceList, costs, monthly
from capforecast.actions.rightsize import Action
from capforecast.schema import BUSINESS_UNIT, REGION, SAVING_COLUMNS, SERVER_ID
from capforecast.settings import PriceSettings

Array = npt.NDArray[np.float64]
CENTS = 100.0
MOVING = (Action.DOWNSIZE, Action.STOP, Action.UPSIZE)
ALL = "all"
SCOPES = {"fleet": "", "business_unit": BUSINESS_UNIT, "region": REGION, "segment": "segment"}
_LEVELS = {"change_q10": 0.1, "change_q50": 0.5, "change_q90": 0.9}


def priced(actions: pd.DataFrame, hourly_cost: pd.Series, prices: PriceList, settings: PriceSettings) -> pd.DataFrame:
    """`actions` with what each server costs a month, and would: monthly, to_monthly, monthly_change,
    monthly_change_discounted, price_source, price_reason, currency, and `price_factor`, what it pays by the list price.

    actions: server_id, region, action, instance_type, hourly, to_hourly (list prices of both sizes, NaN = none).
    hourly_cost: what the inventory says each pays, NaN = nothing. Who pays other than the list price is taken to do so
    for another size too, and gets no discount besides. Nothing is stated where a price is missing.
    """
    found = costs(actions.assign(hourly_cost=hourly_cost.to_numpy(dtype=np.float64)), prices)
    now, listed, new = (
        frame[name].to_numpy(dtype=np.float64)
        for frame, name in ((found, HOURLY), (actions, "hourly"), (actions, "to_hourly"))
    )
    own = (found["source"] == INVENTORY).to_numpy(dtype=bool)
    factor = np.where(own, np.where(listed > 0, now / listed, np.nan), 1.0)
    stops = (actions["action"] == Action.STOP).to_numpy(dtype=bool)
    moves = actions["action"].isin(MOVING).to_numpy(dtype=bool)
    then = np.where(stops, 0.0 * now, np.where(moves, new * factor, now))
    paid = np.where(own, 1.0, settings.factor)  # the inventory's costs are what is paid already
    whole, reduced = (_cents(now * share) for share in (1.0, paid))
    to_whole, to_reduced = (_cents(then * share) for share in (1.0, paid))
    source, reason = _sources(found, own & moves & ~stops, actions, prices, np.isnan(then) & moves)
    return actions.assign(
        monthly=whole / CENTS, to_monthly=to_whole / CENTS, monthly_change=(to_whole - whole) / CENTS,
        monthly_change_discounted=(to_reduced - reduced) / CENTS, price_source=source, price_reason=reason,
        currency=prices.currency, price_factor=factor,
    )  # fmt: skip


def _cents(hourly: Array) -> Array:
    """Cents a month, whole."""
    return np.rint(monthly(hourly) * CENTS)


def _sources(
    found: pd.DataFrame,
    scaled: npt.NDArray[np.bool_],
    actions: pd.DataFrame,
    prices: PriceList,
    missing: npt.NDArray[np.bool_],
) -> tuple[pd.Series, pd.Series]:
    """Where prices come from, and why one is missing."""
    source, reason = found["source"].astype(object), found["reason"].astype(object)
    files = ", ".join(str(each) for each in prices.sources)
    source = source.where(~scaled, f"inventory, in proportion to {files}")
    sized = actions["to_type"].where(actions["to_type"] != "", "a size without type")
    lacks = "no price of " + sized.astype(str) + " in " + actions[REGION].astype(str)
    reason = reason.where(~(missing & (found["reason"] == "").to_numpy()), lacks.to_numpy())
    return source.reset_index(drop=True).astype("str"), reason.reset_index(drop=True).astype("str")


def with_ranges(actions: pd.DataFrame, paths: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """`actions` (as of `priced`) with change_q10, change_q50, change_q90: of the monthly change of the cheapest size
    that would do, path by path. Of a server that is to stop it is all it costs, on every path.

    paths: actions.path_costs.COLUMNS, of each business unit.
    """
    change = actions["monthly_change"].to_numpy(dtype=np.float64)
    stops = (actions["action"] == Action.STOP).to_numpy(dtype=bool)
    out = {name: np.where(stops, change, np.nan) for name in _LEVELS}
    for part in paths:
        place, by_path = _changes(actions, part)
        for name, level in _LEVELS.items():
            if len(by_path):
                out[name][place] = np.quantile(by_path, level, axis=0)
    return actions.assign(**{name: np.rint(values * CENTS) / CENTS for name, values in out.items()})


def _changes(actions: pd.DataFrame, paths: pd.DataFrame) -> tuple[npt.NDArray[np.int64], Array]:
    """Rows of `actions` with a price and paths [M], and their monthly change by draw [J, M]."""
    if not len(paths) or not len(paths["servers"].iloc[0]):
        return np.zeros(0, np.int64), np.zeros((len(paths), 0))
    place = pd.Index(actions[SERVER_ID].astype("str")).get_indexer(list(paths["servers"].iloc[0]))
    hourly = np.stack(paths["hourly"].to_list()).astype(np.float64)
    factor, now, change = (
        actions[name].to_numpy(dtype=np.float64)[place] for name in ("price_factor", "monthly", "monthly_change")
    )
    moves = actions["action"].isin([Action.DOWNSIZE, Action.UPSIZE]).to_numpy()[place]
    usable = (place >= 0) & moves & np.isfinite(change)
    return place[usable], (monthly(hourly * factor) - now)[:, usable]


def sums(actions: pd.DataFrame, paths: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """SAVING_COLUMNS: the money of `actions` (as of `priced`, with `segment`), by scope, name and kind.

    Draws of different business units are put together by origin and repeat; a unit without some origin takes its own
    nearest in time.
    """
    drawn = _aligned(actions, paths)
    rows = []
    for scope, column in SCOPES.items():
        names = [""] if not column else sorted(actions[column].astype("str").unique())
        for name in names:
            inside = np.full(len(actions), True) if not column else (actions[column].astype("str") == name).to_numpy()
            for kind in (*MOVING, ALL):
                moving = actions["action"].isin(MOVING if kind == ALL else [kind]).to_numpy()
                if kind == ALL or (moving & inside).any():
                    rows.append(
                        {"scope": scope, "name": name, "kind": str(kind)} | _sum(actions, moving & inside, drawn)
                    )
    currency = str(actions["currency"].iloc[0]) if len(actions) else ""
    return pd.DataFrame(rows, columns=list(SAVING_COLUMNS)).assign(currency=currency)


def _sum(actions: pd.DataFrame, which: npt.NDArray[np.bool_], drawn: Array) -> dict[str, float]:
    known = which & actions["monthly_change"].notna().to_numpy()
    out: dict[str, float] = {"servers": int(which.sum()), "priced": int(known.sum())}
    for name in ("monthly", "to_monthly", "monthly_change", "monthly_change_discounted"):
        cents = np.rint(actions[name].to_numpy(dtype=np.float64)[known] * CENTS)
        out[name] = float(cents.sum()) / CENTS if known.any() or not which.any() else np.nan
    ranged = known & ~np.isnan(drawn).all(axis=0) if len(drawn) else np.zeros(len(known), dtype=bool)
    for name, level in _LEVELS.items():
        total = drawn[:, ranged].sum(axis=1) if ranged.any() else np.zeros(0)
        whole = bool(known.any() and (ranged == known).all())
        out[name] = round(float(np.quantile(total, level)), 2) if whole else (np.nan if which.any() else 0.0)
    return out


def _aligned(actions: pd.DataFrame, paths: Sequence[pd.DataFrame]) -> Array:
    """Monthly change of every server [J, S] on each draw that any unit has; NaN = not known."""
    parts = [part for part in paths if len(part)]
    keys = pd.MultiIndex.from_arrays([[pd.NaT], [0]])  # of a fleet in which nothing depends on the path
    if parts:
        every = pd.concat([part[["origin", "repeat"]] for part in parts]).drop_duplicates()
        keys = pd.MultiIndex.from_frame(every.sort_values(["origin", "repeat"]))
    stops = (actions["action"] == Action.STOP).to_numpy(dtype=bool)
    fixed = np.where(stops, actions["monthly_change"].to_numpy(dtype=np.float64), np.nan)
    drawn = fixed[None].repeat(len(keys), axis=0)
    for part in parts:
        place, changes = _changes(actions, part)
        drawn[:, place] = changes[_nearest(part, keys)]
    return drawn


def _nearest(part: pd.DataFrame, keys: pd.MultiIndex) -> npt.NDArray[np.int64]:
    """Row of a unit's draws for each of `keys`: of the same repeat, and the origin nearest in time."""
    origins = pd.DatetimeIndex(sorted(part["origin"].unique()))
    wanted = pd.DatetimeIndex(keys.get_level_values(0))
    near = origins[origins.get_indexer(wanted, method="nearest")]
    rows = pd.MultiIndex.from_frame(part[["origin", "repeat"]])
    found = rows.get_indexer(pd.MultiIndex.from_arrays([near, keys.get_level_values(1)]))
    return np.where(found >= 0, found, 0)
