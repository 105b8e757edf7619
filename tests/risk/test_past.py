"""Figures of a past origin: those of that day, from what was known that day."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from capforecast.errors import StageError
from capforecast.risk.breach import assess
from capforecast.risk.past import past_risk
from capforecast.risk.rule import NEVER, breach_fires
from capforecast.schema import Cadence, Forecast
from capforecast.settings import Settings

NOW = 6  # past origin looked from: 30 days older than the one before


def a_fleet(fleet, count=40, **options):
    return fleet(np.linspace(60, 85, count), origins=12, **options)


def said_then(world, origin):
    """The forecast and error paths there were at a past origin, and the panel of that day."""
    horizon = world.errors.errors.shape[1]
    when, gap = world.errors.origins[origin], 3
    row = world.panel.timestamps.get_loc(when) + 1
    errors = world.errors
    point = world.panel.values[row : row + horizon] - errors.errors[origin]
    forecast = Forecast(
        np.broadcast_to(point, (6, *point.shape)), world.panel.timestamps[row : row + horizon], errors.series,
        errors.cadence,
    )  # fmt: skip
    known = replace(
        errors, errors=errors.errors[origin + gap :], origins=errors.origins[origin + gap :],
        scale=errors.scale[origin + gap :], states=errors.states[origin + gap :],
        scale_now=errors.scale[origin], states_now=errors.states[origin],
    )  # fmt: skip
    return world.panel.until(when), forecast, known


def test_a_past_origin_is_stated_as_the_present_of_that_day(fleet):
    world = a_fleet(fleet)
    then = assess(*said_then(world, NOW), Settings())
    found = past_risk(world.panel, world.errors, Settings(), NOW)
    assert found.origin == world.errors.origins[NOW]
    for number, horizon in enumerate(found.horizons):
        np.testing.assert_array_equal(found.figures.by_horizon[0, number], then[f"p_high_{horizon}d"])
        np.testing.assert_array_equal(found.figures.by_horizon[1, number], then[f"p_very_high_{horizon}d"])
    for number, name in enumerate(("days_q10", "days_q50", "days_q90")):
        np.testing.assert_array_equal(found.figures.days[0, number], then[name])
    np.testing.assert_array_equal(found.figures.peak_q90, then["peak_q90"])
    np.testing.assert_array_equal(found.in_breach[:, 0], then["in_breach_high"])
    np.testing.assert_array_equal(found.figures.paths, then["paths"])


def test_nothing_that_came_after_the_origin_enters(fleet):
    """Another future: all values after the origin, hence the errors made there, and errors observed after it."""
    world = a_fleet(fleet)
    before = past_risk(world.panel, world.errors, Settings(), NOW)
    row = world.panel.timestamps.get_loc(world.errors.origins[NOW]) + 1
    values, errors = world.panel.values.copy(), world.errors.errors.copy()
    values[row:] += 30
    for o, origin in enumerate(world.errors.origins):
        known = max(0, row - 1 - world.panel.timestamps.get_loc(origin))
        errors[o, known:] += 30
    scale, states = world.errors.scale.copy(), world.errors.states.copy()
    scale[:NOW], states[:NOW] = 50.0, 3.0
    changed = replace(world.errors, errors=errors, scale=scale, states=states)
    after = past_risk(replace(world.panel, values=values), changed, Settings(), NOW)
    np.testing.assert_allclose(after.figures.by_horizon, before.figures.by_horizon, atol=0.02)  # float32 sums
    np.testing.assert_allclose(after.figures.peak_q90, before.figures.peak_q90, atol=1e-3)
    np.testing.assert_array_equal(after.in_breach, before.in_breach)


def test_past_probabilities_match_what_then_happened(fleet):
    world = a_fleet(fleet, count=400, seed=3)
    said, came = [], []
    for origin in range(4):
        found = past_risk(world.panel, world.errors, Settings(), origin)
        row = world.panel.timestamps.get_loc(found.origin) + 1
        above = world.panel.values[row - 6 : row + 90].T > 80
        clear = ~found.in_breach[:, 0]
        said.append(found.figures.by_horizon[0, -1][clear])
        came.append((breach_fires(above, 3, 7, observed=6) != NEVER)[clear])
    assert np.concatenate(said).mean() == pytest.approx(np.concatenate(came).mean(), abs=0.04)
    apart = np.corrcoef(np.concatenate(said), np.concatenate(came))[0, 1]
    assert apart > 0.5


def test_what_was_not_observed_after_the_origin_hides_little_and_too_much_everything(fleet):
    world = a_fleet(fleet)
    row = world.panel.timestamps.get_loc(world.errors.origins[NOW]) + 1
    values, errors = world.panel.values.copy(), world.errors.errors.copy()
    for series, gap in ((0, slice(10, 14)), (1, slice(5, 80)), (2, slice(40, 90))):
        values[row + gap.start : row + gap.stop, series] = np.nan
        errors[NOW, gap, series] = np.nan
    holey = past_risk(replace(world.panel, values=values), replace(world.errors, errors=errors), Settings(), NOW)
    whole = past_risk(world.panel, world.errors, Settings(), NOW)
    p = holey.figures.by_horizon[0]
    assert p[-1, 0] == pytest.approx(whole.figures.by_horizon[0, -1, 0], abs=0.1)
    assert np.isnan(p[:, 1]).all()
    assert np.isnan(p[-1, 2])
    assert p[2, 2] == whole.figures.by_horizon[0, 2, 2]
    assert holey.figures.horizon_days[2] == 40


def test_unknown_series_keep_their_place(fleet):
    world = a_fleet(fleet)
    series = world.panel.series.copy()
    series.loc[3, "verdict"] = "unknown"
    with pytest.raises(StageError, match="40 series where the panel has 39 usable"):
        past_risk(replace(world.panel, series=series), world.errors, Settings(), NOW)
    keep = np.arange(40) != 3
    errors = replace(
        world.errors, errors=world.errors.errors[:, :, keep], scale=world.errors.scale[:, keep],
        states=world.errors.states[:, keep], series=world.errors.series[keep],
    )  # fmt: skip
    found = past_risk(replace(world.panel, series=series), errors, Settings(), NOW)
    assert np.isnan(found.figures.by_horizon[:, :, 3]).all()
    assert np.isfinite(found.figures.by_horizon[:, :, keep]).all()


def test_other_thresholds_may_be_asked_for(fleet):
    world = a_fleet(fleet)
    limits = np.full((40, 2), np.nan)
    limits[0] = 1.0
    found = past_risk(world.panel, world.errors, Settings(), NOW, limits)
    assert (found.figures.by_horizon[:, :, 0] == 1).all()
    assert np.isnan(found.figures.by_horizon[:, :, 1:]).all()


def test_hourly_past_origin(fleet):
    world = fleet(np.repeat([60.0, 79.0], 30), horizon=168, step=56, origins=9, cadence=Cadence.HOURLY)
    found = past_risk(world.panel, world.errors, Settings(), 2)
    assert found.horizons == (24, 168)
    low, high = found.figures.by_horizon[0, 1, :30], found.figures.by_horizon[0, 1, 30:]
    assert low.mean() < 0.2 < 0.8 < high.mean()
    assert (found.figures.horizon_days == 7).all()


def test_an_origin_that_could_look_back_on_hardly_any_other_states_nothing(fleet):
    """12 origins a month apart: 90 days after the newest 7 lie 3 or more, 60 days after the eighth, and so on."""
    world = a_fleet(fleet)
    stated = [past_risk(world.panel, world.errors, Settings(), origin).figures for origin in range(12)]
    assert [np.nanmax([0, *figures.horizon_days]) for figures in stated] == [90] * 7 + [60, 30, 0, 0, 0]
    assert np.isfinite(stated[8].by_horizon[0, 2]).all()
    assert np.isnan(stated[8].by_horizon[0, 3]).all()
    assert (stated[9].paths == 0).all()


def test_an_origin_outside_the_panel_is_refused(fleet):
    world = a_fleet(fleet)
    late = world.panel.timestamps > world.errors.origins[0]
    short = replace(world.panel, values=world.panel.values[late], timestamps=world.panel.timestamps[late])
    with pytest.raises(StageError, match="does not hold the past origin"):
        past_risk(short, world.errors, Settings(), 0)
