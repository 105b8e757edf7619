"""Where the lake's objects live: a folder or a bucket behind one interface (obstore).

Objects are written whole: a reader sees the old content or the new, never half of it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore, MemoryStore, from_url

from capforecast.errors import ConfigError, ConflictError, LakeError, MissingObjectError, StaleReferenceError
from capforecast.schema import Reference

log = logging.getLogger(__name__)
LOCK_SECONDS = 3600.0  # a lock of another machine that is older is taken over
LOCK_WAIT_SECONDS = 60.0


class Store:
    """Objects by key. `url` is a folder, `file://...`, or `memory://` (tests); buckets come with part 2.

    Keys are relative, with `/` between segments; `..` and empty segments are refused.
    """

    def __init__(self, url: str | Path) -> None:
        self.url = str(url)
        self._objects = self._open(self.url)

    @staticmethod
    def _open(url: str) -> Any:
        if url.startswith("memory://"):
            return MemoryStore()
        if "://" in url and not url.startswith("file://"):
            raise ConfigError(f"store {url!r}: only folders are supported in this version; give a folder")
        try:
            if url.startswith("file://"):
                return from_url(url, mkdir=True)
            return LocalStore(Path(url).expanduser().resolve(), mkdir=True)
        except (OSError, ValueError, obstore.exceptions.BaseError) as error:
            raise ConfigError(
                f"store {url!r} cannot be opened ({_first_line(error)}); give a folder you may write"
            ) from None

    @property
    def folder(self) -> Path | None:
        """The folder behind the store, or None for other kinds."""
        if self.url.startswith("memory://"):
            return None
        return Path(self.url.removeprefix("file://")).expanduser().resolve()

    def put(self, key: str, data: bytes, *, rows: int = 0) -> Reference:
        """Publish an object whole, replacing what stood there."""
        with _translated("write", key):
            obstore.put(self._objects, _checked(key), data)
        return Reference(uri=key, sha256=hashlib.sha256(data).hexdigest(), rows=rows)

    def create(self, key: str, data: bytes, *, rows: int = 0) -> Reference:
        """Publish an object that must not exist yet; raises ConflictError when it does."""
        with _translated("create", key):
            obstore.put(self._objects, _checked(key), data, mode="create")
        return Reference(uri=key, sha256=hashlib.sha256(data).hexdigest(), rows=rows)

    def read(self, key: str) -> bytes:
        """Content of an object; raises MissingObjectError."""
        with _translated("read", key):
            return bytes(obstore.get(self._objects, _checked(key)).bytes())

    def fetch(self, reference: Reference) -> bytes:
        """Content behind a reference; raises MissingObjectError or StaleReferenceError."""
        data = self.read(reference.uri)
        found = hashlib.sha256(data).hexdigest()
        if found != reference.sha256:
            raise StaleReferenceError(
                f"{reference.uri} in {self.url} has changed since it was referenced "
                f"(expected sha256 {reference.sha256[:12]}, found {found[:12]}); another run of the same period "
                "wrote it: run again"
            )
        return data

    def holds(self, reference: Reference) -> bool:
        """Is the referenced object there, with the referenced content?"""
        try:
            self.fetch(reference)
        except (MissingObjectError, StaleReferenceError):
            return False
        return True

    def keys(self, prefix: str) -> list[str]:
        """Keys below a prefix, sorted."""
        with _translated("list", prefix):
            return sorted(str(item["path"]) for item in obstore.list(self._objects, prefix).collect())

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is fine."""
        try:
            with _translated("delete", key):
                obstore.delete(self._objects, _checked(key))
        except MissingObjectError:
            log.debug("nothing to delete at %s", key)

    def probe(self) -> None:
        """Write, read and delete a small object; raises LakeError when the store does not answer as it should."""
        key, data = f"results/.probe-{uuid.uuid4().hex}", b"capforecast"
        self.put(key, data)
        if self.read(key) != data:
            raise LakeError(f"store {self.url}: {key} read back differently from what was written")
        self.delete(key)

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold `locks/<name>` while the block runs; waits a minute, then raises ConflictError naming the holder.

        A lock whose process is gone (same machine), or that is over an hour old, is taken over.
        """
        key = f"locks/{name}.json"
        me = json.dumps(
            {"host": socket.gethostname(), "pid": os.getpid(), "since": time.time(), "id": uuid.uuid4().hex}
        )
        deadline = time.monotonic() + LOCK_WAIT_SECONDS
        while True:
            try:
                self.create(key, me.encode())
                break
            except ConflictError:
                self._clear_dead_lock(key)
                if time.monotonic() > deadline:
                    raise ConflictError(self._held(key)) from None
                time.sleep(0.1)
        try:
            yield
        finally:
            self.delete(key)

    def _clear_dead_lock(self, key: str) -> None:
        try:
            holder = json.loads(self.read(key))
        except (MissingObjectError, ValueError):
            return
        if holder["host"] == socket.gethostname():
            dead = not _alive(int(holder["pid"]))
        else:
            dead = time.time() - float(holder["since"]) > LOCK_SECONDS
        if dead:
            log.warning("taking over %s: its holder (%s, process %s) is gone", key, holder["host"], holder["pid"])
            self.delete(key)

    def _held(self, key: str) -> str:
        try:
            holder = json.loads(self.read(key))
            who = f"process {holder['pid']} on {holder['host']}"
        except (MissingObjectError, ValueError):
            who = "another process"
        return f"{self.url} is being written by {who}; wait for it to end, or delete {key} if it is not running"


def _checked(key: str) -> str:
    if key.startswith("/"):
        raise LakeError(f"key {key!r} must be relative")
    return key


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


@contextmanager
def _translated(action: str, key: str) -> Iterator[None]:
    """Turn the storage library's exceptions into ours."""
    try:
        yield
    except AlreadyExistsError:
        raise ConflictError(f"{key} exists already and is never overwritten") from None
    except FileNotFoundError:
        raise MissingObjectError(f"{key} is not in the store") from None
    except (OSError, ValueError, obstore.exceptions.BaseError) as error:
        raise LakeError(f"cannot {action} {key}: {_first_line(error)}") from error
