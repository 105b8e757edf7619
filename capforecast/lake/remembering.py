"""A store that remembers what one run reads and writes: a bucket answers slowly, and stages ask often."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

from capforecast.lake.store import Store
from capforecast.schema import Reference

MOST_BYTES = 128 * 2**20


class Remembering(Store):
    """The same objects as those of `store`. What a reference names is given from memory where it was seen before.

    By content, so never anything else than what the reference says; but an object that was removed or replaced
    meanwhile is not noticed. For a run of seconds whose period is claimed. Least recently used content goes first.
    """

    def __init__(self, store: Store, most_bytes: int = MOST_BYTES) -> None:
        self.__dict__.update(store.__dict__)
        self._most, self._held = most_bytes, 0
        self._kept: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._guard = threading.Lock()

    def put(self, key: str, data: bytes, *, rows: int = 0) -> Reference:
        """As Store.put."""
        made = super().put(key, data, rows=rows)
        self._keep(made.uri, made.sha256, data)
        return made

    def create(self, key: str, data: bytes, *, rows: int = 0) -> Reference:
        """As Store.create."""
        made = super().create(key, data, rows=rows)
        self._keep(made.uri, made.sha256, data)
        return made

    def read(self, key: str) -> bytes:
        """As Store.read, from the store itself: what stands there now."""
        data = super().read(key)
        self._keep(key, hashlib.sha256(data).hexdigest(), data)
        return data

    def fetch(self, reference: Reference) -> bytes:
        """As Store.fetch, from memory where it was seen before."""
        name = reference.uri, reference.sha256
        with self._guard:
            if name in self._kept:
                self._kept.move_to_end(name)
                return self._kept[name]
        return super().fetch(reference)  # which reads, and so remembers

    def _keep(self, key: str, sha256: str, data: bytes) -> None:
        with self._guard:
            if (key, sha256) in self._kept or len(data) > self._most:
                return
            self._kept[key, sha256] = data
            self._held += len(data)
            while self._held > self._most:
                self._held -= len(self._kept.popitem(last=False)[1])
