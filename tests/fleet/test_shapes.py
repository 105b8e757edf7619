"""Sizes come from the instance type where the inventory lacks them; what the inventory says counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from capforecast.configuration import config_folder
from capforecast.errors import ConfigError
from capforecast.fleet import inventory, shapes
from capforecast.fleet.synthetic_servers import SIZES
from capforecast.schema import SHAPE_COLUMNS

SHIPPED = config_folder() / "prices/shapes.csv"
AS_OF = pd.Timestamp("2026-01-01", tz="UTC")


@pytest.fixture(scope="module")
def catalogue() -> pd.DataFrame:
    return shapes.load([SHIPPED])


def at(rows: list[dict[str, object]], catalogue: pd.DataFrame) -> pd.DataFrame:
    """Servers at AS_OF, filled and marked, as a run does it."""
    stated = inventory.normalise(pd.DataFrame(rows))
    filled = inventory.at(shapes.fill(stated, catalogue), AS_OF)
    return shapes.marks(filled, inventory.at(stated, AS_OF), catalogue).set_index("server_id")


def test_the_shipped_catalogue_is_whole_and_agrees_with_itself(catalogue: pd.DataFrame) -> None:
    assert list(catalogue.columns) == list(SHAPE_COLUMNS)
    assert len(catalogue) >= 150
    assert catalogue["instance_type"].is_unique
    assert (catalogue["instance_type"].str.split(".").str[0] == catalogue["family"]).all()
    assert set(catalogue.loc[catalogue["architecture"] == "arm64", "family"]) == {"t4g", "m6g", "m7g", "c6g", "c7g",
                                                                                   "r6g", "r7g"}  # fmt: skip
    assert set(catalogue.loc[catalogue["burstable"], "family"]) == {"t3", "t3a", "t4g"}
    steady = catalogue[~catalogue["burstable"]]
    assert ((steady["memory_gib"] / steady["vcpus"]).groupby(steady["family"]).nunique() == 1).all()
    by_size = catalogue.sort_values(["vcpus", "memory_gib"]).groupby("family")["network_baseline_mbps"]
    assert by_size.apply(lambda column: column.is_monotonic_increasing).all()
    known = catalogue.set_index("instance_type")
    for name, (vcpus, memory, _) in SIZES.items():
        assert known.loc[name, ["vcpus", "memory_gib"]].tolist() == [vcpus, memory]


def test_missing_sizes_are_filled_and_marked(catalogue: pd.DataFrame) -> None:
    servers = at(
        [
            {"server_id": "a", "instance_type": "M6i.Large "},
            {"server_id": "b", "instance_type": "m6i.large", "vcpus": 4.0, "memory_gib": 0.0},
            {"server_id": "c", "instance_type": "own.big", "vcpus": 3.0},
            {"server_id": "d", "network_mbps": 10_000.0},
        ],
        catalogue,
    )
    assert servers.loc["a", ["vcpus", "memory_gib", "network_mbps"]].tolist() == [2, 8, 781]
    assert servers.loc["b", ["vcpus", "memory_gib", "network_mbps"]].tolist() == [4, 8, 781]
    assert servers["sizes_filled"].tolist() == ["vcpus memory_gib network_mbps", "memory_gib network_mbps", "", ""]
    assert servers["sizes_conflict"].tolist() == ["", "vcpus", "", ""]
    assert servers.loc["c", "vcpus"] == 3
    assert np.isnan(servers.loc["c", "memory_gib"])
    assert servers.loc["d", "network_mbps"] == 10_000


def test_a_change_of_type_is_a_resize_even_where_sizes_stand_only_once(catalogue: pd.DataFrame) -> None:
    rows = [
        {"server_id": "a", "instance_type": "m6i.large", "vcpus": 2.0, "valid_from": "2025-01-01"},
        {"server_id": "a", "instance_type": "m6i.xlarge", "vcpus": None, "valid_from": "2025-06-01"},
    ]
    stated = inventory.normalise(pd.DataFrame(rows))
    filled = shapes.fill(stated, catalogue)
    assert filled["vcpus"].tolist() == [2, 4]
    assert inventory.resizes(filled, AS_OF).set_index("metric")["factor"].to_dict() == {"cpu": 0.5, "mem": 0.5}
    assert at(rows, catalogue).loc["a", "sizes_conflict"] == ""


def test_capacity_is_in_units_of_the_metric_and_unknown_where_nobody_says() -> None:
    servers = pd.DataFrame(
        {"server_id": ["a", "b"], "vcpus": [4.0, 0.0], "memory_gib": [16.0, np.nan], "disk_gib": [100.0, 50.0],
         "network_mbps": [1562.0, np.nan]}
    )  # fmt: skip
    metrics = ["cpu", "mem", "disk", "net_in", "net", "disk_io"]
    series = pd.DataFrame(
        [(server, metric) for server in ("b", "a") for metric in metrics], columns=["server_id", "metric"]
    )
    nan = np.nan
    np.testing.assert_array_equal(
        shapes.capacity(series, servers), [nan, nan, 50, nan, nan, nan, 4, 16, 100, 1562, 1562, nan]
    )


def test_a_file_of_ones_own_corrects_and_extends_the_shipped_one(tmp_path: Path, catalogue: pd.DataFrame) -> None:
    own = tmp_path / "own.csv"
    own.write_text("# ours\ninstance_type,vcpus,network_baseline_mbps\nM5.Large,,800\nrack.a,12,\n", encoding="utf-8")
    merged = shapes.load([SHIPPED, own]).set_index("instance_type")
    assert len(merged) == len(catalogue) + 1
    assert merged.loc["m5.large", ["vcpus", "memory_gib", "network_baseline_mbps"]].tolist() == [2, 8, 800]
    assert merged.loc["rack.a", "vcpus"] == 12
    assert np.isnan(merged.loc["rack.a", "memory_gib"])


HEAD = "instance_type,vcpus,architecture,burstable,network_baseline_mbps,network_burst_mbps\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "\n# note\na,none,,,,\n", r"own.csv:4: a: vcpus is 'none'; write a number above 0"),
        (HEAD + "a,inf,,,,\n", r"own.csv:2: a: vcpus is 'inf'"),
        (HEAD + "a,0,,,,\n", r"own.csv:2: a: vcpus is '0'"),
        (HEAD + "a,1,sparc,,,\n", r"own.csv:2: a: architecture is 'sparc'; write x86_64 or arm64"),
        (HEAD + "a,1,,maybe,,\n", r"own.csv:2: a: burstable is 'maybe'; write yes or no"),
        (HEAD + "a,1,,,500,400\n", r"own.csv:2: a: network_burst_mbps \(400\) is below network_baseline_mbps \(500\)"),
        ("instance_type,network_burst_mbps\nm5.large,1\n", r"own.csv:2: m5.large: network_burst_mbps \(1\) is below"),
        (HEAD + '"a\nb",1,,,,\n', r"own.csv:2: not a line of CSV"),
        (HEAD + "a" * 200_000 + ",1,,,,\n", r"own.csv:2: not a line of CSV \(field larger"),
        (HEAD + "a,1\n", r"own.csv:2: 2 cells where the header has 6"),
        (HEAD + "a,1,,,,\nA,2,,,,\n", r"own.csv:3: a stands there twice"),
        (HEAD + ",1,,,,\n", r"own.csv:2: no instance_type"),
        ("instance_type,vcpu\n", r"own.csv:1: column 'vcpu' is not known.*nearest: vcpus"),
        ("vcpus\n", r"own.csv:1: no column instance_type"),
        ("# nothing\n", r"own.csv is empty"),
    ],
)
def test_a_broken_catalogue_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    own = tmp_path / "own.csv"
    own.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        shapes.load([SHIPPED, own])


def test_a_catalogue_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the shapes in .*gone.csv.*inventory.shapes"):
        shapes.load([tmp_path / "gone.csv"])
    (tmp_path / "odd.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        shapes.load([tmp_path / "odd.csv"])
