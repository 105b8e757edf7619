"""Leases: one holder per name among all processes and machines that write to a store.

A lease is a row of numbered records `locks/<name>/<n>.json`, each created only if it is not there, so that of several
processes one wins; the highest is the one in force. Its holder renews it while it lives and marks it released at the
end. The highest record is never deleted, so a process that slept between looking and creating finds a higher one and
withdraws. That needs conditional creation alone, which a folder and S3 offer alike.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
import uuid
from pathlib import Path
from typing import Any, Protocol

from capforecast.errors import ConflictError, LakeError, MissingObjectError

log = logging.getLogger(__name__)
_room = ""  # see be_in
EXPIRY_SECONDS = 300.0  # a lease not renewed for so long is free; clocks must agree to well within it
RENEWAL_SECONDS = 30.0
PAUSE_SECONDS = 0.1  # between two looks at a lease that is held


class Objects(Protocol):
    """What a lease needs of a store."""

    url: str

    def create(self, key: str, data: bytes) -> Any: ...
    def put(self, key: str, data: bytes) -> Any: ...
    def read(self, key: str) -> bytes: ...
    def keys(self, prefix: str) -> list[str]: ...
    def delete(self, key: str) -> None: ...


class Lease:
    """A lease in force; renewed in the background until it is released."""

    def __init__(self, objects: Objects, name: str, owner: str, number: int, token: str) -> None:
        """Made by `acquire`."""
        self.objects, self.name, self.owner, self.number, self.token = objects, name, owner, number, token
        self._ended = threading.Event()
        self._renewal = threading.Thread(target=self._renew, name=f"lease-{name}", daemon=True)
        self._renewal.start()

    def check(self) -> None:
        """Raise ConflictError where another has taken the lease over."""
        if _highest(self.objects, self.name) != self.number:
            raise ConflictError(
                f"{self.name} in {self.objects.url} was taken over by another process while this one did not answer; "
                "run again"
            )

    def release(self) -> None:
        """Give the lease up."""
        self._ended.set()
        self._renewal.join()
        try:
            self.objects.put(_key(self.name, self.number), _record(self.owner, self.token, released=True))
        except LakeError as error:  # it runs out by itself; what the block did or raised must not be hidden
            log.warning("the lease on %s could not be released: %s", self.name, error)

    def _renew(self) -> None:
        while not self._ended.wait(RENEWAL_SECONDS):
            try:
                self.check()
                self.objects.put(_key(self.name, self.number), _record(self.owner, self.token))
            except ConflictError as error:
                log.error("%s", error)
                return
            except LakeError as error:
                log.warning("the lease on %s could not be renewed: %s", self.name, error)


def acquire(objects: Objects, name: str, *, owner: str = "", wait_seconds: float = 0.0) -> Lease:
    """Take the lease on a name; raises ConflictError naming the holder when it is still held after `wait_seconds`.

    A lease is free when it was released, was not renewed for EXPIRY_SECONDS, is of a process of this machine that is
    gone, or has the same `owner` (the retry of a run).
    """
    deadline = time.monotonic() + wait_seconds
    while True:
        number = _highest(objects, name)
        holder = _holder(objects, name, number) if number else None
        if holder is None or _is_free(holder, owner, name):
            lease = _take(objects, name, owner, number + 1)
            if lease is not None:
                return lease
        elif time.monotonic() >= deadline:
            raise ConflictError(_held(objects, name, holder))
        time.sleep(PAUSE_SECONDS)


def refuse_foreign(objects: Objects, name: str, owner: str) -> None:
    """Raise ConflictError where somebody else than `owner` holds the lease on a name."""
    number = _highest(objects, name)
    holder = _holder(objects, name, number) if number else None
    if holder is not None and not _is_free(holder, owner, name):
        raise ConflictError(_held(objects, name, holder))


def held_by(objects: Objects, name: str) -> str:
    """Who holds the lease on a name, in words; "" = nobody."""
    number = _highest(objects, name)
    holder = _holder(objects, name, number) if number else None
    return "" if holder is None or holder["released"] or _is_gone(holder) else _who(holder)


def _take(objects: Objects, name: str, owner: str, number: int) -> Lease | None:
    """Create record `number` and be its holder, unless somebody was faster."""
    token = uuid.uuid4().hex
    key = _key(name, number)
    try:
        objects.create(key, _record(owner, token))
    except ConflictError:
        found = _holder(objects, name, number)
        if found is None or found["token"] != token:  # ours after all where only the answer was lost
            return None
    if _highest(objects, name) != number:
        objects.delete(key)
        return None
    for old in objects.keys(f"locks/{name}"):
        if _number(old) < number:
            objects.delete(old)
    return Lease(objects, name, owner, number, token)


def _key(name: str, number: int) -> str:
    return f"locks/{name}/{number}.json"


def _number(key: str) -> int:
    stem = key.rsplit("/", 1)[-1].removesuffix(".json")
    return int(stem) if stem.isdecimal() else 0


def _highest(objects: Objects, name: str) -> int:
    return max(map(_number, objects.keys(f"locks/{name}")), default=0)


def _holder(objects: Objects, name: str, number: int) -> dict[str, Any] | None:
    """Who holds record `number`; None where there is no such record (any more)."""
    try:
        holder: dict[str, Any] = json.loads(objects.read(_key(name, number)))
    except MissingObjectError:
        return None
    except ValueError:
        raise LakeError(f"{_key(name, number)} in {objects.url} is no lease; delete it") from None
    return holder


def _record(owner: str, token: str, *, released: bool = False) -> bytes:
    content = {
        "owner": owner,
        "token": token,
        "host": socket.gethostname(),
        "machine": _machine(),
        "pid": os.getpid(),
        "born": _born(os.getpid()),
        "renewed": time.time(),
        "released": released,
    }
    return json.dumps(content).encode()


def _is_free(holder: dict[str, Any], owner: str, name: str) -> bool:
    if holder["released"] or (owner and holder["owner"] == owner):
        return True
    if _is_gone(holder):
        log.warning("taking over %s: its holder (%s) is gone", name, _who(holder))
        return True
    return False


def _is_gone(holder: dict[str, Any]) -> bool:
    dead = holder["machine"] == _machine() and _born(int(holder["pid"])) != holder["born"]
    return bool(dead or time.time() - float(holder["renewed"]) > EXPIRY_SECONDS)


def _who(holder: dict[str, Any]) -> str:
    run = f"run {holder['owner']}, " if holder["owner"] else ""
    return f"{run}process {holder['pid']} on {holder['host']}"


def _held(objects: Objects, name: str, holder: dict[str, Any]) -> str:
    return (
        f"{name} in {objects.url} is being written by {_who(holder)}; wait for it to end, then run again "
        f"(if it died on another machine, its claim ends by itself within {EXPIRY_SECONDS / 60:.0f} minutes)"
    )


def be_in(room: str) -> None:
    """Say where this process lives, where host, boot and process numbers are alike elsewhere: a sandbox of Lambda.

    Holders in other rooms are never taken for dead processes of this one; they are waited for until their lease ends.
    """
    global _room
    _room = room


def _machine() -> str:
    """Which process numbers can be told apart: host, its boot, and (in containers) the process namespace."""
    if _room:
        return _room
    parts = [socket.gethostname()]
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    except OSError:
        log.debug("no boot id or process namespace here: the host's name stands for the machine")
    return " ".join(parts)


def _born(pid: int) -> str | None:
    """When a process of this machine was started, in a form to compare; None where it is not running."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self/stat").exists():
            return None
        return _answers(pid)
    return None if state in "ZX" else fields[18]


def _answers(pid: int) -> str | None:
    """The same without /proc: whether it runs at all."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return ""
    return ""
