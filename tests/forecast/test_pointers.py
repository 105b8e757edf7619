"""Champion pointers: the highest number counts, nothing is lost under two writers, and old records are read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from capforecast.errors import ConflictError, ModelError
from capforecast.forecast import pointers
from capforecast.forecast.pointers import Pointer
from capforecast.forecast.standing import stand
from capforecast.lake.store import Store
from capforecast.schema import Cadence, Reference

DAILY = Cadence.DAILY


def pointer(version: str, day: str = "2026-11-23", **more: object) -> Pointer:
    manifest = Reference(uri=f"{pointers.folder(DAILY, 'x')}/{version}/manifest.json", sha256="0" * 64, rows=1)
    return Pointer.model_validate({"manifest": manifest, "as_of": f"{day}T00:00:00+00:00"} | more)


def filled(store: Store, *given: Pointer) -> None:
    for number, one in enumerate(given):
        pointers.append(store, DAILY, "x", one, after=number or None)


def test_the_highest_record_counts_and_all_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert pointers.current(store, DAILY, "x") is None
    assert pointers.history(store, DAILY, "x") == []
    filled(store, pointer("a"), pointer("b", action="rolled_back", reason="spikes", pinned=True))
    record = pointers.current(store, DAILY, "x")
    assert record is not None
    assert (record.number, record.pointer.version, record.pointer.pinned) == (2, "b", True)
    assert [entry.pointer.version for entry in pointers.history(store, DAILY, "x")] == ["a", "b"]


def test_numbers_count_beyond_a_million(tmp_path: Path) -> None:
    store = Store(tmp_path)
    filled(store, pointer("a"))
    pointers.append(store, DAILY, "x", pointer("b"), after=999_999)
    record = pointers.current(store, DAILY, "x")
    assert record is not None
    assert (record.number, record.pointer.version) == (1_000_000, "b")


def test_a_past_run_gets_the_newest_champion_that_knew_no_more_than_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    filled(store, pointer("a", "2026-11-01"), pointer("b", "2026-11-08"), pointer("c", "2026-11-15"))
    for as_of, version in (("2026-11-30", "c"), ("2026-11-15", "c"), ("2026-11-14", "b"), ("2026-11-01", "a")):
        found = stand(store, DAILY, "x", skip_broken=False).until(pd.Timestamp(as_of, tz="UTC"))
        assert found[-1].pointer.version == version
    assert stand(store, DAILY, "x", skip_broken=False).until(pd.Timestamp("2026-10-31", tz="UTC")) == []


def test_the_slower_of_two_is_told(tmp_path: Path) -> None:
    store = Store(tmp_path)
    filled(store, pointer("a"))
    with pytest.raises(ConflictError):
        pointers.append(store, DAILY, "x", pointer("b"), after=None)
    assert [entry.pointer.version for entry in pointers.history(store, DAILY, "x")] == ["a"]


def test_a_record_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    old = {"manifest": pointer("a").manifest.model_dump(), "as_of": "2026-11-23T00:00:00+00:00"}
    store.create(pointers.record_key(DAILY, "x", 1), json.dumps(old).encode())
    assert pointers.history(store, DAILY, "x")[0].pointer == pointer("a", action="promoted", pinned=False)


def _said(uri: str, as_of: str) -> bytes:
    return json.dumps({"manifest": {"uri": uri, "sha256": "0" * 64, "rows": 1}, "as_of": as_of}).encode()


_ODD = [
    _said("models/cadence=daily/business_unit=x/a/manifest.json", "2026-11-23"),  # no zone
    _said("models/cadence=daily/../a/manifest.json", "2026-11-23T00:00:00+00:00"),
    _said("elsewhere", "2026-11-23T00:00:00+00:00"),
]


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"as_of": "soon"}', b"\xff", b"", *_ODD])
def test_a_broken_record_is_named_with_the_fix(content: bytes, tmp_path: Path) -> None:
    store = Store(tmp_path)
    filled(store, pointer("a"))
    store.create(pointers.record_key(DAILY, "x", 2), content)
    for look in (pointers.current, pointers.history):
        with pytest.raises(ModelError, match=r"champion/000002\.json .*cannot be read.*models promote"):
            look(store, DAILY, "x")
    found, broken = pointers.readable(store, DAILY, "x")
    assert ([entry.number for entry in found], list(broken)) == ([1], [2])
    assert pointers.highest(store, DAILY, "x") == 2


def test_versions_and_business_units_are_listed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    names = ["x", "", "_odd", "a/b c", "é" * 60, "long " * 40, "a~b", "no version yet"]
    for name in names[:-1]:
        content = {"business_unit": name, "files": {"calibration": {"rows": 3}}}
        store.put(f"{pointers.folder(DAILY, name)}/v1/manifest.json", json.dumps(content).encode())
    store.put(f"{pointers.folder(DAILY, 'x')}/v0/manifest.json", b"broken")
    store.put(f"{pointers.folder(DAILY, 'x')}/half/weights.parquet", b"")  # not published yet
    pointers.append(store, DAILY, names[-1], pointer("a"), after=None)
    assert pointers.business_units(store, DAILY) == sorted(names)
    assert pointers.business_units(store, Cadence.HOURLY) == []
    found = pointers.versions(store, DAILY, "x")
    assert [(pointers.version_of(manifest), manifest.rows) for manifest in found] == [("v0", 0), ("v1", 3)]
    assert all(store.holds(manifest) for manifest in found)


WRITER = """
import sys
from capforecast.errors import ConflictError
from capforecast.forecast import pointers
from capforecast.lake.store import Store
from capforecast.schema import Cadence, Reference

store, daily, me = Store(sys.argv[1]), Cadence.DAILY, sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
for turn in range(int(sys.argv[3])):
    manifest = Reference(uri=f"{pointers.folder(daily, 'x')}/{me}-{turn}/manifest.json", sha256="0" * 64, rows=1)
    while True:
        after = pointers.highest(store, daily, "x")
        try:
            pointer = pointers.Pointer(manifest=manifest, as_of="2026-11-23T00:00:00+00:00")
            pointers.append(store, daily, "x", pointer, after=after)
            break
        except ConflictError:
            continue
"""


@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_two_processes_that_promote_at_once_lose_nothing(place: str, request: pytest.FixtureRequest) -> None:
    url = str(request.getfixturevalue("tmp_path" if place == "folder" else "bucket"))
    turns = 12
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, url, name, str(turns)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for name in ("a", "b")
    ]
    for writer in writers:
        assert writer.stdin is not None
        assert writer.stdout is not None
        writer.stdout.readline()
    for writer in writers:  # both are loaded: now
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate()
    assert [writer.returncode for writer in writers] == [0, 0]
    store = Store(url)
    records = pointers.history(store, DAILY, "x")
    assert [record.number for record in records] == list(range(1, 2 * turns + 1))
    assert {record.pointer.version for record in records} == {f"{w}-{t}" for w in "ab" for t in range(turns)}
    assert pointers.current(store, DAILY, "x") == records[-1]
