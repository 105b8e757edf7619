"""Values of a batch of series: asked by GetMetricData, put on the grid, turned into our units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.errors import SourceError
from capforecast.schema import Cadence
from capforecast.sources.cloudwatch_batches import Batch, Query, Span, Wanted
from capforecast.sources.cloudwatch_calls import Calls, Counts, Place
from capforecast.sources.cloudwatch_errors import TooMuchError, TooSlowError
from capforecast.sources.remote import Pace

Values = npt.NDArray[np.float64]
PERCENTILES = {"p95": 0.95, "p99": 0.99, "p50": 0.5}


@dataclass
class Got:
    """What was answered: values of queries on the grid of their span, NaN = nothing was measured; why others failed."""

    values: dict[Query, Values] = field(default_factory=dict)
    failed: dict[Query, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    problem: SourceError | None = None  # the last that stopped a whole request


def ask(calls: Calls, batch: Batch, counts: Counts, pace: Pace) -> Got:
    """All queries of a batch; what fails is named, the rest goes on."""
    got = Got()
    for queries in batch.requests():
        _ask(calls, batch.place, batch.span, queries, counts, pace, got)
    return got


def _ask(
    calls: Calls, place: Place, span: Span, queries: Sequence[Query], counts: Counts, pace: Pace, got: Got
) -> None:
    """Some queries; where they are too much for one request, or one of them is not understood, in halves.

    Where not even one alone is answered in time, the rest of the batch is not asked: it would take days.
    """
    if isinstance(got.problem, TooSlowError):
        got.failed |= dict.fromkeys(queries, str(got.problem))
        return
    try:
        _one_request(calls, place, span, queries, counts, pace, got)
    except TooMuchError as error:
        if len(queries) == 1:
            got.failed[queries[0]] = str(error)
            got.problem = error if isinstance(error, TooSlowError) else got.problem
            return
        half = len(queries) // 2
        for some in (queries[:half], queries[half:]):
            _ask(calls, place, span, some, counts, pace, got)
    except SourceError as error:
        got.failed |= dict.fromkeys(queries, str(error))
        got.problem = error


def _one_request(
    calls: Calls, place: Place, span: Span, queries: Sequence[Query], counts: Counts, pace: Pace, got: Got
) -> None:
    named = {f"q{number}": query for number, query in enumerate(queries)}
    values = {query: np.full(span.points, np.nan) for query in queries}
    status: dict[Query, tuple[str, str]] = {}
    asked: dict[str, Any] = {
        "MetricDataQueries": [_spelled(name, query, span.period) for name, query in named.items()],
        "StartTime": span.since.to_pydatetime(),
        "EndTime": span.until.to_pydatetime(),
        "ScanBy": "TimestampAscending",
    }
    while True:
        answer = calls.ask(place, "cloudwatch", "get_metric_data", counts, pace, **asked)
        for result in answer.get("MetricDataResults", []):
            query = named[result["Id"]]
            said = "; ".join(str(each.get("Value", "")) for each in result.get("Messages", []))
            status[query] = (result.get("StatusCode", "Complete"), said)
            if not _put(values[query], result.get("Timestamps", []), result.get("Values", []), span):
                status[query] = ("Misplaced", "values stand at other times than were asked for")
        got.warnings += [f"{place}: {each.get('Code')}: {each.get('Value')}" for each in answer.get("Messages", [])]
        if not answer.get("NextToken"):
            break
        asked["NextToken"] = answer["NextToken"]
    for query in queries:
        code, said = status.get(query, ("Unanswered", "no result came back"))
        if code == "Complete":
            got.values[query] = values[query]
        else:
            got.failed[query] = f"{place} {query.metric.namespace} {query.metric.name}: {code} {said}".strip()


def _spelled(name: str, query: Query, period: int) -> dict[str, Any]:
    metric = query.metric
    return {
        "Id": name,
        "ReturnData": True,
        "MetricStat": {
            "Metric": {
                "Namespace": metric.namespace,
                "MetricName": metric.name,
                "Dimensions": [{"Name": each, "Value": value} for each, value in metric.dimensions],
            },
            "Period": period,
            "Stat": query.statistic,
        },
    }


def _put(values: Values, times: Sequence[Any], given: Sequence[Any], span: Span) -> bool:
    """Put what was answered in its place; False where a time is not on the grid, or there are not as many values."""
    if len(times) != len(given):
        return False
    if not len(times):
        return True
    steps = (_seconds(times) - span.since.timestamp()) / span.period
    place = np.rint(steps).astype(np.int64)
    if (np.abs(steps - place) > 1e-6).any() or (place < 0).any() or (place >= len(values)).any():
        return False
    numbers = np.array(given, dtype=np.float64)
    values[place] = np.where(np.isfinite(numbers), numbers, np.nan)
    return True


def _seconds(times: Sequence[Any]) -> Values:
    """Times as they come: seconds (JSON, CBOR), or text (XML)."""
    if isinstance(times[0], str):
        stamps = pd.to_datetime(list(times), utc=True).as_unit("us").asi8
        return np.asarray(stamps, dtype=np.float64) / 1e6
    return np.array(times, dtype=np.float64)


def series_values(each: Wanted, got: Got, span: Span, cadence: Cadence) -> Values:
    """Values of one series per period of the cadence, in our unit; all of its queries must be in `got`."""
    parts = np.stack([got.values[query] for query in each.queries])
    nothing = np.isnan(parts).all(axis=0)
    if each.ask.kind != "amount":
        mine = each.ask.offset + each.ask.scale * parts
        highest: Values = np.where(nothing, np.nan, np.max(np.where(np.isnan(mine), -np.inf, mine), axis=0))
        return highest
    rates = np.where(nothing, np.nan, np.nansum(parts, axis=0)) * (each.ask.scale / span.period)
    inside = int(cadence.step.total_seconds()) // span.period
    if inside == 1 and each.statistic != "mean":  # the mean of an hour is no percentile, maximum or minimum of it
        return np.full(len(rates), np.nan)
    return statistic(rates.reshape(-1, inside), each.statistic)


def statistic(values: Values, name: str) -> Values:
    """Of each row [P x K], over what was measured: percentiles (linear between neighbours), mean, max, min.

    A row without a value has none.
    """
    count = np.isfinite(values).sum(axis=1)
    if name == "mean":
        return np.where(count > 0, np.nansum(values, axis=1) / np.maximum(count, 1), np.nan)
    if name in ("max", "min"):
        sign = 1.0 if name == "max" else -1.0
        best = np.max(np.where(np.isnan(values), -np.inf, sign * values), axis=1)
        return np.where(count > 0, sign * best, np.nan)
    ordered, rows = np.sort(values, axis=1), np.arange(len(values))  # NaN go last
    at = PERCENTILES[name] * np.maximum(count - 1, 0)
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    share = at - low
    found = ordered[rows, low] * (1 - share) + ordered[rows, high] * share
    return np.where(count > 0, found, np.nan)
