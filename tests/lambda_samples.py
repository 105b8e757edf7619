"""A small fleet in a bucket whose models are trained, and events as AWS sends them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import obstore
import pandas as pd

from capforecast import stages
from capforecast.lake.store import Store
from capforecast.settings import Settings

DAYS, WEEK = 120, 7
SERVERS = ("retail-a", "retail-b", "web-c")
SETTINGS = {"forecast.horizon_days": "14", "forecast.origins_daily": "4"}


def settings(model: str = "fleet") -> Settings:
    """Those of the runs that trained."""
    return Settings.model_validate({"forecast": {"horizon_days": 14, "origins_daily": 4, "model": model}})


def observed(days: int, servers: tuple[str, ...] = SERVERS) -> bytes:
    """Weekly series as a Parquet file."""
    parts = []
    for name in servers:
        rng = np.random.default_rng(ord(name[-1]))
        values = 40 + 8 * np.sin(2 * np.pi * np.arange(DAYS + 30) / 7) + rng.normal(0, 2, DAYS + 30)
        stamps = pd.date_range("2026-01-01", periods=days, unit="us")
        frame = pd.DataFrame({"server_id": name, "timestamp": stamps, "cpu_p95": values[:days]})
        parts.append(frame.assign(business_unit=name.split("-")[0]))
    return bytes(pd.concat(parts).to_parquet(index=False))


def train(store: Store, folder: Path, model: str = "fleet", units: tuple[str, ...] = ("retail", "web")) -> None:
    """What a weekly run leaves in the lake."""
    source = folder / "history.parquet"
    source.write_bytes(observed(DAYS))
    ingested = stages.ingest(store, settings(model), str(source))
    for name in units:
        unit = stages.validate(store, settings(model), ingested, name)
        for stage in (stages.train, stages.champion, stages.forecast, stages.risk):
            unit = unit.having(**stage(store, settings(model), unit))


@dataclass
class Bucket:
    """The bucket of a lake, and what is delivered into it."""

    lake: str
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.lake.removeprefix("s3://").split("/")[0]

    @property
    def store(self) -> Store:
        """The lake."""
        return Store(self.lake)

    def put(self, key: str, data: bytes) -> str:
        """Deliver an object; returns its ETag."""
        at = obstore.store.from_url(f"s3://{self.name}", client_options={"allow_http": True})
        obstore.put(at, key, data)
        return hashlib.md5(data, usedforsecurity=False).hexdigest()

    def record(self, key: str, etag: str = "") -> dict[str, Any]:
        """S3's notification of an object."""
        about = {"key": key} | ({"eTag": etag} if etag else {})
        s3 = {"bucket": {"name": self.name}, "object": about}
        return {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3}

    def delivered(self, key: str, data: bytes) -> dict[str, Any]:
        """Deliver an object; returns its record."""
        return self.record(key, self.put(key, data))
