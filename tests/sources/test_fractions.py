"""Fractions in a percent column are refused before they make a fleet look idle."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from capforecast.errors import InputError
from capforecast.settings import Settings
from capforecast.sources.fractions import refuse_fractions


def observed(most: float, servers: int = 4, column: str = "cpu_p95") -> pd.DataFrame:
    frame = pd.DataFrame({"server_id": [f"s{i}" for i in range(servers)], column: np.float32(0.1)})
    frame.loc[0, column] = np.float32(most)
    return frame


def test_a_column_of_fractions_names_the_setting() -> None:
    with pytest.raises(InputError, match=r"fleet.csv: cpu_p95 never exceeds 0.93 .* source.scale: \{cpu_p95: 100\}"):
        refuse_fractions(observed(0.93), Settings(), "fleet.csv")


@pytest.mark.parametrize(
    ("frame", "changes"),
    [
        (observed(1.2), {}),  # one server above one percent
        (observed(0.9, servers=2), {}),  # two idle servers
        (observed(0.9, column="net_p95"), {}),  # no percentage
        (observed(0.9, column="fan_p95"), {}),  # no threshold
        (observed(0.9), {"source": {"scale": {"cpu_p95": 1}}}),  # said to be so
    ],
)
def test_what_may_be_true_is_taken(frame: pd.DataFrame, changes: dict[str, object]) -> None:
    refuse_fractions(frame, Settings.model_validate(changes), "fleet.csv")
