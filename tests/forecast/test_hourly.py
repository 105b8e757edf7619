"""Hourly families: what each series' forecast may depend on, and the smoothers against a plain loop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from capforecast.forecast import candidates, hourly  # noqa: F401  (candidates registers all families)
from capforecast.forecast.base import Block, Family, families
from capforecast.schema import Cadence

NAMES = ("autoregression", "daily_shape", "holt_winters", "profiles")
Values = npt.NDArray[np.float64]


def family(name: str) -> Family:
    return next(one for one in families(Cadence.HOURLY) if one.name == name)


@pytest.mark.parametrize("name", NAMES)
def test_a_series_alone_forecasts_what_it_does_among_others(hourly_block, awkward, name):
    values, origins = awkward, (1440, 1191, 700, 300)
    among = family(name).made(hourly_block(np.hstack([values[:, ::-1], values, values]), origins))
    for column in range(values.shape[1]):
        alone = family(name).made(hourly_block(values[:, [column]], origins))[..., 0]
        np.testing.assert_array_equal(among[..., 8 + column], alone)
        np.testing.assert_array_equal(among[..., 16 + column], alone)


@pytest.mark.parametrize("name", NAMES)
def test_what_follows_an_origin_and_which_other_origins_there_are_change_nothing(hourly_block, awkward, name):
    values, origins = awkward, (1440, 1191, 700, 300)
    together = family(name).made(hourly_block(values, origins))
    mixed = family(name).made(hourly_block(values, (700, 1440, 300, 1191)))
    np.testing.assert_array_equal(mixed, together[[2, 0, 3, 1]])
    changed = values.copy()
    changed[1191:] = -7.0
    after = family(name).made(hourly_block(changed, origins))
    np.testing.assert_array_equal(after[1:], together[1:])


@pytest.mark.parametrize("name", NAMES)
def test_only_series_old_and_positive_enough_get_a_forecast(hourly_block, awkward, name):
    values = awkward
    made = family(name).made(hourly_block(values, (1440, 1100, 150)))
    exists = np.isfinite(made).all(axis=2)
    np.testing.assert_array_equal(exists, np.isfinite(made).any(axis=2))
    assert not exists[1, :, 2].any() or name == "profiles"  # a hundred hours old
    assert not exists[2].any() or name == "profiles"
    in_logs = np.array(["log" in member for member in family(name).members])
    positive = exists[0][:, [0, 1, 4, 5, 6, 7]]
    if name == "holt_winters":  # in levels only what has no logarithms
        assert not positive[~in_logs].any()
        positive = positive[in_logs]
    assert positive.all()
    assert not exists[0][in_logs, 3].any()
    assert exists[0][~in_logs, 3].all()


@pytest.mark.parametrize("name", NAMES)
def test_results_kept_in_single_precision_are_the_same_numbers(hourly_block, awkward, name):
    class Single(Block):
        def empty(self, members: int) -> Values:
            return super().empty(members).astype(np.float32)  # type: ignore[return-value]

    block = hourly_block(awkward, (1440, 700))
    kept = {field: getattr(block, field) for field in block.__dataclass_fields__}
    single = family(name).made(Single(**kept))
    assert single.dtype == np.float32
    np.testing.assert_array_equal(single, family(name).made(block).astype(np.float32))


def smoothed(
    values: Values, seen: npt.NDArray[np.bool_], birth: int, seasons: tuple[int, ...], point: tuple[float, ...], h: int
) -> Values:
    """The smoother of one grid point over one series, as plainly as it can be written."""
    alpha, beta, phi, daily, weekly = point
    level = trend = typical = 0.0
    states = {m: np.zeros(m) for m in seasons}
    for t in range(birth, len(values)):
        age = t - birth
        if not seen[t]:
            level, trend = level + phi * trend, phi * trend
            continue
        error = values[t] - level - phi * trend - sum(state[t % m] for m, state in states.items())
        limit = 3 * typical if age > 2 * max(seasons) else np.inf
        most = 3 * limit if age > 60 else np.inf
        typical += (max(0.02, 1 / age) if age else 0.0) * (min(abs(error), most) - typical)
        error = float(np.clip(error, -limit, limit))
        gain = max(alpha, 1 / (age + 1))
        level, trend = level + phi * trend + gain * error, phi * trend + (gain * beta * error if age else 0.0)
        rest = (1 - gain) * error
        for m, state in states.items():
            first, least = (0.7, daily) if m == 24 else (0.3, weekly)
            share = first if age < m else max(least, 1 / (age // m + 1))
            state[t % m] += share * rest
            rest *= 1 - share
    ahead = np.cumsum(phi ** np.arange(1, h + 1))
    season = sum(state[(len(values) + np.arange(h)) % m] for m, state in states.items())
    return np.asarray(level + trend * ahead + season)


@pytest.mark.parametrize("column", [0, 1, 2, 6, 7])
def test_every_smoother_does_what_its_definition_says(hourly_block, awkward, column):
    origin, horizon = 1441, 200  # longer than a week: repeated forecasts must keep their phase
    k = 0
    for in_logs in (False, True):
        block = hourly_block(awkward if in_logs else awkward - 1000, (origin,), horizon)
        made = family("holt_winters").made(block)[0, :, :, column]
        values, seen, birth = block.values[:origin, column], block.observed[:origin, column], int(block.birth[column])
        offset = 0.025 * (np.median(values) + values.mean()) + 5e-11 * np.abs(values).max()
        offset = offset if offset > 0 else 1.0
        for grid in hourly._GRIDS:
            for point in grid.points:
                taken = np.log(np.maximum(values, 0) + offset) if in_logs else values
                expected = smoothed(taken, seen, birth, grid.seasons, point, horizon)
                expected = np.exp(expected) - offset if in_logs else expected
                np.testing.assert_allclose(made[k], expected, rtol=1e-5, atol=1e-5, err_msg=str((grid.name, point)))
                k += 1
    assert k == len(made)


def test_what_stands_in_for_a_gap_teaches_the_smoothers_nothing(hourly_block, awkward):
    block = hourly_block(awkward - 1000, (1440,))  # logarithms know the usual level, stand-ins included
    other = replace(block, values=np.where(block.observed, block.values, -955.0))
    members = [k for k, name in enumerate(family("holt_winters").members) if "level" in name]
    made, again = (family("holt_winters").made(one)[:, members] for one in (block, other))
    assert np.isfinite(made[..., [1, 7]]).all()
    np.testing.assert_array_equal(made[..., 1], again[..., 1])
    np.testing.assert_array_equal(made[..., 7], again[..., 7])
