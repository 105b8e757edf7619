"""The lake as pages ask for it: runs, tables of a run, each read once and remembered by content."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pandas as pd

from capforecast.dashboard import published
from capforecast.dashboard.faults import refuse_damaged
from capforecast.dashboard.published import Parts, Run
from capforecast.dashboard.remembered import Memory
from capforecast.errors import ConfigError, LakeError, StaleReferenceError, UsageError
from capforecast.lake.datasets import read_table
from capforecast.lake.store import Store
from capforecast.report.summary import RunSummary
from capforecast.schema import SERVER_ID, Reference
from capforecast.settings import Settings

MOST_BYTES = 256 * 2**20
LISTED_SECONDS = 30.0  # for so long a list of runs counts as the present one
FEW = 2  # a text column in which a value stands more often than this on average is kept as categories
Result = TypeVar("Result")


class Lake:
    """A store and what was read of it. One for all sessions of a process."""

    def __init__(self, store: Store, most_bytes: int = MOST_BYTES, clock: Callable[[], float] = time.monotonic) -> None:
        self.store, self.memory, self._clock = store, Memory(most_bytes), clock
        self._listed: tuple[float, list[Run]] | None = None
        self._known: list[Run] = []
        self.trouble = ""

    def runs(self) -> list[Run]:
        """The published runs, newest first; listed anew after half a minute.

        Where the lake does not let itself be listed any more, those known before: what was read of them is still there
        to be shown. `trouble` says why then, and is empty otherwise. Raises LakeError where none was known before.
        """
        now = self._clock()
        if self._listed is None or now - self._listed[0] > LISTED_SECONDS:
            try:
                self._known, self.trouble = published.runs(self.store), ""
            except (LakeError, ConfigError) as error:
                if not self._known:
                    raise
                self.trouble, now = str(error), self._clock()
            self._listed = (now, self._known)
        return self._listed[1]

    def look_again(self) -> None:
        """Forget which runs there are; the next question lists them."""
        self._listed = None

    def run(self, name: str | None) -> Run:
        """A run by its name, None = the newest; raises UsageError that says which there are."""
        known = self.runs()
        if not known:
            raise UsageError(
                f"There is no finished run in {self.store.url} yet. `capforecast run --store ...` makes one."
            )
        if name is None:
            return known[0]
        found = next((run for run in known if run.name == name), None)
        if found is None:
            some = ", ".join(run.name for run in known[:5])
            raise UsageError(f"There is no run {name!r} in this lake; the newest are {some}.")
        return found

    def open(self, run: Run) -> OpenRun:
        """What a run is made of. A run that was made again meanwhile is another one."""
        stamp = (run.folder, run.modified)
        return self.memory.get(("run", *stamp), lambda: self._opened(run))

    def _opened(self, run: Run) -> OpenRun:
        made = published.parts(self.store, run)
        return OpenRun(self, run, made, published.settings_of(made, run), published.summary(self.store, run))

    def summaries(self, runs: Sequence[Run]) -> tuple[list[RunSummary], list[str]]:
        """Summaries of those runs that can be read, and why the others cannot."""
        found, problems = [], []
        for run in runs:
            try:
                found.append(self.open(run).summary)
            except LakeError as error:
                problems.append(str(error))
        return found, problems

    def frame(self, reference: Reference, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """A table, or those of some columns that it has; do not change it.

        Raises MissingObjectError, StaleReferenceError or DamagedObjectError where it is gone, replaced or no table.
        """
        key = ("table", reference.sha256, None if columns is None else tuple(columns))
        return self.memory.get(key, lambda: self._frame(reference, columns))

    def _frame(self, reference: Reference, columns: Sequence[str] | None) -> pd.DataFrame:
        try:
            table = read_table(self.store, reference)
        except StaleReferenceError:
            refuse_damaged(self.store, reference)
            raise
        if columns is not None:
            table = table.select([name for name in columns if name in table.column_names])
        return compact(table.to_pandas())


@dataclass(frozen=True)
class OpenRun:
    """A run with its summary, its settings and the references of its tables."""

    lake: Lake
    run: Run
    made: Parts
    settings: Settings
    summary: RunSummary

    @property
    def origin(self) -> pd.Timestamp:
        """The last moment its forecasts know of (naive, UTC): dates count from there."""
        return self.run.as_of.tz_localize(None) - self.run.cadence.step

    def of_units(self, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """A table of all finished units, one below the other; empty where no unit has it."""
        references = self.made.table(name)
        key = ("stacked", name, tuple(r.sha256 for r in references), None if columns is None else tuple(columns))
        return self.lake.memory.get(key, lambda: stacked([self.lake.frame(each, columns) for each in references]))

    def of_fleet(self, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """A table of the whole fleet; empty where the run has none."""
        reference = self.made.extras.get(name)
        return pd.DataFrame() if reference is None else self.lake.frame(reference, columns)

    def remembered(self, what: str, make: Callable[[], Result]) -> Result:
        """What was made of this run's tables, once."""
        return self.lake.memory.get((what, self.run.folder, self.run.modified), make)

    def rows(self, name: str, unit: str, server: str) -> pd.DataFrame:
        """Rows of one server in a small table of its unit; empty where the unit has none."""
        reference = self.made.of_unit(unit, name)
        if reference is None:
            return pd.DataFrame()
        table = self.lake.frame(reference)
        return table[table[SERVER_ID] == server] if SERVER_ID in table else pd.DataFrame()


def stacked(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Frames one below the other; texts that few share come out as categories again."""
    filled = [frame for frame in frames if len(frame)]
    if not filled:
        return frames[0] if frames else pd.DataFrame()
    plain = [frame.astype(dict.fromkeys(_categories(frame), "str")) for frame in filled]
    return compact(pd.concat(plain, ignore_index=True))


def _categories(frame: pd.DataFrame) -> list[str]:
    return [str(name) for name in frame.columns if isinstance(frame[name].dtype, pd.CategoricalDtype)]


def compact(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with texts that many rows share as categories: ten thousand names of five units are five."""
    kinds = {
        name: "category"
        for name in frame.columns
        if name != SERVER_ID and pd.api.types.is_string_dtype(frame[name]) and len(frame) > FEW * frame[name].nunique()
    }
    return frame.astype(kinds) if kinds else frame
