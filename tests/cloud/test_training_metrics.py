"""What a training job prints is what SageMaker's metric definitions find."""

from __future__ import annotations

import re

import pytest

from capforecast.cloud.training_metrics import DEFINITIONS, NAMES, lines


@pytest.mark.parametrize("value", [0.0, 0.8312, 1e-7, 123456789.0, 12.0])
def test_every_figure_is_found_by_its_own_definition_only(value: float) -> None:
    for name in NAMES:
        (line,) = lines({name: value})
        for other, regex in DEFINITIONS.items():
            found = re.findall(regex, line)
            assert len(found) == (other == name)
            assert not found or float(found[0]) == pytest.approx(value, rel=1e-5)


def test_what_is_not_known_is_not_printed() -> None:
    assert lines({"mase": None, "relative_mae": float("nan"), "series": 3, "else": 1.0}) == ["metric series=3"]
