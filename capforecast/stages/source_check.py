"""Is a monitoring system fit to be read? What it has, how complete that is, what is missing. Writes nothing."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd

from capforecast.exchange import Result
from capforecast.schema import SERVER_ID, Cadence
from capforecast.settings import Settings
from capforecast.sources.remote import Answer, Found, Remote, Window
from capforecast.stages.collect import expected_of, refuse_cost
from capforecast.stages.collected import MissedSpan, MissingSeries, missed_span, missing_series

log = logging.getLogger(__name__)


class ColumnCovered(Result):
    """One column of what can be read."""

    column: str
    servers: int  # that have it
    coverage: float  # share of periods with a value, of these servers, 0..1
    complete: int  # servers with a value in every period
    empty: int  # servers without any value


class ServerCovered(Result):
    """One server: share of periods with a value, 0..1, by column."""

    server_id: str
    coverage: dict[str, float]


class Checked(Result):
    """What a look at a monitoring system found."""

    source: str
    address: str
    cadence: Cadence
    since: str  # of what was looked at, UTC
    until: str
    oldest: str | None  # since when it keeps data; null = not known
    servers: int
    series: int
    business_units: dict[str, int]  # servers by what the inventory says; "" = not said
    columns: list[ColumnCovered]
    coverage: list[ServerCovered]  # least complete first
    missing: list[MissingSeries]
    missed: list[MissedSpan]
    warnings: list[str]
    failed: list[str]  # what could not be looked for, and why
    requests: int
    seconds: float

    @property
    def fit(self) -> bool:
        """Is there anything to read, and was all that was asked answered?"""
        return self.series > 0 and not self.missed and not self.failed


def check_source(
    settings: Settings, source: Remote, now: pd.Timestamp, days: int = 7, *, spend: bool = False
) -> Checked:
    """Look for series of the last `days` and read them once.

    Raises SourceError where it cannot be reached, SourceRefusedError where it does not let us, or it would cost more
    than is allowed.
    """
    cadence = settings.remote.period
    end = (now - pd.Timedelta(minutes=settings.remote.settle_minutes)).floor(cadence.frequency)
    window = Window(end - max(1, days * cadence.per_day) * cadence.step, end)
    found = source.discover(window)
    oldest = source.oldest(cadence, now)
    answer = _read(source, found, cadence, window, spend)
    shares = covered(answer.observations, found.series, cadence, window)
    units = found.inventory.drop_duplicates(SERVER_ID, keep="last").reindex(columns=["business_unit"])
    counted = units["business_unit"].astype("object").fillna("").astype(str).value_counts().sort_index()
    return Checked(
        source=source.name, address=source.address, cadence=cadence, since=window.since.isoformat(),
        until=window.until.isoformat(), oldest=None if oldest is None else oldest.isoformat(), servers=len(shares),
        series=len(found.series), business_units={str(name): int(count) for name, count in counted.items()},
        columns=_columns(shares), coverage=_servers(shares), missing=missing_series(found.missing),
        missed=[missed_span(each) for each in answer.missed],
        warnings=list(dict.fromkeys([*found.warnings, *answer.warnings])),
        failed=list(found.failed), requests=answer.requests, seconds=round(answer.seconds, 3),
    )  # fmt: skip


def _read(source: Remote, found: Found, cadence: Cadence, window: Window, spend: bool) -> Answer:
    """Everything in the window; in pieces where that is more than the source reads at a time."""
    if found.series.empty:
        return Answer(
            pd.DataFrame({SERVER_ID: pd.Series(dtype="str"), "timestamp": pd.Series(dtype="datetime64[us, UTC]")})
        )
    refuse_cost(expected_of([source.estimate(found, cadence, window)]), spend)
    servers = sorted(map(str, found.series[SERVER_ID].unique()))
    step = max(source.longest(found, cadence), cadence.step).floor(cadence.frequency)
    answers = []
    since = window.since
    while since < window.until:
        part = Window(since, min(since + step, window.until))
        answers.append(source.read(found, cadence, part, servers))
        since = part.until
    return Answer(
        pd.concat([answer.observations for answer in answers], ignore_index=True),
        tuple(each for answer in answers for each in answer.missed),
        tuple(text for answer in answers for text in answer.warnings),
        sum(answer.requests for answer in answers),
        sum(answer.retries for answer in answers),
        sum(answer.seconds for answer in answers),
    )


def covered(rows: pd.DataFrame, series: pd.DataFrame, cadence: Cadence, window: Window) -> pd.DataFrame:
    """Share of the window's periods with a value: a row per server, a column of each; NaN = no such series."""
    count = (window.until - window.since) / cadence.step
    columns, servers = sorted(series["column"].unique()), pd.Index(sorted(series[SERVER_ID].unique()), name=SERVER_ID)
    given = rows.groupby(SERVER_ID)[[name for name in columns if name in rows]].count()
    shares = given.reindex(index=servers, columns=columns).fillna(0.0) / count
    has = pd.crosstab(series[SERVER_ID], series["column"]).reindex(index=servers, columns=columns)
    return shares.where(has.fillna(0) > 0)


def _columns(shares: pd.DataFrame) -> list[ColumnCovered]:
    found = []
    for name in shares:
        share = shares[name].dropna().to_numpy()
        found.append(
            ColumnCovered(
                column=str(name), servers=len(share), coverage=round(float(np.mean(share)), 4),
                complete=int((share >= 1).sum()), empty=int((share == 0).sum()),
            )
        )  # fmt: skip
    return found


def _servers(shares: pd.DataFrame) -> list[ServerCovered]:
    order = shares.mean(axis=1).fillna(0.0).sort_values(kind="stable").index
    return [
        ServerCovered(
            server_id=str(name), coverage={str(key): round(value, 4) for key, value in row.items() if value == value}
        )
        for name, row in zip(order, shares.loc[order].astype("float64").to_dict("records"), strict=True)
    ]
