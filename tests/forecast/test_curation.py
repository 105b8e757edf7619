"""What a person does with versions: named by little, rolled back to what can be used, never undone by training."""

from __future__ import annotations

from pathlib import Path

import pytest
from versions import DAILY, day, publish, series_of, spoil

from capforecast.errors import ModelError, UsageError
from capforecast.forecast import curation, pointers, promotion
from capforecast.forecast.pointers import version_of
from capforecast.lake.store import Store
from capforecast.schema import Reference
from capforecast.settings import Settings

SETTINGS = Settings()
SERIES = series_of(["srv-0", "srv-1", "srv-2"])


def settle(store: Store, manifest: Reference, as_of: str) -> promotion.Decision:
    return promotion.settle(store, SETTINGS, DAILY, "x", day(as_of), manifest, SERIES, 30)


@pytest.fixture
def three(tmp_path: Path) -> tuple[Store, list[Reference]]:
    """Three weeks, each week's model champion in its turn."""
    store, made = Store(tmp_path), []
    for as_of in ("2026-11-09", "2026-11-16", "2026-11-23"):
        made.append(publish(store, as_of))
        assert settle(store, made[-1], as_of).promoted
    return store, made


def champion(store: Store) -> str:
    record = pointers.current(store, DAILY, "x")
    assert record is not None
    return record.pointer.version


def test_a_version_is_named_by_its_beginning_its_hash_or_its_role(three: tuple[Store, list[Reference]]) -> None:
    store, made = three
    version = version_of(made[1])
    for name in (version, version[:10], version.rsplit("-", 1)[1][:6], "previous"):
        assert curation.resolve(store, DAILY, "x", name).uri == made[1].uri
    assert curation.resolve(store, DAILY, "x", "champion").uri == made[2].uri
    with pytest.raises(UsageError, match=r"several versions begin with '2026-11'.*2026-11-09"):
        curation.resolve(store, DAILY, "x", "2026-11")
    with pytest.raises(UsageError, match=r"no version begins with 'nothing'.*champion, previous, 2026-11-09"):
        curation.resolve(store, DAILY, "x", "nothing")
    with pytest.raises(UsageError, match="train first"):
        curation.resolve(store, DAILY, "nobody", "champion")


def test_a_rollback_goes_to_the_champion_before_and_stays(three: tuple[Store, list[Reference]]) -> None:
    store, made = three
    record, passed = curation.roll_back(store, DAILY, "x", None, "3 a.m.")
    assert (record.pointer.version, record.pointer.pinned, passed) == (version_of(made[1]), True, [])
    better = publish(store, "2026-11-30", 0.1)
    assert settle(store, better, "2026-11-30").action == "pinned"
    assert champion(store) == version_of(made[1])
    again, _ = curation.roll_back(store, DAILY, "x", None, "")
    assert again.pointer.version == version_of(made[0]), "a second one goes further back, not forth"
    with pytest.raises(UsageError, match="no champion before"):
        curation.roll_back(store, DAILY, "x", None, "")


def test_an_undone_rollback_leaves_the_champion_before_where_it_was(three: tuple[Store, list[Reference]]) -> None:
    store, made = three
    curation.roll_back(store, DAILY, "x", None, "")
    curation.roll_back(store, DAILY, "x", version_of(made[2]), "it was the data")
    assert curation.resolve(store, DAILY, "x", "previous").uri == made[1].uri
    spoil(store, made[2])
    found = promotion.champion_for(store, SETTINGS, DAILY, "x", day("2026-11-24"), 30)
    assert (found.action, found.use.uri) == ("fell_back", made[1].uri)
    assert curation.roll_back(store, DAILY, "x", None, "")[0].pointer.version == version_of(made[1])


def test_a_rollback_passes_over_what_is_damaged_and_says_so(three: tuple[Store, list[Reference]]) -> None:
    store, made = three
    spoil(store, made[1])
    record, passed = curation.roll_back(store, DAILY, "x", None, "")
    assert record.pointer.version == version_of(made[0])
    assert version_of(made[1]) in passed[0]
    assert "weights.parquet" in passed[0]
    with pytest.raises(ModelError, match=r"cannot be used.*weights\.parquet"):
        curation.roll_back(store, DAILY, "x", version_of(made[1]), "")


def test_a_rollback_to_a_shorter_horizon_says_so(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for as_of, horizon in (("2026-11-16", 30), ("2026-11-23", 90)):
        manifest = publish(store, as_of, horizon=horizon)
        promotion.settle(store, SETTINGS, DAILY, "x", day(as_of), manifest, SERIES, horizon)
    _, notes = curation.roll_back(store, DAILY, "x", None, "")
    assert "looks 30 d ahead" in notes[0]
    assert "looked 90 d" in notes[0]
    _, notes = curation.roll_back(store, DAILY, "x", "2026-11-23", "")
    assert notes == []


def test_without_a_pin_training_decides_again_but_not_for_what_was_rejected(
    three: tuple[Store, list[Reference]],
) -> None:
    store, made = three
    curation.roll_back(store, DAILY, "x", None, "", pinned=False)
    assert settle(store, made[2], "2026-11-23").use.uri == made[1].uri, "rolled back from: only by hand"
    newer = publish(store, "2026-11-30")
    assert settle(store, newer, "2026-11-30").promoted


def test_pinned_until_unpinned(three: tuple[Store, list[Reference]]) -> None:
    store, made = three
    with pytest.raises(UsageError, match="is pinned"):
        curation.unpin(store, DAILY, "x", "")
    curation.pin(store, DAILY, "x", "champion", "freeze")
    newer = publish(store, "2026-11-30")
    assert settle(store, newer, "2026-11-30").use.uri == made[2].uri
    curation.unpin(store, DAILY, "x", "")
    assert settle(store, newer, "2026-11-30").promoted
    with pytest.raises(UsageError, match="champion of x already"):
        curation.promote(store, DAILY, "x", "champion", "")


def test_a_broken_record_is_mended_by_choosing_a_champion_by_hand(three: tuple[Store, list[Reference]]) -> None:
    store, made = three
    store.put(pointers.record_key(DAILY, "x", 3), b"{")
    record = curation.promote(store, DAILY, "x", version_of(made[2]), "")
    assert record.number == 4
    assert champion(store) == version_of(made[2])


def test_a_version_chosen_by_mistake_is_undone_by_a_rollback(three: tuple[Store, list[Reference]]) -> None:
    store, made = three
    curation.pin(store, DAILY, "x", version_of(made[0]), "the wrong one")
    curation.unpin(store, DAILY, "x", "")
    assert curation.resolve(store, DAILY, "x", "previous") == made[2]
    assert curation.roll_back(store, DAILY, "x", None, "")[0].pointer.version == version_of(made[2])


def test_after_a_rollback_by_name_the_next_goes_further_back(three: tuple[Store, list[Reference]]) -> None:
    store, made = three
    curation.roll_back(store, DAILY, "x", version_of(made[0]), "")
    with pytest.raises(UsageError, match="no champion before"):
        curation.roll_back(store, DAILY, "x", None, "")
