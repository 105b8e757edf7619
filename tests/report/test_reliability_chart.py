"""Labels of the reliability diagram."""

from __future__ import annotations

import itertools

from capforecast.report.reliability_chart import _free


def test_labels_of_points_that_lie_close_stand_above_each_other() -> None:
    taken: list[tuple[float, float, float]] = []
    heights = [_free(start, y, 18.0, taken) for start, y in ((10.0, 5.0), (14.0, 6.0), (20.0, 5.5), (80.0, 5.0))]
    assert heights[0] == 5.0
    assert heights[3] == 5.0, "far away there is room"
    near = sorted(heights[:3])
    assert min(b - a for a, b in itertools.pairwise(near)) >= 6.9
