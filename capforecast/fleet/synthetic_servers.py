"""Who the servers of a synthetic fleet are: owners, sizes, habits, and the part each plays in the story."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.fleet.synthetic_draws import Floats, Whole, dealt, uniform
from capforecast.schema import BUSINESS_UNIT, CRITICALITY, REGION, SERVER_ID, VALID_FROM

Texts = npt.NDArray[np.str_]
Flags = npt.NDArray[np.bool_]

# Each deals out so many of every 20, 20, 25 and 48 servers, so that a small fleet is as mixed as a large one.
UNITS = {"analytics": 4, "logistics": 4, "payments": 5, "retail": 7}
REGIONS = {"ap-southeast-1": 4, "eu-west-1": 9, "us-east-1": 7}
TYPES = {"app": 7, "batch": 3, "db": 5, "file": 3, "web": 7}
# What becomes of a server. The last five cannot be forecast, each for its own reason.
STORIES = {
    "steady": 17, "idle": 4, "shifted": 4, "resized": 2, "moved": 2, "constant": 1,
    "saturated": 1, "overloaded": 2, "hot": 1, "growing": 3, "peaking": 3, "disk_full": 1, "disk_soon": 2,
    "young": 1, "retired": 1, "gappy": 1, "silent": 1, "listed": 1,
}  # fmt: skip
ORDINARY = ("steady", "shifted", "resized", "moved", "peaking")  # nothing drastic: these have incidents
# Instance type: vCPUs, GiB, price per hour. By server type: sizes it comes in, each twice the one before.
SIZES = {
    "c6i.xlarge": (4, 8, 0.170), "c6i.2xlarge": (8, 16, 0.340), "c6i.4xlarge": (16, 32, 0.680),
    "m6i.large": (2, 8, 0.096), "m6i.xlarge": (4, 16, 0.192), "m6i.2xlarge": (8, 32, 0.384),
    "r6i.xlarge": (4, 32, 0.252), "r6i.2xlarge": (8, 64, 0.504), "r6i.4xlarge": (16, 128, 1.008),
}  # fmt: skip
_SIZES_OF = {
    "app": ("m6i.large", "m6i.xlarge", "m6i.2xlarge"),
    "batch": ("c6i.xlarge", "c6i.2xlarge", "c6i.4xlarge"),
    "db": ("r6i.xlarge", "r6i.2xlarge", "r6i.4xlarge"),
    "file": ("m6i.large", "m6i.xlarge", "m6i.2xlarge"),
    "web": ("c6i.xlarge", "c6i.2xlarge", "c6i.4xlarge"),
}
_TEAMS = {"analytics": ("data-platform", "reporting"), "logistics": ("tracking", "warehouse")} | {
    "payments": ("card-processing", "ledger"), "retail": ("checkout", "storefront"),
}  # fmt: skip
# Names of the numbers drawn once per server. Add new ones at the end: then the old ones stay what they were.
_TRAITS = (
    "level", "change", "jitter", "dip", "closing", "busiest", "depth", "pace", "ramp", "shift", "season", "wave",
    "mem", "mem_follows", "leak", "restart", "disk", "fill", "clean", "clean_day", "net", "net_more", "mean",
    "born", "gone", "outage", "outage_at", "outage_days", "size", "team", "team_after", "unit_after", "nobody",
    "host", "criticality", "environment", "disk_size", "up", "phase",
)  # fmt: skip


@dataclass(frozen=True)
class Servers:
    """Some servers of a fleet, arrays [N] in order of number (from 0). days: length of the history.

    Server i is the same in a fleet of any size. traits: [N, len(_TRAITS)] in 0..1.
    """

    number: Whole
    server_id: Texts
    unit: Texts  # at first; a moved server's id keeps naming it
    kind: Texts
    region: Texts
    story: Texts
    traits: Floats
    days: int
    seed: int

    def plays(self, *stories: str) -> Flags:
        """Where [N] a server plays one of the stories."""
        return np.isin(self.story, stories)

    def is_kind(self, *kinds: str) -> Flags:
        """Where [N] a server is of one of the types."""
        return np.isin(self.kind, kinds)

    def draw(self, trait: str, low: float = 0.0, high: float = 1.0) -> Floats:
        """A number per server [N], evenly spread between low and high."""
        return low + (high - low) * self.traits[:, _TRAITS.index(trait)]

    @cached_property
    def change(self) -> Whole:
        """Whole days before the end [N] at which the server is shifted, resized or moved: a fifth to half of them."""
        least = max(self.days // 5, 1)
        return np.asarray(least + np.floor(self.draw("change") * max(self.days // 2 - least, 1)), dtype=np.int64)

    @cached_property
    def scale_before(self) -> Floats:
        """Percent before a resize over percent after it [N]: 2 where capacity doubled, 0.5 where it was halved."""
        return np.where(self.plays("resized"), np.where(self.draw("up") < 0.7, 2.0, 0.5), 1.0)

    @cached_property
    def unit_now(self) -> Texts:
        """Business unit at the end [N]."""
        names = np.array(list(UNITS), dtype=str)
        steps = 1 + np.floor(self.draw("unit_after", 0, len(names) - 1)).astype(np.int64)
        other = names[(np.searchsorted(names, self.unit) + steps) % len(names)]
        return np.where(self.plays("moved"), other, self.unit)


def cast(first: int, last: int, days: int, seed: int) -> Servers:
    """Servers number `first` to `last` (exclusive) with their parts."""
    number = np.arange(first, last, dtype=np.int64)
    unit, kind = dealt(UNITS, seed, "unit", number), dealt(TYPES, seed, "type", number)
    names = np.array([f"{u}-{k}-{n + 1:04d}" for u, k, n in zip(unit, kind, number, strict=True)], dtype=str)
    return Servers(
        number=number,
        server_id=names,
        unit=unit,
        kind=kind,
        region=dealt(REGIONS, seed, "region", number),
        story=dealt(STORIES, seed, "story", number),
        traits=uniform(seed, "traits", number, len(_TRAITS)),
        days=days,
        seed=seed,
    )


def inventory_of(servers: Servers, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """Dated inventory rows: everyone from `start` on; one more for a server that is resized or moved."""
    size = np.floor(servers.draw("size", 0, 3)).astype(np.int64)
    doubled = servers.scale_before > 1
    halved = servers.scale_before < 1
    size = np.where(doubled, np.maximum(size, 1), np.where(halved, np.minimum(size, 1), size))
    before = np.where(doubled, size - 1, np.where(halved, size + 1, size))
    first = _described(servers, before, servers.unit, servers.draw("team")).assign(**{VALID_FROM: start})
    later = _described(servers, size, servers.unit_now, servers.draw("team_after"))
    later[VALID_FROM] = end - pd.to_timedelta(servers.change, unit="D")
    changed = servers.plays("resized", "moved")
    resized = servers.plays("resized")
    later.loc[resized, "owner"] = first.loc[resized, "owner"]
    rows = pd.concat([first, later[changed]], ignore_index=True)
    rows = rows.sort_values([SERVER_ID, VALID_FROM], kind="stable", ignore_index=True)
    rows[VALID_FROM] = rows[VALID_FROM].astype("datetime64[us, UTC]")
    columns = [name for name in rows.columns if name not in (VALID_FROM, "server_type")]
    return rows[[*columns, VALID_FROM, "server_type"]]


def _described(servers: Servers, size: Whole, unit: Texts, team: Floats) -> pd.DataFrame:
    """Every inventory column but the date, one row per server."""
    types = np.array([_SIZES_OF[kind] for kind in servers.kind], dtype=str)[np.arange(len(size)), size]
    teams = np.array([_TEAMS[name] for name in unit], dtype=str)
    owner = pd.Series(np.where(team < 0.5, teams[:, 0], teams[:, 1]), dtype="str")
    nobody = servers.plays("idle") & (servers.draw("nobody") < 0.5)
    big = servers.is_kind("db", "file")[:, None]
    disks = np.where(big, [500.0, 1000.0, 2000.0], [50.0, 100.0, 200.0])
    pick = np.floor(servers.draw("disk_size", 0, 3)).astype(np.int64)
    level = np.array(["high", "low", "medium"])[np.floor(servers.draw("criticality", 0, 3)).astype(np.int64)]
    hosts = [
        f"host-{name}-{int(draw):02d}" for name, draw in zip(servers.region, servers.draw("host", 0, 8), strict=True)
    ]
    known = np.array([SIZES[name] for name in types])
    return pd.DataFrame(
        {
            SERVER_ID: servers.server_id,
            BUSINESS_UNIT: unit,
            REGION: servers.region,
            CRITICALITY: np.where(servers.is_kind("db"), "high", level),
            "environment": np.where(servers.draw("environment") < 0.75, "production", "staging"),
            "owner": owner.mask(nobody),
            "host_id": hosts,
            "instance_type": types,
            "disk_gib": disks[np.arange(len(size)), pick],
            "server_type": servers.kind,
            "vcpus": known[:, 0],
            "memory_gib": known[:, 1],
            "hourly_cost": known[:, 2],
        }
    )
