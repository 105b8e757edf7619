"""The leaderboard's arithmetic, against numbers worked out by hand, with models made for the purpose."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from capforecast.errors import InputError
from capforecast.forecast.kinds import Kind, ahead, forecast_series, nothing_unknown
from capforecast.forecast.leaderboard import LEADERBOARD_COLUMNS, contest, cpu_seconds, folds_of, origins_back
from capforecast.forecast.models import model_kind
from capforecast.report.leaderboard_chart import leaderboard_chart
from capforecast.schema import Cadence, Forecast
from capforecast.settings import Settings

SEEN: list[pd.Timestamp] = []


class Constant:
    """Says the same of all series, with intervals 1 and 3 wide to each side; knows nothing of some servers."""

    version = "v"

    def __init__(self, name, value, horizon, without=()):
        self.name, self.value, self.horizon, self.without = name, value, horizon, without

    @property
    def unknown(self):
        rows = [{"server_id": server, "metric": "cpu", "reason": "no luck"} for server in self.without]
        return pd.DataFrame(rows) if rows else nothing_unknown()

    def predict(self, panel):
        kept = ~panel.series["server_id"].isin(self.without).to_numpy()
        levels = self.value + np.array([-3, -1, 0, 1, 3, 0.0])
        quantiles = np.broadcast_to(levels[:, None, None], (6, self.horizon, kept.sum())).astype(np.float32)
        series = forecast_series(panel, self.name, "v")[kept].reset_index(drop=True)
        return Forecast(quantiles, ahead(panel, self.horizon), series, panel.cadence)

    def tables(self):
        return {}


def constant(name, value, without=()):
    def fit(panel, horizon, settings):
        SEEN.append(panel.timestamps[-1])
        return Constant(name, value, horizon, without)

    return Kind(name, "", fit, lambda tables: None)


def ranked(panel, kinds, horizon=7, origins=(14,)):
    board = contest(folds_of(panel, horizon, origins), kinds, horizon, Settings())
    return board, board.rows[board.rows["scope"] == "all"].set_index("model")


def test_scores_are_those_of_hand_calculation(make_panel):
    values = np.tile([10.0, 12, 14, 16, 18, 20, 22], 3)[:, None]
    values[14:, 0] = [11, 11, 11, 11, 13, 13, np.nan]  # naive errors 1 1 3 5 5 7
    board, rows = ranked(make_panel(values), [constant("ten", 10.0)])
    ten = rows.loc["ten"]
    assert ten["points"] == 6
    assert ten["mae"] == pytest.approx((4 * 1 + 2 * 3) / 6)
    assert ten["rmse"] == pytest.approx(np.sqrt((4 * 1 + 2 * 9) / 6))
    assert ten["wape"] == pytest.approx(10 / 70)
    assert ten["relative_mae"] == pytest.approx((10 / 6) / (22 / 6))
    assert ten["coverage_80"] == pytest.approx(4 / 6)
    assert ten["coverage_95"] == pytest.approx(1.0)
    below = [0.025 * 4, 0.1 * 2, 0.5 * 1, 0.1 * 0, 0.025 * 2]  # loss of each quantile where 11 came
    above = [0.025 * 6, 0.1 * 4, 0.5 * 3, 0.9 * 2, 0.025 * 0]  # where 13 came
    assert ten["pinball"] == pytest.approx((4 * np.mean(below) + 2 * np.mean(above)) / 6, abs=1e-6)
    assert np.isnan(ten["mase"])  # every week before was like the last: nothing to scale by
    assert tuple(board.rows.columns) == LEADERBOARD_COLUMNS


def test_ratios_average_over_series_and_errors_over_points(make_panel):
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(50, 3, (21, 1)), rng.normal(500, 30, (21, 1))], axis=1)
    values[18:, 1] = np.nan
    _, rows = ranked(make_panel(values, metrics=["cpu", "net"]), [constant("c", 60.0)])
    parts = [values[14:21, 0], values[14:18, 1]]
    naive = [values[7:14, 0], values[7:11, 1]]
    mae = [np.abs(part - 60).mean() for part in parts]
    ratio = [error / np.abs(part - before).mean() for error, part, before in zip(mae, parts, naive, strict=True)]
    scale = [np.abs(values[7:14, i] - values[:7, i]).mean() for i in (0, 1)]
    row = rows.loc["c"]
    assert row["mae"] == pytest.approx((7 * mae[0] + 4 * mae[1]) / 11, rel=1e-5)
    assert row["relative_mae"] == pytest.approx(np.sqrt(ratio[0] * ratio[1]), rel=1e-5)
    assert row["mase"] == pytest.approx(np.mean([mae[0] / scale[0], mae[1] / scale[1]]), rel=1e-5)


def test_the_seasonal_naive_model_is_what_others_are_measured_by(make_panel, weekly):
    _, rows = ranked(make_panel(weekly(200, 4)), [model_kind("seasonal-naive")], 14, (186, 172))
    assert rows.loc["seasonal-naive", "relative_mae"] == pytest.approx(1.0, abs=1e-6)
    assert rows.loc["seasonal-naive", "origins"] == 2


def test_every_origin_is_fitted_anew_on_what_lies_before_it(make_panel, weekly):
    panel = make_panel(weekly(100, 2))
    SEEN.clear()
    ranked(panel, [constant("c", 30.0)], 10, (90, 70))
    assert [panel.timestamps[89], panel.timestamps[69]] == SEEN


def test_models_meet_on_points_all_of_them_forecast_and_the_rest_is_counted(make_panel, weekly):
    kinds = [
        constant("whole", 30.0),
        constant("part", 30.0, ("srv-001",)),
        constant("none", 1.0, ("srv-000", "srv-001")),
    ]
    board, rows = ranked(make_panel(weekly(100, 2)), kinds, 10, (90, 80))
    assert rows.loc["whole", "mae"] == rows.loc["part", "mae"]
    assert rows.loc["whole", "series"] == 1
    assert rows["unknown"].to_dict() == {"whole": 0, "part": 2, "none": 4}
    assert rows.loc["none", "points"] == 0
    assert set(board.unknown["reason"]) == {"no luck"}
    assert "part" in leaderboard_chart(board.rows, "a < b")


def test_metrics_and_business_units_are_ranked_apart_best_first(make_panel):
    values = np.tile([[30.0, 60.0]], (60, 1)) + np.random.default_rng(0).normal(0, 1, (60, 2))
    panel = make_panel(values, metrics=["cpu", "mem"])
    panel.series["business_unit"] = ["a", "b"]
    board, _ = ranked(panel, [constant("low", 30.0), constant("high", 60.0)], 10, (50,))
    order = board.rows.groupby(["scope", "name"])["model"].agg(list)
    assert order["metric", "cpu"] == order["business_unit", "a"] == ["low", "high"]
    assert order["metric", "mem"] == order["business_unit", "b"] == ["high", "low"]


def test_series_unseen_at_an_origin_are_left_out_there(make_panel, weekly):
    values = weekly(100, 2)
    values[:85, 1] = np.nan
    _, rows = ranked(make_panel(values), [constant("c", 30.0)], 10, (90, 80))
    assert rows.loc["c", "points"] == 30


def test_too_little_history_says_how_many_origins_fit():
    assert origins_back(100, 10, 5, 3, 30, Cadence.DAILY) == (90, 85, 80)
    with pytest.raises(InputError, match=r"100 d of history hold 7 origins 10 d apart .* not 8: ask for 7"):
        origins_back(100, 10, 10, 8, 30, Cadence.DAILY)
    with pytest.raises(InputError, match="hold 0 origins"):
        origins_back(100, 90, 10, 1, 30, Cadence.HOURLY)


def test_cpu_seconds_hold_those_of_children():
    before = cpu_seconds()
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.5: pass"], check=True)
    assert cpu_seconds() - before > 0.45
