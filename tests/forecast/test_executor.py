"""Where blocks are computed changes no number, and work sent to another process is plain data."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from capforecast.errors import VersionError
from capforecast.forecast import engine
from capforecast.forecast.executor import computing_with, in_blocks, remotely, versions
from capforecast.schema import Cadence
from capforecast.settings import ForecastSettings, Settings
from tests.forecast.panels import panel_of


class Elsewhere:
    """As a cluster does it: everything is sent as bytes; items in another order, some of them after a new start."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def run(
        self, work: Callable[..., Any], shared: tuple[Any, ...], items: Sequence[Any],
        put: Callable[[Any, Any], None], threads: int, what: str, *, stay: bool = False,
    ) -> None:  # fmt: skip
        self.asked.append(what)
        there = pickle.loads(pickle.dumps(shared))
        for number, item in reversed(list(enumerate(items))):
            if number % 3 == 1:
                there = pickle.loads(pickle.dumps(shared))
            sent = pickle.loads(pickle.dumps((work, item)))
            put(item, pickle.loads(pickle.dumps(remotely(versions(), sent[0], *there, sent[1]))))


def work(shared: int, item: int) -> int:
    """Work for the tests below."""
    return shared * item


def test_results_come_with_their_items():
    got: dict[int, int] = {}
    in_blocks(work, (3,), range(50), got.__setitem__, 2, "test")
    assert got == {item: 3 * item for item in range(50)}


def test_an_executor_holds_inside_only():
    other, got = Elsewhere(), {}
    with computing_with(other):
        in_blocks(work, (2,), [5], got.__setitem__, 1, "inside")
    in_blocks(work, (2,), [6], got.__setitem__, 1, "outside")
    assert other.asked == ["inside"]
    assert got == {5: 10, 6: 12}


def test_a_worker_with_other_code_refuses():
    with pytest.raises(VersionError, match="install the same versions"):
        remotely("capforecast 000", work, 1, 2)


@pytest.mark.parametrize("cadence", [Cadence.DAILY, Cadence.HOURLY])
def test_model_and_forecast_are_the_same_bit_for_bit(cadence: Cadence):
    rng = np.random.default_rng(3)
    total = 500 if cadence is Cadence.DAILY else 24 * 40
    values = 40 + 20 * np.sin(np.arange(total)[:, None] / 7) + rng.normal(0, 3, (total, 20))
    values[: total // 3, 3] = np.nan  # replayed otherwise
    values[: -5 * cadence.per_day, 5] = np.nan  # too young for any replay
    panel = panel_of(values.astype(np.float32), cadence)
    settings = Settings(forecast=ForecastSettings(block_size=1, threads=1))
    here, other = engine.train(panel, 14, settings), Elsewhere()
    with computing_with(other):
        there = engine.train(panel, 14, settings)
        forecast = there.model.predict(panel)
    assert {"candidates of a sample", "choice for the sample", "calibration", "forecast"} <= set(other.asked)
    assert there.model.version == here.model.version
    assert there.model.tables() == here.model.tables()
    pd.testing.assert_frame_equal(there.backtest, here.backtest, check_exact=True)
    pd.testing.assert_frame_equal(there.choice, here.choice, check_exact=True)
    np.testing.assert_array_equal(forecast.quantiles, here.model.predict(panel).quantiles)
