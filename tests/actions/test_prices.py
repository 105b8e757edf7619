"""A server costs what the inventory or a price file says, and otherwise nobody knows, with a reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from capforecast.actions import prices
from capforecast.actions.prices import PriceList
from capforecast.configuration import config_folder
from capforecast.errors import ConfigError
from capforecast.fleet import shapes
from capforecast.settings import DiscountSettings, PriceSettings

SHIPPED = config_folder() / "prices"
REGIONS = ["ap-southeast-1", "eu-west-1", "us-east-1"]


@pytest.fixture(scope="module")
def sample() -> PriceList:
    return prices.configured(PriceSettings(), SHIPPED)


def card(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text("# date: 2026-02-03\n" + text, encoding="utf-8")
    return file


def servers(*rows: tuple[object, ...]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["instance_type", "region", "hourly_cost"])
    return frame.assign(server_id=[f"s{at}" for at in range(len(rows))])


def test_the_sample_fits_the_shapes_and_says_where_it_comes_from(sample: PriceList) -> None:
    rows, known = sample.rows, shapes.load([SHIPPED / "shapes.csv"]).set_index("instance_type")
    assert sample.currency == "USD"
    (source,) = sample.sources
    assert str(source) == "ec2_on_demand.csv of 2026-01-19"
    assert "karpenter" in source.source
    assert sorted(rows["region"].unique()) == REGIONS
    assert set(rows["instance_type"]) <= set(known.index)
    assert not rows.duplicated(["instance_type", "region", "os"]).any()
    assert len(rows) >= 300
    steady = rows[~known.loc[rows["instance_type"], "burstable"].to_numpy(dtype=bool)]
    size = known.loc[steady["instance_type"]]
    per_vcpu = (steady["hourly"] / size["vcpus"].to_numpy()).groupby([size["family"].to_numpy(), steady["region"]])
    assert (per_vcpu.max() / per_vcpu.min() < 1.002).all()  # a slip of a digit in one size would show


@pytest.mark.parametrize(
    ("name", "asia", "ireland", "virginia"),
    [
        ("t3.xlarge", 0.2112, 0.1824, 0.1664),
        ("t3a.2xlarge", 0.3776, 0.3264, 0.3008),
        ("t4g.nano", 0.0053, 0.0046, 0.0042),
        ("m5.large", 0.12, 0.107, 0.096),
        ("m6i.12xlarge", 2.88, 2.568, 2.304),
        ("m6g.large", 0.096, 0.086, 0.077),
        ("m7g.xlarge", 0.204, 0.1819, 0.1632),
        ("c5.xlarge", 0.196, 0.192, 0.17),
        ("c6i.8xlarge", 1.568, 1.4592, 1.36),
        ("c6g.xlarge", 0.1568, 0.1459, 0.136),
        ("r5.8xlarge", 2.432, 2.256, 2.016),
        ("r6i.large", 0.152, 0.141, 0.126),
        ("r6g.8xlarge", 1.9456, 1.8048, 1.6128),
    ],
)
def test_the_sample_holds_what_was_read_off_its_sources(
    sample: PriceList, name: str, asia: float, ireland: float, virginia: float
) -> None:
    at = prices.lookup(sample, [name] * 3, REGIONS, ["linux"] * 3)
    assert sample.rows["hourly"].to_numpy()[at].tolist() == [asia, ireland, virginia]


def test_a_cost_names_its_source_and_a_missing_one_its_reason(sample: PriceList) -> None:
    asked = servers(
        (" M5.Large", "EU-west-1", np.nan),
        ("m5.large", "eu-west-1", 0.2),
        ("m5.large", "eu-west-1", 0.0),
        ("rack.a", "eu-west-1", np.nan),
        (None, "eu-west-1", np.nan),
        ("m5.large", "unassigned", np.nan),
        ("m5.large", "eu-north-1", np.nan),
        ("m5.large", "eu-west-1", -1.0),
        ("m5.large", "eu-west-1", np.inf),
    )
    found = prices.costs(asked, sample)
    listed = "ec2_on_demand.csv of 2026-01-19"
    assert found["server_id"].tolist() == asked["server_id"].tolist()
    np.testing.assert_array_equal(found["hourly"], [0.107, 0.2, 0.107] + [np.nan] * 6)
    assert found["source"].tolist() == [listed, "inventory", listed, *[""] * 6]
    assert found["reason"].tolist() == [
        "", "", "",
        "instance type rack.a is in no price file",
        "the inventory gives neither instance_type nor hourly_cost",
        "no region is given, and the price of m5.large depends on it",
        "no price of m5.large in eu-north-1; known: ap-southeast-1, eu-west-1, us-east-1",
        "the inventory's hourly_cost is -1, which is no cost",
        "the inventory's hourly_cost is inf, which is no cost",
    ]  # fmt: skip


def test_every_cost_is_known_or_has_a_reason_whatever_the_order(sample: PriceList) -> None:
    random = np.random.default_rng(3)
    types, regions = ["m5.large", "own.a", None, "t3.nano", "m7i.large"], ["eu-west-1", "us-east-1", "", None, "x"]
    asked = servers(*[(types[a], regions[b], c) for a, b, c in zip(
        random.integers(5, size=200), random.integers(5, size=200), random.choice([np.nan, 0.5], 200), strict=True
    )])  # fmt: skip
    found = prices.costs(asked, sample)
    known = found["hourly"].notna()
    assert (known == (found["reason"] == "")).all()
    assert (known == (found["source"] != "")).all()
    order = random.permutation(200)
    shuffled = prices.costs(asked.iloc[order], sample)
    pd.testing.assert_frame_equal(shuffled, found.iloc[order].reset_index(drop=True))


def test_a_price_of_the_region_wins_over_one_that_holds_everywhere(tmp_path: Path) -> None:
    text = "hourly,region,instance_type,os\n0.1,*,vm.s,\n0.2,DC1,vm.s,\n0.5,*,vm.s,windows\n"
    listed = prices.load([card(tmp_path, "own.csv", text)])
    asked = servers(("vm.s", "dc1", np.nan), ("vm.s", "dc2", np.nan), ("vm.s", "dc1", np.nan), ("vm.s", "dc1", np.nan))
    found = prices.costs(asked.assign(os=["", None, "Windows", "aix"]), listed)
    np.testing.assert_array_equal(found["hourly"], [0.2, 0.1, 0.5, np.nan])
    assert found["reason"].iloc[3] == "no price of vm.s in dc1 with aix"


def test_a_later_price_for_all_regions_wins_over_earlier_ones_of_single_regions(tmp_path: Path) -> None:
    own = card(tmp_path, "own.csv", "instance_type,region,hourly\nm5.large,*,0.5\nm5.large,us-east-1,0.4\n")
    listed = prices.load([SHIPPED / prices.SAMPLE, own])
    found = prices.costs(servers(*[("m5.large", region, np.nan) for region in [*REGIONS, "mars"]]), listed)
    assert found["hourly"].tolist() == [0.5, 0.5, 0.4, 0.5]
    other = prices.costs(servers(("m5.xlarge", "eu-west-1", np.nan)), listed)
    assert other["source"].iloc[0].startswith(prices.SAMPLE), "other types keep theirs"


def test_a_later_file_corrects_and_extends_an_earlier_one(tmp_path: Path, sample: PriceList) -> None:
    own = card(tmp_path, "ours.csv", "# region: eu-west-1\ninstance_type,hourly\nm5.large,0.09\nrack.a,1.5\n")
    merged = prices.configured(PriceSettings(files=(str(own),)), SHIPPED)
    assert len(merged.rows) == len(sample.rows) + 1
    assert [str(source) for source in merged.sources] == ["ec2_on_demand.csv of 2026-01-19", "ours.csv of 2026-02-03"]
    found = prices.costs(servers(("m5.large", "eu-west-1", None), ("m5.large", "us-east-1", None)), merged)
    assert found["hourly"].tolist() == [0.09, 0.096]
    assert found["source"].tolist() == ["ours.csv of 2026-02-03", "ec2_on_demand.csv of 2026-01-19"]
    with pytest.raises(ConfigError, match=r"a second file of the name ours.csv of 2026-02-03"):
        prices.load([own, own])


def test_money_of_another_currency_is_refused_and_ones_own_stands_alone(tmp_path: Path) -> None:
    own = card(tmp_path, "eur.csv", "# currency: EUR\ninstance_type,region,hourly\nvm.s,dc1,0.1\n")
    with pytest.raises(ConfigError, match=r"ec2_on_demand.csv: prices are in USD, not in EUR"):
        prices.configured(PriceSettings(currency="EUR", files=(str(own),)), SHIPPED)
    alone = prices.configured(PriceSettings(currency="EUR", files=(str(own),), sample=False), SHIPPED)
    assert alone.currency == "EUR"
    assert alone.rows["hourly"].tolist() == [0.1]


def test_without_any_price_file_only_the_inventory_knows_costs() -> None:
    nothing = prices.configured(PriceSettings(sample=False), SHIPPED)
    found = prices.costs(servers(("m5.large", "eu-west-1", None), ("m5.large", "eu-west-1", 0.3)), nothing)
    assert found["reason"].tolist() == ["instance type m5.large is in no price file", ""]
    assert found["source"].tolist() == ["", "inventory"]
    assert len(prices.costs(servers(), nothing)) == 0


def test_a_discount_is_on_list_prices_only_and_a_month_has_730_hours(sample: PriceList) -> None:
    settings = PriceSettings(discount="reserved", discounts=DiscountSettings(reserved=0.6))
    found = prices.costs(
        servers(("m5.large", "us-east-1", None), ("m5.large", "us-east-1", 0.5), ("x", "y", None)), sample
    )
    np.testing.assert_allclose(prices.discounted(found, settings.factor), [0.0576, 0.5, np.nan])
    np.testing.assert_allclose(prices.monthly(prices.discounted(found, settings.factor))[:2], [42.048, 365.0])
    assert PriceSettings(discounts=DiscountSettings(reserved=0.6)).factor == 1.0
    for wrong in ({"reserved": 1.2}, {"reserved": 0.0}, {"savings_plan": -0.1}):
        with pytest.raises(ValidationError):
            DiscountSettings(**wrong)
    with pytest.raises(ValidationError):
        PriceSettings(currency="dollars")
