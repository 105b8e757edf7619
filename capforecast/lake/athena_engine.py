"""Queries by Athena, with boto3: start, wait, read the answer in its types, say what it cost."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from capforecast.errors import AccessDeniedError, ConfigError, LakeError, UsageError
from capforecast.lake.query import (
    Answer,
    known_tables,
    place_cut_offs,
    refuse_nested,
    refuse_repeated,
    tables_of,
    typed,
)
from capforecast.lake.sql_files import Query, Value, literal
from capforecast.lake.store import Store
from capforecast.settings import Settings

log = logging.getLogger(__name__)
FIRST_WAIT, LONGEST_WAIT, GROWTH = 0.2, 5.0, 1.5  # seconds between two looks at a query
TERABYTE = 10**12
LEAST_BILLED = 10 * 10**6  # bytes that a query costs at the least
_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")
_WORDS = {
    **dict.fromkeys(("tinyint", "smallint", "integer", "bigint"), "integer"),
    **dict.fromkeys(("double", "float", "real", "decimal"), "number"),
    **dict.fromkeys(("timestamp", "date"), "time"),
    "boolean": "yes/no",
}
_READ: dict[str, Callable[[str], Any]] = {
    "integer": int, "number": float, "time": datetime.fromisoformat, "yes/no": lambda text: text == "true", "text": str,
}  # fmt: skip


def athena_client(settings: Settings) -> Any:
    """boto3's client of Athena. Raises ConfigError where boto3, the region or what the engine needs are missing."""
    _refuse_unnamed(settings)
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise ConfigError("queries by Athena need boto3: pip install 'capforecast[aws]'") from None
    limits = Config(connect_timeout=5, read_timeout=settings.storage.timeout_seconds, retries={"mode": "standard"})
    try:
        session = boto3.Session(profile_name=settings.storage.profile, region_name=settings.storage.region)
        return session.client("athena", config=limits)
    except BotoCoreError as error:
        raise ConfigError(f"Athena cannot be reached ({error}); set storage.region, or mend the profile") from None


def _refuse_unnamed(settings: Settings) -> None:
    for name in ("workgroup", "database"):
        if getattr(settings.athena, name) is None:
            raise ConfigError(f"queries by Athena need the setting athena.{name} (docs/queries.md)")


@dataclass(frozen=True)
class Workgroup:
    """A workgroup of Athena. most_bytes: its own limit for what a query may read; None = none."""

    name: str
    enabled: bool
    most_bytes: int | None


