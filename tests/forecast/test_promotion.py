"""Promotion against a real lake: what becomes champion, what a past run sees, and what takes a broken one's place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from versions import DAILY, HORIZON, day, publish, series_of, spoil

from capforecast.errors import ConflictError, ModelError
from capforecast.forecast import pointers, promotion
from capforecast.forecast.pointers import Pointer, version_of
from capforecast.forecast.promotion import Decision
from capforecast.lake.store import Store
from capforecast.schema import Reference
from capforecast.settings import Settings

NAMES = ["srv-0", "srv-1", "srv-2"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def settle(store: Store, manifest: Reference, **models: Any) -> Decision:
    as_of = day(version_of(manifest)[:10])
    usable = series_of(models.pop("usable", NAMES))
    chosen = Settings(models=models)
    return promotion.settle(store, chosen, DAILY, "x", as_of, manifest, usable, HORIZON)


def champion_for(store: Store, as_of: str = "2026-12-01", horizon: int = HORIZON, **models: Any) -> Decision:
    return promotion.champion_for(store, Settings(models=models), DAILY, "x", day(as_of), horizon)


def why_train(store: Store, as_of: str = "2026-12-01", **more: Any) -> str:
    usable, horizon = series_of(more.pop("usable", NAMES)), more.pop("horizon", HORIZON)
    return promotion.why_train(store, Settings(models=more), DAILY, "x", day(as_of), usable, horizon)


def put(store: Store, manifest: Reference, action: str, *, pinned: bool = False) -> None:
    as_of = day(version_of(manifest)[:10]).isoformat()
    pointer = Pointer.model_validate({"manifest": manifest, "as_of": as_of, "action": action, "pinned": pinned})
    pointers.append(store, DAILY, "x", pointer, after=pointers.highest(store, DAILY, "x"))


def champion(store: Store) -> str:
    record = pointers.current(store, DAILY, "x")
    assert record is not None
    return record.pointer.version


def test_weeks_go_by(store: Store) -> None:
    first, better, worse = publish(store, "2026-11-09"), publish(store, "2026-11-16", 0.7), publish(store, error=0.9)
    assert settle(store, first).action == "first"
    assert settle(store, better).action == "refreshed"
    kept = settle(store, worse)
    assert (kept.action, kept.use, kept.series_compared) == ("kept", better, 3)
    assert kept.ratio == pytest.approx(0.9 / 0.7)
    assert [record.pointer.version for record in pointers.history(store, DAILY, "x")] == [
        version_of(first),
        version_of(better),
    ]


def test_deciding_again_says_the_same_and_writes_nothing(store: Store) -> None:
    for manifest in (publish(store, "2026-11-16"), publish(store, error=0.75, code="other")):
        said = settle(store, manifest)
        assert said.promoted
        count = len(store.keys("models"))
        assert settle(store, manifest) == said
        assert len(store.keys("models")) == count


def test_a_backfill_uses_its_own_model_and_promotes_nothing(store: Store) -> None:
    settle(store, publish(store))
    past = publish(store, "2026-06-01", 0.1)
    found = settle(store, past)
    assert (found.action, found.promoted, found.use) == ("backfill", False, past)
    assert champion(store).startswith("2026-11-23")


def test_a_past_run_made_again_decides_as_it_did_then(store: Store) -> None:
    first, second, third = publish(store, "2026-11-09"), publish(store, "2026-11-16", 0.7), publish(store, error=0.6)
    then = [settle(store, manifest) for manifest in (first, second, third)]
    count = len(store.keys("models"))
    assert [settle(store, manifest) for manifest in (first, second, third)] == then
    assert settle(store, publish(store, "2026-11-16", 0.7, code="other")).action == "backfill"
    assert len(pointers.history(store, DAILY, "x")) == 3
    assert len(store.keys("models")) > count  # the other model's own files; no record
    assert champion(store) == version_of(third)


def test_pinned_stays_until_it_is_unpinned(store: Store) -> None:
    old, new = publish(store, "2026-11-09"), publish(store, error=0.4)
    put(store, old, "pinned", pinned=True)
    found = settle(store, new)
    assert (found.action, found.use) == ("pinned", old)
    put(store, old, "unpinned")
    assert settle(store, new).action == "refreshed"


def test_what_was_rolled_back_from_returns_by_hand_only(store: Store) -> None:
    old, bad, next_ = publish(store, "2026-11-09"), publish(store, "2026-11-16", 0.7), publish(store, error=0.75)
    settle(store, old)
    settle(store, bad)
    put(store, old, "rolled_back")
    found = settle(store, bad)
    assert (found.action, found.use) == ("kept", old)
    assert "rolled back from" in found.reason
    assert settle(store, next_).action == "refreshed"
    put(store, bad, "promoted")
    assert settle(store, bad).use == bad


def test_a_damaged_champion_is_replaced_and_told(store: Store) -> None:
    old, new = publish(store, "2026-11-16"), publish(store, error=2.0)
    settle(store, old)
    spoil(store, old)
    found = settle(store, new)
    assert (found.action, found.use) == ("replaced", new)
    assert "cannot be used" in found.reason


def test_a_pinned_champion_that_is_damaged_gives_way_without_promotion(store: Store) -> None:
    good, bad, new = publish(store, "2026-11-02"), publish(store, "2026-11-16"), publish(store)
    settle(store, good)
    put(store, bad, "pinned", pinned=True)
    spoil(store, bad)
    found = settle(store, new)
    assert (found.action, found.promoted, found.use) == ("fell_back", False, good)
    with pytest.raises(ModelError, match=r"cannot be used .*models rollback --to"):
        settle(store, new, fall_back=False)
    spoil(store, good)
    assert settle(store, new).use == new
    assert champion(store) == version_of(bad)


def test_series_the_champion_does_not_know_call_for_a_new_one(store: Store) -> None:
    settle(store, publish(store, "2026-11-16"))
    more = [*NAMES, "srv-3"]
    assert "knows 75.0% of the series" in why_train(store, usable=more)
    assert settle(store, publish(store, error=2.0, names=more), usable=more).action == "replaced"


def test_the_winner_of_a_race_is_seen_by_the_loser(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two trainings end at once: the slower one finds its number taken and is compared with the quicker one."""
    settle(store, publish(store, "2026-11-09"))
    quick, slow = publish(store, "2026-11-16", 0.5), publish(store, "2026-11-16", 0.8)
    append = pointers.append

    def overtaken(*given: Any, **more: Any) -> Any:
        monkeypatch.setattr(pointers, "append", append)
        assert settle(store, quick).promoted
        return append(*given, **more)

    monkeypatch.setattr(pointers, "append", overtaken)
    found = settle(store, slow)
    assert (found.action, found.use) == ("kept", quick)
    assert champion(store) == version_of(quick)


