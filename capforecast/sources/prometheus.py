"""Prometheus, Mimir, Thanos and VictoriaMetrics as a source: their HTTP API, read incrementally and politely."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

from capforecast.errors import ConfigError, UsageError
from capforecast.schema import SERVER_ID, TIMESTAMP, Cadence
from capforecast.settings import Settings
from capforecast.settings_sources import PrometheusSettings, RemoteSettings
from capforecast.sources.http import Client, Sleep, Work
from capforecast.sources.prometheus_api import KEY, Api
from capforecast.sources.prometheus_asks import asks
from capforecast.sources.prometheus_found import Discovery
from capforecast.sources.prometheus_reader import Reader
from capforecast.sources.prometheus_values import Values, unpacked
from capforecast.sources.remote import Answer, Estimate, Found, Pace, Window, unpaced

_MOST_CELLS = 20_000_000  # values of one window held at a time: 80 MB


class Prometheus:
    """A server that speaks Prometheus' HTTP API (sources/remote.py says what each method is for)."""

    name = "prometheus"

    def __init__(self, settings: RemoteSettings, sleep: Sleep = time.sleep) -> None:
        self.remote, self.settings = settings, settings.prometheus
        if not self.settings.url:
            raise ConfigError(f"`{KEY}.url` is not set: give the address of Prometheus there, or by --url")
        self.asks = asks(self.settings)
        self.api = Api(self.settings, Client(self.settings, KEY, sleep))

    @property
    def address(self) -> str:
        """The URL; there is no password in it."""
        return self.settings.url

    @property
    def identity(self) -> str:
        """URL and tenant."""
        tenant = self.settings.tenant
        return self.settings.url + (f" {self.settings.tenant_header}={tenant}" if tenant is not None else "")

    def discover(self, window: Window) -> Found:
        """Servers, labels, sizes, series; raises SourceError where it does not answer."""
        found = Discovery(self.api, self.remote, window, self._work()).found()
        return replace(found, warnings=(*found.warnings, *in_the_open(self.settings)))

    def oldest(self, cadence: Cadence, now: pd.Timestamp) -> pd.Timestamp | None:
        """From its retention; only Prometheus itself tells it."""
        kept = self.api.retention(self._work())
        return None if kept is None else (now - kept).ceil(cadence.frequency)

    def estimate(self, found: Found, cadence: Cadence, window: Window) -> Estimate:
        """Requests as planned, should none be too heavy; it costs nothing."""
        periods = (window.until - window.since) // cadence.step
        pieces = self._reader(cadence).pieces(self.asks, unpacked(found.series), window)
        return Estimate(requests=len(pieces), values=len(found.series) * periods)

    def longest(self, found: Found, cadence: Cadence) -> pd.Timedelta:
        """As much as fits the memory set aside for it, in whole days."""
        days = _MOST_CELLS // (max(1, len(found.series)) * cadence.per_day)
        return pd.Timedelta(days=int(min(max(days, 1), 366)))

    def read(
        self, found: Found, cadence: Cadence, window: Window, server_ids: Sequence[str], pace: Pace = unpaced
    ) -> Answer:
        """All series of these servers. Raises SourceError where no question was answered, SourceRefusedError."""
        if window.since != window.since.floor(cadence.frequency) or window.until != window.until.floor(
            cadence.frequency
        ):
            raise UsageError(f"a window of {cadence} periods begins and ends at one: {window.since} to {window.until}")
        began, work = time.monotonic(), self._work(pace)
        series = unpacked(found.series[found.series[SERVER_ID].isin(set(server_ids))])
        if series.empty or window.since >= window.until:
            return Answer(_frame(None))
        reader = self._reader(cadence)
        values = reader.read(reader.pieces(self.asks, series, window), series, window, work)
        return Answer(
            _frame(values), tuple(values.missed), tuple(sorted(values.remarks)), work.requests, work.retries,
            time.monotonic() - began,
        )  # fmt: skip

    def _reader(self, cadence: Cadence) -> Reader:
        return Reader(self.api, self.settings, cadence, self.settings.resolution_minutes)

    def _work(self, pace: Pace = unpaced) -> Work:
        return Work(self.settings.retry_seconds, pace)


def from_settings(settings: Settings) -> Prometheus:
    """The source of the settings `remote`. Raises ConfigError where they do not do."""
    return Prometheus(settings.remote)


def in_the_open(settings: PrometheusSettings) -> tuple[str, ...]:
    """A warning where credentials go over a network as they are."""
    place = urlsplit(settings.url)
    host = place.hostname or ""
    here = host in ("localhost", "::1") or host.startswith("127.")
    held = settings.token_file or settings.token_variable or settings.username
    if place.scheme != "http" or here or not held:
        return ()
    return (f"{settings.url}: token or password go there unencrypted; give an address of https://",)


def _frame(values: Values | None) -> pd.DataFrame:
    """Observations: a row for each server and period of which anything is known."""
    if values is None:
        empty = pd.DataFrame({SERVER_ID: pd.Series([], dtype="str"), TIMESTAMP: pd.DatetimeIndex([], tz="UTC")})
        return empty.astype({TIMESTAMP: "datetime64[us, UTC]"})
    known = np.zeros((len(values.server_ids), len(values.periods)), dtype=np.bool_)
    for table in values.tables.values():
        known |= ~np.isnan(table)
    row, period = np.nonzero(known)
    ids = pd.Series(values.server_ids, dtype="str").take(row).reset_index(drop=True)
    columns = {name: table[row, period] for name, table in values.tables.items() if not np.isnan(table).all()}
    return pd.DataFrame({SERVER_ID: ids, TIMESTAMP: values.periods.as_unit("us")[period], **columns})
