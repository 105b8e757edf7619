"""What was found in CloudWatch as tables: inventory, series, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from capforecast.schema import INVENTORY_TEXT, REGION, SERVER_ID, VALID_FROM
from capforecast.settings_sources import CloudWatchSettings
from capforecast.sources.cloudwatch_batches import ASK, COLUMN, PLACE, STATISTIC
from capforecast.sources.cloudwatch_servers import Server, tagged
from capforecast.sources.columns import LABEL, plain

Row = tuple[str, str, str, str]  # server, column, reason, remedy


def missing(rows: list[Row]) -> pd.DataFrame:
    """Table of what is missing."""
    return pd.DataFrame(rows, columns=[SERVER_ID, COLUMN, "reason", "remedy"], dtype="str")


def lacks(named: dict[str, Server], settings: CloudWatchSettings, statistics: Sequence[str]) -> list[Row]:
    """What servers do not tell, of the metrics that are wanted."""
    return [
        (name, f"{lack.metric}_{statistic}", lack.reason, lack.remedy)
        for name, server in named.items()
        for lack in server.lacks
        if lack.metric in settings.metrics
        for statistic in statistics
    ]


def _told(server: Server) -> str:
    return f"{server.service} {server.id} of {server.place}"


def named(servers: list[Server], template: str) -> tuple[dict[str, Server], list[tuple[str, str, str, str]]]:
    """Servers by name, sorted; and those whose name another one has."""
    by_name: dict[str, Server] = {}
    twice = []
    for server in sorted(servers, key=lambda each: (each.place, each.service, each.id)):
        name = template.format_map(
            {
                "id": server.id,
                "name": tagged(server.tags, ("Name",)) or server.id,
                "account": server.place.account,
                "region": server.place.region,
                "service": server.service,
            }
        ).strip()
        first = by_name.setdefault(name, server)
        if first is not server:
            reason = f"{_told(server)} has the name of {_told(first)}, which is read"
            remedy = "set remote.cloudwatch.server_id to tell them apart, such as {account}/{region}/{id}"
            twice.append((name, "", reason, remedy))
    return dict(sorted(by_name.items())), twice


def inventory(named: dict[str, Server], settings: CloudWatchSettings) -> pd.DataFrame:
    """One row each: from tags, and what AWS says of the size, dated by the last start where that is known."""
    rows = []
    for name, server in named.items():
        row: dict[str, object] = {SERVER_ID: name, REGION: server.place.region, VALID_FROM: server.since}
        row |= {column: tagged(server.tags, tags) for column, tags in settings.tags.items()}
        row |= {LABEL + plain(tag): tagged(server.tags, (tag,)) for tag in settings.labels}
        row |= {LABEL + "account": server.place.account, LABEL + "service": server.service}
        rows.append(row | {key: value for key, value in server.sizes.items() if value is not None})
    frame = pd.DataFrame(rows, columns=None if rows else [SERVER_ID, *INVENTORY_TEXT, VALID_FROM])
    frame[VALID_FROM] = pd.to_datetime(frame[VALID_FROM], utc=True).astype("datetime64[us, UTC]")
    return frame


def series(named: dict[str, Server], settings: CloudWatchSettings, statistics: Sequence[str]) -> pd.DataFrame:
    """What can be read: server_id, column, and how it is asked for (cloudwatch_batches.py)."""
    rows = [
        (name, f"{metric}_{statistic}", server.place, statistic, ask)
        for name, server in named.items()
        for metric, ask in sorted(server.asks.items())
        if metric in settings.metrics
        for statistic in statistics
    ]
    frame = pd.DataFrame(rows, columns=[SERVER_ID, COLUMN, PLACE, STATISTIC, ASK])
    return frame.astype({SERVER_ID: "str", COLUMN: "str", STATISTIC: "str"})
