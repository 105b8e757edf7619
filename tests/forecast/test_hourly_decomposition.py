"""The decomposition against its definition, one series at a time in plain numpy, and on data it should get right."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from capforecast.forecast import hourly_decomposition  # noqa: F401  (it registers)
from capforecast.forecast.base import families
from capforecast.schema import Cadence

Values = npt.NDArray[np.float64]

DECOMPOSITION = next(one for one in families(Cadence.HOURLY) if one.name == "decomposition")


def shape_of(values: Values) -> Values:
    """Daily plus weekly shape of one series by hour of the week, [168]."""
    seen = len(values)
    rows = np.arange(seen)
    around = np.array([values[t] - values[max(t - 84, 0) : t + 84].mean() for t in rows])
    weight = 0.5 ** ((seen - 1 - rows) / 1008)
    day = np.array([np.average(around[h::24], weights=weight[h::24]) for h in range(24)])
    rest = (around - day[rows % 24]) * weight
    week = np.array([rest[s::168].sum() / (weight[s::168].sum() + 2) for s in range(168)])
    return np.asarray(day[np.arange(168) % 24] + week)


def lines(values: Values, horizon: int) -> Values:
    """Forecasts [9, H] of one series."""
    shape, seen = shape_of(values), len(values)
    rest = values - shape[np.arange(seen) % 168]
    steps, out = np.arange(1, horizon + 1), []
    for hours in (72, 168, 336):
        x = np.arange(hours)
        slope, start = np.polyfit(x, rest[-hours:], 1)
        out += [np.median(rest[-24:]) + slope * np.cumsum(phi**steps) for phi in (0.99, 0.998)]
        out.append(start + slope * (hours - 1 + steps))
    return np.array(out) + shape[(seen + steps - 1) % 168]


def test_lines_over_what_the_shapes_leave(hourly_block, awkward):
    origin, horizon = 1441, 200
    block = hourly_block(awkward, (origin, 500), horizon)
    made = DECOMPOSITION.made(block)
    for o, column in ((0, 0), (0, 1), (0, 6), (1, 0), (1, 4)):
        values = block.values[: block.origins[o], column]
        np.testing.assert_allclose(made[o, :9, :, column], lines(values, horizon), rtol=1e-5, atol=1e-5)
        offset = 0.025 * (np.median(values) + values.mean()) + 5e-11 * np.abs(values).max()
        offset = offset if offset > 0 else 1.0
        in_logs = np.exp(lines(np.log(values + offset), horizon)) - offset
        np.testing.assert_allclose(made[o, 9:, :, column], in_logs, rtol=1e-5, atol=1e-5)


def test_growth_with_a_daily_rhythm_is_carried_on(hourly_block):
    t = np.arange(1500.0)[:, None]
    values = 50 + 0.01 * t + 8 * np.sin(2 * np.pi * t / 24)
    made = DECOMPOSITION.made(hourly_block(values[:1300], (1300,), 168))[0, :, :, 0]
    straight = made[[i for i, name in enumerate(DECOMPOSITION.members) if name == "level_336h_line"]][0]
    np.testing.assert_allclose(straight, values[1300:1468, 0], atol=0.25)
