"""Numbered, create-only records below a folder: a record is never changed, and the highest number is the newest.

Two writers cannot take the same number, in a folder or a bucket: the slower one is told.
"""

from __future__ import annotations

import re

from pydantic import BaseModel, ValidationError

from capforecast.lake.datasets import to_json
from capforecast.lake.store import Store

_NAME = re.compile(r"(.+)/(\d{6,})\.json")


def record_key(folder: str, number: int) -> str:
    """Key of a record."""
    return f"{folder}/{number:06d}.json"


def folder_of(key: str) -> str | None:
    """The folder whose record this key is; None = it is no record's."""
    match = _NAME.fullmatch(key)
    return match[1] if match else None


def numbered(store: Store, folder: str) -> list[tuple[int, str]]:
    """Number and key of each record, by number."""
    found = [match for match in map(_NAME.fullmatch, store.keys(folder)) if match and match[1] == folder]
    return sorted((int(match[2]), match[0]) for match in found)


def create(store: Store, folder: str, content: BaseModel, *, after: int | None) -> int:
    """Write the record that follows number `after` (None = the first); returns its number.

    Raises ConflictError when somebody was quicker: look again and decide anew.
    """
    number = (after or 0) + 1
    store.create(record_key(folder, number), to_json(content.model_dump(mode="json")))
    return number


def first_problem(error: ValidationError) -> str:
    """What is wrong with a record, in words: the first of its faults."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}".lstrip(": ")
