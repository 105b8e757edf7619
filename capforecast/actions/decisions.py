"""What people decided on advice: numbered, create-only records in the lake, of which the newest of a server counts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from capforecast.errors import ConflictError, LakeError
from capforecast.lake import records
from capforecast.lake.store import Store

FOLDER = "lifecycle/records"
FIGURES = ("to_vcpus", "to_memory_gib", "to_cpu_share", "to_memory_share", "promised")
TIMES = ("advised", "at")
READERS = 16


def _is_time(text: str) -> str:
    time = pd.Timestamp(text)
    if pd.isna(time) or time.tzinfo is None:
        raise ValueError("no time with a zone")
    return text


Moment = Annotated[str, AfterValidator(_is_time)]  # ISO 8601
Size = Annotated[float, Field(gt=0)]


class Record(BaseModel):
    """One decision on the advice for one server."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    server_id: str = Field(min_length=1)
    state: Literal["accepted", "rejected", "applied"]
    action: Literal["upsize", "downsize", "stop"]
    to_type: str = ""
    to_vcpus: Size | None = None
    to_memory_gib: Size | None = None
    to_cpu_share: Size | None = None  # of what it had: all that is known where its size is not
    to_memory_share: Size | None = None
    promised: float | None = None  # change of the monthly cost, below 0 = a saving; None = no price
    currency: str = ""
    advised: Moment  # as_of of the run whose advice it is
    at: Moment  # when it was decided
    by: str = Field(min_length=1)
    note: str = ""


STATE_COLUMNS = tuple(Record.model_fields)  # of the `lifecycle` dataset: the newest record of each server


@dataclass(frozen=True)
class Numbered:
    """A record and its number."""

    number: int
    record: Record


def history(store: Store) -> list[Numbered]:
    """All records, oldest first; raises LakeError naming one that cannot be read, and the fix."""
    found, broken = readable(store)
    for error in broken.values():
        raise error
    return found


def readable(store: Store) -> tuple[list[Numbered], dict[int, LakeError]]:
    """The records that can be read, oldest first, and by number why the others cannot."""
    known = records.numbered(store, FOLDER)
    with ThreadPoolExecutor(READERS) as pool:  # a bucket answers one after the other in tens of milliseconds each
        read = list(pool.map(lambda entry: _read(store, entry[1]), known))
    rows = [(number, content) for (number, _), content in zip(known, read, strict=True)]
    broken = {number: content for number, content in rows if isinstance(content, LakeError)}
    return [Numbered(number, content) for number, content in rows if isinstance(content, Record)], broken


def append(store: Store, *given: Record, seen: int | None = None) -> list[Numbered]:
    """Write records under the next free numbers.

    seen: number of the last record that was looked at before it was decided; None = all that are there now.
    Raises ConflictError where somebody else decided on one of the same servers meanwhile: look again, decide anew.
    """
    last = max((number for number, _ in records.numbered(store, FOLDER)), default=0) if seen is None else seen
    rivals = {record.server_id for record in given}
    written: list[Numbered] = []
    for record in given:
        while True:
            try:
                last = records.create(store, FOLDER, record, after=last or None)
                break
            except ConflictError:
                last += 1
                other = _read(store, records.record_key(FOLDER, last))
                if isinstance(other, Record) and other.server_id in rivals:
                    raise ConflictError(
                        f"{other.server_id}: {other.by} has just recorded `{other.state}`; {len(written)} of "
                        f"{len(given)} decisions were written: look at `capforecast actions history`, then decide anew"
                    ) from None
        written.append(Numbered(last, record))
    return written


def _read(store: Store, key: str) -> Record | LakeError:
    """A record, or why it is none."""
    try:
        return Record.model_validate_json(store.read(key))
    except ValidationError as error:
        return LakeError(
            f"{key} in {store.url} cannot be read ({records.first_problem(error)}): delete it, and record the decision "
            "again by `capforecast actions accept`, `reject` or `applied`"
        )


def state_table(store: Store, as_of: pd.Timestamp) -> pd.DataFrame:
    """The newest record of each server made before `as_of`: STATE_COLUMNS, sorted by server; times as UTC timestamps.

    A run of a past moment sees no later decision. Raises LakeError as `history`.
    """
    return newest([found for found in history(store) if pd.Timestamp(found.record.at) < as_of])


def newest(found: list[Numbered]) -> pd.DataFrame:
    """The newest of these records of each server, as `state_table`."""
    last = {entry.record.server_id: entry.record for entry in found}
    rows = [last[name].model_dump() for name in sorted(last)]
    table = pd.DataFrame(rows, columns=list(STATE_COLUMNS))
    for name in STATE_COLUMNS:
        if name in TIMES:
            table[name] = pd.to_datetime(table[name], utc=True, format="ISO8601").astype("datetime64[us, UTC]")
        else:
            table[name] = table[name].astype(np.float64 if name in FIGURES else "str")
    return table
