"""Two processes publish into one business unit at once, the same versions and their own: all are whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from capforecast.forecast import pointers, registry
from capforecast.lake.store import Store
from capforecast.schema import Cadence

TESTS = Path(__file__).parents[1]
WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from versions import publish
from capforecast.lake.store import Store
store, own, turns = Store(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
print("ready", flush=True)
sys.stdin.readline()
for turn in range(turns):
    shared = publish(store, f"2026-11-{turn + 1:02d}")
    mine = publish(store, f"2026-11-{turn + 1:02d}", own)
    print(shared.sha256, mine.uri)
"""


@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_two_writers_leave_whole_versions_only(place: str, request: pytest.FixtureRequest) -> None:
    url = str(request.getfixturevalue("tmp_path" if place == "folder" else "bucket"))
    turns = 4
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(TESTS), url, own, str(turns)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for own in ("0.5", "0.6")
    ]  # fmt: skip
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    said = [writer.communicate("go\n")[0].split() for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0]
    assert said[0][::2] == said[1][::2], "both refer to the same manifests of what both published"
    store = Store(url)
    manifests = pointers.versions(store, Cadence.DAILY, "x")
    assert len(manifests) == 3 * turns
    assert [registry.check(store, manifest) for manifest in manifests] == [None] * len(manifests)
