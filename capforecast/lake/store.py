"""Where the lake's objects live: a folder or a bucket behind one interface.

Objects are written whole: a reader sees the old content or the new, never half of it.
"""

from __future__ import annotations

import hashlib
import io
import logging
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import obstore

from capforecast.errors import ConfigError, ConflictError, LakeError, MissingObjectError, StaleReferenceError
from capforecast.lake import leases
from capforecast.lake.connection import open_place, place_of, translated
from capforecast.schema import Reference
from capforecast.settings import StorageSettings

log = logging.getLogger(__name__)
LOCK_WAIT_SECONDS = 60.0
PROBE_RETRIES = 2


@dataclass(frozen=True)
class Listed:
    """An object as a listing shows it: its bytes, and when the store took it in (the store's own clock, UTC)."""

    key: str
    size: int
    modified: datetime


class Store:
    """Objects by key. `url` is a folder, `file://...`, `s3://bucket/prefix` or `memory://` (tests).

    Keys are relative, with `/` between segments; `..` and empty segments are refused. `options` say how a bucket is
    reached. Every method raises LakeError, or ConfigError where the address or the credentials cannot work at all.
    """

    def __init__(self, url: str | Path, options: StorageSettings | None = None) -> None:
        self._options = options or StorageSettings()
        self._place = place_of(str(url))
        self.url = self._place.url
        self._objects = open_place(self._place, self._options)

    @property
    def folder(self) -> Path | None:
        """The folder behind the store, or None for other kinds."""
        return self._place.folder

    def address(self, key: str) -> str:
        """Where a person finds an object: a path, or `s3://...`."""
        return str(self.folder / key) if self.folder else f"{self.url}/{key}"

    def put(self, key: str, data: bytes, *, rows: int = 0) -> Reference:
        """Publish an object whole, replacing what stood there; a large one goes to a bucket in parts."""
        with self._translated("write", key):
            obstore.put(self._objects, _checked(key), data)
        return Reference(uri=key, sha256=hashlib.sha256(data).hexdigest(), rows=rows)

    def create(self, key: str, data: bytes, *, rows: int = 0) -> Reference:
        """Publish an object that must not exist yet; raises ConflictError when it does.

        One with these very bytes counts as published by this call: when a server's answer is lost, the request is sent
        again and meets its own object.
        """
        try:
            with self._translated("create", key):
                obstore.put(self._objects, _checked(key), data, mode="create")
        except ConflictError:
            if self.read(key) != data:
                raise
        return Reference(uri=key, sha256=hashlib.sha256(data).hexdigest(), rows=rows)

    def read(self, key: str) -> bytes:
        """Content of an object; raises MissingObjectError."""
        with self._translated("read", key):
            return bytes(obstore.get(self._objects, _checked(key)).bytes())

    def opened(self, key: str) -> ObjectFile:
        """An object as a binary file of which only what is asked for is fetched; raises MissingObjectError."""
        return ObjectFile(self, key)

    def read_range(self, key: str, start: int, end: int) -> bytes:
        """Bytes of an object from `start` up to `end` (exclusive); raises MissingObjectError."""
        with self._translated("read", key):
            return bytes(obstore.get_range(self._objects, _checked(key), start=start, end=end))

    def stat(self, key: str) -> Listed:
        """An object as a listing shows it, without its content; raises MissingObjectError."""
        with self._translated("read", key):
            found = obstore.head(self._objects, _checked(key))
        return Listed(key, int(found["size"]), found["last_modified"])

    def fetch(self, reference: Reference) -> bytes:
        """Content behind a reference; raises MissingObjectError or StaleReferenceError."""
        data = self.read(reference.uri)
        found = hashlib.sha256(data).hexdigest()
        if found != reference.sha256:
            raise StaleReferenceError(
                f"{reference.uri} in {self.url} has changed since it was referenced "
                f"(expected sha256 {reference.sha256[:12]}, found {found[:12]}); another run "
                "wrote it: run again"
            )
        return data

    def reference(self, key: str) -> Reference | None:
        """Reference to an object as it is now, None where there is none: for what no stage of this run has written."""
        try:
            return Reference(uri=key, sha256=hashlib.sha256(self.read(key)).hexdigest(), rows=0)
        except MissingObjectError:
            return None

    def holds(self, reference: Reference) -> bool:
        """Is the referenced object there, with the referenced content?"""
        try:
            self.fetch(reference)
        except (MissingObjectError, StaleReferenceError):
            return False
        return True

    def keys(self, prefix: str) -> list[str]:
        """Keys below a prefix, sorted; all of them, however many pages a bucket lists them in."""
        return [item.key for item in self.listed(prefix)]

    def listed(self, prefix: str) -> list[Listed]:
        """Key, size and time of writing of all objects below a prefix, sorted by key."""
        with self._translated("list", prefix):
            found = obstore.list(self._objects, prefix).collect()
        return sorted(
            (Listed(str(item["path"]), int(item["size"]), item["last_modified"]) for item in found),
            key=lambda item: item.key,
        )

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is fine."""
        try:
            with self._translated("delete", key):
                obstore.delete(self._objects, _checked(key))
        except MissingObjectError:
            log.debug("nothing to delete at %s", key)

    def probe(self) -> None:
        """Create, read, list and delete a small object; raises when the store does not answer as it should."""
        folder = f"results/.probe-{uuid.uuid4().hex}"
        key, data = f"{folder}/1", b"capforecast"
        self._quick().create(key, data)
        try:
            if self.read(key) != data or self.keys(folder) != [key]:
                raise LakeError(f"store {self.url}: {key} read back differently from what was written")
            self._probe_conditional(key)
        finally:
            self.delete(key)

    def _quick(self) -> Store:
        """The same store with few retries: what does not answer now is said now."""
        if self._place.bucket is None:
            return self
        return Store(self.url, self._options.model_copy(update={"retries": min(self._options.retries, PROBE_RETRIES)}))

    def _probe_conditional(self, key: str) -> None:
        try:
            self.create(key, b"again")
        except ConflictError:
            return
        raise ConfigError(
            f"store {self.url}: its server overwrites where it was told to create only (it ignores If-None-Match), so "
            "two runs at once would spoil each other's data; use AWS S3 or a server with conditional writes"
        )

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold a lease on a name while the block runs; waits a minute, then raises ConflictError naming the holder."""
        lease = leases.acquire(self, name, wait_seconds=LOCK_WAIT_SECONDS)
        try:
            yield
        finally:
            lease.release()

    def _translated(self, action: str, key: str) -> AbstractContextManager[None]:
        return translated(action, key, self._place, self._options)


class ObjectFile(io.RawIOBase):
    """An object of a store as a seekable file; every read is one request."""

    def __init__(self, store: Store, key: str) -> None:
        self._store, self._key, self._at = store, key, 0
        self._size = store.stat(key).size

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Place of the next read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the place of the next read."""
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def readinto(self, into: Any) -> int:
        """Fill a buffer from the place of the next read; 0 = the end."""
        end = min(self._at + len(into), self._size)
        if end <= self._at:
            return 0
        data = self._store.read_range(self._key, self._at, end)
        into[: len(data)] = data
        self._at += len(data)
        return len(data)


def _checked(key: str) -> str:
    if key.startswith("/"):
        raise LakeError(f"key {key!r} must be relative")
    return key
