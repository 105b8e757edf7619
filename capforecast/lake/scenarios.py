"""Saved scenarios: create-only JSON objects named by the hash of their content, so that a link always says the same.

The name that people give stands inside; no name becomes part of a key. Saving again under a name adds a scenario; by
name the one saved last is meant.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from capforecast.errors import MissingObjectError, UsageError
from capforecast.lake.store import Store

FOLDER = "scenarios"
READERS = 16
MOST_BYTES = 1_000_000  # of one scenario
_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Saved:
    """A saved scenario: its id, when it was saved (the store's clock), and its content as JSON holds it.

    problem: why it cannot be read; its content is empty then.
    """

    id: str
    saved: datetime
    content: dict[str, Any]
    problem: str = ""

    @property
    def name(self) -> str:
        """What people call it; "" of one that cannot be read."""
        return str(self.content.get("name", ""))


Remembered = Callable[[Hashable, Callable[[], Saved]], Saved]


def is_id(text: str) -> bool:
    """Has a text the form of an id?"""
    return _ID.fullmatch(text) is not None


def save(store: Store, text: str) -> str:
    """Save a scenario's JSON; returns its id. The same text saved again is the same scenario.

    Raises UsageError for more than MOST_BYTES.
    """
    data = text.encode()
    if len(data) > MOST_BYTES:
        raise UsageError(
            f"the scenario takes {len(data):,} bytes, and at most {MOST_BYTES:,} are kept: select servers by business "
            "unit, region or tier in place of their names"
        )
    name = hashlib.sha256(data).hexdigest()[:16]
    store.put(_key(name), data)
    return name


def read(store: Store, name: str) -> Saved:
    """A scenario by its id, or the one saved last under a name; raises UsageError where there is none, or no longer."""
    if is_id(name):
        try:
            return _read(store, name, store.stat(_key(name)).modified)
        except MissingObjectError:
            pass
    known = listed(store)
    found = next((one for one in known if one.name == name), None)
    if found is None:
        some = ", ".join(dict.fromkeys(one.name for one in known[:5] if one.name))
        raise UsageError(f"no scenario {name!r} in {store.url}; " + (f"there are {some}" if some else "none is saved"))
    return found


def listed(store: Store, remembered: Remembered | None = None) -> list[Saved]:
    """All saved scenarios, the one saved last first; those that cannot be read say why.

    remembered: a memory that has what it was asked for before; a bucket is then asked for new scenarios alone.
    """
    found = [(item.key.rpartition("/")[2].removesuffix(".json"), item.modified) for item in store.listed(FOLDER)]

    def one(name: str, saved: datetime) -> Saved | None:
        try:
            if remembered is None:
                return _read(store, name, saved)
            return remembered(("scenario", store.url, name, saved), lambda: _read(store, name, saved))
        except MissingObjectError:  # deleted since it was listed
            return None

    with ThreadPoolExecutor(READERS) as pool:
        known = pool.map(lambda item: one(*item), [item for item in found if is_id(item[0])])
        return sorted(filter(None, known), key=lambda one: (one.saved, one.id), reverse=True)


def delete(store: Store, name: str) -> None:
    """Delete a scenario by its id; one that is not there is fine. Raises UsageError for what is no id."""
    store.delete(_key(name))


def _read(store: Store, name: str, saved: datetime) -> Saved:
    data = store.read(_key(name))
    if hashlib.sha256(data).hexdigest()[:16] != name:
        return Saved(name, saved, {}, f"scenario {name} was changed since it was saved; delete it and save it anew")
    try:
        content = json.loads(data)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        return Saved(name, saved, {}, f"scenario {name} is no JSON object; delete it and save it anew")
    return Saved(name, saved, content)


def _key(name: str) -> str:
    """Key of a scenario; nothing but an id gets into it."""
    if not is_id(name):
        raise UsageError(f"{name!r} is no id of a scenario: 16 digits and letters a to f")
    return f"{FOLDER}/{name}.json"
