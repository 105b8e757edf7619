"""Records of runs that one process leaves for another: plans, units, what is forced."""

from __future__ import annotations

from pathlib import Path

import pytest

from capforecast.errors import ConflictError, MissingObjectError
from capforecast.exchange import RunKey, Unit
from capforecast.lake import runs
from capforecast.lake.claims import Claims, refuse_foreign
from capforecast.lake.store import Store
from capforecast.schema import Cadence

AS_OF = "2026-03-02T00:00:00+00:00"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "lake")


def unit(servers: int, name: str = "payments / EU") -> Unit:
    return Unit(
        cadence=Cadence.DAILY, as_of=AS_OF, business_unit=name, servers=servers, series=4, usable=4, horizon=14,
        references={},
    )  # fmt: skip


def test_the_plan_of_the_latest_attempt_counts(store: Store) -> None:
    for attempt in (2, 10, 9):
        runs.write_plan(store, RunKey(run_id="r", attempt=attempt), {"attempt": attempt})
    runs.write_plan(store, RunKey(run_id="other", attempt=11), {"attempt": 11})
    assert runs.read_plan(store, "r") == {"attempt": 10}


def test_a_run_without_a_plan_is_named(store: Store) -> None:
    with pytest.raises(MissingObjectError, match="run r has no plan"):
        runs.read_plan(store, "r")


def test_each_attempt_of_a_unit_is_kept(store: Store) -> None:
    first, second, other = (
        RunKey(run_id=child, attempt=attempt) for child, attempt in (("c", 1), ("c", 2), ("of-another-date", 1))
    )
    runs.write_unit(store, "r", first, unit(3), "this")
    runs.write_unit(store, "r", second, unit(4), "that")
    runs.write_unit(store, "r", other, unit(5), "this")
    assert runs.read_unit(store, "r", "payments / EU", first) == (unit(3), "this")
    assert runs.read_unit(store, "r", "payments / EU", second) == (unit(4), "that")
    with pytest.raises(ConflictError):
        runs.write_unit(store, "r", first, unit(5), "this")
    with pytest.raises(MissingObjectError):
        runs.read_unit(store, "r", "payments", first)


def test_only_the_attempt_meant_is_forced(store: Store) -> None:
    runs.force_from(store, "r", 2, "train")
    runs.force_from(store, "r", 2, "risk")
    assert runs.forced_from(store, RunKey(run_id="r", attempt=2)) == "risk"
    assert runs.forced_from(store, RunKey(run_id="r", attempt=3)) is None


def test_who_works_for_a_run_stops_when_another_run_has_the_period(store: Store) -> None:
    as_of = unit(1).cut_off
    refuse_foreign(store, "mine", Cadence.DAILY, as_of)  # nobody has it
    with Claims(store, "mine") as claims:
        claims.period(Cadence.DAILY, as_of)
        refuse_foreign(store, "mine", Cadence.DAILY, as_of)
        with pytest.raises(ConflictError, match="is being written by run mine"):
            refuse_foreign(store, "another", Cadence.DAILY, as_of)
    refuse_foreign(store, "another", Cadence.DAILY, as_of)
