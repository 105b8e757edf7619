"""Pruning: what must stay stays, a killed one is finished by the next, and reports that cite a version are named."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from versions import DAILY, day, publish

from capforecast.errors import LakeError, ModelError
from capforecast.forecast import pointers, registry, retention
from capforecast.forecast.pointers import Pointer, version_of
from capforecast.lake.store import Store
from capforecast.schema import Reference

NOW = datetime.now(UTC)
DAYS = [f"2026-09-{number:02d}" for number in range(1, 8)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def point(store: Store, manifest: Reference, action: str = "promoted", *, pinned: bool = False) -> None:
    as_of = day(version_of(manifest)[:10]).isoformat()
    pointer = Pointer.model_validate({"manifest": manifest, "as_of": as_of, "action": action, "pinned": pinned})
    pointers.append(store, DAILY, "x", pointer, after=pointers.highest(store, DAILY, "x"))


def planned(store: Store, keep: int, now: datetime = NOW) -> retention.Plan:
    return retention.plan(store, DAILY, "x", keep, retention.reports_of(store, DAILY), now)


def going(store: Store, keep: int, now: datetime = NOW) -> list[str]:
    return [version.version[:10] for version in planned(store, keep, now).outgoing]


def test_the_newest_and_the_champion_stay(store: Store) -> None:
    published = [publish(store, name) for name in DAYS]
    assert going(store, 3) == DAYS[:4]
    point(store, published[0], pinned=True)
    assert going(store, 3) == DAYS[1:4]
    plan = planned(store, 3)
    assert plan.kept[version_of(published[0])] == "pinned"
    assert retention.prune(store, DAILY, plan) == plan.outgoing
    left = pointers.versions(store, DAILY, "x")
    assert [version_of(manifest)[:10] for manifest in left] == [DAYS[0], *DAYS[4:]]
    assert all(registry.is_intact(store, manifest) for manifest in left)
    assert len(pointers.history(store, DAILY, "x")) == 1
    assert going(store, 3) == []


def test_what_was_champion_lately_stays(store: Store) -> None:
    published = [publish(store, name) for name in DAYS]
    for manifest in published[:4]:
        point(store, manifest)
    assert going(store, 1) == [*DAYS[:3], *DAYS[4:6]]
    assert going(store, 2) == [*DAYS[:2], DAYS[4]]


def test_a_killed_pruning_is_finished_by_the_next(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *_ = [publish(store, name) for name in DAYS[:3]]
    point(store, first)
    point(store, publish(store, DAYS[2]))
    delete, left = store.delete, [2]

    def killed(key: str) -> None:
        if not left[0]:
            raise LakeError("killed")
        left[0] -= 1
        delete(key)

    monkeypatch.setattr(store, "delete", killed)
    with pytest.raises(LakeError, match="killed"):
        retention.prune(store, DAILY, planned(store, 1))
    monkeypatch.undo()
    assert version_of(first) not in [version_of(manifest) for manifest in pointers.versions(store, DAILY, "x")]
    plan = planned(store, 1)
    assert [(version.version, version.published) for version in plan.outgoing] == [
        (version_of(first), False),  # known to the history, so nobody is publishing it
        (version_of(publish(store, DAYS[1])), True),
    ]
    retention.prune(store, DAILY, plan)
    assert {key.split("/")[3][:10] for key in store.keys("models")} == {"champion", DAYS[2]}


def test_files_without_a_manifest_go_after_a_day_only(store: Store) -> None:
    manifest = publish(store, DAYS[0])
    store.delete(manifest.uri)
    assert going(store, 1) == []  # somebody may be publishing it
    assert going(store, 1, NOW + timedelta(days=1, hours=1)) == [DAYS[0]]


def test_a_version_that_becomes_champion_meanwhile_stays(store: Store) -> None:
    published = [publish(store, name) for name in DAYS[:3]]
    plan = planned(store, 1)
    point(store, published[0], "rolled_back", pinned=True)
    gone = retention.prune(store, DAILY, plan)
    assert [version.version for version in gone] == [version_of(published[1])]
    assert registry.is_intact(store, published[0])


def test_reports_made_with_a_version_are_named(store: Store) -> None:
    old, _ = publish(store, DAYS[0]), publish(store, DAYS[1])
    for as_of, folder in (("2026-09-01", ""), ("2026-09-02", "business_unit=x/"), ("2026-09-03", "")):
        uri = old.uri if as_of != "2026-09-03" else "models/other/v/manifest.json"
        units = {"units": [{"references": {"model": {"uri": uri}}}, {"references": {}}]}
        store.put(f"reports/cadence=daily/as_of={as_of}/{folder}inputs.json", json.dumps(units).encode())
    store.put("reports/cadence=daily/as_of=2026-09-04/inputs.json", b"{")
    (outgoing,) = planned(store, 1).outgoing
    assert outgoing.reports == ["2026-09-01", "2026-09-02"]
    assert outgoing.size == sum(item.size for item in store.listed(old.uri.rsplit("/", 1)[0]))


def test_nothing_goes_while_a_record_cannot_be_read(store: Store) -> None:
    for name in DAYS[:3]:
        publish(store, name)
    store.create(pointers.record_key(DAILY, "x", 1), b"{")
    with pytest.raises(ModelError, match="cannot be read"):
        planned(store, 1)
