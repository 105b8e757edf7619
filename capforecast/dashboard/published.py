"""Which runs a lake holds, and what each is made of: read from what stands beside its report (inputs.json).

Only the parts a reader needs are looked at, so that reports of earlier versions open, too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from capforecast.errors import LakeError, MissingObjectError
from capforecast.lake.datasets import as_of_segment
from capforecast.lake.store import Store
from capforecast.report.summary import RunSummary
from capforecast.schema import Cadence, Reference
from capforecast.settings import Settings

INPUTS, SUMMARY = "inputs.json", "summary.json"
FILES = {"PDF": "capacity-report.pdf", "Excel": "capacity-report.xlsx", "HTML": "capacity-report.html", "JSON": SUMMARY}
_ROOT = "reports"
Kind = TypeVar("Kind", bound=BaseModel)


@dataclass(frozen=True)
class Run:
    """A published run. part: "" = of the whole fleet, else the folder segment of its business units."""

    cadence: Cadence
    as_of: pd.Timestamp
    part: str
    folder: str
    modified: datetime

    @property
    def name(self) -> str:
        """How links and choices name it: `2026-11-23 daily`; of some business units with their folder's name."""
        return " ".join(filter(None, (as_of_segment(self.as_of), str(self.cadence), self.part)))

    def key(self, file: str) -> str:
        """Key of a file of its report."""
        return f"{self.folder}/{file}"


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class UnitParts(_Kept):
    """A finished business unit of a run, and its tables by name."""

    business_unit: str
    references: dict[str, Reference]


class _History(_Kept):
    quarantine: Reference | None = None
    validation: Reference | None = None


class Parts(_Kept):
    """What a run is made of. problems: why further units are missing.  extras: tables of the fleet, by name."""

    units: list[UnitParts]
    problems: dict[str, str] = {}
    extras: dict[str, Reference] = {}
    ingested: _History = _History()
    settings: dict[str, Any] = {}

    def table(self, name: str) -> list[Reference]:
        """A table of every unit that has it."""
        return [unit.references[name] for unit in self.units if name in unit.references]

    def of_unit(self, unit: str, name: str) -> Reference | None:
        """A table of one unit."""
        return next((each.references.get(name) for each in self.units if each.business_unit == unit), None)


def runs(store: Store) -> list[Run]:
    """The published runs, newest cut-off first; of some business units only where no run of the fleet is of that day.

    Raises LakeError where the lake cannot be listed.
    """
    whole: dict[tuple[str, str], Run] = {}
    some: dict[tuple[str, str], list[Run]] = {}
    for item in store.listed(_ROOT):
        run = _run(item.key, item.modified)
        if run is None:
            continue
        period = (str(run.cadence), as_of_segment(run.as_of))
        if run.part:
            some.setdefault(period, []).append(run)
        else:
            whole[period] = run
    found = [*whole.values(), *(run for period, rest in some.items() if period not in whole for run in rest)]
    return sorted(found, key=lambda run: (-run.as_of.value, run.cadence != Cadence.DAILY, run.part))


def _run(key: str, modified: datetime) -> Run | None:
    """The run whose inputs.json this is; None for any other key."""
    folders = key.split("/")
    if folders[-1] != INPUTS or folders[0] != _ROOT or len(folders) not in (4, 5):
        return None
    named = dict(part.split("=", 1) for part in folders[1:-1] if "=" in part)
    day, _, hour = named.get("as_of", "").partition("T")
    try:
        as_of = pd.Timestamp(f"{day}T{hour or '00'}:00", tz="UTC").as_unit("us")
        cadence = Cadence(named.get("cadence", ""))
    except ValueError:
        return None
    return Run(cadence, as_of, named.get("business_unit", ""), "/".join(folders[:-1]), modified)


def parts(store: Store, run: Run) -> Parts:
    """What a run is made of; raises LakeError where that cannot be read."""
    return _read(store, run, INPUTS, Parts)


def summary(store: Store, run: Run) -> RunSummary:
    """The summary of a run; raises LakeError where it cannot be read."""
    return _read(store, run, SUMMARY, RunSummary)


def _read(store: Store, run: Run, file: str, kind: type[Kind]) -> Kind:
    key = run.key(file)
    try:
        content = json.loads(store.read(key))
        if kind is Parts:  # one reference for each month of the past: nobody here asks for them
            content.get("ingested", {}).pop("observations", None)
        return kind.model_validate(content)
    except MissingObjectError:
        raise LakeError(f"{key} is not in the lake; make it with `capforecast report {_again(run)}`") from None
    except (ValidationError, ValueError, AttributeError) as error:
        what = str(error).splitlines()[0]
        raise LakeError(
            f"{key} was written by another version of capforecast, or is damaged ({what}): run again with "
            f"`capforecast run {_again(run)} ...`"
        ) from None


def _again(run: Run) -> str:
    return f"--as-of {as_of_segment(run.as_of)}"


def settings_of(made: Parts, run: Run) -> Settings:
    """The settings of a run: units of metrics, thresholds, calendar. Raises LakeError where they are of other times."""
    try:
        return Settings.model_validate(made.settings)
    except ValidationError as error:
        what = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise LakeError(
            f"{run.key(INPUTS)} holds settings of another version of capforecast ({what}): run again with "
            f"`capforecast run {_again(run)} ...`"
        ) from None
