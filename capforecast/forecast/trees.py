"""Trees as global models: one fit over all series, which says the value at any step ahead directly.

`trees` is gradient boosting with the absolute error as loss (scikit-learn's HistGradientBoostingRegressor);
`random-forest` the forest of lags and calendar that many projects start with. Both learn from origins whose whole
horizon lies before the one forecast from.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from capforecast.errors import ModelError
from capforecast.forecast.base import Array, Index
from capforecast.forecast.kinds import Kind, checked_columns, content_hash, nothing_unknown, reading
from capforecast.forecast.measured import Measured, measure, past_of, read_measured, replay_plan
from capforecast.forecast.threads import one_thread
from capforecast.forecast.tree_nodes import NODE_COLUMNS, Nodes, boosted_nodes, forest_nodes, no_trees, nodes_of
from capforecast.forecast.tree_rows import Lore, Rows, feature_rows, lag_rows, lore_of, targets, units
from capforecast.schema import Cadence, Forecast, Panel
from capforecast.settings import Settings

log = logging.getLogger(__name__)

_ORIGINS = 20  # at most, spread over the history
_STEPS = 12  # rows of a series at one origin, at most
_APART = {Cadence.DAILY: 8, Cadence.HOURLY: 25}  # points, at least: origins fall on all weekdays, or hours
_FEWEST_ROWS = 40
_CHUNK = 256  # series predicted at once


@dataclass(frozen=True)
class Recipe:
    """How one of the models is taught. rows: most that it learns from."""

    name: str
    features: Callable[[Lore, int, Index, Index], Rows]
    learn: Callable[[Rows, Array], Nodes]
    rows: int


def _boost(rows: Rows, wanted: Array) -> Nodes:
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(
        loss="absolute_error", learning_rate=0.06, max_iter=120, max_leaf_nodes=16, early_stopping=False, random_state=0
    )
    return boosted_nodes(model.fit(rows, wanted))


def _plant(rows: Rows, wanted: Array) -> Nodes:
    from sklearn.ensemble import RandomForestRegressor

    model = RandomForestRegressor(n_estimators=100, min_samples_leaf=10, max_features=1 / 3, random_state=0)
    return forest_nodes(model.fit(rows, wanted))


_RECIPES = {
    recipe.name: recipe
    for recipe in (Recipe("trees", feature_rows, _boost, 150_000), Recipe("random-forest", lag_rows, _plant, 20_000))
}


@dataclass(frozen=True)
class TreeModel:
    """Nodes and the widths of the intervals around what they say."""

    name: str
    nodes: Nodes
    measured: Measured

    @property
    def version(self) -> str:
        """Content hash."""
        about = f"{self.nodes.start!r}|{self.nodes.features}"
        return content_hash(self.name, *self.measured.content, about, *self.nodes.content)

    @property
    def unknown(self) -> pd.DataFrame:
        """Nothing: a series without history of its own is forecast as the others."""
        return nothing_unknown()

    def predict(self, panel: Panel) -> Forecast:
        """See Model.predict."""
        place, settings, horizon = self.measured.place(panel), self.measured.settings, self.measured.horizon
        past = past_of(panel, settings, place)
        lore = lore_of(past, panel.timestamps, horizon, settings.calendar)
        point = np.empty((horizon, len(place)))
        point[:, np.argsort(place)] = _points(lore, self.nodes, _RECIPES[self.name], past.total)
        return self.measured.forecast(panel, point, self.name, self.version)

    def tables(self) -> dict[str, pa.Table]:
        """See Model.tables."""
        more = {"kind": self.name, "start": repr(self.nodes.start), "features": str(self.nodes.features)}
        return {"nodes": self.nodes.table()} | self.measured.tables(**more, version=self.version)


def fit(name: str, panel: Panel, horizon: int, settings: Settings) -> TreeModel:
    """Teach one model on all series, and a second one, on what lies before the past origins that measure its errors."""
    recipe, past = _RECIPES[name], past_of(panel, settings)
    lore = lore_of(past, panel.timestamps, horizon, settings.calendar)
    with one_thread():  # the sums' order, and others' cores
        nodes = _learn(lore, recipe, past.total)
        measured = _measured(lore, recipe, horizon, settings)
    return TreeModel(name, nodes, measured)


def _learn(lore: Lore, recipe: Recipe, now: int) -> Nodes:
    """Teach on origins whose whole horizon lies before row `now`; a short history teaches shorter horizons."""
    reach = min(lore.horizon, max((now - int(lore.past.birth.min(initial=now)) - lore.least) // 2, 1))
    newest, oldest = now - reach, int(lore.past.birth.min(initial=now)) + lore.least
    apart = max(_APART[lore.past.cadence], (newest - oldest) // _ORIGINS)
    origins = range(newest, oldest - 1, -apart)
    rng = np.random.default_rng(0)
    rows, wanted = [], []
    for origin in origins:
        columns, steps = _sample(lore, origin, reach, recipe.rows // len(origins), rng)
        if not len(columns):
            continue
        picked, columns = np.unique(columns, return_inverse=True)
        some = lore.part(picked)
        aim = targets(some, origin, columns, steps)
        seen = np.isfinite(aim)
        rows.append(recipe.features(some, origin, columns[seen], steps[seen]))
        wanted.append(aim[seen])
    taught = sum(len(part) for part in wanted)
    log.info("%s: %d rows from %d origins", recipe.name, taught, len(wanted))
    if taught < _FEWEST_ROWS:
        return no_trees(recipe.features(lore, max(now, 1), np.empty(0, np.int64), np.empty(0, np.int64)).shape[1])
    known = np.concatenate(rows)
    known[:, np.isnan(known).all(axis=0)] = 0.0  # scikit-learn bins no column without a value
    return recipe.learn(known, np.concatenate(wanted))


def _sample(lore: Lore, origin: int, reach: int, most: int, rng: np.random.Generator) -> tuple[Index, Index]:
    """Series and steps [M] that teach at an origin: the same number of random steps for each old enough series."""
    old_enough = np.flatnonzero(origin - lore.past.birth >= lore.least)
    each = min(_STEPS, reach, max(most // max(len(old_enough), 1), 1))
    if len(old_enough) * each > most:
        old_enough = np.sort(rng.choice(old_enough, most, replace=False))
    order = rng.random((len(old_enough), reach)).argsort(axis=1)[:, :each]
    return np.repeat(old_enough, each), (order + 1).reshape(-1)


def _points(lore: Lore, nodes: Nodes, recipe: Recipe, origin: int) -> Array:
    """Forecasts [H, N] in the metric's unit."""
    count, horizon = len(lore.past.birth), lore.horizon
    out = np.empty((horizon, count))
    for start in range(0, count, _CHUNK):
        part = lore.part(np.arange(start, min(start + _CHUNK, count)))
        level, scale = units(part, origin)
        columns, steps = np.repeat(np.arange(len(level)), horizon), np.tile(np.arange(1, horizon + 1), len(level))
        said = nodes.predict(recipe.features(part, origin, columns, steps)).reshape(len(level), horizon).T
        out[:, start : start + len(level)] = level + scale * said
    return out


