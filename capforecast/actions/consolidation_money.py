"""What a packing costs beside what is paid today, where every price is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.actions.packing_targets import Instance, Targets, text
from capforecast.actions.prices import COST, HOURLY, TYPE, PriceList, costs, monthly
from capforecast.schema import REGION, SERVER_ID, BoolArray


@dataclass(frozen=True)
class Money:
    """Of a month: today, and after; NaN = not known, and why."""

    monthly: float
    to_monthly: float
    source: str
    reason: str

    def columns(self) -> dict[str, object]:
        """As CONSOLIDATION_COLUMNS spell it."""
        return {
            "monthly": self.monthly, "to_monthly": self.to_monthly,
            "monthly_change": round(self.to_monthly - self.monthly, 2), "price_source": self.source,
            "price_reason": self.reason,
        }  # fmt: skip


def money_of(
    servers: pd.DataFrame, paid: pd.DataFrame, targets: Targets, used: npt.NDArray[np.int64], inventory: pd.DataFrame,
    prices: PriceList,
) -> Money:  # fmt: skip
    """Of those of a group's servers that are packed, onto the bins `used`. paid: for each server (`prices.costs`)."""
    if targets.instance is None:
        return _of_hosts(targets, used, inventory, prices)
    count = len(used) + len(targets.bins.spare_names)
    return _of_instances(paid, targets.stays == "", targets.instance, count, str(servers[REGION].iloc[0]), prices)


def _of_hosts(targets: Targets, used: npt.NDArray[np.int64], inventory: pd.DataFrame, prices: PriceList) -> Money:
    """Of the hosts: only the inventory's own rows of them say what they cost, not their servers'."""
    bins = targets.bins
    names = [*bins.names, *bins.spare_names]
    rows = inventory[inventory[SERVER_ID].isin(names)].drop_duplicates(SERVER_ID)
    table = _costs(rows, prices).set_index(SERVER_ID).reindex(names)
    hourly = table[HOURLY].to_numpy(dtype=np.float64)
    if np.isnan(hourly).any():
        missing = int(np.isnan(hourly).sum())
        return Money(np.nan, np.nan, "", f"the inventory has no cost of {missing} of {len(names)} hosts")
    kept = [*used, *range(len(bins.names), len(names))]
    return Money(_month(hourly), _month(hourly[kept]), _sources(table["source"]), "")


def _of_instances(
    paid: pd.DataFrame, packed: BoolArray, instance: Instance, count: int, region: str, prices: PriceList
) -> Money:
    """Of the servers that are packed, and of `count` instances."""
    moved = paid[packed]
    unpriced = moved[moved[HOURLY].isna()]
    if len(unpriced):
        why = unpriced["reason"].iloc[0]
        return Money(np.nan, np.nan, "", f"{len(unpriced)} of {len(moved)} servers have no price: {why}")
    if instance.priced_by >= 0:
        one = paid.iloc[instance.priced_by]
    else:
        asked = pd.DataFrame({SERVER_ID: [instance.type], TYPE: [instance.type], REGION: [region]})
        one = _costs(asked, prices).iloc[0]
    if np.isnan(one[HOURLY]):
        return Money(np.nan, np.nan, "", str(one["reason"]))
    after = np.full(count, one[HOURLY], dtype=np.float64)
    sources = pd.concat([moved["source"], pd.Series([one["source"]])])
    return Money(_month(moved[HOURLY].to_numpy(dtype=np.float64)), _month(after), _sources(sources), "")


def _costs(rows: pd.DataFrame, prices: PriceList) -> pd.DataFrame:
    """`prices.costs` of rows that may lack columns."""
    known = {TYPE: text(rows, TYPE), REGION: text(rows, REGION)}
    cost = rows[COST] if COST in rows else pd.Series(np.nan, index=rows.index)
    return costs(rows.assign(**known, **{COST: cost}), prices)


def _month(hourly: npt.NDArray[np.float64]) -> float:
    """Sum of costs, each rounded to cents, as those of servers are everywhere."""
    return float(np.rint(monthly(hourly) * 100.0).sum()) / 100.0


def _sources(names: pd.Series) -> str:
    return ", ".join(sorted(set(names.astype("str"))))
