"""Verdicts with reasons, on durations rather than row counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from capforecast.fleet.quality import judge
from capforecast.schema import Cadence
from capforecast.settings import QualitySettings

AS_OF = pd.Timestamp("2024-12-01", tz="UTC")
SETTINGS = QualitySettings()


def judged(values: np.ndarray, cadence: Cadence = Cadence.DAILY, as_of: pd.Timestamp = AS_OF) -> pd.DataFrame:
    stamps = pd.date_range(end=AS_OF - cadence.step, periods=len(values), freq=cadence.frequency, unit="us")
    low, high = np.zeros(values.shape[1]), np.full(values.shape[1], 100.0)
    return judge(values.astype(np.float32), stamps, cadence, as_of, SETTINGS, low, high)


def reason(values: np.ndarray, **options: object) -> str:
    frame = judged(values[:, None], **options)  # type: ignore[arg-type]
    assert (frame["verdict"][0] == "ok") == (frame["reason"][0] == "")
    return str(frame["reason"][0])


def series(length: int = 200) -> np.ndarray:
    return np.random.default_rng(1).uniform(10, 50, length)


def without(values: np.ndarray, *cut: slice) -> np.ndarray:
    values = values.copy()
    for each in cut:
        values[each] = np.nan
    return values


def test_each_blocking_reason_has_its_limit() -> None:
    assert reason(series()) == ""
    assert reason(np.full(200, np.nan)) == "all_missing"
    assert reason(series(30)) == ""
    assert reason(series(29)) == "too_short"
    assert reason(without(series(), slice(-7, None))) == "stale"
    assert reason(without(series(), slice(-6, None))) == ""
    assert reason(without(series(), slice(-60, -42))) == ""  # 18 of 90
    assert reason(without(series(), slice(-60, -41))) == "gappy"  # 19 of 90
    assert reason(without(series(), slice(0, 105))) == ""  # gaps older than the window do not count


def test_a_young_series_is_measured_from_its_first_observation() -> None:
    young = without(series(), slice(0, 160))
    assert reason(young) == ""
    assert reason(without(young, slice(-20, -11))) == "gappy"  # 9 of 40


def test_hourly_windows_are_days_too() -> None:
    hours = {"cadence": Cadence.HOURLY}
    assert reason(series(14 * 24), **hours) == ""
    assert reason(series(14 * 24 - 1), **hours) == "too_short"
    assert reason(without(series(40 * 24), slice(-7 * 24, None)), **hours) == "stale"
    assert reason(without(series(40 * 24), slice(-7 * 24 + 1, None)), **hours) == ""


def test_a_cut_off_after_the_grid_makes_the_series_stale() -> None:
    assert reason(series(), as_of=AS_OF + pd.Timedelta(days=6)) == ""
    assert reason(series(), as_of=AS_OF + pd.Timedelta(days=8)) == "stale"


def test_flags_do_not_block() -> None:
    frame = judged(np.stack([np.full(200, 7.0), series() + 80, series() - 20, series()], axis=1))
    assert frame["flags"].tolist() == ["constant", "out_of_range", "out_of_range", ""]
    assert (frame["verdict"] == "ok").all()


def test_first_and_last_observation_are_told() -> None:
    frame = judged(np.stack([without(series(), slice(0, 50), slice(-3, None)), np.full(200, np.nan)], axis=1))
    assert frame["observed"].tolist() == [147, 0]
    assert frame["first_seen"][0] == AS_OF - pd.Timedelta(days=150)
    assert frame["last_seen"][0] == AS_OF - pd.Timedelta(days=4)
    assert frame["first_seen"].isna().tolist() == [False, True]
    assert str(frame["last_seen"].dtype) == "datetime64[us, UTC]"


@pytest.mark.parametrize("shape", [(0, 2), (0, 0), (5, 0)])
def test_nothing_is_judged_without_a_traceback(shape: tuple[int, int]) -> None:
    assert judged(np.zeros(shape))["reason"].tolist() == ["all_missing"] * shape[1]


def test_a_recent_level_shift_is_flagged_and_an_old_one_is_not() -> None:
    values = np.tile(50 + np.random.default_rng(3).standard_normal((400, 1)), (1, 4))
    values[-40:, 0] += 15
    values[-200:, 1] += 15
    values[-3:, 2] += 15  # too short to tell
    flags = judged(values)["flags"]
    assert flags.tolist() == ["level_shift", "", "", ""]
    assert judged(values[:340])["flags"].tolist()[0] == "", "the shift lies after the end"
