"""What a backfill has finished: one record per cut-off and what was asked, so that the next call goes on from there."""

from __future__ import annotations

import json
from typing import Any

from capforecast.errors import MissingObjectError
from capforecast.lake.datasets import to_json
from capforecast.lake.store import Store
from capforecast.schema import Reference


def finished(store: Store, as_of: str, key: str) -> dict[str, Any] | None:
    """What was made of a cut-off, or None. Whether its objects are still there is for the caller to see."""
    try:
        found: dict[str, Any] = json.loads(store.read(_record_key(as_of, key)))
    except (MissingObjectError, ValueError):  # one that cannot be read counts as none: the date is made again
        return None
    return found


def note(store: Store, as_of: str, key: str, content: dict[str, Any]) -> Reference:
    """Record what was made of a cut-off; the last word counts."""
    return store.put(_record_key(as_of, key), to_json(content))


def _record_key(as_of: str, key: str) -> str:
    return f"backfills/as_of={as_of}/{key}.json"
