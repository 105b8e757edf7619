"""The store: whole objects, create-only records, references that cannot go stale unnoticed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from capforecast.errors import ConfigError, ConflictError, LakeError, MissingObjectError, StaleReferenceError
from capforecast.lake.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "lake")


def test_a_reference_gives_back_what_was_put(store: Store) -> None:
    reference = store.put("a/b.parquet", b"content", rows=3)
    assert (reference.uri, reference.rows) == ("a/b.parquet", 3)
    assert store.fetch(reference) == b"content"
    assert store.holds(reference)


def test_a_changed_object_is_never_read_through_an_old_reference(store: Store) -> None:
    reference = store.put("a", b"old")
    store.put("a", b"new")
    assert not store.holds(reference)
    with pytest.raises(StaleReferenceError, match="has changed"):
        store.fetch(reference)


def test_a_missing_object_is_named(store: Store) -> None:
    with pytest.raises(MissingObjectError, match="x/y is not in the store"):
        store.read("x/y")


def test_create_never_overwrites(store: Store) -> None:
    store.create("runs/1/manifest.json", b"first")
    with pytest.raises(ConflictError):
        store.create("runs/1/manifest.json", b"second")
    assert store.read("runs/1/manifest.json") == b"first"


def test_a_create_sent_twice_because_the_answer_was_lost_meets_its_own_object(store: Store) -> None:
    first = store.create("runs/1/note.json", b"done")
    assert store.create("runs/1/note.json", b"done") == first


def test_keys_are_sorted_and_below_the_prefix(store: Store) -> None:
    for key in ("b/2", "a/1", "b/1"):
        store.put(key, b"")
    assert store.keys("b") == ["b/1", "b/2"]
    assert store.keys("nowhere") == []


@pytest.mark.parametrize("key", ["../outside", "a/../../outside", "/etc/passwd", "a//b"])
def test_a_key_cannot_leave_the_store(store: Store, key: str, tmp_path: Path) -> None:
    with pytest.raises(LakeError):
        store.put(key, b"x")
    assert not (tmp_path / "outside").exists()


def test_probe_leaves_nothing_behind(store: Store) -> None:
    store.probe()
    assert store.keys("results") == []


def test_an_unwritable_folder_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match="cannot be opened"):
        Store(tmp_path / "file" / "lake")


def test_deleting_what_is_not_there_is_fine(store: Store) -> None:
    store.delete("never/there")


def test_a_listing_says_how_large_an_object_is_and_when_it_came(store: Store) -> None:
    before = datetime.now(UTC) - timedelta(seconds=5)  # file systems round times
    store.put("a/b", b"four")
    store.put("ab", b"of another prefix")
    (item,) = store.listed("a")
    assert (item.key, item.size) == ("a/b", 4)
    assert before <= item.modified <= datetime.now(UTC) + timedelta(seconds=5)


def test_an_object_is_read_in_parts_like_a_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "lake")
    store.put("a/b", b"0123456789")
    file = store.opened("a/b")
    assert file.read(3) == b"012"
    assert file.seek(-2, 2) == 8
    assert file.read() == b"89"
    assert (file.read(5), file.tell()) == (b"", 10)
    file.seek(4)
    file.seek(1, 1)
    assert file.read(2) == b"56"
    with pytest.raises(MissingObjectError):
        store.opened("a/c")
