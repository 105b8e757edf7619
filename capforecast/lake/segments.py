"""Names of business units as segments of keys. Imports nothing heavy: the infrastructure code uses it, too."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

from capforecast.schema import FLEET

LONGEST_SEGMENT = 120  # bytes of a business unit's name in a key; file systems stop at 255


def unit_segment(business_unit: str) -> str:
    """A business unit's name as one safe path segment; different names give different segments."""
    if business_unit == FLEET:
        return FLEET
    encoded = quote(business_unit, safe="")
    if encoded.startswith("_"):  # keeps the name `_fleet` for fleet-level rows
        encoded = "%5F" + encoded[1:]
    if len(encoded) > LONGEST_SEGMENT:
        encoded = encoded[:80].rstrip("%") + "~" + hashlib.sha256(business_unit.encode()).hexdigest()[:16]
    return encoded or "%empty"
