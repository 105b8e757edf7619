"""A memory of what was read: by content, bounded in bytes, shared by all who look."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa

Result = TypeVar("Result")
SMALL = 4096  # bytes that anything is taken for whose size nobody knows


class Memory:
    """Results by key; the least recently used ones go first once there are more bytes than allowed."""

    def __init__(self, most_bytes: int) -> None:
        self._most, self._held = most_bytes, 0
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._guard = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}

    @property
    def held(self) -> int:
        """Bytes that are remembered."""
        return self._held

    def get(self, key: Hashable, make: Callable[[], Result], size: Callable[[Result], int] | None = None) -> Result:
        """What was made for a key; made now, once for all who ask meanwhile, where it is not remembered.

        size: its bytes, where they are not to be seen by `size_of`.
        """
        with self._guard:
            if key in self._kept:
                self._kept.move_to_end(key)
                known: Result = self._kept[key][0]
                return known
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._guard:
                if key in self._kept:
                    again: Result = self._kept[key][0]
                    return again
            made = make()
            self._keep(key, made, size_of(made) if size is None else size(made))
        return made

    def _keep(self, key: Hashable, made: Any, size: int) -> None:
        with self._guard:
            self._making.pop(key, None)
            self._kept[key] = (made, size)
            self._held += size
            while self._held > self._most and len(self._kept) > 1:
                self._held -= self._kept.popitem(last=False)[1][1]


def size_of(made: Any) -> int:
    """Bytes of a frame or table; of anything else a little."""
    if isinstance(made, pd.DataFrame):
        return int(made.memory_usage(index=True, deep=True).sum())
    if isinstance(made, pa.Table):
        return int(made.nbytes)
    if isinstance(made, tuple | list):
        return sum(map(size_of, made))
    return SMALL
