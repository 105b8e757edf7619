"""A sheet under examination: cells that cannot be used are recorded, each with its row, column, value and reason."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.errors import InputError
from capforecast.schema import METRIC, VALUE
from capforecast.settings import Settings
from capforecast.sources import cells
from capforecast.sources.columns import LABEL, STATISTIC, Layout, check_number, metric_column
from capforecast.sources.rejects import Rejects
from capforecast.sources.tables import Sheet

Codes = npt.NDArray[np.int64]
Values = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
DEFAULT_STATISTIC = "mean"  # of a long-form metric that names none


@dataclass
class Check:
    """A sheet, the server of each row [R], which rows [R] are still good, and the rejects so far."""

    sheet: Sheet
    plan: Layout
    settings: Settings
    rejects: Rejects
    servers: npt.NDArray[np.object_]
    good: BoolArray

    def refuse(self, column: str, bad: BoolArray, reason: str) -> None:
        """Record the cells of good rows where `bad` [R]."""
        bad = bad & self.good
        if bad.any():
            written = cells.as_written(self.sheet.table[column], bad)
            self.rejects.add(self.sheet.file, self.sheet.rows[bad], self.servers[bad], column, written, reason)

    def drop(self, column: str, bad: BoolArray, reason: str) -> None:
        """Record them and give up their rows."""
        self.refuse(column, bad, reason)
        self.good = self.good & ~bad

    def moments(self, column: str) -> cells.Moments:
        """Times of a column; rows without one are given up."""
        times = cells.moments(self.sheet.table[column], self.settings.source.timezone)
        for reason, bad in times.bad.items():
            self.drop(column, bad, reason)
        return times

    def wide(self) -> tuple[dict[str, Values], dict[str, str], BoolArray]:
        """(values by `<metric>_<statistic>`, labels among them by name, where [R] bad cells left nothing).

        A column with more texts than numbers is a label, unless settings make it a metric.
        """
        values: dict[str, Values] = {}
        labels: dict[str, str] = {}
        some, spoilt = np.zeros_like(self.good), np.zeros_like(self.good)
        for name, column in self.plan.metrics.items():
            numbers, odd = cells.numbers(self.sheet.table[column], self.sheet.decimal)
            if name not in self.plan.sure and odd.sum() > np.isfinite(numbers).sum():
                labels[LABEL + name] = column
                continue
            bad = self._bad_values(column, numbers, odd, *self._limits(name))
            values[name] = np.where(bad, np.nan, numbers).astype(np.float32)
            some |= ~np.isnan(values[name])
            spoilt |= bad
        if not values:
            raise InputError(
                f"{self.sheet.file}: {', '.join(labels.values())} hold texts, not numbers, so there is no metric "
                "column; map one: source.columns: {<its column>: cpu_p95}"
            )
        return values, labels, spoilt & ~some

    def sizes(self, column: str) -> tuple[Codes, list[str]]:
        """Cells of a column of inventory numbers as (code [R], names); what is none is recorded and missing."""
        numbers, odd = cells.numbers(self.sheet.table[column], self.sheet.decimal)
        infinite = cells.too_large(numbers)
        below = ~infinite & (numbers < 0)
        for reason, bad in (("not_a_number", odd), ("infinite", infinite), ("below_minimum", below)):
            self.refuse(column, bad, reason)
        known, code = np.unique(np.where(odd | infinite | below, np.nan, numbers), return_inverse=True)
        some = int((~np.isnan(known)).sum())  # missing ones come last
        return np.where(code < some, code, -1), [repr(float(value)) for value in known[:some]]

    def long(self) -> tuple[Codes, list[str], Values]:
        """(code [R] into names, names `<metric>_<statistic>`, value [R]); rows whose value is bad are given up."""
        codes, names = self._long_names()
        column = self.plan.known[VALUE]
        numbers, odd = cells.numbers(self.sheet.table[column], self.sheet.decimal)
        known = np.array([self._limits(name) for name in names] + [(1.0, -np.inf, np.inf)])[codes]
        bad = self._bad_values(column, numbers, odd, *known.T)
        self.good = self.good & ~bad
        return codes, names, np.where(bad, np.nan, numbers).astype(np.float32)

    def _long_names(self) -> tuple[Codes, list[str]]:
        column = self.plan.known[METRIC]
        metric, metrics = cells.texts(self.sheet.table[column])
        statistic, statistics = np.full(len(metric), -1, dtype=np.int64), [""]
        if STATISTIC in self.plan.known:
            statistic, given = cells.texts(self.sheet.table[self.plan.known[STATISTIC]])
            statistics = [*given, ""]
        both = np.where(metric < 0, -1, metric * len(statistics) + statistic % len(statistics))
        pair, pairs = pd.factorize(both)  # only what occurs
        wanted = [
            None if each < 0 else self._long_name(metrics[each // len(statistics)], statistics[each % len(statistics)])
            for each in pairs
        ]
        names = sorted({name for name in wanted if name})
        check_number(self.sheet.file, names, len(self.plan.labels), self.settings)
        place = {name: code for code, name in enumerate(names)}
        codes = np.array([place.get(name or "", -1) for name in wanted], dtype=np.int64)[pair]
        self.drop(column, metric < 0, "empty_metric")
        self.drop(self.plan.known.get(STATISTIC, column), codes < 0, "unknown_statistic")
        return codes, names

    def _long_name(self, metric: str, statistic: str) -> str | None:
        name = self.settings.source.columns.get(metric, metric)
        return metric_column(name, statistic or None) or (None if statistic else metric_column(name, DEFAULT_STATISTIC))

    def _limits(self, name: str) -> tuple[float, float, float]:
        """Factor into our unit, least possible and largest plausible value of `<metric>_<statistic>`."""
        known = self.settings.metrics.get(name.rpartition("_")[0])
        least = -np.inf if known is None or known.minimum is None else known.minimum
        most = np.inf if known is None or known.implausible_above is None else known.implausible_above
        return self.settings.source.scale.get(name, 1.0), least, most

    def _bad_values(
        self,
        column: str,
        numbers: npt.NDArray[np.float64],
        odd: BoolArray,
        scale: float | npt.NDArray[np.float64],
        least: float | npt.NDArray[np.float64],
        most: float | npt.NDArray[np.float64],
    ) -> BoolArray:
        """Scale `numbers` in place, record what cannot be, and return where [R] that is."""
        numbers *= scale
        infinite = cells.too_large(numbers)
        below = ~infinite & (numbers < np.subtract(least, 1e-6))  # a smaller step is noise of earlier arithmetic
        above = ~infinite & (numbers > most)
        reasons = {"not_a_number": odd, "infinite": infinite, "below_minimum": below, "implausible_value": above}
        for reason, bad in reasons.items():
            self.refuse(column, bad, reason)
        bad = odd | infinite | below | above
        np.maximum(numbers, least, out=numbers, where=~bad)
        return bad
