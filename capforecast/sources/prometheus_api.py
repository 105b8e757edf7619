"""The HTTP API of Prometheus, as Mimir, Thanos and VictoriaMetrics speak it too: questions, answers, refusals.

What the kin do otherwise, and what is sent for it: Thanos answers in part where a store is away (`partial_response`),
so does VictoriaMetrics (`deny_partial_response`, `isPartial`); it also moves start and end for its cache (`nocache`).
Prometheus itself does not mind parameters that it does not know. All instants asked for are multiples of the step:
caches of Mimir and Thanos want them so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import pandas as pd

from capforecast.errors import SourceError
from capforecast.settings_sources import PrometheusSettings
from capforecast.sources.http import RETRIED, Client, TooMuchSaidError, TooSlowError, Work

KEY = "remote.prometheus"
# What servers say of a question that a smaller one may pass: samples, points, series, bytes, time.
_TOO_MUCH = re.compile(
    "too many (samples|points|chunks|series|bytes|outstanding)|too large|maximum resolution|timed out|timeout|"
    "deadline exceeded|max[_-]|limit exceeded|exceeds? the limit|exceeded the|out of memory|cannot select more than|"
    "larger than|query range is too|the query hit|takes too long",
    re.IGNORECASE,
)
_AWAY = re.compile("rpc error|unavailable|connection re|no such host|EOF|partial", re.IGNORECASE)
Series = tuple[dict[str, str], list[Any]]  # labels; [[seconds, "value"], ...]


class TooMuchError(SourceError):
    """The question is too heavy for the server: half of it may pass."""


class WrongQueryError(SourceError):
    """The server cannot compute the query, or (`everywhere`) does not understand it; asking again helps nothing."""

    def __init__(self, message: str, *, everywhere: bool = False) -> None:
        super().__init__(message)
        self.everywhere = everywhere


class PartialError(SourceError):
    """The answer lacks a part of the data, and such are refused."""


@dataclass(frozen=True)
class Reply:
    """Series of an answer, and remarks about it that people should see."""

    series: list[Series]
    remarks: tuple[str, ...] = ()


class Api:
    """Questions to one server."""

    def __init__(self, settings: PrometheusSettings, client: Client) -> None:
        self.settings, self.client = settings, client

    def range(self, query: str, first: pd.Timestamp, last: pd.Timestamp, step: pd.Timedelta, work: Work) -> Reply:
        """The query's value at first, first + step, ..., last. Raises SourceError and its kin."""
        times = {"start": _seconds(first), "end": _seconds(last), "step": f"{step.total_seconds():.0f}"}
        return self._values("/api/v1/query_range", {"query": query, **times}, work, "values")

    def instant(self, query: str, at: pd.Timestamp, work: Work) -> Reply:
        """The query's value at one moment."""
        return self._values("/api/v1/query", {"query": query, "time": _seconds(at)}, work, "value")

    def labels(self, selector: str, since: pd.Timestamp, until: pd.Timestamp, work: Work) -> list[dict[str, str]]:
        """Labels of all series that match and had values in the time; in an order of their own."""
        asked = {"match[]": selector, "start": _seconds(since), "end": _seconds(until)}
        found, _ = self._data("/api/v1/series", {**asked, **self._parameters()}, work)
        if not isinstance(found, list) or not all(isinstance(labels, dict) for labels in found):
            raise SourceError(f"{self.settings.url}: /api/v1/series answered something else than labels")
        return sorted(found, key=lambda labels: sorted(labels.items()))

    def retention(self, work: Work) -> pd.Timedelta | None:
        """How long it keeps data; None where it does not say (only Prometheus itself does)."""
        try:
            data, _ = self._data("/api/v1/status/runtimeinfo", {}, work, "GET")
            kept = str(data.get("storageRetention", "")) if isinstance(data, dict) else ""
        except SourceError:
            return None
        found = re.match(r"((\d+(ms|[ywdhms]))+)(\s|$)", kept)
        if not found:
            return None
        units = {"y": 365 * 86400.0, "w": 7 * 86400.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
        parts = re.findall(r"(\d+)(ms|[ywdhms])", found[1])
        return pd.Timedelta(seconds=sum(int(number) * units[unit] for number, unit in parts))

    def _parameters(self) -> dict[str, str]:
        whole = self.settings.partial == "refuse"
        deny = {"partial_response": str(not whole).lower(), **({"deny_partial_response": "1"} if whole else {})}
        return {"nocache": "1", **deny, **self.settings.parameters}

    def _values(self, path: str, asked: dict[str, str], work: Work, field: str) -> Reply:
        limit = {"timeout": f"{self.settings.timeout_seconds:.0f}s"}
        data, remarks = self._data(path, {**asked, **limit, **self._parameters()}, work)
        try:
            if data["resultType"] not in ("matrix", "vector"):
                raise WrongQueryError(f"the query gives a {data['resultType']}, not series of servers", everywhere=True)
            return Reply(
                [(dict(one["metric"]), one[field] if field == "values" else [one[field]])
                 for one in map(dict, data["result"]) if field in one],  # of a histogram there are none
                remarks,
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise SourceError(f"{self.settings.url}: {path} answered without {error}: is it Prometheus?") from None

    def _data(self, path: str, asked: dict[str, str], work: Work, method: str = "POST") -> tuple[Any, tuple[str, ...]]:
        """(`data` of the answer, remarks)."""
        try:
            answer = self.client.ask(method, path, asked, work, _retried)
        except TooSlowError as error:
            self._still_there(work)
            raise TooMuchError(str(error)) from error
        except TooMuchSaidError as error:
            raise TooMuchError(str(error)) from error
        content = _json(answer)
        if answer.status_code == 200 and content.get("status") == "success":
            return content.get("data"), self._remarks(content)
        raise self._refusal(answer, content)

    def _still_there(self, work: Work) -> None:
        """Raise SourceError where the simplest question is not answered either: a smaller one would not pass."""
        try:
            self.client.ask("POST", "/api/v1/query", {"query": "vector(1)"}, Work(1.0, work.pace))
        except SourceError as error:
            raise SourceError(f"{error}; it answers not even `vector(1)`") from None

    def _remarks(self, content: dict[str, Any]) -> tuple[str, ...]:
        """Warnings of an answer. Raises PartialError where they say that a part is missing and that is not accepted."""
        said = [
            self.client.clean(str(text)) for text in [*(content.get("warnings") or []), *(content.get("infos") or [])]
        ]
        missing = [text for text in said if not text.startswith("PromQL ")]  # those are about the expression
        if content.get("isPartial"):
            missing.append("the answer is partial (isPartial): a storage node is away")
        if missing and self.settings.partial == "refuse":
            raise PartialError(f"partial answer ({KEY}.partial: refuse): {'; '.join(missing[:3])}")
        return tuple(dict.fromkeys([*said, *missing]))

    def _refusal(self, answer: httpx.Response, content: dict[str, Any]) -> SourceError:
        status, url = answer.status_code, self.settings.url
        said = self.client.clean(str(content.get("error") or answer.text))
        if status == 413 or (_TOO_MUCH.search(said) and not said.startswith("<")):  # a page may say `max-width`
            return TooMuchError(f"too heavy: {said}")
        if status == 405:
            return SourceError(
                f"{url}: takes no POST (405); let POST through to /api/v1/query_range and /api/v1/series"
            )
        if status == 404 or "status" not in content:
            return SourceError(
                f"{url}: there is no Prometheus API ({status}: {said[:80]}); set {KEY}.url to what stands before "
                "/api/v1 (Mimir: https://.../prometheus, VictoriaMetrics cluster: https://.../select/0/prometheus)"
            )
        return WrongQueryError(said or f"answered {status}", everywhere=status == 400)


def _retried(answer: httpx.Response) -> bool:
    """May the same question be answered later? Not one that was too heavy; one of which a part was away may."""
    content = _json(answer)
    said = str(content.get("error") or "")
    if content.get("errorType") == "timeout" or (answer.status_code != 429 and content and _TOO_MUCH.search(said)):
        return False
    return answer.status_code in RETRIED or (answer.status_code == 422 and bool(_AWAY.search(said)))


def _json(answer: httpx.Response) -> dict[str, Any]:
    """The answer's object, {} where it is none."""
    try:
        content = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return {}
    return content if isinstance(content, dict) else {}


def _seconds(moment: pd.Timestamp) -> str:
    return f"{moment.timestamp():.3f}".removesuffix(".000")
