"""What a Prometheus has: servers, their labels and sizes, which metrics can be read, and what is missing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pandas as pd

from capforecast.errors import SourceError, SourceRefusedError
from capforecast.schema import SERVER_ID
from capforecast.settings_sources import RemoteSettings
from capforecast.sources.http import Work
from capforecast.sources.prometheus_api import Api, TooMuchError, WrongQueryError
from capforecast.sources.prometheus_asks import Ask, Identity, asks, named
from capforecast.sources.prometheus_inventory import inventory
from capforecast.sources.prometheus_values import packed
from capforecast.sources.promql import matchers
from capforecast.sources.remote import Found, Window

T = TypeVar("T")
_OF_THE_SCRAPE = {"__name__", "job", "replica", "prometheus", "prometheus_replica", "endpoint", "pod", "container"}
_SEEN_MINUTES = 5  # for how long a sample is the present value, by default
_JOBS_TOLD = 20
_INSTANTS = 1000  # at which an own expression is looked at, to see which servers it has


class Discovery:
    """One look at what is there within a window."""

    def __init__(self, api: Api, settings: RemoteSettings, window: Window, work: Work) -> None:
        self.api, self.remote, self.settings = api, settings, settings.prometheus
        self.window, self.work = window, work
        self.warnings: list[str] = []
        self.failed: list[str] = []
        self.jobs: dict[tuple[tuple[str, ...], Identity], set[str]] = {}  # that scrape the metrics of a server
        self.missing: list[tuple[str, str, str, str]] = []

    def found(self) -> Found:
        """Servers and series. Raises SourceError where nothing can be had."""
        asked = asks(self.settings)
        with ThreadPoolExecutor(self.settings.at_once, "prometheus") as pool:
            seen = list(pool.map(self._servers, asked))
        labels = self._labels({ask.by for ask in asked})
        series = self._series(asked, seen, labels)
        self._note_missing([ask for ask, who in zip(asked, seen, strict=True) if not who or not series.empty], series)
        if series.empty:
            self._note_nothing(any(seen))
        self._note_shared(series)
        self._note_scrapes()
        missing = pd.DataFrame(sorted(set(self.missing)), columns=[SERVER_ID, "column", "reason", "remedy"])
        rows, odd = inventory(self.api, self.remote, series, labels, self.window, self.work)
        said = tuple(dict.fromkeys([*self.warnings, *odd]))
        return Found(rows, packed(series), missing, said, tuple(sorted(set(self.failed))))

    def _servers(self, ask: Ask) -> set[Identity]:
        """Who has the metric."""
        try:
            if ask.present:
                found = self._halved(
                    lambda since, until: self.api.labels(ask.selector(self.settings), since, until, self.work),
                    self.window, self._step,
                )  # fmt: skip
            else:
                query = f"group by ({', '.join(ask.by)}) ({ask.query(self.settings)})"
                found = self._halved(lambda since, until: self._instants(query, since, until), self.window, self._step)
        except (WrongQueryError, TooMuchError) as error:
            if ask.present and self.settings.select and getattr(error, "everywhere", False):  # the rest of it is ours
                raise SourceRefusedError(
                    f"{self.settings.url}: refuses what remote.prometheus.select makes of it: {error}"
                ) from error
            for column in self._columns(ask):
                self.missing.append(("", column, str(error), ask.remedy))
                self.failed.append(f"{column}: {error}")
            return set()
        identities = set()
        for labels in found:
            identity = tuple(labels.get(name, "") for name in ask.by)
            identities.add(identity)
            if job := labels.get("job"):
                self.jobs.setdefault((ask.by, identity), set()).add(job)
        return identities

    @property
    def _step(self) -> pd.Timedelta:
        """Time between looks at an own expression: a multiple of the resolution, few enough of them."""
        resolution = pd.Timedelta(minutes=self.settings.resolution_minutes)
        return resolution * max(1, -(-(self.window.until - self.window.since) // (resolution * _INSTANTS)))

    def _instants(self, query: str, since: pd.Timestamp, until: pd.Timestamp) -> list[dict[str, str]]:
        first = since.ceil(self._step)
        last = max(first, until.floor(self._step))
        return [labels for labels, _ in self.api.range(query, first, last, self._step, self.work).series]

    def _halved(
        self, ask: Callable[[pd.Timestamp, pd.Timestamp], list[T]], window: Window, least: pd.Timedelta
    ) -> list[T]:
        """All answers of a window, asked in halves where it is too heavy."""
        try:
            return ask(window.since, window.until)
        except TooMuchError:
            half = (window.since + (window.until - window.since) / 2).floor(least)
            if not window.since < half < window.until:
                raise
            parts = (Window(window.since, half), Window(half, window.until))
            return [one for part in parts for one in self._halved(ask, part, least)]

    def _columns(self, ask: Ask) -> list[str]:
        return [f"{ask.metric}_{statistic}" for statistic in self.remote.statistics]

    def _labels(self, bys: set[tuple[str, ...]]) -> dict[tuple[str, ...], dict[Identity, dict[str, str]]]:
        """Labels of targets (of `up`, then of the info metric), by the labels that tell servers apart.

        Those at the end of the window count; of a server that is gone by then, those it had. Where several jobs scrape
        what is one server, those that scrape its metrics count: others may be other people's.
        """
        tables: dict[tuple[str, ...], dict[Identity, dict[str, str]]] = {by: {} for by in bys}
        for metric in ("up", *([self.settings.info] if self.settings.info else [])):
            selector = f"{metric}{{{matchers(self.settings.select, {})}}}"
            now, ever = self._rows(metric, selector, self._at_end), self._rows(metric, selector, self._at_any_time)
            for by in bys:
                known: dict[Identity, list[dict[str, str]]] = {}
                _add(known, by, now)
                _add(known, by, ever)
                if metric == "up":
                    known = {identity: self._of_its_jobs(by, identity, sets) for identity, sets in known.items()}
                    self._note_mixed(known)
                for identity, sets in known.items():
                    tables[by].setdefault(identity, {}).update({k: v for one in sets[::-1] for k, v in one.items()})
        return tables

    def _of_its_jobs(self, by: tuple[str, ...], identity: Identity, sets: list[dict[str, str]]) -> list[dict[str, str]]:
        jobs = self.jobs.get((by, identity), set())
        return [one for one in sets if one.get("job") in jobs] or sets

    def _rows(self, metric: str, selector: str, way: Callable[[str], list[dict[str, str]]]) -> list[dict[str, str]]:
        try:
            return way(selector)
        except (WrongQueryError, TooMuchError) as error:
            self.warnings.append(f"labels of {metric} could not be read: {error}")
            return []

    def _at_end(self, selector: str) -> list[dict[str, str]]:
        return [labels for labels, _ in self.api.instant(selector, self.window.until, self.work).series]

    def _at_any_time(self, selector: str) -> list[dict[str, str]]:
        def ask(since: pd.Timestamp, until: pd.Timestamp) -> list[dict[str, str]]:
            return self.api.labels(selector, since, until, self.work)

        return self._halved(ask, self.window, pd.Timedelta(days=1))

    def _note_mixed(self, known: dict[Identity, list[dict[str, str]]]) -> None:
        """Say where what is taken for one server looks like several."""
        mixed: Counter[str] = Counter()
        example: dict[str, Identity] = {}
        for identity, sets in known.items():
            jobs: dict[str, list[dict[str, str]]] = {}
            for one in sets:
                jobs.setdefault(one.get("job", ""), []).append(one)
            for alike in jobs.values():
                names = {name for one in alike for name in one} - _OF_THE_SCRAPE
                for name in names:
                    if len({one.get(name, "") for one in alike}) > 1:
                        mixed[name] += 1
                        example.setdefault(name, identity)
        for name, count in sorted(mixed.items()):
            self.warnings.append(
                f"{count} server(s), such as {'/'.join(example[name])}, are scraped as several targets that differ in "
                f"the label {name}: should these be servers of their own, add it to remote.prometheus.by"
            )

    def _series(
        self, asked: list[Ask], seen: list[set[Identity]], labels: dict[tuple[str, ...], dict[Identity, dict[str, str]]]
    ) -> pd.DataFrame:
        """One row per server, column and what gives it: server_id, column, ask, identity."""
        rows, nameless = [], 0
        for ask, identities in zip(asked, seen, strict=True):
            for identity in sorted(identities):
                own = dict(zip(ask.by, identity, strict=True))
                name = named(ask.server_id, {**labels[ask.by].get(identity, {}), **own})
                if not name or not all(identity):
                    nameless += 1
                    continue
                rows += [(name, column, ask.key, identity) for column in self._columns(ask)]
        if nameless:
            self.warnings.append(
                f"{nameless} series have not all labels that name a server ({', '.join(asked[0].by)}; server_id "
                f"{asked[0].server_id!r}): left out; see remote.prometheus.by and server_id"
            )
        frame = pd.DataFrame(rows, columns=[SERVER_ID, "column", "ask", "identity"])
        return frame.sort_values([SERVER_ID, "column", "ask", "identity"], ignore_index=True)

    def _note_missing(self, asked: list[Ask], series: pd.DataFrame) -> None:
        """Say which metrics are there of nobody, and of whom others of the same exporter are."""
        have = {key: set(rows[SERVER_ID]) for key, rows in series.groupby("ask")}
        told = {column for _, column, _, _ in self.missing}
        by_preset: dict[str, set[str]] = {}
        for ask in asked:
            by_preset.setdefault(ask.preset, set()).update(have.get(ask.key, ()))
        for ask in asked:
            lacking = sorted(by_preset[ask.preset] - have.get(ask.key, set()))
            of_nobody = not have.get(ask.key)
            for column in self._columns(ask):
                if column in told and of_nobody:
                    continue
                why = f"no series of {ask.present.split('{')[0] or 'the expression'}"
                if of_nobody and not any(have.get(other.key) for other in asked if other.metric == ask.metric):
                    self.missing.append(("", column, f"{why} ({ask.preset})", ask.remedy))
                elif not of_nobody:
                    self.missing += [(server, column, why, ask.remedy) for server in lacking]

    def _note_nothing(self, nameless: bool) -> None:
        """Say what was scraped where nothing of it is a server to us."""
        if nameless:
            return  # told already
        try:
            up = self._halved(
                lambda since, until: self.api.labels("up", since, until, self.work), self.window, pd.Timedelta(days=1)
            )
        except SourceError:
            return
        jobs = Counter(labels.get("job", "") for labels in up)
        span = f"between {self.window.since:%Y-%m-%d %H:%M} and {self.window.until:%Y-%m-%d %H:%M} UTC"
        if not jobs:
            self.warnings.append(f"nothing was scraped {span}: a day (hourly: an hour) is read once it is over")
            return
        told = ", ".join(f"{name} ({count} targets)" for name, count in sorted(jobs.items())[:_JOBS_TOLD])
        chosen = f" and select ({', '.join(self.settings.select)})" if self.settings.select else ""
        self.warnings.append(
            f"jobs that were scraped {span}: {told}; none of it is a server by remote.prometheus.presets "
            f"({', '.join(self.settings.presets)}){chosen}"
        )

    def _note_scrapes(self) -> None:
        """Say where scrapes are too rare for the settings: rates of fewer than two samples are none at all."""
        query = f"quantile(0.1, count_over_time(up{{{matchers(self.settings.select, {})}}}[1h]))"
        try:
            told = self.api.instant(query, self.window.until, self.work).series
        except SourceError:
            return
        hourly = float(told[0][1][0][1]) if told else 0.0
        if not hourly >= 1:
            return
        every, rate = 60 / hourly, self.settings.rate_minutes
        if rate < 3.5 * every:  # a scrape more or less within the hour
            self.warnings.append(
                f"targets are scraped every {every:.0f} minutes or so, and rates are taken over {rate}: cpu, network "
                "and disk_io may rest on few values, or none; set remote.prometheus.rate_minutes to "
                f"{4 * math.ceil(every)} or more"
            )
        if every > _SEEN_MINUTES:
            self.warnings.append(
                f"targets are scraped every {every:.0f} minutes or so, but Prometheus shows a value for "
                f"{_SEEN_MINUTES} (its --query.lookback-delta): most looks within a period find none"
            )

    def _note_shared(self, series: pd.DataFrame) -> None:
        """Say which names several things share; their largest value counts, they are not added up."""
        counts = series.groupby([SERVER_ID, "column", "ask"])["identity"].agg(["size", "first", "last"])
        several = counts[counts["size"] > 1].reset_index().drop_duplicates(SERVER_ID)
        if several.empty:
            return
        first = several.iloc[0]
        self.warnings.append(
            f"{len(several)} server name(s) stand for several instances, such as {first[SERVER_ID]} for "
            f"{'/'.join(first['first'])} and {'/'.join(first['last'])}: where both have a value the larger one counts, "
            "nothing is added up; make remote.prometheus.server_id tell them apart, or select one job"
        )


def _add(known: dict[Identity, list[dict[str, str]]], by: tuple[str, ...], rows: Iterable[dict[str, str]]) -> None:
    """Enter label sets of identities that are not known yet."""
    before = set(known)
    for labels in sorted(rows, key=lambda labels: sorted(labels.items())):
        identity = tuple(labels.get(name, "") for name in by)
        if all(identity) and identity not in before:
            known.setdefault(identity, []).append(labels)
