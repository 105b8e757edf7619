"""Who the servers of a synthetic fleet are: owners, sizes, habits, and the part each plays in the story."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.schema import BUSINESS_UNIT, CRITICALITY, REGION, SERVER_ID, VALID_FROM

Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.str_]

UNITS = {"analytics": 0.2, "logistics": 0.2, "payments": 0.25, "retail": 0.35}
REGIONS = {"ap-southeast-1": 0.2, "eu-west-1": 0.45, "us-east-1": 0.35}
TYPES = {"app": 0.3, "batch": 0.12, "db": 0.2, "file": 0.1, "web": 0.28}
# What becomes of a server, with its share of the fleet. The last five cannot be forecast, each for its own reason.
STORIES = {
    "steady": 0.445, "idle": 0.08, "shifted": 0.08, "resized": 0.04,
    "overloaded": 0.042, "hot": 0.021, "growing": 0.063, "peaking": 0.084,
    "disk_full": 0.021, "disk_soon": 0.042,
    "young": 0.021, "retired": 0.021, "gappy": 0.021, "silent": 0.021, "listed": 0.021,
}  # fmt: skip
# Instance type: vCPUs, GiB, price per hour. By server type: the sizes it comes in.
SIZES = {
    "c6i.xlarge": (4, 8, 0.170), "c6i.2xlarge": (8, 16, 0.340), "c6i.4xlarge": (16, 32, 0.680),
    "m6i.large": (2, 8, 0.096), "m6i.xlarge": (4, 16, 0.192), "m6i.2xlarge": (8, 32, 0.384),
    "m6i.4xlarge": (16, 64, 0.768), "r6i.xlarge": (4, 32, 0.252), "r6i.2xlarge": (8, 64, 0.504),
    "r6i.4xlarge": (16, 128, 1.008),
}  # fmt: skip
_SIZES_OF = {
    "app": ("m6i.large", "m6i.xlarge", "m6i.2xlarge"),
    "batch": ("c6i.2xlarge", "c6i.4xlarge", "m6i.4xlarge"),
    "db": ("r6i.xlarge", "r6i.2xlarge", "r6i.4xlarge"),
    "file": ("m6i.large", "m6i.xlarge", "m6i.xlarge"),
    "web": ("c6i.xlarge", "c6i.2xlarge", "m6i.xlarge"),
}
_SMALLER = {"c6i.2xlarge": "c6i.xlarge", "c6i.4xlarge": "c6i.2xlarge", "m6i.xlarge": "m6i.large"} | {
    "m6i.2xlarge": "m6i.xlarge", "m6i.4xlarge": "m6i.2xlarge", "r6i.2xlarge": "r6i.xlarge",
    "r6i.4xlarge": "r6i.2xlarge", "m6i.large": "m6i.large", "c6i.xlarge": "c6i.xlarge", "r6i.xlarge": "r6i.xlarge",
}  # fmt: skip
_TEAMS = {"analytics": ("data-platform", "reporting"), "logistics": ("tracking", "warehouse")} | {
    "payments": ("card-processing", "ledger"), "retail": ("checkout", "storefront"),
}  # fmt: skip


@dataclass(frozen=True)
class Servers:
    """The cast: arrays [N], sorted by server id. change: days before the end at which it was shifted, resized, ..."""

    server_id: Texts
    unit: Texts
    kind: Texts
    story: Texts
    change: npt.NDArray[np.int64]

    def plays(self, *stories: str) -> npt.NDArray[np.bool_]:
        """Where [N] a server plays one of the stories."""
        return np.isin(self.story, stories)

    def is_kind(self, *kinds: str) -> npt.NDArray[np.bool_]:
        """Where [N] a server is of one of the types."""
        return np.isin(self.kind, kinds)


def stream(seed: int, purpose: str) -> np.random.Generator:
    """A generator of its own for each purpose, so that one draw more somewhere changes nothing elsewhere."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, zlib.crc32(purpose.encode())])))


def cast(count: int, days: int, seed: int) -> Servers:
    """`count` servers with their parts, shares as above (each story is there from 48 servers on)."""
    unit = _shuffled(UNITS, count, seed, "unit")
    kind = _shuffled(TYPES, count, seed, "type")
    story = _shuffled(STORIES, count, seed, "story")
    number = np.arange(1, count + 1)
    names = np.array([f"{u}-{k}-{n:04d}" for u, k, n in zip(unit, kind, number, strict=True)], dtype=str)
    order = np.argsort(names, kind="stable")
    change = stream(seed, "change").integers(max(days // 5, 1), max(days // 2, 2), size=count)
    return Servers(names[order], unit[order], kind[order], story[order], change)


def _shuffled(shares: dict[str, float], count: int, seed: int, purpose: str) -> Texts:
    """Names in exact shares, in random order."""
    ends = np.cumsum(list(shares.values())) / sum(shares.values())
    place = np.minimum(np.searchsorted(ends, (np.arange(count) + 0.5) / count), len(shares) - 1)
    drawn: Texts = np.array(list(shares), dtype=str)[stream(seed, purpose).permutation(place)]
    return drawn


def inventory_of(servers: Servers, seed: int, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """Dated inventory rows: everyone from `start` on; a resized server also its smaller size before."""
    count = len(servers.server_id)
    rng = stream(seed, "inventory")
    size = np.array(
        [_SIZES_OF[kind][draw] for kind, draw in zip(servers.kind, rng.integers(3, size=count), strict=True)]
    )
    owner = np.array([_TEAMS[unit][draw] for unit, draw in zip(servers.unit, rng.integers(2, size=count), strict=True)])
    region = np.sort(np.array(list(REGIONS)))[np.searchsorted(np.cumsum(list(REGIONS.values())), rng.random(count))]
    nobody = servers.plays("idle") & (rng.random(count) < 0.5)
    disk = np.where(
        servers.is_kind("db", "file"), rng.choice([500, 1000, 2000], count), rng.choice([50, 100, 200], count)
    )
    frame = pd.DataFrame(
        {
            SERVER_ID: servers.server_id,
            BUSINESS_UNIT: servers.unit,
            REGION: region,
            CRITICALITY: np.where(servers.is_kind("db"), "high", rng.choice(["high", "medium", "low"], count)),
            "environment": rng.choice(["production", "production", "production", "staging"], count),
            "owner": pd.Series(owner, dtype="str").mask(nobody),
            "host_id": [
                f"host-{name}-{draw:02d}" for name, draw in zip(region, rng.integers(8, size=count), strict=True)
            ],
            "instance_type": size,
            "disk_gib": disk.astype(np.float64),
            "server_type": servers.kind,
            VALID_FROM: start,
        }
    )
    resized = servers.plays("resized")
    later = frame[resized].assign(**{VALID_FROM: end - pd.to_timedelta(servers.change[resized], unit="D")})
    frame.loc[resized, "instance_type"] = frame.loc[resized, "instance_type"].map(_SMALLER)
    rows = pd.concat([frame, later], ignore_index=True).sort_values([SERVER_ID, VALID_FROM], ignore_index=True)
    for place, name in enumerate(("vcpus", "memory_gib", "hourly_cost")):
        rows[name] = rows["instance_type"].map({key: float(known[place]) for key, known in SIZES.items()})
    rows[VALID_FROM] = rows[VALID_FROM].astype("datetime64[us, UTC]")
    columns = [name for name in rows.columns if name not in (VALID_FROM, "server_type")]
    return rows[[*columns, VALID_FROM, "server_type"]]
