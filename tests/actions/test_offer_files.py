"""AWS's price list: of all it holds, only the hourly on-demand price of a plain Linux server counts."""

from __future__ import annotations

import csv
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capforecast.actions import json_stream, price_files
from capforecast.actions.price_rows import Key
from capforecast.errors import ConfigError

PLAIN = {
    "instanceType": "m5.large", "regionCode": "eu-west-1", "operatingSystem": "Linux", "tenancy": "Shared",
    "preInstalledSw": "NA", "capacitystatus": "Used", "usagetype": "EU-BoxUsage:m5.large",
}  # fmt: skip
M5 = Key("m5.large", "eu-west-1", "linux")
OTHERS: tuple[dict[str, str], ...] = (
    {"operatingSystem": "Windows"},
    {"tenancy": "Dedicated"},
    {"preInstalledSw": "SQL Std"},
    {"capacitystatus": "UnusedCapacityReservation", "usagetype": "EU-UnusedBox:m5.large"},
    {"usagetype": "EU-HostBoxUsage:m5.large"},
    {"usagetype": "EU-Reservation:m5.large"},
    {"instanceType": ""},
    {"regionCode": ""},
)
COLUMNS = {
    "instanceType": "Instance Type", "regionCode": "Region Code", "operatingSystem": "Operating System",
    "tenancy": "Tenancy", "preInstalledSw": "Pre Installed S/W", "capacitystatus": "CapacityStatus",
    "usagetype": "usageType",
}  # fmt: skip
FEW = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
JSONS = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)


def term(cost: str, unit: str = "Hrs", currency: str = "USD") -> dict[str, Any]:
    """On-demand terms of one SKU."""
    return {"X.1": {"priceDimensions": {"X.1.1": {"unit": unit, "beginRange": "0", "pricePerUnit": {currency: cost}}}}}


