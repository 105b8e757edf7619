"""moto as the tests' AWS, with two calls of it mended: GetMetricData, ListMetrics. Run by the Python of .venv-services.

    .venv-services/bin/python tests/cloudwatch_server.py PORT

Why: moto (5.2.5) answers `null` for a percentile, has neither pages nor retention, and goes through all values of all
metrics for each period. What stands here instead, after the API reference of GetMetricData and "Percentiles" of the
user guide: statistics over the raw values of each period (percentiles exact, linear between neighbours; how CloudWatch
computes them is not published), periods from StartTime on, values only as long as their resolution is kept, at most 500
queries, pages of MaxDatapoints values with StatusCode PartialData until a metric is complete. And moto's ListMetrics
lists a metric of several dimensions once for each of its values, which takes minutes. All else is moto's.
"""

from __future__ import annotations

import json
import sys
from bisect import bisect_left
from collections import defaultdict
from datetime import UTC, datetime

from moto.cloudwatch import models, responses
from moto.core.responses import ActionResult

DAY = 86_400
KEPT = ((60, 3 / 24), (300, 15), (3600, 63))  # steps below this many seconds are kept for so many days
Index = dict[tuple, tuple[list[float], list[float]]]
_indices: dict[int, tuple[int, Index]] = {}


def _seconds(when: datetime) -> float:
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _key(namespace: str, name: str, dimensions) -> tuple:
    return namespace, name, tuple(sorted(dimensions))


def _index(backend) -> Index:
    """(times, values) of each metric, sorted; made anew when values were added."""
    held = _indices.get(id(backend))
    if held is None or held[0] != len(backend.metric_data):
        of = defaultdict(list)
        for each in backend.metric_data:
            key = _key(each.namespace, each.name, [(one.name, one.value) for one in each.dimensions])
            of[key].append((_seconds(each.timestamp), each.value))
        sorted_of = {key: tuple(map(list, zip(*sorted(values), strict=True))) for key, values in of.items()}
        held = _indices[id(backend)] = (len(backend.metric_data), sorted_of)
    return held[1]


def _statistic(name: str, values: list[float]) -> float:
    if name.startswith("p"):
        ordered = sorted(values)
        at = float(name[1:]) / 100 * (len(ordered) - 1)
        low = int(at)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (ordered[high] - ordered[low]) * (at - low)
    return {
        "Sum": sum(values), "Average": sum(values) / len(values), "Maximum": max(values), "Minimum": min(values),
        "SampleCount": float(len(values)),
    }[name]  # fmt: skip


def _values(index: Index, query: dict, begin: float, end: float, now: float) -> list[tuple[float, float]]:
    asked = query["MetricStat"]
    period = int(asked["Period"])
    metric = asked["Metric"]
    dimensions = [(each["Name"], each["Value"]) for each in metric.get("Dimensions", [])]
    times, values = index.get(_key(metric["Namespace"], metric["MetricName"], dimensions), ([], []))
    oldest = now - next((days for step, days in KEPT if period < step), 455) * DAY
    found = []
    while begin < end:
        first, last = bisect_left(times, begin), bisect_left(times, min(begin + period, end))
        if first < last and begin >= oldest:
            found.append((begin, _statistic(asked["Stat"], values[first:last])))
        begin += period
    return found


def get_metric_data(self) -> ActionResult:
    """GetMetricData, whole."""
    params = self._get_params()
    queries = params["MetricDataQueries"]
    begin, end = _seconds(params["StartTime"]), _seconds(params["EndTime"])
    now = datetime.now(UTC).timestamp()
    if len(queries) > 500:
        raise models.ValidationError(
            f"The collection MetricDataQueries must not have a size greater than 500, {len(queries)}"
        )
    for query in queries:
        step = next((step for step, days in reversed(KEPT) if now - begin > days * DAY), 1)
        if int(query["MetricStat"]["Period"]) % step:
            raise models.ValidationError(f"Period must be a multiple of {step} for data this old")
    index = _index(self.cloudwatch_backend)
    most = int(params.get("MaxDatapoints") or PAGE["values"])
    skip = json.loads(params["NextToken"])["skip"] if params.get("NextToken") else 0
    results, seen = [], 0
    for query in queries:
        values = _values(index, query, begin, end, now)
        first, last = max(0, skip - seen), max(0, min(len(values), skip + most - seen))
        seen += len(values)
        if first < last or (not values and not skip):
            results.append({
                "id": query["Id"], "label": query["MetricStat"]["Metric"]["MetricName"],
                "timestamps": [datetime.fromtimestamp(when, UTC) for when, _ in values[first:last]],
                "values": [value for _, value in values[first:last]],
                "status_code": "Complete" if last == len(values) else "PartialData",
            })  # fmt: skip
    more = {"NextToken": json.dumps({"skip": skip + most})} if seen > skip + most else {}
    return ActionResult({"MetricDataResults": results, **more})


def get_filtered_metrics(self, metric_name: str | None, namespace: str | None, dimensions: list[dict] | None) -> list:
    """What ListMetrics lists: each metric once, by name."""
    first = {_key(each.namespace, each.name, [(one.name, one.value) for one in each.dimensions]): each
             for each in reversed(self.get_all_metrics())}  # fmt: skip
    return [first[key] for key in sorted(first) if first[key].filter(namespace, metric_name, dimensions or [])]


PAGE = {"values": int(sys.argv[2]) if len(sys.argv) > 2 else 100_800}

if __name__ == "__main__":
    responses.CloudWatchResponse.get_metric_data = get_metric_data
    models.CloudWatchBackend.get_filtered_metrics = get_filtered_metrics
    from moto.server import main

    main(["-H", "127.0.0.1", "-p", sys.argv[1]])
