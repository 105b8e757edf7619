"""Which sizes of instances servers could be packed onto."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from capforecast.actions.instance_sizes import instance_sizes
from capforecast.actions.sizes import Sizes
from capforecast.errors import ConfigError
from capforecast.settings import ConsolidationSettings

RULES = ConsolidationSettings()
SHAPES = [
    ("m5.large", "m5", "x86_64", 2.0, 8.0, False), ("m5.xlarge", "m5", "x86_64", 4.0, 16.0, False),
    ("m5.2xlarge", "m5", "x86_64", 8.0, 32.0, False), ("m6g.large", "m6g", "arm64", 2.0, 8.0, False),
    ("t3.large", "t3", "x86_64", 2.0, 8.0, True), ("t3.xlarge", "t3", "x86_64", 4.0, 16.0, True),
]  # fmt: skip


def catalogue(*priced: str) -> Sizes:
    table = pd.DataFrame(
        SHAPES, columns=["instance_type", "family", "architecture", "vcpus", "memory_gib", "burstable"]
    )
    rows = [(name, "eu", "linux", 0.05 * table.set_index("instance_type")["vcpus"][name]) for name in priced]
    return Sizes.of(table, pd.DataFrame(rows, columns=["instance_type", "region", "os", "hourly"]))


def found(types: list[str], hourly: list[float], sizes: Sizes, rules=RULES, free=None, **columns):
    known = sizes.table.set_index("instance_type")
    base = {
        "server_id": [f"s{i}" for i in range(len(types))], "region": "eu", "instance_type": types,
        "vcpus": [known["vcpus"].get(name, 4.0) for name in types],
        "memory_gib": [known["memory_gib"].get(name, 16.0) for name in types],
    }  # fmt: skip
    servers = pd.DataFrame(base | columns)
    free = np.ones(len(types), dtype=bool) if free is None else np.array(free)
    costs = pd.DataFrame({"server_id": servers["server_id"], "hourly": hourly})
    return instance_sizes(servers, costs, free, sizes, rules)


def test_sizes_are_those_of_servers_that_may_move_the_largest_first_and_priced_as_the_dearest() -> None:
    sizes = found(["", "", "", ""], [0.1, 0.3, np.nan, 9.0], catalogue(), free=[True, True, True, False],
                  vcpus=[2.0, 2.0, 4.0, 64.0])  # fmt: skip
    assert [(one.vcpus, one.priced_by) for one in sizes] == [(4, 2), (2, 1)]
    assert sizes[1].hourly == 0.3


def test_priced_types_of_the_families_come_beside_where_every_server_has_a_price() -> None:
    listed = catalogue("m5.large", "m5.2xlarge", "m6g.large")
    types = [(one.type, one.priced_by) for one in found(["m5.xlarge"] * 2, [0.2, 0.2], listed)]
    assert types == [("m5.2xlarge", -1), ("m5.xlarge", 1), ("m5.large", -1)]
    assert [one.type for one in found(["m5.xlarge"] * 2, [0.2, np.nan], listed)] == ["m5.xlarge"]


def test_a_burstable_type_is_packed_onto_by_burstable_servers_only() -> None:
    assert [one.type for one in found(["t3.xlarge", "m5.large"], [np.nan] * 2, catalogue())] == ["m5.large"]
    assert len(found(["t3.xlarge", "t3.large"], [np.nan] * 2, catalogue())) == 2
    assert [one.type for one in found(["t3.xlarge", ""], [np.nan] * 2, catalogue())] == [""]


def test_who_is_of_another_architecture_is_known_and_who_is_of_none_is_not_left_out() -> None:
    by_type = {one.type: one for one in found(["m5.large", "m6g.large", "own"], [np.nan] * 3, catalogue())}
    assert by_type["m5.large"].alike.tolist() == [True, False, True]
    assert by_type["m6g.large"].alike.tolist() == [False, True, True]
    assert by_type["own"].alike.all()


def test_the_settings_name_the_only_size() -> None:
    named = RULES.model_copy(update={"instance_type": "M5.2xlarge"})
    (one,) = found(["m5.large"] * 2, [0.1] * 2, catalogue("m5.2xlarge"), named)
    assert (one.type, one.vcpus, one.priced_by) == ("m5.2xlarge", 8, -1)
    assert one.hourly == pytest.approx(0.4)
    with pytest.raises(ConfigError, match=r"consolidation\.instance_type: m5\.huge is in no catalogue"):
        found(["m5.large"], [0.1], catalogue(), RULES.model_copy(update={"instance_type": "m5.huge"}))
