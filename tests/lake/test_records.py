"""Numbered records: in order of their numbers, never overwritten, other files beside them are none."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from capforecast.errors import ConflictError
from capforecast.lake import records
from capforecast.lake.store import Store


class Said(BaseModel):
    """Some content."""

    word: str


def test_records_follow_each_other_beyond_a_million(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert records.numbered(store, "a/b") == []
    assert records.create(store, "a/b", Said(word="x"), after=None) == 1
    assert records.create(store, "a/b", Said(word="y"), after=999_999) == 1_000_000
    assert records.create(store, "a/b", Said(word="z"), after=1) == 2
    assert records.numbered(store, "a/b") == [
        (1, "a/b/000001.json"), (2, "a/b/000002.json"), (1_000_000, "a/b/1000000.json"),
    ]  # fmt: skip
    assert Said.model_validate_json(store.read("a/b/000002.json")) == Said(word="z")


def test_a_number_that_is_taken_is_told_and_what_stands_there_stays(tmp_path: Path) -> None:
    store = Store(tmp_path)
    records.create(store, "a", Said(word="x"), after=None)
    with pytest.raises(ConflictError):
        records.create(store, "a", Said(word="y"), after=None)
    assert b"x" in store.read("a/000001.json")


@pytest.mark.parametrize("name", ["a/1.json", "a/000002.txt", "a/b/000002.json", "ab/000002.json", "a/00000x.json"])
def test_other_files_are_no_records(name: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    records.create(store, "a", Said(word="x"), after=None)
    store.put(name, b"{}")
    assert [number for number, _ in records.numbered(store, "a")] == [1]


def test_a_key_tells_its_folder() -> None:
    assert records.folder_of("a/champion/000007.json") == "a/champion"
    assert records.folder_of("a/champion/manifest.json") is None
