"""What servers cost: price lists of files, and the hourly cost of each server with where it comes from.

On-demand prices per hour; a month has 730 hours. Nothing is guessed: a server nobody priced has no cost and a reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.actions import price_files
from capforecast.actions.price_rows import EVERYWHERE, LINUX, Key
from capforecast.errors import ConfigError
from capforecast.schema import REGION, SERVER_ID, UNASSIGNED
from capforecast.settings import PriceSettings

HOURS_PER_MONTH = 730.0
INVENTORY = "inventory"  # as source of a cost
SAMPLE = "ec2_on_demand.csv"  # shipped in config/prices
TYPE, OS, HOURLY, COST = "instance_type", "os", "hourly", "hourly_cost"
Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.object_]
Index = npt.NDArray[np.intp]
TextLike: TypeAlias = Sequence[str] | pd.Series | Texts


@dataclass(frozen=True)
class PriceSource:
    """A file of prices, as a report names it."""

    name: str
    date: str  # yyyy-mm-dd
    source: str

    def __str__(self) -> str:
        return f"{self.name} of {self.date}"


@dataclass(frozen=True)
class PriceList:
    """Hourly on-demand prices; `rows`: instance_type, region, os (lower case), hourly, source; sorted."""

    rows: pd.DataFrame
    currency: str
    sources: tuple[PriceSource, ...]
    left_out: pd.DataFrame  # instance_type, region, os, reason: what a file names and cannot say


def configured(settings: PriceSettings, shipped: Path) -> PriceList:
    """The price list of the settings; `shipped` is the folder with our sample."""
    own = [Path(name).expanduser() for name in settings.files]
    return load([*([shipped / SAMPLE] if settings.sample else []), *own], settings.currency)


def load(files: Sequence[Path], currency: str = "USD") -> PriceList:
    """The prices in `files`; of several, a later one wins for the same type, region and operating system. One that
    holds in every region wins over those of single regions in files before it.

    Raises ConfigError that names file, line and column of what cannot be used, and for another currency.
    """
    priced: dict[Key, tuple[float, str]] = {}
    reasons: dict[Key, str] = {}
    sources: list[PriceSource] = []
    for file in files:
        found = price_files.read(file, currency)
        source = PriceSource(found.name, found.date, found.source)
        if any(str(source) == str(other) for other in sources):
            raise ConfigError(
                f"{file}: a second file of the name {source}; rename one, or reports cannot tell them apart"
            )
        sources.append(source)
        whole = {(key.instance_type, key.os) for key in found.hourly if key.region == EVERYWHERE}
        priced = {key: row for key, row in priced.items() if (key.instance_type, key.os) not in whole}
        reasons = {key: why for key, why in reasons.items() if (key.instance_type, key.os) not in whole}
        priced |= {key: (cost, str(source)) for key, cost in found.hourly.items()}
        reasons = {key: why for key, why in reasons.items() if key not in found.hourly} | dict(found.left_out)
        priced = {key: row for key, row in priced.items() if key not in found.left_out}
    rows = [(*key, *priced[key]) for key in sorted(priced)]
    frame = pd.DataFrame(rows, columns=[TYPE, REGION, OS, HOURLY, "source"]).astype({HOURLY: "float64"})
    missing = pd.DataFrame([(*key, reasons[key]) for key in sorted(reasons)], columns=[TYPE, REGION, OS, "reason"])
    return PriceList(frame, currency, tuple(sources), missing)


def to_table(prices: PriceList) -> pd.DataFrame:
    """The list as one table, for the lake: instance_type, region, os, hourly, source, reason, currency; those without a
    price have a reason.
    """
    return (
        pd.concat([prices.rows, prices.left_out]).fillna({"source": "", "reason": ""}).assign(currency=prices.currency)
    )


def from_table(table: pd.DataFrame, currency: str) -> PriceList:
    """The list of a table; its files are known by the names that rows carry."""
    priced = (table["reason"] == "").to_numpy(dtype=bool)
    rows = table[priced].drop(columns=["reason", "currency"]).reset_index(drop=True)
    names = [name.rsplit(" of ", 1) for name in sorted(rows["source"].unique())]
    sources = tuple(PriceSource(name, date, "") for name, date in names)
    left_out = table.loc[~priced, [TYPE, REGION, OS, "reason"]].reset_index(drop=True)
    return PriceList(rows, currency, sources, left_out)


def monthly(hourly: Floats) -> Floats:
    """Cost of a month of 730 hours."""
    return hourly * HOURS_PER_MONTH


def lookup(prices: PriceList, types: TextLike, regions: TextLike, systems: TextLike) -> Index:
    """Row of `prices.rows` for each (instance type, region, os) [N]; -1 = none. A price of the region wins over `*`."""
    listed = pd.MultiIndex.from_frame(prices.rows[[TYPE, REGION, OS]])
    asked = [_plain(types), _plain(regions), _plain(systems)]
    exact = listed.get_indexer(pd.MultiIndex.from_arrays(asked))
    anywhere = pd.MultiIndex.from_arrays([asked[0], np.full(len(exact), EVERYWHERE, dtype=object), asked[2]])
    found: Index = np.where(exact >= 0, exact, listed.get_indexer(anywhere))
    return found


def costs(servers: pd.DataFrame, prices: PriceList) -> pd.DataFrame:
    """Hourly cost of each server (server_id, instance_type, region, hourly_cost; os, where not Linux), in their order.

    Returns server_id, hourly (NaN = not known), source (`inventory`, or file and date) and reason ("" = known). What
    the inventory says wins, but for 0: that is how inventories write that they do not know.
    """
    types, regions = _plain(servers[TYPE]), _plain(servers[REGION])
    systems = _plain(servers[OS]) if OS in servers else np.full(len(servers), "", dtype=object)
    systems = np.where(systems == "", LINUX, systems)
    stated = pd.to_numeric(servers[COST]).to_numpy(dtype=np.float64)
    row = lookup(prices, types, regions, systems)
    listed = np.append(prices.rows[HOURLY].to_numpy(dtype=np.float64), np.nan)[row]
    named = np.append(prices.rows["source"].to_numpy(dtype=object), "")[row]
    own, usable = ~np.isnan(stated) & (stated != 0), np.isfinite(stated) & (stated >= 0)
    hourly = np.where(own, np.where(usable, stated, np.nan), listed)
    source = np.where(own, np.where(usable, INVENTORY, ""), named)
    reason = np.full(len(servers), "", dtype=object)
    reason[own & ~usable] = [
        f"the inventory's hourly_cost is {value:g}, which is no cost" for value in stated[own & ~usable]
    ]
    unpriced = ~own & (row < 0)
    reason[unpriced] = _reasons(types[unpriced], regions[unpriced], systems[unpriced], prices)
    return pd.DataFrame({SERVER_ID: servers[SERVER_ID].to_numpy(), HOURLY: hourly, "source": source, "reason": reason})


def discounted(costs: pd.DataFrame, factor: float) -> Floats:
    """`hourly` of `costs` after a discount on list prices; what the inventory says is paid already."""
    hourly = costs[HOURLY].to_numpy(dtype=np.float64)
    listed = (costs["source"] != INVENTORY).to_numpy(dtype=np.bool_)
    paid: Floats = hourly * np.where(listed, factor, 1.0)
    return paid


def _reasons(types: Texts, regions: Texts, systems: Texts, prices: PriceList) -> Texts:
    """Why the price list has no price, in words; each distinct case is worded once."""
    known: dict[str, list[tuple[str, str]]] = {}
    for name, region, system in prices.rows[[TYPE, REGION, OS]].itertuples(index=False):
        known.setdefault(name, []).append((region, system))
    said = {Key(*key): why for *key, why in prices.left_out.itertuples(index=False)}
    asked = list(zip(types, regions, systems, strict=True))
    words = {case: _reason(Key(*case), known, said) for case in set(asked)}
    return np.array([words[case] for case in asked], dtype=object)


def _reason(key: Key, known: dict[str, list[tuple[str, str]]], left_out: dict[Key, str]) -> str:
    if not key.instance_type:
        return "the inventory gives neither instance_type nor hourly_cost"
    if key in left_out:
        return f"no usable price of {key.instance_type} in {key.region}: {left_out[key]}"
    if key.instance_type not in known:
        return f"instance type {key.instance_type} is in no price file"
    if key.region in ("", UNASSIGNED):
        return f"no region is given, and the price of {key.instance_type} depends on it"
    places = known[key.instance_type]
    if any(region in (key.region, EVERYWHERE) for region, _ in places):
        return f"no price of {key.instance_type} in {key.region} with {key.os}"
    return (
        f"no price of {key.instance_type} in {key.region}; known: {', '.join(sorted({place for place, _ in places}))}"
    )


def _plain(values: TextLike) -> Texts:
    """Text without case and spaces around it; missing = ""."""
    column = pd.Series(values, dtype=object)
    plain: Texts = column.where(column.notna(), "").astype(str).str.strip().str.lower().to_numpy(dtype=object)
    return plain
