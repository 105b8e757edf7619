"""Every candidate: causal to the last bit, and within what the past makes plausible."""

from __future__ import annotations

import numpy as np
import pytest
from shared_blocks import with_shared

from capforecast.errors import ModelError
from capforecast.forecast.base import Family, families, register
from capforecast.forecast.blocks import blocks, calendar_of
from capforecast.forecast.candidates import Room, candidate_cube, candidate_names
from capforecast.schema import Cadence, Panel
from capforecast.settings import CalendarSettings


def cube(panel: Panel, origins: tuple[int, ...], horizon: int, group: np.ndarray | None = None) -> np.ndarray:
    names = candidate_names(panel.cadence)
    calendar = calendar_of(panel, horizon, CalendarSettings())
    parts = list(blocks(panel.values.astype(float), panel.cadence, origins, horizon, calendar, 64))
    parts = with_shared(parts, np.zeros(panel.values.shape[1], dtype=np.int64) if group is None else group, names)
    return np.concatenate([candidate_cube(b, names)[..., : r.stop - r.start] for r, b in parts], axis=-1)


@pytest.mark.parametrize(
    ("cadence", "total", "origins"), [("daily", 700, (660, 430, 200)), ("hourly", 1500, (1400, 900, 400))]
)
def test_future_of_an_origin_moves_no_candidate(make_panel, weekly, cadence, total, origins):
    values = weekly(total, 4, season=7 if cadence == "daily" else 24)
    values[100:104, 1] = np.nan
    values[:150, 2] = np.nan
    values[[origin - 2 for origin in origins], 3] += 300.0  # spikes: what is cut must not depend on what follows
    before = cube(make_panel(values, cadence), origins, 30)
    for o, origin in enumerate(origins):
        changed = values.copy()
        changed[origin:] = 500.0 - changed[origin:]
        after = cube(make_panel(changed, cadence), origins, 30)
        np.testing.assert_array_equal(before[o:], after[o:])


@pytest.mark.parametrize(("cadence", "total"), [("daily", 700), ("hourly", 1500)])
def test_all_candidates_exist_with_enough_history_and_stay_plausible(make_panel, weekly, cadence, total):
    values = weekly(total, 3, season=7 if cadence == "daily" else 24)
    made = cube(make_panel(values, cadence), (total,), 30)[0]
    names = candidate_names(Cadence(cadence))
    spared = [
        name.startswith("sawtooth/") or (name.startswith("holt_winters/") and "log" not in name) for name in names
    ]
    needed = ~np.array(spared)  # nothing is reset here
    assert np.isfinite(made[needed]).all()  # hourly smoothers use levels only where logarithms fail
    made = made[needed]
    low, high = values.min(axis=0), values.max(axis=0)
    assert (made >= low - 0.5 * (high - low) - 1e-3).all()
    assert (made <= high + 0.7 * (high - low) + 1e-3).all()


def test_neighbours_and_place_in_a_block_change_no_bit(make_panel, weekly):
    values = np.concatenate([weekly(700, 60), weekly(700, 40, seed=1)], axis=1)
    for column in range(1, 100, 3):
        values[: 6 * column, column] = np.nan  # fitted over many different rows
    alone = [0, 4, 31, 70, 97]
    own = np.arange(100, dtype=np.int64)  # groups of one
    made = cube(make_panel(values), (660, 500), 30, own)
    other = values[:, ::-1].copy()
    np.testing.assert_array_equal(cube(make_panel(other), (660, 500), 30, own)[..., ::-1], made)
    np.testing.assert_array_equal(cube(make_panel(values[:, alone]), (660, 500), 30, own[:5]), made[..., alone])


def test_a_choice_of_candidates_and_used_memory_give_the_same(make_panel, weekly):
    panel = make_panel(weekly(500, 2))
    calendar = calendar_of(panel, 20, CalendarSettings())
    (part,) = blocks(panel.values.astype(float), panel.cadence, (500, 450), 20, calendar, 64)
    names = candidate_names(panel.cadence)
    ((_, block),) = with_shared([part], np.zeros(2, dtype=np.int64), names)
    whole = candidate_cube(block, names)
    chosen = [names[k] for k in (40, 3, 41, 100)]
    np.testing.assert_array_equal(candidate_cube(block, chosen), whole[:, [40, 3, 41, 100]])
    room = Room()
    room.cube(3, *whole.shape).fill(7.0)
    used = candidate_cube(block, names, room)
    np.testing.assert_array_equal(used, whole)
    assert np.shares_memory(used, room.cube(1))


def test_a_few_days_of_history_are_no_error(make_panel, weekly):
    assert np.isnan(cube(make_panel(weekly(5, 2)), (5,), 10)).all()
    assert np.isfinite(cube(make_panel(weekly(8, 2)), (8,), 10)).any()


def test_young_series_have_fewer_candidates(make_panel, weekly):
    values = weekly(700, 2)
    values[:640, 1] = np.nan
    made = np.isfinite(cube(make_panel(values), (700,), 30)[0]).all(axis=1)
    assert 0 < made[:, 1].sum() < made[:, 0].sum()


def test_unknown_candidate_of_a_stored_model_is_refused(make_panel, weekly):
    panel = make_panel(weekly(100, 1))
    calendar = calendar_of(panel, 7, CalendarSettings())
    (_, block), *_ = blocks(panel.values.astype(float), panel.cadence, (100,), 7, calendar, 64)
    with pytest.raises(ModelError, match="gone/away"):
        candidate_cube(block, ["gone/away"])


def test_a_family_name_is_registered_once():
    known = families(Cadence.DAILY)[0]
    with pytest.raises(ValueError, match=known.name):
        register(Family(known.name, Cadence.DAILY, ("x",), lambda block, out: None))
