"""`capforecast models` as one types it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from versions import DAILY, day, publish, series_of, spoil

from capforecast.forecast import pointers, promotion
from capforecast.lake.store import Store
from capforecast.settings import Settings

Call = Callable[..., Any]


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Two business units with two weeks' models each."""
    store = Store(tmp_path)
    for unit in ("retail", "web & more"):
        for as_of, names in (("2026-11-16", ("srv-0", "srv-1")), ("2026-11-23", ("srv-1", "srv-2"))):
            made = publish(store, as_of, names=names, business_unit=unit, leads=f"naive/{as_of}")
            promotion.settle(store, Settings(), DAILY, unit, day(as_of), made, series_of(names), 30)
    return tmp_path


def read(call: Call, *words: object, code: int = 0) -> Any:
    done = call("models", *words, "--json")
    assert done.code == code, done.err
    return json.loads(done.out)


def test_versions_are_listed_with_the_champion_marked(call: Call, lake: Path) -> None:
    rows = read(call, "list", "--store", lake)
    assert [(row["business_unit"], row["as_of"], row["mark"]) for row in rows] == [
        ("retail", "2026-11-23", "champion"), ("retail", "2026-11-16", ""),
        ("web & more", "2026-11-23", "champion"), ("web & more", "2026-11-16", ""),
    ]  # fmt: skip
    assert rows[0]["relative_mae"] == pytest.approx(0.8)
    text = call("models", "list", "--store", lake).out
    assert "champion" in text
    assert "web & more" in text


def test_a_rollback_of_all_units_is_said_and_shows_in_the_history(call: Call, lake: Path) -> None:
    rows = read(call, "rollback", "--store", lake, "--all-business-units", "--reason", "bad data")
    assert [row["champion"][:10] for row in rows] == ["2026-11-16"] * 2
    assert all("unpin" in row["note"] for row in rows)
    told = read(call, "history", "--store", lake, "--business-unit", "retail")
    assert next((row["number"], row["action"], row["pinned"]) for row in told) == (3, "rolled_back", True)
    assert told[0]["reason"] == "bad data"
    assert read(call, "list", "--store", lake, "--business-unit", "retail")[1]["mark"] == "pinned"


def test_named_units_are_rolled_back_together_and_the_way_back_is_said(call: Call, lake: Path) -> None:
    both = ("--business-unit", "retail", "--business-unit", "web & more")
    rows = read(call, "rollback", "--store", lake, *both)
    assert [row["business_unit"] for row in rows] == ["retail", "web & more"]
    done = call(*shlex.split(rows[1]["undo"])[1:])
    assert done.code == 0
    assert f"web & more: {rows[1]['before']} forecasts from now on, in place of {rows[1]['champion']}" in done.out
    assert "to undo: capforecast models promote" in done.out
    marks = {(row["business_unit"], row["mark"]): row["version"] for row in read(call, "list", "--store", lake)}
    assert marks["web & more", "champion"] == rows[1]["before"]
    assert marks["retail", "pinned"] == rows[0]["champion"]


def test_the_history_is_told_whatever_record_is_broken(call: Call, lake: Path) -> None:
    Store(lake).put(pointers.record_key(DAILY, "retail", 2), b"{")
    told = read(call, "history", "--store", lake, "--business-unit", "retail")
    assert [(row["number"], row["action"]) for row in told] == [(2, "cannot be read"), (1, "first")]
    assert "models promote" in told[0]["reason"]
    assert "cannot be read" in call("models", "history", "--store", lake).out


def test_which_business_unit_must_be_said(call: Call, lake: Path) -> None:
    done = call("models", "rollback", "--store", lake)
    assert done.code == 2
    assert "--business-unit" in done.err
    assert "retail, web & more" in done.err
    missing = call("models", "list", "--store", lake, "--business-unit", "nobody")
    assert missing.code == 2
    assert "'nobody'" in missing.err


def test_a_damaged_version_is_shown_as_such_and_not_promoted(call: Call, lake: Path) -> None:
    store, place = Store(lake), ("--store", lake, "--business-unit", "retail")
    (manifest, _) = promotion.pointers.versions(store, DAILY, "retail")
    spoil(store, manifest, "errors.parquet")
    shown = read(call, "show", "2026-11-16", *place, code=1)
    assert not shown["intact"]
    assert "errors.parquet" in shown["problem"]
    refused = call("models", "promote", "2026-11-16", *place)
    assert refused.code == 1
    assert "errors.parquet" in refused.err
    assert read(call, "show", *place)["intact"]


@pytest.mark.parametrize("words", [("show", "champion"), ("diff", "previous", "champion")])
def test_a_changed_manifest_is_told_with_what_mends_it(words: tuple[str, ...], call: Call, lake: Path) -> None:
    (path,) = lake.glob("models/*/business_unit=retail/2026-11-23*/manifest.json")
    path.write_text("{}")
    done = call("models", *words, "--store", lake, "--business-unit", "retail")
    assert done.code == 1
    assert "manifest.json was changed since it was published" in done.err
    assert "models rollback" in done.err
    assert "run again" not in done.err


def test_a_comparison_says_what_changed_for_whom(call: Call, lake: Path) -> None:
    found = read(call, "diff", "previous", "champion", "--store", lake, "--business-unit", "retail")
    assert [row["server_id"] for row in found["added"]] == ["srv-2"]
    assert [row["server_id"] for row in found["gone"]] == ["srv-0"]
    (both,) = found["series"]
    assert (both["candidate_before"], both["candidate_after"]) == ("naive/2026-11-16", "naive/2026-11-23")
    text = call("models", "diff", "previous", "--store", lake, "--business-unit", "retail").out
    assert "as_of: 2026-11-16" in text
    assert "1 series added: srv-2 cpu" in text


def test_pruning_asks_first_and_keeps_the_champion(call: Call, lake: Path) -> None:
    place = ("--store", lake, "--business-unit", "retail", "--keep", "1")
    asked = call("models", "prune", *place)
    assert asked.code == 2
    assert "--dry-run" in asked.err
    planned = read(call, "prune", *place, "--dry-run")
    assert not planned["removed"]
    done = read(call, "prune", *place, "--yes")
    assert [row["version"] for row in done["versions"]] == [row["version"] for row in planned["versions"]]
    (left,) = read(call, "list", "--store", lake, "--business-unit", "retail")
    assert left["mark"] == "champion"
    assert "nothing to remove" in call("models", "prune", *place, "--yes").out
