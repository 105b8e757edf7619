"""A process that ingests and is killed at its n-th write below raw/: `ingest_and_die.py LAKE N written|not`."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import pandas as pd
from fake_remote import FakeRemote

from capforecast import stages
from capforecast.lake.store import Store
from capforecast.settings import Settings

NOW = pd.Timestamp("2026-03-10 06:00", tz="UTC")
SETTINGS = Settings.model_validate({"remote": {"history_days": 100}})


class Mortal(Store):
    """Kills its own process before or right after a write."""

    left, written = 0, True

    def put(self, key: str, data: bytes, *, rows: int = 0) -> Any:
        """As a store does, until the end."""
        self.left -= key.startswith("raw/")
        if self.left == 0 and not self.written:
            os.kill(os.getpid(), signal.SIGKILL)
        made = super().put(key, data, rows=rows)
        if self.left == 0 and key.startswith("raw/"):
            os.kill(os.getpid(), signal.SIGKILL)
        return made


if __name__ == "__main__":
    store = Mortal(sys.argv[1])
    store.left, store.written = int(sys.argv[2]), sys.argv[3] == "written"
    stages.collect(store, SETTINGS, FakeRemote(), stages.Asked(ingest_id="dies", now=NOW))
