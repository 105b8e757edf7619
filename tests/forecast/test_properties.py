"""What must hold for any panel: units, order, shards and the future change nothing; bad numbers never get out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_blocks import with_shared

from capforecast.fleet.quality import judge
from capforecast.forecast.base import Block, families
from capforecast.forecast.blocks import blocks, calendar_of
from capforecast.forecast.candidates import candidate_names
from capforecast.forecast.engine import train
from capforecast.schema import Cadence, Panel
from capforecast.settings import CalendarSettings, Settings

SMALL = Settings(metrics={}, forecast={"origins_daily": 3, "origins_hourly": 3})
LENGTH = {Cadence.DAILY: 240, Cadence.HOURLY: 700}
AHEAD = {Cadence.DAILY: 30, Cadence.HOURLY: 24}
CADENCES = st.sampled_from(list(Cadence))
SEEDS = st.integers(0, 2**32 - 1)

Values = npt.NDArray[np.float64]


def panel_of(values: Values, cadence: Cadence) -> Panel:
    count = values.shape[1]
    series = pd.DataFrame({"server_id": [f"s{i:02d}" for i in range(count)], "metric": "cpu", "statistic": "mean"})
    series = series.assign(verdict="ok", reason="", flags="", business_unit="b", region="", criticality="")
    stamps = pd.date_range("2024-01-01", periods=len(values), freq=cadence.step, tz="UTC")
    return Panel(values.astype(np.float32), stamps, series, cadence)


def fleet(seed: int, cadence: Cadence, count: int = 4) -> Values:
    """Rhythm, growth, noise; some series start late, have gaps or spikes."""
    rng = np.random.default_rng(seed)
    t = np.arange(LENGTH[cadence])[:, None]
    rhythm = np.sin(2 * np.pi * t / cadence.season + rng.uniform(0, 6, count)) * rng.uniform(0, 10, count)
    values = 40 + rhythm + rng.normal(0, 0.02, count) * t + rng.normal(0, 3, (len(t), count))
    values[rng.random(values.shape) < 0.02] += 60
    values[: rng.integers(0, len(t) // 2), 1] = np.nan
    values[rng.random(len(t)) < 0.05, 2] = np.nan
    return np.asarray(np.maximum(values, 0.5).astype(np.float32).astype(np.float64))


def block_of_panel(panel: Panel) -> Block:
    horizon, names = AHEAD[panel.cadence], candidate_names(panel.cadence)
    calendar = calendar_of(panel, horizon, CalendarSettings())
    origins = (len(panel.timestamps), len(panel.timestamps) - horizon)
    parts = list(blocks(panel.values.astype(np.float64), panel.cadence, origins, horizon, calendar, 64))
    ((_, block),) = with_shared(parts, np.zeros(panel.values.shape[1], dtype=np.int64), names)
    return block


@settings(max_examples=3, deadline=None)
@given(SEEDS, CADENCES, st.integers(-20, 20))
def test_units_change_nothing(seed, cadence, power):
    values, factor = fleet(seed, cadence), 2.0**power
    once, scaled = (train(panel_of(v, cadence), AHEAD[cadence], SMALL) for v in (values, values * factor))
    first, second = (
        t.model.predict(panel_of(v, cadence)).quantiles for t, v in ((once, values), (scaled, values * factor))
    )
    np.testing.assert_allclose(second, first * factor, rtol=1e-4, atol=1e-4 * factor)
    np.testing.assert_allclose(once.backtest["relative_mae"], scaled.backtest["relative_mae"], rtol=1e-4)


@settings(max_examples=3, deadline=None)
@given(SEEDS, CADENCES, st.sampled_from([-64.0, -1024.0, -256.0]))
def test_candidates_in_levels_move_with_the_level(seed, cadence, shift):
    values = fleet(seed, cadence) - 256.0  # below zero, for some families use levels only where logarithms fail
    before, after = (block_of_panel(panel_of(v, cadence)) for v in (values, values + shift))
    for family in families(cadence):
        level = [k for k, name in enumerate(family.members) if moves_with_level(family.name, name)]
        if level:
            first, second = (family.made(block)[:, level, :, :4] for block in (before, after))
            np.testing.assert_allclose(second, first + shift, rtol=1e-3, atol=2e-3, err_msg=family.name)


def moves_with_level(family: str, member: str) -> bool:
    """Whether the candidate works in levels: no logarithms, no proportions, no shrinkage of the level itself."""
    return not any(word in f"{family}/{member}" for word in ("log", "mul", "ratio", "half"))


@settings(max_examples=3, deadline=None)
@given(SEEDS, CADENCES, st.permutations(range(6)))
def test_the_order_of_series_changes_nothing(seed, cadence, order):
    panel = panel_of(fleet(seed, cadence, 6), cadence)
    turned = replace(panel, values=panel.values[:, order], series=panel.series.iloc[order].reset_index(drop=True))
    first, second = (train(p, AHEAD[cadence], SMALL) for p in (panel, turned))
    np.testing.assert_array_equal(
        first.model.predict(panel).quantiles[:, :, order], second.model.predict(turned).quantiles
    )
    np.testing.assert_array_equal(first.errors.errors[:, :, order], second.errors.errors)


@settings(max_examples=3, deadline=None)
@given(SEEDS, CADENCES, st.floats(0.3, 0.9), st.sampled_from([np.nan, 0.0, 1e6, -1e3]))
def test_the_future_changes_nothing_before_it(seed, cadence, share, what):
    values = fleet(seed, cadence)
    cut = int(share * len(values))
    changed = values.copy()
    changed[cut:] = what
    first, second = (block_of_panel(panel_of(v, cadence)) for v in (values, changed))
    first, second = (replace(b, origins=(cut,)) for b in (first, second))
    old = np.flatnonzero(first.birth[:4] + 28 * cadence.per_day <= cut)  # no origin lies earlier
    np.testing.assert_array_equal(first.values[:cut, old], second.values[:cut, old])
    np.testing.assert_array_equal(first.clean[:cut, old], second.clean[:cut, old])
    for family in families(cadence):
        if family.summarise is None:
            made = [family.made(replace(block, memo={}))[..., old] for block in (first, second)]
            np.testing.assert_array_equal(*made, err_msg=family.name)


COLUMNS = st.sampled_from(
    [
        "nothing",
        "zero",
        "equal",
        "one value",
        "last value",
        "huge",
        "tiny",
        "infinite",
        "negative",
        "spike",
        "steps",
    ]
)


def column(kind: str, total: int, rng: np.random.Generator) -> Values:
    noise = rng.normal(0, 1, total)
    one = np.full(total, np.nan)
    one[total // 2 if kind == "one value" else -1] = 7.0
    odd = np.where(rng.random(total) < 0.1, np.where(noise > 0, np.inf, -np.inf), 10 + noise)
    return {
        "nothing": np.full(total, np.nan), "zero": np.zeros(total), "equal": np.full(total, 42.0), "one value": one,
        "last value": one, "huge": 1e30 * (5 + noise), "tiny": 1e-30 * (5 + noise), "infinite": odd,
        "negative": -50 + noise, "steps": 1e6 + noise / 8,
        "spike": np.where(np.arange(total) == total - 9, 1e9, noise),
    }[kind]  # fmt: skip


@settings(max_examples=8, deadline=None)
@given(SEEDS, CADENCES, st.lists(COLUMNS, min_size=1, max_size=5), st.sampled_from([10, 40, 100, 400]))
def test_bad_numbers_never_get_out(seed, cadence, kinds, total):
    """Every series is forecast with finite, ordered quantiles, or is unknown for a reason."""
    rng = np.random.default_rng(seed)
    panel = panel_of(np.stack([column(kind, total, rng) for kind in kinds], axis=1), cadence)
    verdicts = judge(panel.values, panel.timestamps, cadence, panel.timestamps[-1], Settings().quality)
    assert (verdicts.query("verdict == 'unknown'")["reason"] != "").all()
    panel = replace(panel, series=panel.series.assign(verdict=verdicts["verdict"])).usable()
    trained = train(panel, AHEAD[cadence], SMALL)
    quantiles = trained.model.predict(panel).quantiles
    assert np.isfinite(quantiles).all()
    assert (np.diff(quantiles[:5], axis=0) >= 0).all()
    assert np.isfinite(trained.errors.scale_now).all()
    assert np.isfinite(trained.errors.states_now).all()
    numbers = trained.backtest.select_dtypes("number").to_numpy(dtype=float)
    assert not np.isinf(numbers).any()
