"""Money: whole cents that add up in every direction, nothing invented, ranges by path."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capforecast.actions.prices import PriceList, PriceSource
from capforecast.actions.savings import ALL, priced, sums, with_ranges
from capforecast.schema import SAVING_COLUMNS
from capforecast.settings import PriceSettings

LISTED = {"m5.large": 0.096, "m5.xlarge": 0.192, "m5.2xlarge": 0.384}
SETTINGS = PriceSettings()
DRAWS = 40


def prices() -> PriceList:
    rows = pd.DataFrame(
        [(name, "eu", "linux", hourly, "list of 2026-01-01") for name, hourly in LISTED.items()],
        columns=["instance_type", "region", "os", "hourly", "source"],
    )
    nothing = pd.DataFrame(columns=["instance_type", "region", "os", "reason"])
    return PriceList(rows, "USD", (PriceSource("list", "2026-01-01", "somewhere"),), nothing)


def advised(count: int, **columns: object) -> pd.DataFrame:
    """Servers that go from m5.xlarge to m5.large."""
    table = pd.DataFrame(
        {
            "server_id": [f"srv-{i}" for i in range(count)], "business_unit": "retail", "region": "eu",
            "segment": "steady", "action": "downsize", "instance_type": "m5.xlarge", "to_type": "m5.large",
        } | columns
    )  # fmt: skip
    now, then = (table[name].map(LISTED).astype("float64") for name in ("instance_type", "to_type"))
    return table.assign(hourly=now, to_hourly=then.where(table["action"].isin(["downsize", "upsize"])))


def paid(table: pd.DataFrame, cost: object = np.nan, rules: PriceSettings = SETTINGS) -> pd.DataFrame:
    return priced(table, pd.Series(cost, index=table.index, dtype="float64"), prices(), rules)


def draws(table: pd.DataFrame, seed: int = 0, first: str = "2026-01-01") -> pd.DataFrame:
    """On each draw, one of the listed prices for every server."""
    hourly = np.random.default_rng(seed).choice(list(LISTED.values()), (DRAWS, len(table)))
    return pd.DataFrame(
        {
            "origin": pd.date_range(first, periods=DRAWS // 2, freq="30D", tz="UTC").repeat(2),
            "repeat": [0, 1] * (DRAWS // 2),
            "servers": [table["server_id"].to_list()] * DRAWS, "hourly": list(hourly),
        }
    )  # fmt: skip


def test_a_month_has_730_hours_and_cents_are_whole() -> None:
    row = paid(advised(1)).iloc[0]
    assert (row["monthly"], row["to_monthly"]) == (140.16, 70.08)
    assert row["monthly_change"] == -70.08
    assert row["price_source"] == "list of 2026-01-01"
    assert row["price_reason"] == ""


def test_discounts_are_stated_beside_and_not_taken_twice() -> None:
    rules = PriceSettings(discount="reserved", discounts={"reserved": 0.6})
    row = paid(advised(1), rules=rules).iloc[0]
    assert (row["monthly_change"], row["monthly_change_discounted"]) == (-70.08, pytest.approx(-42.05))
    own = paid(advised(1), 0.1, rules).iloc[0]
    assert own["monthly_change_discounted"] == own["monthly_change"], "what the inventory says is paid already"


def test_who_pays_half_the_list_price_saves_half_of_it() -> None:
    row = paid(advised(1), 0.096).iloc[0]
    assert (row["monthly"], row["to_monthly"]) == (70.08, 35.04)
    assert row["price_source"] == "inventory, in proportion to list of 2026-01-01"


def test_without_a_price_there_is_no_money_and_a_reason() -> None:
    table = advised(2, instance_type=["x9.large", "m5.xlarge"], to_type=["x9.medium", "x9.medium"])
    found = paid(table)
    assert found["monthly_change"].isna().all()
    assert "x9.large is in no price file" in found["price_reason"][0]
    assert "no price of x9.medium in eu" in found["price_reason"][1]
    total = sums(with_ranges(found, []), []).query("scope == 'fleet' and kind == 'all'").iloc[0]
    assert (total["servers"], total["priced"]) == (2, 0)
    assert np.isnan(total["monthly_change"])


def test_what_stops_saves_all_it_costs_on_every_path_and_what_stays_changes_nothing() -> None:
    table = with_ranges(paid(advised(3, action=["stop", "keep", "withheld"])), [])
    assert table["monthly_change"].tolist() == [-140.16, 0.0, 0.0]
    assert table.loc[0, ["change_q10", "change_q50", "change_q90"]].tolist() == [-140.16] * 3
    found = sums(table, [])
    assert found.loc[found["scope"] == "fleet", "kind"].tolist() == ["stop", ALL]
    assert found.query("scope == 'fleet' and kind == 'all'")["change_q90"].iloc[0] == -140.16


def test_the_range_is_that_of_the_sum_by_path() -> None:
    table = paid(advised(30, action="upsize", to_type="m5.2xlarge"))
    path = draws(table)
    found = with_ranges(table, [path])
    by_path = np.stack(path["hourly"].to_list()) * 730 - 140.16
    assert found["change_q90"].iloc[0] == pytest.approx(np.quantile(by_path[:, 0], 0.9), abs=0.01)
    total = sums(found, [path]).query("scope == 'fleet' and kind == 'upsize'").iloc[0]
    for name, level in (("change_q10", 0.1), ("change_q50", 0.5), ("change_q90", 0.9)):
        assert total[name] == pytest.approx(np.quantile(by_path.sum(axis=1), level), abs=0.02)
    assert total["change_q90"] < found["change_q90"].sum(), "not all servers have their worst path at once"


def test_units_with_other_origins_take_their_nearest() -> None:
    table = paid(advised(4, business_unit=["a", "a", "b", "b"]))
    one, two = draws(table[:2]), draws(table[2:], seed=1, first="2025-12-25")
    total = sums(with_ranges(table, [one, two]), [one, two]).query("scope == 'fleet' and kind == 'all'").iloc[0]
    assert np.isfinite(total["change_q50"])
    assert total["change_q10"] <= total["change_q50"] <= total["change_q90"]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 25))
def test_totals_reconcile_to_the_cent(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    types = list(LISTED)
    table = advised(
        count, business_unit=rng.choice(["a", "b"], count), region=rng.choice(["eu", "us"], count),
        segment=rng.choice(["idle", "hot"], count), action=rng.choice(["downsize", "stop", "upsize", "keep"], count),
        instance_type=rng.choice([*types, "x9.large"], count), to_type=rng.choice(types, count),
    )  # fmt: skip
    found = with_ranges(paid(table, rng.choice([np.nan, 0.077], count)), [])
    total = sums(found, [])
    assert tuple(total.columns) == SAVING_COLUMNS
    for name in ("servers", "priced", "monthly", "to_monthly", "monthly_change", "monthly_change_discounted"):
        whole = total.query("scope == 'fleet' and kind == 'all'")[name].iloc[0]
        parts = total[total["kind"] != ALL].groupby("scope")[name].sum(min_count=1)
        names = total[total["kind"] == ALL].groupby("scope")[name].sum(min_count=1)
        if not np.isnan(whole):
            np.testing.assert_allclose(names, whole, atol=1e-6)
        if len(parts):
            np.testing.assert_allclose(parts.fillna(0.0), 0.0 if np.isnan(whole) else whole, atol=1e-6)
    moving = found["action"].isin(["downsize", "stop", "upsize"]) & found["monthly_change"].notna()
    cents = np.rint(found.loc[moving, "monthly_change"] * 100).sum()
    stated = total.query("scope == 'fleet' and kind == 'all'")["monthly_change"].iloc[0]
    assert np.nan_to_num(stated) == pytest.approx(cents / 100, abs=1e-9)
