"""Where Prefect keeps the results of tasks: below the store's `results/`, as JSON.

A folder is given to Prefect as a path. A bucket is given as a block of our own that reads and writes through the
lake's store, so that results take the same road, retries and encryption as the data (docs/decisions/0008). The block
holds the store's address and settings, no credentials.
"""

from __future__ import annotations

import hashlib
import json
import threading
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from prefect.filesystems import WritableFileSystem
from prefect.settings import PREFECT_API_URL

from capforecast.errors import ConfigError
from capforecast.lake.store import Store
from capforecast.settings import StorageSettings

FOLDER = "results"
_saved: dict[tuple[str, str | None], LakeResults] = {}
_saving = threading.Lock()


class LakeResults(WritableFileSystem):
    """Task results below `results/` of a capforecast lake."""

    _block_type_name = "capforecast lake results"
    _block_type_slug = "capforecast-lake-results"
    _description = "Task results below results/ of a capforecast lake. Saved by each run for itself; holds no secret."
    model_config: ClassVar[Any] = {"ignored_types": (cached_property,)}

    url: str
    storage: dict[str, Any]

    @cached_property
    def _store(self) -> Store:
        return Store(self.url, StorageSettings.model_validate(self.storage))

    def read_path(self, path: str, _sync: bool = True) -> bytes:  # type: ignore[override]
        """Content of a result. `_sync` is Prefect's."""
        return self._store.read(f"{FOLDER}/{path}")

    def write_path(self, path: str, content: bytes, _sync: bool = True) -> None:  # type: ignore[override]
        """Keep a result. `_sync` is Prefect's."""
        self._store.put(f"{FOLDER}/{path}", content)


def results_of(store: Store, storage: StorageSettings) -> Path | LakeResults:
    """What Prefect is given as `result_storage` for a store; a block is saved once per process and server."""
    if store.folder is not None:
        return store.folder / FOLDER
    if not store.url.startswith("s3://"):
        raise ConfigError(f"store {store.url!r} cannot keep task results; give a folder or s3://<bucket>/<prefix>")
    block = LakeResults(url=store.url, storage=storage.model_dump(mode="json"))
    content = json.dumps(block.model_dump(mode="json", include={"url", "storage"}), sort_keys=True)
    name = f"capforecast-{hashlib.sha256(content.encode()).hexdigest()[:20]}"
    key = (name, PREFECT_API_URL.value())
    with _saving:
        if key not in _saved:
            block.save(name, overwrite=True)
            _saved[key] = block
        return _saved[key]