def test_a_store_that_never_gives_a_number_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*given: Any, **more: Any) -> Any:
        raise ConflictError("taken")

    monkeypatch.setattr(pointers, "append", never)
    with pytest.raises(ConflictError, match="no number for a champion record was free"):
        settle(store, publish(store))


def test_without_training_the_champion_forecasts(store: Store) -> None:
    with pytest.raises(ModelError, match=r"x: there is no daily model in .*: train first"):
        champion_for(store)
    old, new = publish(store, "2026-11-09"), publish(store)
    settle(store, old)
    settle(store, new)
    found = champion_for(store)
    assert (found.action, found.use, found.promoted) == ("champion", new, False)
    assert champion_for(store, "2026-11-22").use == old  # a past run gets no model that has seen what came later
    with pytest.raises(ModelError, match="seen nothing after 2026-11-01"):
        champion_for(store, "2026-11-01")


def test_a_damaged_champion_gives_way_to_the_last_good_one(store: Store) -> None:
    good, rejected, damaged = publish(store, "2026-11-02"), publish(store, "2026-11-09"), publish(store, "2026-11-16")
    for manifest in (good, rejected):
        settle(store, manifest)
    put(store, good, "rolled_back")
    settle(store, damaged)
    spoil(store, damaged)
    found = champion_for(store)
    assert (found.action, found.use) == ("fell_back", good)
    assert version_of(damaged) in found.reason
    with pytest.raises(ModelError, match=f"champion {version_of(damaged)} cannot be used"):
        champion_for(store, fall_back=False)
    spoil(store, good)
    with pytest.raises(ModelError, match=f"champion {version_of(damaged)} cannot be used"):
        champion_for(store)  # never the one that was rolled back from


def test_a_champion_that_looks_too_short_names_both_spans(store: Store) -> None:
    settle(store, publish(store))
    with pytest.raises(ModelError, match="it looks 30 d ahead, not 90 d"):
        champion_for(store, horizon=90)
    assert "looks 30 d ahead, not 90 d" in why_train(store, horizon=90)


def test_a_record_that_cannot_be_read_is_passed_over_and_told(store: Store) -> None:
    old, new = publish(store, "2026-11-16"), publish(store, error=2.0)
    settle(store, old)
    store.create(pointers.record_key(DAILY, "x", 2), b"{")
    found = champion_for(store)
    assert (found.action, found.use) == ("fell_back", old)
    assert "record 000002 cannot be read" in found.reason
    with pytest.raises(ModelError, match=r"000002\.json .*models promote"):
        champion_for(store, fall_back=False)
    assert "record 000002" in why_train(store)
    assert settle(store, new).action == "replaced"
    assert champion(store) == version_of(new)
    assert champion_for(store, fall_back=False).use == new, "a good record follows the broken one"


def test_a_record_written_while_looking_is_not_taken_for_a_broken_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = publish(store, "2026-11-16"), publish(store)
    settle(store, old)
    read = store.read

    def slow(key: str) -> bytes:
        if "/champion/" in key:
            monkeypatch.undo()
            put(store, new, "promoted")
        return read(key)

    monkeypatch.setattr(store, "read", slow)
    assert champion_for(store).action == "champion"
    assert champion(store) == version_of(new)


def test_why_a_model_has_to_be_trained(store: Store) -> None:
    assert why_train(store) == "there is no daily model"
    old = publish(store, "2026-11-09")
    settle(store, old)
    assert why_train(store) == ""
    assert "36 days old" in why_train(store, "2026-12-15")
    assert "seen nothing after" in why_train(store, "2026-11-01")
    put(store, old, "pinned", pinned=True)
    assert why_train(store, "2027-12-15") == ""
    spoil(store, old, "backtest.parquet")
    assert "cannot be used" in why_train(store)
