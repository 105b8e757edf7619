"""A run on what the lake holds: its cut-off, what it may see, and that it claims its period first."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from capforecast import stages
from capforecast.errors import ConflictError, NoUsableInputError
from capforecast.lake import raw
from capforecast.lake.claims import Claims
from capforecast.lake.store import Store
from capforecast.schema import Cadence
from capforecast.settings import Settings

FIRST = pd.Timestamp("2026-01-01", tz="UTC")


def rows(days: range, value: float = 50.0) -> pd.DataFrame:
    stamps = FIRST + pd.to_timedelta(list(days), unit="D")
    return pd.concat(
        [
            pd.DataFrame({"server_id": name, "timestamp": stamps.as_unit("us"), "cpu_p95": value}).astype(
                {"cpu_p95": "float32", "server_id": "str"}
            )
            for name in ("a", "b")
        ]
    ).reset_index(drop=True)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Sixty days that arrived at once on the evening of the last, then ten that arrived each on its next morning."""
    store = Store(tmp_path / "lake")
    raw.add_observations(store, Cadence.DAILY, rows(range(60)), FIRST + pd.Timedelta(days=60, hours=1))
    for day in range(60, 70):
        raw.add_observations(
            store, Cadence.DAILY, rows(range(day, day + 1)), FIRST + pd.Timedelta(days=day + 1, hours=1)
        )
    raw.put_inventory(store, pd.DataFrame({"server_id": ["a", "b"], "business_unit": ["one", "two"]}))
    return store


def test_it_ends_with_the_last_complete_period(store: Store) -> None:
    seen = stages.from_lake(store, Settings())
    assert (seen.cadence, seen.cut_off) == (Cadence.DAILY, FIRST + pd.Timedelta(days=70))
    assert (seen.business_units, seen.servers, seen.known_at, seen.rows_read) == (["one", "two"], 2, None, 0)


def test_it_sees_what_had_arrived_by_a_moment(store: Store) -> None:
    by = (FIRST + pd.Timedelta(days=65, hours=2)).isoformat()
    seen = stages.from_lake(store, Settings(), known_at=by)
    assert seen.cut_off == FIRST + pd.Timedelta(days=65)
    assert seen.known_at == by
    unit = stages.validate(store, Settings(), seen, "one")
    panel = stages.read_panel(store, unit)
    assert panel.timestamps[-1] == FIRST + pd.Timedelta(days=64)
    with pytest.raises(NoUsableInputError, match="had arrived by"):
        stages.from_lake(store, Settings(), known_at="2026-02-01")


def test_by_the_cut_off_unless_the_lake_was_not_kept_yet(store: Store) -> None:
    kept, before = (str((FIRST + pd.Timedelta(days=days)).date()) for days in (66, 40))
    assert stages.from_lake(store, Settings(), as_of=kept, known_at="as_of").known_at == f"{kept}T00:00:00+00:00"
    assert stages.from_lake(store, Settings(), as_of=before, known_at="as_of").known_at is None


def test_the_period_is_claimed_before_anything_of_it_is_written(store: Store) -> None:
    before = store.keys("")
    assert stages.in_lake(store, Settings()).cut_off == FIRST + pd.Timedelta(days=70)
    assert store.keys("") == before
    with Claims(store, "one") as held:
        held.period(Cadence.DAILY, FIRST + pd.Timedelta(days=70))
        with pytest.raises(ConflictError, match="is being written by"), Claims(store, "other") as other:
            stages.from_lake(store, Settings(), claims=other)
    assert [key for key in store.keys("") if key not in before and not key.startswith("locks/")] == []


def test_a_lake_that_was_not_fed_is_told(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    stages.from_lake(store, Settings(), as_of="2026-03-12")
    assert "last complete period ends at 2026-03-12" not in caplog.text
    stages.from_lake(store, Settings(), as_of="2026-03-20")
    assert "last complete period ends at 2026-03-12" in caplog.text
    assert "ingest first" in caplog.text


def test_which_cadence_is_meant(store: Store) -> None:
    hourly = rows(range(3)).assign(timestamp=lambda frame: frame["timestamp"] + pd.Timedelta(days=60))
    raw.add_observations(store, Cadence.HOURLY, hourly, FIRST + pd.Timedelta(days=80))
    assert stages.from_lake(store, Settings()).cadence is Cadence.DAILY
    wanted = Settings.model_validate({"source": {"cadence": "hourly"}})
    assert stages.from_lake(store, wanted).cadence is Cadence.HOURLY
