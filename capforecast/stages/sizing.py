"""What each server of a business unit needs, which size that is, and how the rule would have fared before."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd

from capforecast.actions import advice, features, idle, needs, path_costs, prices, replay
from capforecast.actions.consolidate import Consolidation, consolidate
from capforecast.actions.rightsize import Action, rightsize
from capforecast.actions.size_choice import Needs
from capforecast.actions.sizes import Sizes
from capforecast.actions.use import use_of
from capforecast.errors import StageError
from capforecast.exchange import Unit
from capforecast.forecast import frames, registry
from capforecast.forecast.kinds import places
from capforecast.lake.datasets import read_frame, read_table, write_table
from capforecast.lake.store import Store
from capforecast.risk.past_warnings import errors_of
from capforecast.schema import SERVER_ID, ErrorPaths, Forecast, Panel
from capforecast.settings import Settings
from capforecast.stages.units import References, read_panel

log = logging.getLogger(__name__)


def sizing(store: Store, settings: Settings, unit: Unit) -> References:
    """What the sizing rule says of every server of a unit, before its test decides what may be advised.

    Adds `sizing`, one row per server, `replays` of the rule at past origins, `features` for segments, now and before
    the first of these origins, `path_costs` of those that are to change their size, `consolidation` of its groups of
    servers and their `packing`. Raises StageError where a server got lost.
    """
    panel, servers = read_panel(store, unit), _servers(store, unit)
    listed = prices.from_table(read_frame(store, unit.references["prices"]), settings.prices.currency)
    sizes = Sizes.of(read_frame(store, unit.references["shapes"]), listed.rows)
    predicted, errors, past = _known(store, unit, panel)
    found = needs.needs_of(panel, predicted, errors, servers, settings)
    table = _said(store, unit, servers, found, sizes, settings)
    if len(table) != unit.servers:
        raise StageError(f"sizing: {unit.servers} servers went in, {len(table)} came out of {unit.business_unit}")
    moved = table["action"].isin([Action.UPSIZE, Action.DOWNSIZE]).to_numpy()
    replays = pd.DataFrame(columns=list(replay.COLUMNS))
    if past is not None:
        replays = replay.replayed(panel.usable(), past, servers, sizes, settings)
    packed = _packed(store, unit, panel, found, sizes, listed, settings)
    said = table["action"].value_counts()
    log.info("%s: %s", unit.business_unit, ", ".join(f"{count} {action}" for action, count in said.items()))
    tables = {
        "sizing": _table(servers, table, found, panel, unit),
        "replays": replays.astype({SERVER_ID: "str", "action": "str"}),
        "features": features.server_features(panel, servers, settings),
        "features_before": features.server_features(_before(panel, replays), servers, settings),
        "path_costs": path_costs.path_costs(found, moved, sizes, settings.sizing),
        "consolidation": packed.rows.assign(currency=settings.prices.currency),
        "packing": packed.packing,
    }
    return {name: write_table(store, unit.key(name), frame) for name, frame in tables.items()}


def _before(panel: Panel, replays: pd.DataFrame) -> Panel:
    """What was seen before the first outcome that the replay counts; everything where nothing was replayed."""
    return panel.until(replays["origin"].min()) if len(replays) else panel


def _said(
    store: Store, unit: Unit, servers: pd.DataFrame, found: Needs, sizes: Sizes, settings: Settings
) -> pd.DataFrame:
    """What the rule says of each server, those that are idle included."""
    doing_nothing = idle.idle(read_frame(store, unit.references["activity"]), servers, settings.idle)
    table = rightsize(found, sizes, settings.sizing).assign(tier=servers["tier"])
    return advice.with_idle(table, doing_nothing)


def _packed(
    store: Store, unit: Unit, panel: Panel, found: Needs, sizes: Sizes, listed: prices.PriceList,
    settings: Settings,
) -> Consolidation:  # fmt: skip
    """The unit's servers packed onto fewer hosts, where its data allow it."""
    used, grown = use_of(panel, found.servers, found, settings.consolidation.weeks)
    paid = prices.costs(found.servers, listed)
    every = pd.concat([found.servers, read_frame(store, unit.references["neighbours"])], ignore_index=True)
    return consolidate(used, grown, every, paid, sizes, listed, settings.consolidation)


def _servers(store: Store, unit: Unit) -> pd.DataFrame:
    """The unit's inventory with the tier of each server."""
    tiers = read_frame(store, unit.references["servers"])
    told = advice.sized_risks(tiers, read_frame(store, unit.references["risks"]))
    tiers = tiers[[SERVER_ID, "tier"]].join(told)
    inventory = read_frame(store, unit.references["inventory"])
    return inventory.merge(tiers, on=SERVER_ID, how="left", validate="one_to_one")


def _known(store: Store, unit: Unit, panel: Panel) -> tuple[Forecast | None, ErrorPaths | None, ErrorPaths | None]:
    """The unit's forecast, its error paths as of now, and those of all origins for a replay; None without a model."""
    if "forecasts" not in unit.references:
        return None, None, None
    predicted = frames.from_table(read_table(store, unit.references["forecasts"]))
    model, _ = registry.load(store, unit.references["model"])
    usable = panel.usable()
    past = errors_of(model.errors, places(model.series, model.cadence, usable))
    return predicted, model.error_paths(usable, predicted), past


def _table(servers: pd.DataFrame, table: pd.DataFrame, found: Needs, panel: Panel, unit: Unit) -> pd.DataFrame:
    """The rule's rows beside who the servers are, what they cost and what was looked at."""
    whose = servers[[SERVER_ID, "business_unit", "region", "criticality", "owner", "hourly_cost", "risk_basis"]]
    about = found.servers[["history_days", "peaks_unseen"]]
    joined = pd.concat([whose, table.drop(columns=SERVER_ID), about], axis=1)
    reach = found.servers["horizon_days"]
    first, last = (panel.timestamps[0], panel.timestamps[-1]) if len(panel.timestamps) else (pd.NaT, pd.NaT)
    return joined.assign(
        paths=np.where(joined["need_cpu_share"].notna(), len(found.cpu), 0),
        horizon_days=reach.where(reach > 0, unit.horizon / unit.cadence.per_day), window_first=first, window_last=last,
    )  # fmt: skip
