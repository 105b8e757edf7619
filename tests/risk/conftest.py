"""The factory of simulated fleets."""

from __future__ import annotations

import pytest
from simulated import make_fleet


@pytest.fixture
def fleet():
    """The factory of simulated fleets."""
    return make_fleet
