"""The tables of an outcome: series, servers and totals, before and after."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count, islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.actions.baseline import Baseline
from capforecast.actions.scenario_columns import (
    MONEY,
    OF_SERVER,
    SERIES_FIGURES,
    SERVER_COLUMNS,
    TOTAL_COLUMNS,
    blanked,
    figure_columns,
    summed,
    tier_column,
    why_unknown,
)
from capforecast.actions.scenario_effects import Effects
from capforecast.actions.scenario_figures import Figures
from capforecast.actions.scenario_servers import costs, deciding
from capforecast.schema import BUSINESS_UNIT, DIMENSIONS, METRIC, SERVER_ID, TIER_ORDER, BoolArray, Tier

Index = npt.NDArray[np.int64]
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tables:
    """Builds the tables from arrays: rows of the run, then those of new servers, which repeat what they are like."""

    baseline: Baseline
    effects: Effects
    before: Figures
    after: Figures
    touched: BoolArray

    def series(self) -> pd.DataFrame:
        """SERIES_COLUMNS."""
        base, rows = self.baseline, self._series_rows
        new, gone = len(rows) - len(base.place), self.effects.retired[base.place]
        known = base.series[[SERVER_ID, METRIC, *DIMENSIONS]]
        if new:
            known = known.iloc[rows].reset_index(drop=True)
            names = known[SERVER_ID].to_numpy(dtype=object, copy=True)
            names[-new:] = self._of_series(np.array([name for _, _, name in self._new], dtype=object))
            units = known[BUSINESS_UNIT].to_numpy(dtype=object, copy=True)
            units[-new:] = self._of_series(self._new_units)
            known = known.assign(**{SERVER_ID: names, BUSINESS_UNIT: units})
        was = figure_columns(base, self.before, np.full(len(base.place), base.settings.risk.lead_time_days))
        then = figure_columns(base, self.after, self.effects.lead)
        out: dict[str, Any] = {name: known[name] for name in known}
        out["changed"] = np.append((self.touched | gone), np.ones(new, np.bool_))
        for name in SERIES_FIGURES:
            out[f"{name}_before"] = blanked(was[name], rows, len(rows) - new, None)
            out[name] = blanked(then[name], rows, len(rows), gone)
        return pd.DataFrame(out, copy=False)

    def servers(self) -> pd.DataFrame:
        """SERVER_COLUMNS."""
        base, rows, count = self.baseline, self._server_rows, len(self.baseline.servers)
        new = len(rows) - count
        known = base.servers[[SERVER_ID, *DIMENSIONS]]
        if new:
            known = known.iloc[rows].reset_index(drop=True)
            names = known[SERVER_ID].to_numpy(dtype=object, copy=True)
            names[-new:] = [name for _, _, name in self._new]
            units = known[BUSINESS_UNIT].to_numpy(dtype=object, copy=True)
            units[-new:] = self._new_units
            known = known.assign(**{SERVER_ID: names, BUSINESS_UNIT: units})
        out: dict[str, Any] = {name: known[name] for name in known}
        gone = self.effects.retired
        kinds = np.select([gone, self.effects.resized, self._moved], ["retired", "resized", "changed"], "")
        out["change"] = np.append(kinds, np.full(new, "new")).astype(object)
        out["tier_before"] = blanked(tier_column(self._tier_before), rows, count, None)
        out["tier"] = blanked(tier_column(self._tier_after), rows, len(rows), gone)
        for suffix, found, figures, lead, there, hidden in (
            ("_before", self._deciding_before, self.before, None, count, None),
            ("", self._deciding_after, self.after, self.effects.lead, len(rows), gone),
        ):
            out |= self._deciding(found, figures, lead, rows, there, hidden, suffix)
        types = base.servers["instance_type"].to_numpy(dtype=object)
        out["instance_type_before"] = np.append(types, np.full(new, ""))
        out["instance_type"] = np.where(np.append(gone, np.zeros(new, np.bool_)), "", self.effects.types[rows])
        for name, values in self._paid.items():
            out[name] = blanked(values, np.arange(len(rows)), count if name.endswith("_before") else len(rows), None)
        out["currency"] = base.currency
        return pd.DataFrame(out, copy=False)[list(SERVER_COLUMNS)]

    def totals(self) -> pd.DataFrame:
        """TOTAL_COLUMNS: the fleet, then each business unit. Business units add up to the fleet."""
        base, rows = self.baseline, self._server_rows
        units = base.servers[BUSINESS_UNIT].to_numpy(dtype=object).astype(str)
        units = np.append(units, self._new_units.astype(str))
        names, code = np.unique(np.append(units, list(self.effects.further)), return_inverse=True)
        code, count = code[: len(rows)], len(names)
        was = np.arange(len(rows)) < len(base.servers)
        then = ~np.append(self.effects.retired, np.zeros(len(rows) - len(base.servers), np.bool_))
        out: dict[str, Array] = {}
        for suffix, there, tier in (("_before", was, self._tier_before), ("", then, self._tier_after)):
            out[f"servers{suffix}"] = summed(code, there, count)
            for place, each in enumerate(TIER_ORDER):
                out[f"{each}{suffix}"] = summed(code, there & (tier[rows] == place), count)
            paid = self._paid[f"monthly{suffix}"]
            out[f"priced{suffix}"] = summed(code, there & np.isfinite(paid), count)
            for name in MONEY:
                values = self._paid[f"{name}{suffix}"]
                out[f"{name}{suffix}"] = summed(code, np.where(there, np.nan_to_num(values), 0.0), count)
        extra = np.array([self.effects.further.get(str(name), 0.0) for name in names])
        for name in MONEY:
            out[name] = out[name] + extra
        table = pd.DataFrame(out)
        table = pd.concat([table.sum().to_frame().T, table], ignore_index=True)
        for name in table.columns:
            if not name.startswith(MONEY):
                table[name] = table[name].astype(np.int64)
        for name, reasons in self._unknown(code, count, was, then).items():
            table[f"{name}_unknown"] = reasons
            table[name] = table[name].where(table[f"{name}_unknown"] == "")
        table = table.assign(
            scope=["fleet", *["business_unit"] * count], name=["", *names], currency=self.baseline.currency
        )
        return table[list(TOTAL_COLUMNS)]

    def _unknown(self, code: Index, count: int, was: BoolArray, then: BoolArray) -> dict[str, list[str]]:
        """By kind of cost: why the sums of the fleet and of each unit do not compare, since a price is not known."""
        out = {}
        for name in MONEY:
            before, after = (np.isfinite(self._paid[f"{name}{which}"]) for which in ("_before", ""))
            lost = summed(code, then & ~after & (before | ~was), count)
            gained = summed(code, was & then & after & ~before, count)
            pairs = zip([lost.sum(), *lost], [gained.sum(), *gained], strict=True)
            out[name] = [why_unknown(int(one), int(other)) for one, other in pairs]
        return out

    def notes(self) -> tuple[str, ...]:
        """What the figures do not consider, and where prices come from."""
        base, notes = self.baseline, list(self.effects.notes)
        blind = self._moved & (self._tier_before == TIER_ORDER.index(Tier.UNKNOWN)) & ~self.effects.retired
        if blind.any():
            notes.append(f"{int(blind.sum())} servers that it is about are unknown in this run, and stay so")
        if base.missing:
            notes.append(f"business units that did not finish are left out: {', '.join(base.missing)}")
        unpriced = np.isnan(self._costs["monthly"]) & ~np.isnan(self._costs["monthly_before"])
        if unpriced.any():
            notes.append(
                f"{int(unpriced.sum())} servers have no known price in their new size: sums of cost are unknown"
            )
        saved = self.effects.retired & np.isnan(self._costs["monthly_before"])
        if saved.any() and np.isfinite(self._costs["monthly_before"]).any():
            notes.append(f"{int(saved.sum())} servers that are retired have no price: what that saves is not counted")
        return tuple([*notes, base.priced_by] if base.priced_by else notes)

    def _deciding(
        self, found: Index, figures: Figures, lead: Index | None, rows: Index, there: int, hidden: BoolArray | None,
        suffix: str,
    ) -> dict[str, Any]:  # fmt: skip
        """The figures of the series that decide, by server."""
        base = self.baseline
        part = figures.take(np.maximum(found, 0))
        days = np.full(len(found), base.settings.risk.lead_time_days) if lead is None else lead[np.maximum(found, 0)]
        columns = figure_columns(base, part, days)
        none = found < 0
        names = np.where(none, "", base.metrics[np.maximum(found, 0)]).astype(object)
        blank = np.append(none, none[rows[len(none) :]])
        if hidden is not None:
            blank[: len(hidden)] |= hidden
        out: dict[str, Any] = {f"metric{suffix}": np.where(blank | (np.arange(len(rows)) >= there), "", names[rows])}
        for name in OF_SERVER:
            out[f"{name}{suffix}"] = blanked(columns[name], rows, there, blank)
        return out

    @cached_property
    def _moved(self) -> BoolArray:
        """Servers that the scenario is about, [S]."""
        return np.asarray(self.effects.touched | self.effects.retired)

    @cached_property
    def _deciding_before(self) -> Index:
        """As published: the series that `servers` names, [S]; -1 = none."""
        servers, base = self.baseline.servers, self.baseline
        if "deciding" in base.memory:
            return np.asarray(base.memory["deciding"])
        keys = pd.MultiIndex.from_frame(base.series[[SERVER_ID, METRIC]].astype("str"))
        names = servers[METRIC].fillna("").astype("str")
        found: Index = keys.get_indexer(pd.MultiIndex.from_arrays([servers[SERVER_ID].astype("str"), names]))
        base.memory["deciding"] = found
        return found

    @cached_property
    def _deciding_after(self) -> Index:
        moved = np.zeros(len(self.baseline.servers), np.bool_)
        moved[self.baseline.place[self.touched]] = True
        return np.where(moved, deciding(self.baseline, self.after), self._deciding_before)

    @cached_property
    def _tier_before(self) -> npt.NDArray[np.int8]:
        codes = {str(tier): code for code, tier in enumerate(TIER_ORDER)}
        found: npt.NDArray[np.int8] = self.baseline.servers["tier"].astype("str").map(codes).to_numpy(dtype=np.int8)
        return found

    @cached_property
    def _tier_after(self) -> npt.NDArray[np.int8]:
        found = self._deciding_after
        moved = np.zeros(len(found), np.bool_)
        moved[self.baseline.place[self.touched]] = True
        then = np.where(found >= 0, self.after.tier[np.maximum(found, 0)], TIER_ORDER.index(Tier.UNKNOWN))
        return np.where(moved, then, self._tier_before).astype(np.int8)

    @cached_property
    def _costs(self) -> dict[str, Array]:
        return costs(self.baseline, self.effects, self.before, self.after)

    @cached_property
    def _paid(self) -> dict[str, Array]:
        """Costs of the rows of the table of servers; what is retired costs nothing, what is like it does."""
        rows = self._server_rows
        out = {name: values[rows] for name, values in self._costs.items()}
        gone = np.flatnonzero(self.effects.retired)
        for name in MONEY:
            out[name][gone] = 0.0
        return out

    @cached_property
    def _new(self) -> list[tuple[Any, int, str]]:
        """Each new server: its change, the row it is like, and a name that no other has."""
        names = self.baseline.servers[SERVER_ID].to_numpy(dtype=object)
        taken, numbers = set(names), defaultdict[int, Iterator[int]](lambda: count(1))
        new: list[tuple[Any, int, str]] = []
        for change, like in self.effects.new:
            free = (name for number in numbers[like] if (name := f"new {names[like]} {number}") not in taken)
            new += [(change, like, name) for name in islice(free, change.count)]
        return new

    @cached_property
    def _server_rows(self) -> Index:
        """Rows of the run's servers that the rows of the table repeat."""
        return np.append(np.arange(len(self.baseline.servers)), [like for _, like, _ in self._new]).astype(np.int64)

    @cached_property
    def _series_rows(self) -> Index:
        place = self.baseline.place
        of = {like: np.flatnonzero(place == like) for like in {like for _, like, _ in self._new}}
        return np.concatenate([np.arange(len(place)), *(of[like] for _, like, _ in self._new)]).astype(np.int64)

    @cached_property
    def _new_units(self) -> npt.NDArray[np.object_]:
        """Business unit of each new server."""
        known = self.baseline.servers[BUSINESS_UNIT].to_numpy(dtype=object)
        return np.array([str(change.business_unit or known[like]) for change, like, _ in self._new], dtype=object)

    def _of_series(self, values: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
        """A value of each new server, for each of its series."""
        series = np.bincount(self.baseline.place, minlength=len(self.baseline.servers))
        return np.repeat(values, series[[like for _, like, _ in self._new]])
