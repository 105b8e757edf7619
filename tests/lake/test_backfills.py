"""What a backfill has finished is found again; what cannot be read counts as not finished."""

from __future__ import annotations

from pathlib import Path

from capforecast.lake import backfills
from capforecast.lake.store import Store


def test_a_record_is_found_by_its_date_and_key_and_the_last_word_counts(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert backfills.finished(store, "2026-01-04", "k") is None
    backfills.note(store, "2026-01-04", "k", {"run_id": "1"})
    backfills.note(store, "2026-01-04", "k", {"run_id": "2"})
    assert backfills.finished(store, "2026-01-04", "k") == {"run_id": "2"}
    assert backfills.finished(store, "2026-01-11", "k") is None
    assert backfills.finished(store, "2026-01-04", "other") is None


def test_a_damaged_record_counts_as_none(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(backfills.note(store, "2026-01-04", "k", {}).uri, b'{"run_id"')
    assert backfills.finished(store, "2026-01-04", "k") is None
