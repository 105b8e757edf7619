"""Figures that a training job prints, one per line, and how SageMaker finds them in its log."""

from __future__ import annotations

import math
from collections.abc import Mapping

NAMES = ("relative_mae", "mase", "coverage_80", "coverage_95", "series", "seconds")
DEFINITIONS = {name: rf"metric {name}=([0-9.eE+-]+)" for name in NAMES}  # `MetricDefinitions` of a training job


def lines(values: Mapping[str, float | None]) -> list[str]:
    """`metric <name>=<number>` for each of NAMES that is known, in this order; other names are left out."""
    known = [(name, values.get(name)) for name in NAMES]
    return [f"metric {name}={value:.6g}" for name, value in known if value is not None and math.isfinite(value)]
