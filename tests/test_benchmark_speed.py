"""What the benchmarks of speed and scale make of their figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        monkeypatch.setenv(name, "1")  # speed.py sets them: put back what was


def run(servers: int, train: float, peak: float = 1.0) -> dict[str, object]:
    seconds = {"train": train, "predict": 0.0, "publish": 1.0}
    sizes = {"servers": servers, "series": 5 * servers, "peak": peak, "written": 0.2}
    return sizes | {"wall": seconds, "cpu": seconds, "compile": 1.0, "load": 0.0}


def test_the_exponent_is_the_slope_between_sizes_and_targets_are_judged_at_10000_servers() -> None:
    import scale

    runs = [run(servers, 1e-3 * servers**1.2, peak=4.5) for servers in (1_000, 3_000, 10_000)]
    assert scale.exponent(runs, lambda one: one["cpu"]["train"]) == pytest.approx(1.2)
    page = scale.sizes_section(runs)
    assert "| 10,000 servers, wall on 2 cores | <= 150 s | 63.1 s | met |" in page
    assert "| 4.50 GiB | **not met** |" in page
    assert "| 1.200 (wall 1.200) | **not met** |" in page
    assert page.count("not run") == 0
    assert scale.sizes_section(runs[:1]).count("not run") == 3


def test_a_peer_is_charged_for_as_many_fits_as_ours_makes() -> None:
    import speed

    ours = speed.Ours(train=0.004, predict=0.001, series=100, origins=(1005, 735, 495))
    line = speed.peer_line("prophet-batch", np.array([0.01, 0.02, 0.03, 0.08]), ours)
    assert line == (
        "| prophet-batch | 80 ms | 320 ms | 1 : 64, met | 140 ms | 1 : 28, **not met** | 1 : 60 |"
    )  # 4 fits of 80 ms; 3 of 20 ms on average and one of 80


def test_peers_get_histories_without_gaps() -> None:
    import peer_run

    values = np.array([[np.nan, 1.0], [2.0, np.nan], [np.nan, 3.0]], dtype=np.float32)
    np.testing.assert_array_equal(peer_run.without_gaps(values), [[2.0, 1.0], [2.0, 2.0], [2.0, 3.0]])
