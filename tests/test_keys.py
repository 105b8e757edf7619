"""The tree of keys, as read off the settings model."""

from __future__ import annotations

import pytest

from capforecast.keys import below, description, leaves, nearest, nearest_variable, variable
from capforecast.settings import Settings

ALL = [path for path, _ in leaves(Settings().model_dump(), Settings)]


def test_every_key_has_words():
    assert [path for path in ALL if not description(path)] == []


@pytest.mark.parametrize("path", ALL, ids=str)
def test_every_key_is_its_own_nearest(path):
    assert nearest(path[:-1], path[-1]) == path
    assert nearest_variable(path) == path


def test_a_key_from_another_section_is_found_there():
    assert nearest((), "horizon_days") == ("forecast", "horizon_days")
    assert nearest(("risk",), "k_daily") == ("risk", "breach", "k_daily")


def test_keys_end_where_the_model_ends():
    assert below(Settings, "nope") is None
    assert below(below(Settings, "store"), "x") is None
    assert below(below(Settings, "metrics"), "anything") is not None


def test_variables_join_sections_with_two_underscores():
    assert variable(("metrics", "net_in", "very_high")) == "CAPFORECAST_METRICS__NET_IN__VERY_HIGH"