def offer(products: dict[str, dict[str, str]], terms: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A price list as AWS nests it."""
    named = {
        sku: {"sku": sku, "productFamily": said.get("family", "Compute Instance"), "attributes": said}
        for sku, said in products.items()
    }
    return {
        "formatVersion": "v1.0", "disclaimer": 'said "as is" {[', "offerCode": "AmazonEC2", "version": "20260203010203",
        "publicationDate": "2026-02-03T01:02:03Z", "products": named,
        "terms": {"OnDemand": terms, "Reserved": {"P": term("0.01")}},
    } | more  # fmt: skip


def sheet(products: dict[str, dict[str, str]], terms: dict[str, Any], code: str = "AmazonEC2") -> Iterator[list[str]]:
    """The same as the lines of AWS's CSV."""
    yield from (
        ["FormatVersion", "v1.0"],
        ["Disclaimer", 'said "as is", so'],
        ["Publication Date", "2026-02-03T01:02:03Z"],
    )
    yield from (["Version", "20260203010203"], ["OfferCode", code])
    yield ["SKU", "TermType", "Unit", "PricePerUnit", "Currency", "Product Family", "Location", *COLUMNS.values()]
    for sku, said in products.items():
        family = said.get("family", "Compute Instance")
        for one in terms[sku]["X.1"]["priceDimensions"].values():
            ((currency, cost),) = one["pricePerUnit"].items()
            cells = [said[name] for name in COLUMNS]
            yield [sku, "OnDemand", one["unit"], cost, currency, family, "EU (Ireland)", *cells]
            yield [sku, "Reserved", one["unit"], "0.01", currency, family, "EU (Ireland)", *cells]


def as_json(folder: Path, content: Any) -> Path:
    file = folder / "offer.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content, indent=1), encoding="utf-8")
    return file


def as_csv(folder: Path, lines: Iterator[list[str]]) -> Path:
    file = folder / "offer.csv"
    with file.open("w", encoding="utf-8", newline="") as text:
        csv.writer(text, quoting=csv.QUOTE_ALL).writerows(lines)
    return file


def test_only_the_plain_linux_server_is_taken_from_either_form(tmp_path: Path) -> None:
    products = {
        "A": PLAIN,
        "B": PLAIN | {"instanceType": "C5.Large", "regionCode": "us-east-1", "usagetype": "BoxUsage:c5"},
    }
    terms = {"A": term("0.1070000000"), "B": term("0.085")}
    for at, other in enumerate(OTHERS):
        products[f"O{at}"], terms[f"O{at}"] = PLAIN | other, term("9")
    products["S"], terms["S"] = PLAIN | {"family": "Storage"}, term("9")
    products["G"], terms["G"] = PLAIN | {"instanceType": "m5.xlarge"}, term("9", unit="Quantity")
    products["F"], terms["F"] = PLAIN, term("0.0000000000")
    for file in (as_json(tmp_path, offer(products, terms)), as_csv(tmp_path, sheet(products, terms))):
        found = price_files.read(file, "USD")
        assert found.hourly == {M5: 0.107, Key("c5.large", "us-east-1", "linux"): 0.085}
        assert (found.date, found.currency, found.left_out) == ("2026-02-03", "USD", {})
        assert found.source == "AWS price list AmazonEC2, version 20260203010203"


@FEW
@given(chunk=st.integers(1, 300), data=st.data())
def test_the_order_of_members_and_the_size_of_reads_change_nothing(
    tmp_path: Path, chunk: int, data: st.DataObject
) -> None:
    content = offer({"A": PLAIN, "B": PLAIN | OTHERS[0]}, {"B": term("9"), "A": term("0.107")}, extra=data.draw(JSONS))
    content["terms"]["savingsPlan"] = data.draw(JSONS)
    content["terms"] = dict(data.draw(st.permutations(list(content["terms"].items()))))
    content = dict(data.draw(st.permutations(list(content.items()))))
    # what says which list it is comes before the prices in every file of AWS
    content = {name: content.pop(name) for name in ("version", "publicationDate")} | content
    text = json.dumps(content, indent=data.draw(st.sampled_from([None, 2])), ensure_ascii=data.draw(st.booleans()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_CHUNK", chunk)
        assert price_files.read(as_json(tmp_path, text), "USD").hourly == {M5: 0.107}


@FEW
@given(cut=st.floats(0, 0.999))
def test_a_file_cut_short_is_refused(tmp_path: Path, cut: float) -> None:
    text = json.dumps(offer({"A": PLAIN}, {"A": term("0.107")}))
    end = text.index('"0.107"') + len('"0.107"')
    with pytest.raises(ConfigError, match=r"offer.json: not a whole JSON file: line 1"):
        price_files.read(as_json(tmp_path, text[: int(cut * end)]), "USD")


def test_two_prices_of_one_server_leave_it_out_with_the_reason(tmp_path: Path) -> None:
    products = {
        "A": PLAIN,
        "B": PLAIN,
        "C": PLAIN | {"instanceType": "m5.xlarge"},
        "D": PLAIN | {"instanceType": "m5.xlarge"},
    }
    terms = {"A": term("0.107"), "B": term("0.108"), "C": term("0.214"), "D": term("0.214")}
    for file in (as_json(tmp_path, offer(products, terms)), as_csv(tmp_path, sheet(products, terms))):
        found = price_files.read(file, "USD")
        assert found.hourly == {Key("m5.xlarge", "eu-west-1", "linux"): 0.214}
        assert found.left_out == {M5: f"{file.name} has more than one price of it"}


@pytest.mark.parametrize("form", ["json", "csv"])
@pytest.mark.parametrize(
    ("cost", "currency", "other", "message"),
    [
        ("0.1", "CNY", {}, r"offer.\w+:\d+: A: prices are in CNY, not in USD"),
        ("-0.1", "USD", {}, r"offer.\w+:\d+: A: [pP]ricePerUnit is '-0.1'; write a number above 0"),
        ("free", "USD", {}, r"offer.\w+:\d+: A: [pP]ricePerUnit is 'free'"),
        ("0.1", "USD", OTHERS[0], r"offer.\w+: no hourly on-demand price of a Linux server"),
    ],
)
def test_prices_that_cannot_be_used_are_refused(
    tmp_path: Path, form: str, cost: str, currency: str, other: dict[str, str], message: str
) -> None:
    products, terms = {"A": PLAIN | other}, {"A": term(cost, currency=currency)}
    file = as_json(tmp_path, offer(products, terms)) if form == "json" else as_csv(tmp_path, sheet(products, terms))
    with pytest.raises(ConfigError, match=message):
        price_files.read(file, "USD")


def test_another_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"offer.json: the offer AmazonRDS, not AmazonEC2"):
        price_files.read(as_json(tmp_path, offer({}, {}, offerCode="AmazonRDS")), "USD")
    with pytest.raises(ConfigError, match=r"offer.csv: the offer AmazonRDS, not AmazonEC2"):
        price_files.read(as_csv(tmp_path, sheet({}, {}, "AmazonRDS")), "USD")
    for content in ({}, {"products": {}}, {"products": {}, "terms": {"Reserved": {}}}):
        with pytest.raises(ConfigError, match=r"offer.json: no `products` and `terms.OnDemand`"):
            price_files.read(as_json(tmp_path, content), "USD")
    lines = [[cell for cell in row if cell != "Unit"] for row in sheet({}, {})]
    with pytest.raises(ConfigError, match=r"offer.csv:6: no column Unit"):
        price_files.read(as_csv(tmp_path, iter(lines)), "USD")
    with pytest.raises(ConfigError, match=r"offer.csv: no header with SKU"):
        price_files.read(as_csv(tmp_path, iter([["FormatVersion", "v1.0"]])), "USD")
    with pytest.raises(ConfigError, match=r"offer.csv:7: 2 cells where"):
        price_files.read(as_csv(tmp_path, iter([*sheet({}, {}), ["A", "OnDemand"]])), "USD")


def test_a_huge_file_is_read_in_a_stream(tmp_path: Path) -> None:
    products = {f"S{at}": PLAIN | {"family": "Storage", "note": "x" * 2000} for at in range(6000)} | {"A": PLAIN}
    file = as_json(tmp_path, offer(products, {"S1": term("9"), "A": term("0.107")}))
    assert file.stat().st_size > 12 * 2**20
    del products
    tracemalloc.start()
    found = price_files.read(file, "USD")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.hourly == {M5: 0.107}
    assert peak < 6 * 2**20
