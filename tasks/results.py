"""Where Prefect keeps the results of tasks, as JSON: below the store's `results/`, or in a block made for them.

A folder is given to Prefect as a path. A bucket is given as a block of our own that reads and writes through the
lake's store, so that results take the same road, retries and encryption as the data (docs/decisions/0008). The block
holds the store's address and settings, no credentials. `flow.result_block` names a block of prefect-aws instead.
"""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from prefect.filesystems import WritableFileSystem
from prefect.settings import PREFECT_API_URL

from capforecast.errors import ConfigError, LakeError
from capforecast.lake.store import Store
from capforecast.settings import StorageSettings

if TYPE_CHECKING:
    from prefect_aws import S3Bucket

    from tasks.common import Job

FOLDER = "results"
_loaded: dict[tuple[str, str | None], S3Bucket] = {}
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


def results_of(store: Store, storage: StorageSettings, block: str | None = None) -> Path | LakeResults | S3Bucket:
    """What Prefect is given as `result_storage` for a store, or the S3Bucket block of that name.

    A block of our own is saved once per process and server. Raises ConfigError.
    """
    if block is not None:
        return _bucket_block(block)
    if store.folder is not None:
        return store.folder / FOLDER
    if not store.url.startswith("s3://"):
        raise ConfigError(f"store {store.url!r} cannot keep task results; give a folder or s3://<bucket>/<prefix>")
    own = LakeResults(url=store.url, storage=storage.model_dump(mode="json"))
    content = json.dumps(own.model_dump(mode="json", include={"url", "storage"}), sort_keys=True)
    name = f"capforecast-{hashlib.sha256(content.encode()).hexdigest()[:20]}"
    key = (name, PREFECT_API_URL.value())
    with _saving:
        if key not in _saved:
            own.save(name, overwrite=True)
            _saved[key] = own
        return _saved[key]


def _bucket_block(name: str) -> S3Bucket:
    """The S3Bucket block of a name, loaded once per process and server."""
    try:
        from prefect_aws import S3Bucket
    except ImportError:
        raise ConfigError(
            f"flow.result_block {name!r} needs prefect-aws: pip install -c requirements.lock 'capforecast[aws]'"
        ) from None
    key = (name, PREFECT_API_URL.value())
    with _saving:
        if key not in _loaded:
            try:
                _loaded[key] = S3Bucket.load(name, _sync=True)
            except ValueError:
                raise ConfigError(
                    f"flow.result_block: this Prefect server has no S3Bucket block {name!r}; "
                    "`capforecast setup blocks` makes it"
                ) from None
        return _loaded[key]


def probe_results(job: Job) -> None:
    """Put, get and delete a small object in the block that keeps results. Without one they are in the lake.

    Prefect itself ends a task Completed when its result could not be written, and runs it again on a retry: what cannot
    be written is said before anything runs. Raises LakeError.
    """
    name = job.settings.flow.result_block
    if name is None:
        return
    probe_bucket(_bucket_block(name))


def probe_bucket(block: S3Bucket) -> None:
    """Put, get and delete a small object in an S3Bucket block; raises LakeError."""
    key, data = f".probe-{uuid.uuid4().hex}", b"{}"
    try:
        block.write_path(key, data, _sync=True)
        back = block.read_path(key, _sync=True)
        block.credentials.get_s3_client().delete_object(Bucket=block.bucket_name, Key=block._resolve_path(key))
    except Exception as error:  # botocore's many
        raise LakeError(
            f"results cannot be kept in bucket {block.bucket_name!r}: {error}; mend its address, storage.* or the AWS "
            "credentials, then `capforecast setup blocks`"
        ) from None
    if back != data:
        raise LakeError(f"bucket {block.bucket_name!r}: a result reads back differently from what was written")
