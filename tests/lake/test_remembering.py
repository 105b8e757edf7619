"""A store that remembers: the same content, asked for once."""

from __future__ import annotations

from pathlib import Path

import obstore
import pytest

from capforecast.errors import MissingObjectError, StaleReferenceError
from capforecast.lake.remembering import Remembering
from capforecast.lake.store import Store
from capforecast.schema import Reference


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keys that were really read."""
    keys: list[str] = []
    get = obstore.get

    def counted(objects: object, key: str) -> object:
        keys.append(key)
        return get(objects, key)  # type: ignore[call-overload]

    monkeypatch.setattr(obstore, "get", counted)
    return keys


def test_what_was_read_or_written_is_not_asked_for_again(tmp_path: Path, asked: list[str]) -> None:
    plain = Store(tmp_path)
    old = plain.put("old", b"1")
    store = Remembering(plain)
    new, first = store.put("new", b"2"), store.create("first", b"3")
    for _ in range(3):
        assert [store.fetch(each) for each in (old, new, first)] == [b"1", b"2", b"3"]
    assert asked == ["old"]
    assert store.read("old") == b"1"
    assert asked == ["old", "old"]  # without a reference the store itself is asked


def test_a_reference_never_gives_other_content(tmp_path: Path) -> None:
    store = Remembering(Store(tmp_path))
    before = store.put("a", b"1")
    after = store.put("a", b"2")
    assert (store.fetch(before), store.fetch(after)) == (b"1", b"2")
    with pytest.raises(StaleReferenceError):
        store.fetch(Reference(uri="a", sha256="0" * 64, rows=0))
    with pytest.raises(MissingObjectError):
        store.fetch(Reference(uri="b", sha256=before.sha256, rows=0))


def test_it_holds_only_so_much_and_forgets_what_was_not_asked_for_longest(tmp_path: Path, asked: list[str]) -> None:
    store = Remembering(Store(tmp_path), most_bytes=10)
    one, two = store.put("one", b"x" * 5), store.put("two", b"y" * 5)
    store.fetch(one)
    store.put("three", b"z" * 5)
    huge = store.put("huge", b"w" * 11)
    for reference in (one, two, huge):
        store.fetch(reference)
    assert asked == ["two", "huge"]


def test_it_is_the_same_store_for_all_else(tmp_path: Path) -> None:
    store = Remembering(Store(tmp_path))
    store.put("a/b", b"1")
    assert (store.keys("a"), store.folder) == (["a/b"], tmp_path)
    with store.lock("raw"):
        store.delete("a/b")
    assert store.keys("a") == []
