"""Two versions side by side: what was made differently, and what that changed for whom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from versions import DAILY, publish

from capforecast.forecast import model_diff
from capforecast.forecast.model_diff import Difference
from capforecast.lake.store import Store
from capforecast.schema import Reference
from capforecast.settings import Settings


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def diff(store: Store, before: Reference, after: Reference) -> Difference:
    return model_diff.compare(*(model_diff.read_version(store, version, DAILY) for version in (before, after)))


def test_what_changed_for_whom(store: Store) -> None:
    before = publish(store, "2026-11-16", [0.8, 0.8, 0.8, 0.8], names=["a", "b", "c", "gone"])
    after = publish(
        store, error=[0.82, 0.4, 1.2, 0.8], names=["a", "b", "c", "new"], width=10.0, leads="trend/line", code="later"
    )
    found = diff(store, before, after)
    assert list(found.series["server_id"]) == ["b", "c", "a"]  # halved, half as much again, hardly
    worst = found.series.iloc[0]
    assert (worst["error_before"], worst["error_after"]) == (0.8, 0.4)
    assert (worst["width_before"], worst["width_after"]) == (10.0, 20.0)  # both half-widths
    assert (worst["candidate_before"], worst["candidate_after"]) == ("naive/week", "trend/line")
    assert (list(found.added["server_id"]), list(found.gone["server_id"])) == (["new"], ["gone"])
    (metric,) = found.metrics.to_dict("records")
    counts = {
        name: metric[name] for name in ("metric", "series", "better", "worse", "other_candidate", "added", "gone")
    }
    assert counts == {
        "metric": "cpu", "series": 3, "better": 1, "worse": 1, "other_candidate": 3, "added": 1, "gone": 1,
    }  # fmt: skip
    assert metric["error_before"] == pytest.approx(0.8)
    assert metric["error_after"] == pytest.approx((0.82 * 0.4 * 1.2) ** (1 / 3))
    assert metric["width_ratio"] == pytest.approx(2.0)
    what = {change.what: (change.before, change.after) for change in found.changes}
    assert what["code"] == ("c0de", "later")
    assert what["as_of"] == ("2026-11-16T00:00:00+00:00", "2026-11-23T00:00:00+00:00")


def test_settings_that_changed_are_named_with_both_values(store: Store) -> None:
    other = Settings(forecast={"temperature": 4.0}, risk={"watch_probability": 0.2})
    found = diff(store, publish(store), publish(store, settings=other))
    settings = [change for change in found.changes if change.what.startswith("setting ")]
    assert [(change.what, change.before, change.after) for change in settings] == [
        ("setting forecast.temperature", "8.0", "4.0")  # risk settings change no prediction
    ]


def test_the_same_version_differs_in_nothing(store: Store) -> None:
    version = publish(store, error=[0.8, np.nan, 0.5])
    found = diff(store, version, version)
    assert found.changes == []
    assert len(found.series) == 3
    assert (found.metrics[["better", "worse", "added", "gone", "other_candidate"]].to_numpy() == 0).all()


def test_a_series_that_could_not_be_scored_counts_as_neither(store: Store) -> None:
    found = diff(store, publish(store, error=[0.8, np.nan, 0.5]), publish(store, error=[0.4, 0.1, 0.5]))
    assert list(found.series["server_id"]) == ["srv-0", "srv-2", "srv-1"]
    (metric,) = found.metrics.to_dict("records")
    assert (metric["series"], metric["better"], metric["worse"]) == (3, 1, 0)


def test_versions_without_a_series_in_common_are_compared(store: Store) -> None:
    found = diff(store, publish(store, names=["a"]), publish(store, names=["b"]))
    assert found.series.empty
    (metric,) = found.metrics.to_dict("records")
    assert (metric["added"], metric["gone"]) == (1, 1)
