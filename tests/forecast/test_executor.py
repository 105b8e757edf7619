"""Where blocks are computed changes no number, and work sent to another process is plain data."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from capforecast.forecast.engine import train
from capforecast.forecast.executor import computing_with, in_blocks
from capforecast.settings import Settings


def sent(what: Any) -> Any:
    """As it arrives in another process."""
    return pickle.loads(pickle.dumps(what))  # noqa: S301  (made here)


def stored(tables: dict[str, pa.Table]) -> dict[str, bytes]:
    """Tables as bytes: NaN equals NaN."""
    out = {}
    for name, table in tables.items():
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        out[name] = sink.getvalue().to_pybytes()
    return out


class Elsewhere:
    """As a cluster does it: everything is sent as bytes; items in another order, some of them after a new start."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def run(
        self, work: Callable[..., Any], shared: tuple[Any, ...], items: Sequence[Any],
        put: Callable[[Any, Any], None], threads: int, what: str, *, stay: bool = False,
    ) -> None:  # fmt: skip
        self.asked.append(what)
        there = sent(shared)
        for number, item in reversed(list(enumerate(items))):
            if number % 3 == 1:
                there = sent(shared)
            there_work, there_item = sent((work, item))
            put(item, sent(there_work(*there, there_item)))


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


@pytest.mark.parametrize("cadence", ["daily", "hourly"])
def test_model_and_forecast_are_the_same_bit_for_bit(make_panel, weekly, monkeypatch, cadence):
    monkeypatch.setattr("capforecast.forecast.sampling.spokesmen.__defaults__", (40,))
    values = weekly(900 if cadence == "daily" else 700, 230, season=7 if cadence == "daily" else 24)
    values[:450, ::7] = np.nan  # replayed otherwise
    values[:-20, 5] = np.nan  # too young for any replay
    panel = make_panel(values, cadence, ["cpu", "mem"] * 115)
    settings = Settings(forecast={"block_size": 64, "origins_daily": 3, "origins_hourly": 3})
    here, other = train(panel, 14, settings), Elsewhere()
    with computing_with(other):
        there = train(panel, 14, settings)
        forecast = there.model.predict(panel)
    assert set(other.asked) == {
        "candidates of a sample", "choice for the sample", "candidates and choice", "calibration", "forecast",
    }  # fmt: skip
    assert stored(there.model.tables()) == stored(here.model.tables())
    pd.testing.assert_frame_equal(there.backtest, here.backtest, check_exact=True)
    pd.testing.assert_frame_equal(there.choice, here.choice, check_exact=True)
    np.testing.assert_array_equal(forecast.quantiles, here.model.predict(panel).quantiles)
