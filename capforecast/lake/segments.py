"""Names of business units as segments of keys. Imports nothing heavy: the infrastructure code uses it, too."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

from capforecast.schema import FLEET

LONGEST_SEGMENT = 120  # bytes of a business unit's name in a key; file systems stop at 255
_KEPT = 80  # bytes of the beginning of a longer one


def unit_segment(business_unit: str) -> str:
    """A business unit's name as one safe path segment; different names give different segments.

    Whole characters of percent-encoded UTF-8, cut or not: `url_decode` in SQL refuses half a one, and so the query.
    """
    if business_unit == FLEET:
        return FLEET
    # `~` stands before the hash of a name that was cut, and in no name that is whole
    parts = ["%7E" if character == "~" else quote(character, safe="") for character in business_unit]
    if parts and parts[0] == "_":  # keeps the name `_fleet` for fleet-level rows
        parts[0] = "%5F"
    encoded = "".join(parts)
    if len(encoded) > LONGEST_SEGMENT:
        encoded = _beginning(parts) + "~" + hashlib.sha256(business_unit.encode()).hexdigest()[:16]
    return encoded or "_empty"  # no name is encoded like that: see above


def _beginning(parts: list[str]) -> str:
    """As many whole characters as fit."""
    kept = ""
    for part in parts:
        if len(kept) + len(part) > _KEPT:
            break
        kept += part
    return kept
