"""Trees taken out of scikit-learn say what scikit-learn says, and nothing they learn from lies after the origin."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor

from capforecast.forecast import tree_rows, trees
from capforecast.forecast.measured import past_of
from capforecast.forecast.tree_nodes import boosted_nodes, forest_nodes, nodes_of
from capforecast.settings import Event, Settings


def rows_with_gaps(count, seed):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, 5)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    return rows


@pytest.mark.parametrize(
    ("model", "taken"),
    [
        (HistGradientBoostingRegressor(loss="absolute_error", max_iter=40, max_leaf_nodes=16), boosted_nodes),
        (RandomForestRegressor(20, min_samples_leaf=3, random_state=0), forest_nodes),
    ],
)
@pytest.mark.parametrize("gaps", [True, False])  # learnt without gaps, a model must still place a NaN as theirs does
def test_our_walk_through_the_trees_equals_scikit_learns(model, taken, gaps):
    rows = rows_with_gaps(800, 0)
    learnt = rows if gaps else np.nan_to_num(rows)
    wanted = np.nan_to_num(learnt[:, 0]) * 3 + np.abs(np.nan_to_num(learnt[:, 1]))
    model.fit(learnt, wanted)
    nodes = taken(model)
    asked = rows_with_gaps(500, 1) if gaps or taken is boosted_nodes else np.nan_to_num(rows_with_gaps(500, 1))
    np.testing.assert_allclose(nodes.predict(asked), model.predict(asked), rtol=1e-12, atol=1e-12)
    again = nodes_of(nodes.table(), nodes.start, nodes.features)
    assert np.array_equal(again.predict(asked), nodes.predict(asked))


@pytest.fixture
def lore(make_panel, weekly):
    panel = make_panel(weekly(420, 5))
    return tree_rows.lore_of(past_of(panel, Settings()), panel.timestamps, 30, Settings().calendar)


def changed_after(lore, row):
    """The same past with other values from `row` on."""
    values, filled = lore.past.values.copy(), lore.past.filled.copy()
    values[row:] += 100
    filled[row:] += 100
    past = type(lore.past)(values, filled, lore.past.birth, lore.past.series, lore.past.cadence)
    return tree_rows.Lore(past, lore.calendar, lore.horizon)


@pytest.mark.parametrize("rows", [tree_rows.feature_rows, tree_rows.lag_rows])
@pytest.mark.parametrize("origin", [30, 100, 399])
def test_features_know_nothing_from_the_origin_on(lore, rows, origin):
    columns, steps = np.repeat(np.arange(5), 30), np.tile(np.arange(1, 31), 5)
    before = rows(lore, origin, columns, steps)
    assert np.array_equal(before, rows(changed_after(lore, origin), origin, columns, steps), equal_nan=True)
    assert not np.array_equal(before, rows(changed_after(lore, origin - 1), origin, columns, steps), equal_nan=True)


@pytest.mark.parametrize("name", ["trees", "random-forest"])
def test_rows_that_teach_lie_whole_before_the_origin(lore, name):
    recipe = trees._RECIPES[name]
    nodes = trees._learn(lore, recipe, 300)
    assert trees._learn(changed_after(lore, 300), recipe, 300).content == nodes.content
    assert trees._learn(changed_after(lore, 299), recipe, 300).content != nodes.content


def test_the_calendar_of_the_target_day_is_learnt(make_panel):
    """A step up on the declared days alone, which no lag can tell of."""
    rng = np.random.default_rng(0)
    days = np.arange(500)
    inside = (days % 37 < 3) & (days > 0)
    panel = make_panel(40 + 20.0 * inside[:, None] + rng.normal(0, 1, (500, 8)))
    starts = [panel.timestamps[i].date() for i in range(500) if i % 37 == 0]
    events = [Event(name="load", start=str(day), end=str(day + np.timedelta64(2, "D").item())) for day in starts]
    settings = Settings()
    settings = settings.model_copy(update={"calendar": settings.calendar.model_copy(update={"events": tuple(events)})})
    seen = panel.until(panel.timestamps[459])
    forecast = trees.fit("trees", seen, 40, settings).predict(seen)
    lift = forecast.median[inside[460:]].mean() - forecast.median[~inside[460:]].mean()
    assert inside[460:].any()
    assert lift > 10


def test_a_day_without_an_observation_teaches_nothing(make_panel, weekly):
    values = weekly(300, 5)
    values[120:150] = np.nan
    panel = make_panel(values)
    lore = tree_rows.lore_of(past_of(panel, Settings()), panel.timestamps, 30, Settings().calendar)
    aim = tree_rows.targets(lore, 115, np.zeros(30, dtype=np.int64), np.arange(1, 31))
    assert np.isfinite(aim[:5]).all()
    assert np.isnan(aim[5:]).all()
