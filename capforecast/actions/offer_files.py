"""The AWS price list, offer AmazonEC2, as JSON or CSV: hourly on-demand prices of plain Linux servers.

Of all it lists are taken: compute instances, Linux, shared tenancy, no software, box usage (no reservations, hosts or
unused capacity), on demand, per hour. The files are far larger than what is wanted of them, and read in a stream.
Format: AWS, "Reading the service price list file for an AWS service", Billing and Cost Management user guide.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from capforecast.actions.json_stream import JsonStream, NotJsonError
from capforecast.actions.price_rows import LAYOUT, LINUX, Key, PriceFile, check_currency, price
from capforecast.errors import ConfigError
from capforecast.fleet import commented_csv

OFFER = "AmazonEC2"
Rows = Any  # a csv.reader, whose type has no name
_BOX_USAGE = re.compile(r"(?:[A-Z0-9]+-)?BoxUsage:")  # the prefix is the region's
_WANTED = {"operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA", "capacitystatus": "Used"}
_COLUMNS = {  # of the CSV -> attribute of the JSON
    "Operating System": "operatingSystem", "Tenancy": "tenancy", "Pre Installed S/W": "preInstalledSw",
    "CapacityStatus": "capacitystatus", "usageType": "usagetype", "Instance Type": "instanceType",
    "Region Code": "regionCode",
}  # fmt: skip
_NEEDED = ("SKU", "TermType", "Unit", "PricePerUnit", "Currency", "Product Family", *_COLUMNS)
_HEAD_ROWS = 20  # lines before the header of the CSV, at most


def is_offer_csv(file: Path) -> bool:
    """Whether a CSV begins as the price list does."""
    for _, line in commented_csv.lines(file, LAYOUT):
        return line.replace('"', "").startswith("FormatVersion,")
    return False


def read_json(file: Path, currency: str) -> PriceFile:
    """Prices of the JSON form; ConfigError for another offer, another currency, or nothing of use."""
    facts: dict[str, str] = {}
    keys: dict[str, Key] | None = None
    costs: dict[str, list[float]] | None = None
    try:
        with JsonStream(file.open(encoding="utf-8-sig")) as stream:
            for name in stream.members():
                if name == "products":
                    keys = _products(stream)
                elif name == "terms":
                    costs = _terms(stream, keys, file, currency)
                elif name in ("offerCode", "version", "publicationDate"):
                    facts[name] = str(stream.value())
                    _check_offer(facts, file)
                else:
                    stream.skip()
                if keys is not None and costs is not None:
                    break  # what follows are reservations and savings plans
    except NotJsonError as error:
        raise ConfigError(f"{file}: not a whole JSON file: {error}; download it again") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the prices in {file}: {getattr(error, 'strerror', None) or error}") from error
    if keys is None or costs is None:
        raise ConfigError(f"{file}: no `products` and `terms.OnDemand`; it takes AWS's price list of {OFFER}")
    found = ((keys[sku], cost) for sku, priced in costs.items() if sku in keys for cost in priced)
    return _closed(file, facts, currency, found)


def _products(stream: JsonStream) -> dict[str, Key]:
    """SKU -> what it is, of the products wanted."""
    found = {}
    for sku in stream.members():
        product = stream.value()
        attributes = product.get("attributes") if isinstance(product, dict) else None
        if isinstance(attributes, dict) and (key := _key(str(product.get("productFamily", "")), attributes)):
            found[sku] = key
    return found


def _key(family: str, said: Mapping[str, Any]) -> Key | None:
    if not family.startswith("Compute Instance") or any(said.get(name) != value for name, value in _WANTED.items()):
        return None
    name, region = str(said.get("instanceType", "")), str(said.get("regionCode", ""))
    if not (name and region and _BOX_USAGE.match(str(said.get("usagetype", "")))):
        return None
    return Key(name.lower(), region.lower(), LINUX)


def _terms(
    stream: JsonStream, keys: Mapping[str, Key] | None, file: Path, currency: str
) -> dict[str, list[float]] | None:
    """SKU -> its hourly prices; of all SKUs where the products come later. None: no on-demand terms."""
    costs: dict[str, list[float]] | None = None
    for kind in stream.members():
        if kind != "OnDemand":
            stream.skip()
            continue
        costs = {}
        for sku in stream.members():
            if keys is not None and sku not in keys:
                stream.skip()
            else:
                where = f"{file}:{stream.line}: {sku}"
                costs[sku] = list(_hourly(stream.value(), currency, where))
        if keys is not None:
            return costs
    return costs


def _hourly(offers: Any, currency: str, where: str) -> Iterator[float]:
    """Prices per hour of one SKU; what is free (a placeholder) is passed over."""
    for offer in _values(offers):
        for dimension in _values(offer.get("priceDimensions")):
            amounts = dimension.get("pricePerUnit")
            if dimension.get("unit") != "Hrs" or not isinstance(amounts, dict):
                continue
            if currency not in amounts:
                check_currency(", ".join(sorted(amounts)) or "no currency", currency, where)
            yield from _paid(str(amounts.get(currency, "")), f"{where}: pricePerUnit")


def _values(node: Any) -> list[dict[str, Any]]:
    return [value for value in node.values() if isinstance(value, dict)] if isinstance(node, dict) else []


def _paid(text: str, where: str) -> Iterator[float]:
    if text.strip("0.") or not text:
        yield price(text, where)


def read_csv(file: Path, currency: str) -> PriceFile:
    """Prices of the CSV form; ConfigError for another offer, another currency, or nothing of use."""
    facts: dict[str, str] = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            rows = csv.reader(text, strict=True)
            place = _header(rows, facts, file)
            return _closed(file, facts, currency, _csv_prices(rows, place, file, currency))
    except csv.Error as error:
        raise ConfigError(f"{file}: not CSV ({error}); download it again") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the prices in {file}: {getattr(error, 'strerror', None) or error}") from error


def _header(rows: Rows, facts: dict[str, str], file: Path) -> dict[str, int]:
    """Name -> place of the columns needed; what stands above the header goes into `facts`."""
    above = {"OfferCode": "offerCode", "Version": "version", "Publication Date": "publicationDate"}
    for _ in range(_HEAD_ROWS):
        row: list[str] = next(rows, [])
        if "SKU" in row:
            missing = [name for name in _NEEDED if name not in row]
            if missing:
                raise ConfigError(
                    f"{file}:{rows.line_num}: no column {missing[0]}; it takes AWS's price list of {OFFER}"
                )
            return {name: row.index(name) for name in _NEEDED}
        if len(row) > 1 and row[0] in above:
            facts[above[row[0]]] = row[1]
            _check_offer(facts, file)
    raise ConfigError(f"{file}: no header with SKU in the first {_HEAD_ROWS} lines; download it again")


def _csv_prices(rows: Rows, place: Mapping[str, int], file: Path, currency: str) -> Iterator[tuple[Key, float]]:
    width = max(place.values()) + 1
    for row in rows:
        if len(row) < width:
            if not row:
                continue
            raise ConfigError(f"{file}:{rows.line_num}: {len(row)} cells where {width} are needed; download it again")
        if row[place["TermType"]] != "OnDemand" or row[place["Unit"]] != "Hrs":
            continue
        said = {attribute: row[place[column]] for column, attribute in _COLUMNS.items()}
        if key := _key(row[place["Product Family"]], said):
            where = f"{file}:{rows.line_num}: {row[place['SKU']]}"
            check_currency(row[place["Currency"]], currency, where)
            for cost in _paid(row[place["PricePerUnit"]], f"{where}: PricePerUnit"):
                yield key, cost


def _check_offer(facts: Mapping[str, str], file: Path) -> None:
    if facts.get("offerCode", OFFER) != OFFER:
        raise ConfigError(f"{file}: the offer {facts['offerCode']}, not {OFFER}; prices of servers are in the latter")


def _closed(file: Path, facts: Mapping[str, str], currency: str, found: Iterator[tuple[Key, float]]) -> PriceFile:
    hourly: dict[Key, float] = {}
    left_out: dict[Key, str] = {}
    for key, cost in found:
        if hourly.setdefault(key, cost) != cost:
            left_out[key] = f"{file.name} has more than one price of it"
    hourly = {key: cost for key, cost in hourly.items() if key not in left_out}
    if not hourly:
        raise ConfigError(f"{file}: no hourly on-demand price of a Linux server with a region code in it")
    day = facts.get("publicationDate", "")[:10]
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", day):
        raise ConfigError(f"{file}: no publication date; it takes AWS's price list of {OFFER}, whole")
    source = f"AWS price list {OFFER}, version {facts.get('version', 'not given')}"
    return PriceFile(file.name, day, source, currency, hourly, left_out)
