"""The store: whole objects, create-only records, references that cannot go stale unnoticed, locks."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
from pathlib import Path

import pytest

from capforecast.errors import ConfigError, ConflictError, LakeError, MissingObjectError, StaleReferenceError
from capforecast.lake import store as store_module
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


def test_a_bucket_is_refused_with_words() -> None:
    with pytest.raises(ConfigError, match="only folders are supported"):
        Store("s3://bucket/prefix")


def test_deleting_what_is_not_there_is_fine(store: Store) -> None:
    store.delete("never/there")


def test_a_held_lock_refuses_the_second_writer_by_name(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "LOCK_WAIT_SECONDS", 0.2)
    with store.lock("raw"):
        with pytest.raises(ConflictError, match=f"process {os.getpid()}"), store.lock("raw"):
            pytest.fail("two writers at once")
        assert store.keys("locks") == ["locks/raw.json"]
    assert store.keys("locks") == []


def test_a_lock_of_a_dead_process_is_taken_over(store: Store) -> None:
    process = multiprocessing.get_context("spawn").Process(target=int)
    process.start()
    process.join()
    holder = {"host": socket.gethostname(), "pid": process.pid, "since": 0, "id": "x"}
    store.put("locks/raw.json", json.dumps(holder).encode())
    with store.lock("raw"):
        assert json.loads(store.read("locks/raw.json"))["pid"] == os.getpid()


def test_a_failure_inside_the_lock_frees_it(store: Store) -> None:
    with pytest.raises(RuntimeError), store.lock("raw"):
        raise RuntimeError
    with store.lock("raw"):
        pass
