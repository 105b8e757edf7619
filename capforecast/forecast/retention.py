"""Which versions of a business unit's model may go, and their removal: manifest first, so no reader finds half of one.

Kept: the champion, what the last records of the history name, the newest versions. The history itself is never cut.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from capforecast.forecast import pointers
from capforecast.lake.store import Listed, Store
from capforecast.schema import Cadence

log = logging.getLogger(__name__)
PUBLICATION = timedelta(days=1)  # files without manifest that are younger may belong to a version being published


@dataclass(frozen=True)
class Outgoing:
    """A version that may go.

    published: it has a manifest; without one it is what a killed publication or pruning left behind.
    reports: cut-offs of the published reports that were made with it.
    """

    version: str
    keys: list[str]
    size: int
    published: bool
    reports: list[str]


@dataclass(frozen=True)
class Plan:
    """What pruning a business unit would do. kept: version -> why."""

    business_unit: str
    kept: dict[str, str]
    outgoing: list[Outgoing]


def plan(
    store: Store, cadence: Cadence, business_unit: str, keep: int, reports: Mapping[str, list[str]], now: datetime
) -> Plan:
    """Sort the versions of a business unit into kept and outgoing.

    keep: newest versions, and newest records of the history, whose versions stay.  reports: as `reports_of`.
    now: the time, UTC. Raises ModelError where a record of the history cannot be read: what it names is not known.
    """
    records = pointers.history(store, cadence, business_unit)
    files = _by_version(store, cadence, business_unit)
    published = [name for name, items in files.items() if any(_is_manifest(item.key) for item in items)]
    kept = dict.fromkeys(published[-keep:], f"among the newest {keep}")
    kept |= dict.fromkeys((record.pointer.version for record in records[-keep:]), "champion lately")
    if records:
        kept[records[-1].pointer.version] = "pinned" if records[-1].pointer.pinned else "champion"
    known = {record.pointer.version for record in records}
    outgoing = []
    for name, items in files.items():
        whole = name in published
        left_behind = name in known or max(item.modified for item in items) < now - PUBLICATION
        if name not in kept and (whole or left_behind):
            keys = sorted((item.key for item in items), key=lambda key: (not _is_manifest(key), key))
            cited = reports.get(f"{pointers.folder(cadence, business_unit)}/{name}", [])
            outgoing.append(Outgoing(name, keys, sum(item.size for item in items), whole, cited))
    return Plan(business_unit, {name: why for name, why in kept.items() if name in published}, outgoing)


def prune(store: Store, cadence: Cadence, planned: Plan) -> list[Outgoing]:
    """Remove what was planned; returns what went. A version that became champion meanwhile stays.

    When it is interrupted, pruning again removes what is left.
    """
    gone = []
    for version in planned.outgoing:
        record = pointers.current(store, cadence, planned.business_unit)
        if record is not None and record.pointer.version == version.version:
            log.warning("%s: %s became champion meanwhile and stays", planned.business_unit, version.version)
            continue
        for key in version.keys:
            store.delete(key)
        gone.append(version)
    return gone


def reports_of(store: Store, cadence: Cadence) -> dict[str, list[str]]:
    """Folder of a version -> cut-offs of the published reports that were made with it, oldest first."""
    found: dict[str, set[str]] = defaultdict(set)
    for key in store.keys(f"reports/cadence={cadence}"):
        if not key.endswith("/inputs.json"):
            continue
        as_of = next((part[6:] for part in key.split("/") if part.startswith("as_of=")), "?")
        for uri in _models(store.read(key)):
            found[uri.rpartition("/")[0]].add(as_of)
    return {folder: sorted(dates) for folder, dates in found.items()}


def _models(inputs: bytes) -> list[str]:
    """Manifests that the inputs of a report name; none of inputs that cannot be read."""
    try:
        units = json.loads(inputs)["units"]
        return [str(unit["references"]["model"]["uri"]) for unit in units if "model" in unit["references"]]
    except (ValueError, KeyError, TypeError):
        return []


def _by_version(store: Store, cadence: Cadence, business_unit: str) -> dict[str, list[Listed]]:
    """Objects of each version, oldest data first."""
    found: dict[str, list[Listed]] = defaultdict(list)
    for item in store.listed(pointers.folder(cadence, business_unit)):
        name = item.key.split("/")[3]
        if name != "champion":
            found[name].append(item)
    return dict(sorted(found.items()))


def _is_manifest(key: str) -> bool:
    return key.endswith(f"/{pointers.MANIFEST}")
