"""Synthetic fleets cut at past dates: what would have been advised then, and how the advice would have fared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from action_speed import sizes_of
from scoring import note

from capforecast import stages
from capforecast.actions.advice import with_idle
from capforecast.actions.features import server_features
from capforecast.actions.idle import idle
from capforecast.actions.needs import RESOURCES, needs_of
from capforecast.actions.replay import replayed
from capforecast.actions.rightsize import rightsize
from capforecast.actions.segments import segment
from capforecast.fleet import inventory as inventories
from capforecast.fleet import shapes
from capforecast.fleet.activity import activity
from capforecast.fleet.synthetic import END, generate
from capforecast.forecast.engine import train
from capforecast.forecast.kinds import places
from capforecast.risk.breach import assess
from capforecast.risk.past_warnings import errors_of
from capforecast.risk.tiers import server_tiers
from capforecast.schema import METRIC, SERVER_ID, Cadence, Panel
from capforecast.settings import Settings
from capforecast.sources.files import Batch
from deployments.origins import panel_of

Array = npt.NDArray[np.float64]

AHEAD = 90  # days of outcome
DAYS = 1460
TYPES, AMOUNTS, CARELESS = "instance types", "vCPU and GiB", "careless"
WAYS = (TYPES, AMOUNTS, CARELESS)
# A rule that ought to fail its test: the median peak, without headroom.
_CARELESS = {"headroom": 0.0, "headroom_memory_p95": 0.0, "fit_share": 0.5}
TIGHT, ROOMY = "as made", "one size up"
_NEXT = {"large": "xlarge", "xlarge": "2xlarge", "2xlarge": "4xlarge", "4xlarge": "8xlarge"}


@dataclass(frozen=True)
class Case:
    """A fleet at one date, sized in one way.

    fleet: how roomy, and its seed.  sized: rows of `rightsize`, [S]; idle ones stop.  replays: rows of `replayed`.
    segments: each server's, before the replays and now.  used: [H, S] vCPU and GiB that were used in the days that
    followed; NaN = not observed.
    """

    fleet: str
    cut: pd.Timestamp
    way: str
    sized: pd.DataFrame
    replays: pd.DataFrame
    segments: tuple[pd.Series, pd.Series]
    used: tuple[Array, Array]

    @property
    def kind(self) -> str:
        """How roomy the fleet is, and in what it was sized."""
        return f"{self.fleet.rsplit(' ', 1)[0]}, {self.way}"


def cases(servers: int, seed: int, back: tuple[int, ...], roomy: bool, days: int = DAYS) -> Iterator[Case]:
    """A fleet cut `back` days before its end each: trained, judged, sized as a run does, its units as one.

    roomy: every server is one size larger than the generator made it.
    """
    made = generate(servers, days, Cadence.DAILY, seed, dirty=False)
    observations, inventory = one_size_up(*made) if roomy else made
    batch = Batch(observations, inventory, Cadence.DAILY, pd.DataFrame(), ())
    name = f"{ROOMY if roomy else TIGHT} {seed}"
    for ago in back:
        cut = END - pd.Timedelta(days=ago)
        note(f"{name}, {servers} servers, cut at {cut:%Y-%m-%d}")
        yield from _at(batch, cut, name)


def one_size_up(observations: pd.DataFrame, inventory: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The same demand on servers of the next larger type, twice the size at twice the price."""
    halved = {name: observations[name] / 2 for name in observations if name.startswith(("cpu_", "mem_"))}
    doubled = {name: inventory[name] * 2 for name in ("vcpus", "memory_gib", "hourly_cost")}
    parts = inventory["instance_type"].str.split(".", expand=True)
    types = parts[0] + "." + parts[1].map(_NEXT)
    return observations.assign(**halved), inventory.assign(**doubled, instance_type=types)


def _at(batch: Batch, cut: pd.Timestamp, name: str) -> Iterator[Case]:
    settings = Settings()
    panel = panel_of(batch, cut, settings)
    usable = panel.usable()
    model = train(usable, AHEAD, settings).model
    forecast = model.predict(usable)
    errors = model.error_paths(usable, forecast)
    past = errors_of(model.errors, places(model.series, model.cadence, usable))
    listed = shapes.fill(inventories.normalise(batch.inventory), stages.shape_catalogue(settings))
    servers = inventories.at(listed, cut)
    tiers = server_tiers(assess(panel, forecast, errors, settings), servers).set_index(SERVER_ID)["tier"]
    servers = servers.assign(tier=servers[SERVER_ID].map(tiers)).reset_index(drop=True)
    features = server_features(panel, servers, settings)
    found = segment(features, settings)
    now = found.table(features).set_index(SERVER_ID)["name"].astype("str")
    used = _used(batch, cut, servers, listed, settings)
    known = batch.observations[batch.observations["timestamp"] < cut]
    nothing = idle(activity(known, batch.cadence, cut, settings), servers, settings.idle)
    sizes = sizes_of(settings)
    for way in WAYS:
        asked = servers if way == TYPES else servers.assign(instance_type="")
        changed = settings.sizing.model_copy(update=_CARELESS if way == CARELESS else {})
        ruled = settings.model_copy(update={"sizing": changed})
        sized = rightsize(needs_of(panel, forecast, errors, asked, ruled), sizes, changed)
        replays = replayed(usable, past, asked, sizes, ruled)
        sized = with_idle(sized.assign(tier=servers["tier"]), nothing)
        first = panel.until(replays["origin"].min()) if len(replays) else panel
        before = found.assigned(server_features(first, servers, settings))
        yield Case(name, cut, way, sized, replays, (before, now), used)


def _used(
    batch: Batch, cut: pd.Timestamp, servers: pd.DataFrame, listed: pd.DataFrame, settings: Settings
) -> tuple[Array, Array]:
    """vCPUs, and GiB, that the servers used in the days from `cut` on, [H, S]; NaN = not observed."""
    until = cut + pd.Timedelta(days=AHEAD)
    panel, then = panel_of(batch, until, settings), inventories.at(listed, until).set_index(SERVER_ID)
    return tuple(_of_metric(panel, cut, servers, then, *resource) for resource in RESOURCES)  # type: ignore[return-value]


def _of_metric(
    panel: Panel, cut: pd.Timestamp, servers: pd.DataFrame, then: pd.DataFrame, metric: str, size: str
) -> Array:
    mine = (panel.series[METRIC] == metric).to_numpy()
    after = panel.timestamps >= cut
    wide = pd.DataFrame(panel.values[np.ix_(after, mine)], columns=panel.series.loc[mine, SERVER_ID])
    names = servers[SERVER_ID]
    capacity = then[size].reindex(names).to_numpy(dtype=np.float64)
    return np.asarray(wide.reindex(columns=names).to_numpy(dtype=np.float64) / 100.0 * capacity)