def _measured(lore: Lore, recipe: Recipe, horizon: int, settings: Settings) -> Measured:
    """Widths from forecasts at past origins by trees taught on what lies before the oldest of them."""
    past = lore.past
    plan, origins = replay_plan(past, horizon, settings)
    kept = tuple(origin for origin in origins if origin >= past.total / 2) or origins[:1]  # leave half to learn from
    reach = plan.horizon if plan else 0
    forecasts = np.empty((len(kept), reach, len(past.birth)))
    if kept:
        nodes = _learn(lore, recipe, kept[-1])
        forecasts = np.stack([_points(lore, nodes, recipe, origin)[:reach] for origin in kept])
    return measure(past, plan, kept, forecasts, horizon, settings)


def from_tables(name: str, tables: Mapping[str, pa.Table]) -> TreeModel:
    """The inverse of `tables`; raises ModelError."""
    checked_columns(tables, {"nodes": NODE_COLUMNS})
    measured, known = read_measured(tables)
    with reading():
        nodes = nodes_of(tables["nodes"], float(known["start"]), int(known["features"]))
        model = TreeModel(known["kind"], nodes, measured)
        intact = known["kind"] == name and model.version == known["version"]
    if not intact:
        raise ModelError(f"the stored {name} model is corrupt or another kind ({known['kind']}); train it again")
    return model


def _kind(name: str, summary: str) -> Kind:
    return Kind(
        name,
        summary,
        lambda panel, horizon, settings: fit(name, panel, horizon, settings),
        lambda tables: from_tables(name, tables),
    )


TREES = _kind("trees", "gradient boosting, one model over all series")
RANDOM_FOREST = _kind("random-forest", "random forest on lags and calendar, one model over all series")
