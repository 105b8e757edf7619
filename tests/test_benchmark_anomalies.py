"""The benchmark of marks counts an incident as found where a listed one began in its window."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    yield __import__("anomalies")
    for name in ("anomalies", "marked_events", "nab_incidents", "results"):
        sys.modules.pop(name, None)


def test_an_incident_in_its_window_is_found_and_another_is_a_false_one(bench: ModuleType) -> None:
    stamps = pd.date_range("2014-02-14 14:30", "2014-02-28 14:25", freq="5min")
    values = 50 + np.random.default_rng(1).standard_normal(len(stamps))
    values[(stamps >= "2014-02-24 21:00") & (stamps < "2014-02-24 22:00")] += 30  # in the second of two windows
    values[(stamps >= "2014-02-22 21:00") & (stamps < "2014-02-22 22:00")] += 30  # in neither
    history = pd.DataFrame({"series_id": "ec2_cpu_utilization_5f5533", "timestamp": stamps, "value": values})
    found = bench.known_found(history, "mean")
    assert (found["known"], found["found"], found["listed"], found["false"]) == (2, 1, 2, 1)
    assert 0 < found["chance"] < 0.6
    assert found["months"] == pytest.approx(14 / 30.4, rel=0.02)
    assert bench.early(history) == 0
