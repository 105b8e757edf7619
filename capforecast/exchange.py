"""What stages hand on: references and counts, JSON in and out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict

from capforecast.lake.datasets import unit_key
from capforecast.schema import Cadence, Reference


class Result(BaseModel):
    """What a stage hands on: references and counts, JSON in and out."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Ingested(Result):
    """The fleet's history up to a cut-off."""

    cadence: Cadence
    as_of: str  # exclusive cut-off, ISO 8601 UTC
    observations: list[Reference]
    inventory: Reference
    shapes: Reference  # catalogue of instance shapes
    prices: Reference | None = None  # price list; null in reports of earlier versions
    quarantine: Reference
    validation: Reference  # what became of every file's rows
    known_at: str | None  # only what had arrived by then is seen, ISO 8601 UTC; null = all
    business_units: list[str]
    servers: int
    files: int
    files_refused: int
    rows_read: int
    rows_used: int
    rows_rejected: int
    values_rejected: int
    duplicates: int
    rejected_by_reason: dict[str, int]

    @property
    def cut_off(self) -> pd.Timestamp:
        """`as_of` as a timestamp."""
        return pd.Timestamp(self.as_of)


class Unit(Result):
    """One business unit of one run, with what the stages made of it so far."""

    cadence: Cadence
    as_of: str
    business_unit: str
    servers: int
    series: int
    usable: int
    horizon: int
    references: dict[str, Reference]

    @property
    def cut_off(self) -> pd.Timestamp:
        """`as_of` as a timestamp."""
        return pd.Timestamp(self.as_of)

    def key(self, dataset: str) -> str:
        """Key of the unit's partition of a dataset."""
        return unit_key(dataset, self.cadence, self.cut_off, self.business_unit)

    def only(self, names: Iterable[str]) -> Unit:
        """The unit with just these references, where it has them: what a stage reads, and so its cache key."""
        return self.model_copy(update={"references": {n: self.references[n] for n in names if n in self.references}})

    def having(self, **references: Reference) -> Unit:
        """The unit with further references."""
        return self.model_copy(update={"references": self.references | references})


class Published(Result):
    """A published report."""

    complete: bool
    as_of: str
    cadence: Cadence
    tiers: dict[str, int]
    references: dict[str, Reference]  # inputs, summary, and by `report.formats` pdf, workbook, html
    business_units: dict[str, dict[str, Reference]] = {}  # the same of each unit's own report


class Overview(Result):
    """A unit's result at a glance."""

    business_unit: str
    tiers: dict[str, int]
    worst: list[dict[str, Any]]
    unknown: dict[str, int]


class RunKey(Result):
    """Which attempt of which run."""

    run_id: str
    attempt: int