class AthenaEngine:
    """Athena of one account and region. client: boto3's; sleep: replaced in tests.

    Raises ConfigError where the settings name no workgroup or database.
    """

    def __init__(self, client: Any, settings: Settings, sleep: Callable[[float], None] = time.sleep) -> None:
        _refuse_unnamed(settings)
        self._client, self._settings, self._sleep = client, settings, sleep
        self._options = settings.athena
        self._known = known_tables(settings)

    def run(self, query: Query, given: Mapping[str, str] | None = None) -> Answer:
        """As Engine.run. Ctrl-C, the time limit and the limit of bytes cancel the query in Athena, too."""
        began = time.perf_counter()
        values = self._placed(query, query.values(given or {}))
        names = query.positional()[1]
        query_id = self._start(self.text(query), [literal(values[name]) for name in names])
        log.info("Athena query %s started", query_id)
        try:
            scanned = self._wait(query_id)
        except BaseException:
            self._cancel(query_id)
            raise
        types, columns = self._rows(query_id)
        cost = max(scanned, LEAST_BILLED) / TERABYTE * self._options.usd_per_tb
        seconds = time.perf_counter() - began
        return Answer(typed(columns, types), types, "athena", seconds, query_id, scanned, cost)

    def workgroup(self) -> Workgroup:
        """What the workgroup of the settings allows; starts nothing. Raises as `run`."""
        told = self._asked("get_work_group", {"WorkGroup": self._options.workgroup})["WorkGroup"]
        limit = told.get("Configuration", {}).get("BytesScannedCutoffPerQuery")
        return Workgroup(told["Name"], told.get("State") == "ENABLED", limit)

    def text(self, query: Query) -> str:
        """As Engine.text: the file as it is, parameters as `?`."""
        return query.positional()[0]

    def _placed(self, query: Query, values: dict[str, Value]) -> dict[str, Value]:
        read = tables_of(query.sql, self._known)
        if not query.of_kind("as_of"):
            return values
        store = Store(self._settings.store, self._settings.storage)
        return place_cut_offs(query, values, read, store, hours=False)

    def _start(self, sql: str, values: list[str]) -> str:
        request: dict[str, Any] = {
            "QueryString": sql,
            "QueryExecutionContext": {"Database": self._options.database},
            "WorkGroup": self._options.workgroup,
        }
        if values:
            request["ExecutionParameters"] = values
        if self._options.output:
            request["ResultConfiguration"] = {"OutputLocation": self._options.output}
        return str(self._asked("start_query_execution", request)["QueryExecutionId"])

    def _wait(self, query_id: str) -> int:
        """Bytes that a query has scanned, once it has succeeded."""
        wait, waited = FIRST_WAIT, 0.0
        most = self._options.most_scanned_gib * 2**30
        while True:
            state = self._asked("get_query_execution", {"QueryExecutionId": query_id})["QueryExecution"]
            status, scanned = state["Status"], int(state.get("Statistics", {}).get("DataScannedInBytes", 0))
            if status["State"] in _ENDED:
                return self._ended(query_id, status, scanned)
            if scanned > most:
                raise LakeError(
                    f"Athena query {query_id} was cancelled: it has read {scanned / 2**30:.1f} GiB, more than "
                    f"athena.most_scanned_gib ({self._options.most_scanned_gib:g}); name a business unit, or raise it"
                )
            if waited >= self._options.timeout_seconds:
                raise LakeError(
                    f"Athena query {query_id} was cancelled: it has not ended within athena.timeout_seconds "
                    f"({self._options.timeout_seconds})"
                )
            self._sleep(wait)
            waited += wait
            wait = min(wait * GROWTH, LONGEST_WAIT)

    @staticmethod
    def _ended(query_id: str, status: Mapping[str, Any], scanned: int) -> int:
        if status["State"] == "SUCCEEDED":
            return scanned
        why = str(status.get("StateChangeReason") or "it gives no reason").splitlines()[0]
        raise LakeError(f"Athena query {query_id} {status['State'].lower()}: {why}")

    def _cancel(self, query_id: str) -> None:
        """Stop a query; where that fails too, say so, and let what led here be raised."""
        try:
            self._asked("stop_query_execution", {"QueryExecutionId": query_id})
        except (LakeError, ConfigError, UsageError) as error:
            log.warning("Athena query %s could not be cancelled: %s", query_id, error)

    def _rows(self, query_id: str) -> tuple[dict[str, str], dict[str, list[Any]]]:
        """Types and values of the columns of an answer, however many pages it has."""
        types: dict[str, str] = {}
        columns: dict[str, list[Any]] = {}
        token: str | None = None
        while True:
            request = {"QueryExecutionId": query_id} | ({"NextToken": token} if token else {})
            page = self._asked("get_query_results", request)
            rows = page["ResultSet"]["Rows"]
            if not types:
                described = page["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
                refuse_repeated([each["Name"] for each in described])
                refuse_nested([each["Name"] for each in described if each["Type"] in ("array", "map", "row")])
                types = {each["Name"]: _WORDS.get(each["Type"], "text") for each in described}
                columns = {name: [] for name in types}
                rows = rows[1:]  # the first page begins with the names
            for row in rows:
                for (name, kind), cell in zip(types.items(), row["Data"], strict=True):
                    columns[name].append(_value(cell.get("VarCharValue"), kind))
            token = page.get("NextToken")
            if not token:
                return types, columns

    def _asked(self, call: str, request: dict[str, Any]) -> Any:
        """Athena's answer to a call; its errors in our words."""
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        try:
            return getattr(self._client, call)(**request)
        except ClientError as error:
            raise self._refused(call, error.response["Error"]) from None
        except NoCredentialsError:
            raise ConfigError("Athena: no AWS credentials found; set AWS_PROFILE, or run with a role") from None
        except BotoCoreError as error:
            raise LakeError(f"Athena does not answer {call}: {error}") from None

    def _refused(self, call: str, told: Mapping[str, str]) -> Exception:
        code, said = told.get("Code", ""), told.get("Message", "")
        if code in ("AccessDeniedException", "AccessDenied", "UnrecognizedClientException", "ExpiredTokenException"):
            return AccessDeniedError(f"Athena refuses {call} in workgroup {self._options.workgroup!r}: {said}")
        if code == "InvalidRequestException":
            return UsageError(f"Athena refuses {call}: {said}")
        return LakeError(f"Athena refuses {call} ({code}): {said}")


def _value(text: str | None, kind: str) -> Any:
    """A cell in its type; None = null."""
    return None if text is None else _READ[kind](text)
