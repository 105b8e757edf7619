"""The accuracy benchmarks: which series they take, what they make of scores, and that peers' forecasts are kept."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
NAMES = ("page", "peer_cache", "real_cases", "scoring", "accuracy_section", "stationary", "peers")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(FOLDER))
    yield SimpleNamespace(**{name: __import__(name) for name in NAMES})
    for name in NAMES:
        sys.modules.pop(name, None)


def rows(model: str, relative: dict[tuple[str, str, int], float]) -> pd.DataFrame:
    table = pd.DataFrame([(*key, value) for key, value in relative.items()])
    table.columns = pd.Index(["dataset", "series", "window", "relative"])
    return table.assign(model=model, pinball=table["relative"], cpu=0.001, failed="")


def test_a_series_counts_once_however_many_windows_it_has(bench: Any) -> None:
    table = rows("ours", {("a", "long", 0): 1.0, ("a", "long", 1): 1.0, ("a", "long", 2): 1.0, ("a", "short", 0): 0.25})
    found = bench.scoring.geometric(table, "ours")
    assert found.value == pytest.approx(0.5)  # by points it would be 0.71
    assert (found.low, found.high) == (pytest.approx(0.25), pytest.approx(1.0))  # whole series are drawn


def test_the_clipped_figure_bounds_a_single_series(bench: Any) -> None:
    table = rows("ours", {("a", "x", 0): 0.001, ("a", "y", 0): 1.0})
    assert bench.scoring.geometric(table, "ours", clipped=True).value == pytest.approx(np.sqrt(0.1))


def test_a_peer_better_by_more_than_two_percent_is_named(bench: Any) -> None:
    ours = rows("ours", {("a", "x", 0): 0.80, ("b", "y", 0): 0.50})
    peer = rows("Prophet", {("a", "x", 0): 0.70, ("b", "y", 0): 0.495})
    cadence = bench.accuracy_section.Cadence.DAILY
    trial = bench.accuracy_section.Trial(cadence, 90, pd.concat([ours, peer]), "window 0", ("AutoETS",))
    limit, clipped, ahead, sets = bench.accuracy_section.target_rows(trial, "shared")
    assert limit[2] == clipped[2] == "met"  # sqrt(0.4) = 0.632
    assert ahead[1].startswith("behind: 1.074")  # sqrt(0.80 / 0.70 * 0.50 / 0.495)
    assert "not met" in ahead[2]
    assert sets[1].startswith("a 1.143")  # b is behind by less than 2 %
    assert "; b" not in sets[1]
    assert "not run: AutoETS" in sets[1]


def test_a_comparison_that_lacks_a_peer_stays_open(bench: Any) -> None:
    table = pd.concat([rows("ours", {("a", "x", 0): 0.5}), rows("Prophet", {("a", "x", 0): 0.9})])
    cadence = bench.accuracy_section.Cadence.DAILY
    for left_out, verdict in (((), "met"), (("AutoETS",), "open")):
        trial = bench.accuracy_section.Trial(cadence, 90, table, "window 0", left_out)
        assert [row[2] for row in bench.accuracy_section.target_rows(trial, "shared")[2:]] == [verdict, verdict]


def test_coverage_is_pooled_over_points_and_drawn_by_series(bench: Any) -> None:
    counts = pd.DataFrame({"dataset": "a", "series": ["x", "y", "y"], "points": [10, 45, 45], "in_80": [10, 27, 27]})
    found = bench.scoring.share(counts, "in_80")
    assert found.value == pytest.approx(64.0)
    assert (found.low, found.high) == (pytest.approx(60.0), pytest.approx(100.0))


class Protocol:
    """Six series of which the default cap draws three."""

    def cases(self, folder: Path, cadence: str, cap: int | None, horizon: int, window: int) -> list[SimpleNamespace]:
        stamps = pd.date_range("2024-01-01", periods=30, freq="D")
        found = [
            SimpleNamespace(dataset="a", series_id=f"s{i}", metric="cpu", history=pd.Series(1.0 * i, stamps))
            for i in range(6 if window == 0 else 5)
        ]
        return [SimpleNamespace(**vars(case), actual=np.full(horizon, 1.0)) for case in found][: cap or 3]


def test_unseen_series_are_never_the_drawn_ones_and_stay_the_same_over_windows(bench: Any) -> None:
    cadence = bench.accuracy_section.Cadence.DAILY
    drawn = bench.real_cases.cases(Protocol(), Path(), cadence, 7, [0])
    found = bench.real_cases.unseen(Protocol(), Path(), cadence, 7, [0, 1], 3)
    names = {case.series for case in found}
    assert names == {"s3|cpu", "s4|cpu", "s5|cpu"}
    assert not names & {case.series for case in drawn}
    assert len(found) == 5  # s5 has no second window
    few = bench.real_cases.unseen(Protocol(), Path(), cadence, 7, [0, 1], 1)
    assert len({case.series for case in few}) == 1


def test_peers_forecasts_are_kept_by_the_content_of_the_history(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cache, peers = bench.peer_cache, bench.peers
    start, values = pd.Timestamp("2024-01-01"), np.tile(np.arange(7.0), 30)
    request = cache.Request(start, values)
    asked = pd.DataFrame({"key": [request.key("daily")], "start": [start.isoformat()], "values_": [values]})
    monkeypatch.setattr(peers, "methods", lambda: {"Linear": broken, "SeasonalNaive": peers.seasonal_naive})
    for peer in ("SeasonalNaive", "Linear"):
        peers.run(peer, asked, "daily", 14, tmp_path)
    monkeypatch.setattr(cache, "PYTHON", tmp_path / "none")
    kept = cache.forecasts([request], ["SeasonalNaive", "Linear"], "daily", 14, tmp_path)
    assert kept["SeasonalNaive"][0].values[0] == pytest.approx(np.tile(np.arange(7.0), 2))
    assert "ZeroDivisionError" in kept["Linear"][0].failed  # counted, and seasonal naive stands in
    assert kept["Linear"][0].values[0] == pytest.approx(np.tile(np.arange(7.0), 2))
    changed = cache.Request(start, values + 0.001)
    assert cache.forecasts([changed], ["Linear"], "daily", 14, tmp_path) == {}
    assert "1 of its forecasts are not cached" in capsys.readouterr().out


def broken(*_: Any) -> Any:
    raise ZeroDivisionError("no")


def test_a_stationary_panel_has_no_trend_and_the_same_future_each_time(bench: Any) -> None:
    cadence = bench.accuracy_section.Cadence.DAILY
    panel, actual = bench.stationary.stationary(cadence, 90, 100, 1)
    again, same = bench.stationary.stationary(cadence, 90, 100, 1)
    assert np.array_equal(panel.values, again.values)
    assert np.array_equal(actual, same)
    years = panel.values[:365].mean(axis=0), panel.values[-365:].mean(axis=0)
    assert abs(float((years[1] - years[0]).mean())) < 0.3
    assert actual.shape == (90, 100)
