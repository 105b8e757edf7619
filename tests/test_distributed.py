"""Blocks on Dask: the numbers of threads, bit for bit, whatever becomes of workers; clear errors."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("prefect_dask", reason="needs the extra `dask`")

from capforecast.errors import ConfigError, ExecutorError, InputError, VersionError
from capforecast.forecast.base import Trained
from capforecast.forecast.engine import train
from capforecast.forecast.executor import in_blocks
from capforecast.schema import Cadence, Panel
from capforecast.settings import FlowSettings, Settings
from tasks import distributed

ON_TWO = FlowSettings(task_runner="dask", dask_workers=2)
SETTINGS = Settings(forecast={"block_size": 64, "origins_daily": 2, "threads": 1})


@pytest.fixture(scope="module", autouse=True)
def _no_cluster_is_left() -> Iterator[None]:
    yield
    distributed.close()


@pytest.fixture(scope="module")
def panel() -> Panel:
    rng = np.random.default_rng(5)
    t = np.arange(500)[:, None]
    values = rng.uniform(20, 60, 300) + 8 * np.sin(2 * np.pi * t / 7) + rng.normal(0, 2, (500, 300))
    values[:300, ::9] = np.nan
    series = pd.DataFrame({"server_id": [f"srv-{i:03d}" for i in range(300)], "metric": "cpu", "statistic": "p95"})
    series = series.assign(verdict="ok", flags="", reason="", business_unit="Retail", region="EU", criticality="high")
    stamps = pd.date_range("2024-01-01", periods=500, freq="D", tz="UTC")
    return Panel(values.astype(np.float32), stamps, series, Cadence.DAILY)


def pids(settings: FlowSettings = ON_TWO) -> list[int]:
    return list(distributed.client_for(settings).run(os.getpid).values())


def assert_same(one: Trained[Any], other: Trained[Any]) -> None:
    assert one.model.version == other.model.version
    pd.testing.assert_frame_equal(one.backtest, other.backtest, check_exact=True)
    pd.testing.assert_frame_equal(one.choice, other.choice, check_exact=True)
    np.testing.assert_array_equal(one.errors.errors, other.errors.errors)
    np.testing.assert_array_equal(one.errors.states_now, other.errors.states_now)


def test_two_workers_and_one_that_dies_on_the_way_give_the_numbers_of_threads(panel, monkeypatch):
    here = train(panel, 14, SETTINGS)
    with distributed.computing(ON_TWO):
        there = train(panel, 14, SETTINGS)
        forecast = there.model.predict(panel)
    assert_same(here, there)
    np.testing.assert_array_equal(forecast.quantiles, here.model.predict(panel).quantiles)

    doomed, asked = pids()[0], []
    run = distributed.Dask.run

    def deadly(self: Any, work: Any, shared: Any, items: Any, put: Any, threads: int, what: str, **more: Any) -> None:
        def kill_first(item: Any, made: Any) -> None:
            if what == "candidates of a sample" and not asked:
                asked.append(os.kill(doomed, signal.SIGKILL))
            put(item, made)

        run(self, work, shared, items, kill_first, threads, what, **more)

    monkeypatch.setattr(distributed.Dask, "run", deadly)
    with distributed.computing(ON_TWO):
        despite = train(panel, 14, SETTINGS)
    assert_same(here, despite)
    assert asked, "the worker was to be killed on the way"
    assert doomed not in pids()


def refuse(item: int) -> int:
    """Work that finds bad input."""
    if item == 3:
        raise InputError(f"item {item} is bad")
    return item


def die(item: int) -> int:
    """Work that ends its process."""
    os.kill(os.getpid(), signal.SIGKILL)
    return item


def test_an_error_of_the_work_itself_comes_back_as_it_is():
    with distributed.computing(ON_TWO), pytest.raises(InputError, match="item 3 is bad"):
        in_blocks(refuse, (), range(8), lambda *_: None, 1, "test")


def wait(item: int) -> int:
    """Work that takes long."""
    time.sleep(1)
    return item


def test_a_block_that_ends_its_workers_is_given_up(monkeypatch):
    monkeypatch.setattr(distributed.client_for(ON_TWO).cluster.scheduler, "allowed_failures", 0)
    with (
        distributed.computing(ON_TWO),
        pytest.raises(ExecutorError, match=r"ended several workers.*\blogs\b") as raised,
    ):
        in_blocks(die, (), range(2), lambda *_: None, 1, "test")
    assert raised.value.retryable


def test_when_no_worker_is_left_the_error_says_where_to_look(monkeypatch):
    distributed.client_for(ON_TWO)
    monkeypatch.setattr(distributed, "_WITHOUT_WORKER_SECONDS", 0.2)
    monkeypatch.setattr(distributed, "_LOOK_SECONDS", 0.1)
    monkeypatch.setattr(distributed, "_blocks_at_a_time", lambda client: {})
    with distributed.computing(ON_TWO), pytest.raises(ExecutorError, match=r"all workers .* died.*\blogs\b"):
        in_blocks(wait, (), range(2), lambda *_: None, 1, "test")


def test_one_worker_gives_the_numbers_of_threads(panel):
    settings = FlowSettings(task_runner="dask", dask_workers=1)
    with distributed.computing(settings):
        there = train(panel, 14, SETTINGS)
    assert_same(train(panel, 14, SETTINGS), there)


def test_an_address_where_nobody_answers_is_named(monkeypatch):
    monkeypatch.setattr(distributed, "_ANSWER_SECONDS", 1.0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    settings = FlowSettings(task_runner="dask", dask_address=address)
    with (
        distributed.computing(settings),
        pytest.raises(ExecutorError, match=f"{address} does not answer.*dask_address"),
    ):
        in_blocks(refuse, (), range(3), lambda *_: None, 1, "test")


def test_without_the_extra_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "prefect_dask", None)
    settings = FlowSettings(task_runner="dask", dask_workers=3)
    with distributed.computing(settings), pytest.raises(ConfigError, match=r"capforecast\[dask\]"):
        in_blocks(refuse, (), range(3), lambda *_: None, 1, "test")


def test_a_worker_with_other_code_refuses():
    assert distributed.remotely(distributed.versions(), refuse, 5) == 5
    with pytest.raises(VersionError, match="install the same versions"):
        distributed.remotely("capforecast 000", refuse, 5)


def test_threads_and_single_blocks_start_no_cluster():
    distributed.close()
    for settings in (FlowSettings(), ON_TWO):
        got: dict[int, int] = {}
        with distributed.computing(settings):
            in_blocks(refuse, (), [7], got.__setitem__, 1, "test")
        assert got == {7: 7}
    assert not distributed._clusters
