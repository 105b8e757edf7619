"""Ingest from a monitoring system: windows, marks, late data, failures and kills, and the lake that comes of them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fake_remote import FakeRemote
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capforecast import stages
from capforecast.errors import ConflictError, SourceError, SourceRefusedError, StageError
from capforecast.fleet import inventory as inventories
from capforecast.lake import leases, raw
from capforecast.lake.store import Store
from capforecast.schema import SERVER_ID, TIMESTAMP, Cadence
from capforecast.settings import Settings
from capforecast.sources.remote import Answer, Found, Window
from capforecast.stages.collected import records

NOW = pd.Timestamp("2026-03-10 06:00", tz="UTC")
DAY = pd.Timedelta(days=1)
HISTORY = 100  # days
IDS = itertools.count()


def day(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def given_settings(**remote: Any) -> Settings:
    return Settings.model_validate({"remote": {"history_days": HISTORY} | remote})


def ingest(store: Store, remote: Any, now: pd.Timestamp = NOW, **more: Any) -> stages.Collected:
    with_settings = more.pop("settings", given_settings())
    asked = stages.Asked(ingest_id=f"test-{next(IDS)}", now=now, **more)
    return stages.collect(store, with_settings, remote, asked)


def kept(store: Store) -> dict[str, bytes]:
    return {key: store.read(key) for key in store.keys("raw")}


def seen(store: Store, cadence: Cadence = Cadence.DAILY, known_at: pd.Timestamp | None = None) -> pd.DataFrame:
    months = raw.observation_references(store, cadence, day("2030-01-01"))
    every = pd.Series([f"s{number}" for number in range(9)])
    rows = raw.read_observations(store, months, every, day("2000-01-01"), day("2030-01-01"), known_at)
    return rows.sort_values([SERVER_ID, TIMESTAMP], ignore_index=True)


def truth(remote: FakeRemote, since: pd.Timestamp, until: pd.Timestamp, cadence: Cadence) -> pd.DataFrame:
    found = remote.discover(Window(since, until))
    return remote.read(found, cadence, Window(since, until), remote.ids()).observations


def asked_of(remote: FakeRemote) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(f"{window.since:%Y-%m-%d}", f"{window.until:%Y-%m-%d}", servers) for window, servers, _ in remote.reads]


@pytest.mark.parametrize("cadence", list(Cadence))
def test_the_lake_holds_what_the_system_said(tmp_path: Path, cadence: Cadence) -> None:
    remote = FakeRemote(gaps=(("s1", day("2026-02-03"), day("2026-02-09")),))
    with_settings = given_settings(cadence=str(cadence), history_days=40)
    made = ingest(Store(tmp_path), remote, settings=with_settings)
    end = NOW.floor("D") if cadence is Cadence.DAILY else NOW - pd.Timedelta(hours=1)
    expected = truth(FakeRemote(gaps=remote.gaps), end.floor("D") - 40 * DAY, end, cadence)
    pd.testing.assert_frame_equal(seen(Store(tmp_path), cadence), expected.sort_values([SERVER_ID, TIMESTAMP]))
    gap = seen(Store(tmp_path), cadence).query("server_id == 's1'")[TIMESTAMP]
    assert not gap.between(day("2026-02-03"), day("2026-02-08")).any()  # no row, no zero
    assert made.complete
    assert made.values == len(expected) * 2


def test_windows_end_with_months_and_with_what_the_source_reads_at_once(tmp_path: Path) -> None:
    remote = FakeRemote(most_days=20)
    ingest(Store(tmp_path), remote)
    spans = [(since, until) for since, until, _ in asked_of(remote)]
    assert spans[:4] == [("2025-11-30", "2025-12-01"), ("2025-12-01", "2025-12-21"), ("2025-12-21", "2026-01-01"),
                         ("2026-01-01", "2026-01-21")]  # fmt: skip


def test_a_second_ingest_reads_the_overlap_and_changes_nothing(tmp_path: Path) -> None:
    store, remote = Store(tmp_path), FakeRemote()
    ingest(store, remote)
    before = kept(store)
    remote.reads.clear()
    made = ingest(store, remote)
    assert asked_of(remote) == [("2026-03-08", "2026-03-10", ("s0", "s1", "s2", "s3"))]
    assert kept(store) == before
    assert made.complete
    ingest(store, remote, NOW + pd.Timedelta(hours=8))
    assert kept(store) == before  # no new day, no new arrival


def test_it_goes_on_where_it_was_and_takes_new_servers_and_columns_from_the_beginning(tmp_path: Path) -> None:
    store, remote = Store(tmp_path), FakeRemote(servers=2, columns=("cpu_p95",))
    ingest(store, remote)
    remote.reads.clear()
    remote.servers, remote.columns = 3, ("cpu_p95", "mem_p95")
    ingest(store, remote, NOW + 3 * DAY)
    old = [(since, until) for since, until, servers in asked_of(remote) if servers == ("s0", "s1", "s2")]
    assert ("2026-03-01", "2026-03-13") in old  # mem of all, cpu of the new one
    assert [columns for _, _, columns in remote.reads].count(("cpu_p95",)) == 1  # of the known ones, what is new
    now = seen(store)
    assert now.groupby(SERVER_ID)["mem_p95"].count().tolist() == [HISTORY] * 3  # of each the days that people asked for
    assert now.groupby(SERVER_ID)["cpu_p95"].count().tolist() == [HISTORY + 3, HISTORY + 3, HISTORY]


def test_a_late_value_wins_and_a_run_of_then_still_sees_the_old_one(tmp_path: Path) -> None:
    store = Store(tmp_path)
    ingest(store, FakeRemote())
    ingest(store, FakeRemote(shift=1.0), NOW + DAY)
    late = seen(store).set_index([SERVER_ID, TIMESTAMP])["cpu_p95"]
    first = seen(store, known_at=NOW).set_index([SERVER_ID, TIMESTAMP])["cpu_p95"]
    changed = (late.reindex(first.index) - first).groupby(level=1).max()
    assert changed[changed > 0].index.tolist() == [day("2026-03-08"), day("2026-03-09")]


def test_a_server_that_fails_is_listed_and_asked_again_for_what_failed_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    remote = FakeRemote(fails=(("s2", "mem_p95", day("2026-01-05"), day("2026-01-08")),))
    made = ingest(store, remote)
    assert not made.complete
    (missed,) = made.missed
    assert (missed.column, missed.server_ids, missed.reason) == ("mem_p95", ["s2"], "it was told to fail")
    assert seen(store)["mem_p95"].isna().sum() == 3
    remote.fails = ()
    remote.reads.clear()
    assert ingest(store, remote).complete
    assert asked_of(remote)[0] == ("2026-01-05", "2026-01-08", ("s2",))
    assert remote.reads[0][2] == ("mem_p95",)
    assert len(remote.reads) == 2
    assert seen(store)["mem_p95"].notna().all()


def test_a_gap_is_no_hole_until_people_ask_for_it(tmp_path: Path) -> None:
    store, remote = Store(tmp_path), FakeRemote(gaps=(("s1", day("2026-02-03"), day("2026-02-09")),))
    assert ingest(store, remote).complete
    remote.gaps = ()
    remote.reads.clear()
    ingest(store, remote)
    assert len(remote.reads) == 1  # the overlap
    remote.reads.clear()
    ingest(store, remote, since=day("2026-02-05"), refill=True)
    assert asked_of(remote)[0] == ("2026-02-05", "2026-02-09", ("s1",))
    ingest(store, remote, refill=True)
    expected = truth(FakeRemote(), NOW.floor("D") - HISTORY * DAY, NOW.floor("D"), Cadence.DAILY)
    pd.testing.assert_frame_equal(seen(store), expected)


def test_since_and_until_and_what_the_system_keeps_bound_it(tmp_path: Path) -> None:
    store, remote = Store(tmp_path), FakeRemote(keeps=pd.Timedelta(days=30, hours=5))
    ingest(store, remote)
    assert seen(store)[TIMESTAMP].min() == day("2026-02-09")  # 2026-02-08 is not kept whole
    other = Store(tmp_path / "other")
    ingest(other, FakeRemote(), since=day("2026-01-10"), until=day("2026-01-20"))
    assert seen(other)[TIMESTAMP].agg(["min", "max"]).tolist() == [day("2026-01-10"), day("2026-01-19")]
    ingest(other, FakeRemote())
    assert seen(other)[TIMESTAMP].agg(["min", "max", "count"]).tolist()[1:] == [day("2026-03-09"), 4 * 59]
    ingest(other, FakeRemote(), since=day("2025-12-24"))
    assert seen(other)[TIMESTAMP].min() == day("2025-12-24")


class Killed(BaseException):
    """What a process feels of a kill: nothing after it happens."""


class Mortal(Store):
    """A store whose writer dies before, or right after, its n-th write below raw/."""

    def __init__(self, url: Path, at: int, *, written: bool) -> None:
        super().__init__(url)
        self._left, self._written = at, written

    def put(self, key: str, data: bytes, *, rows: int = 0) -> Any:
        if key.startswith("raw/"):
            self._left -= 1
            if self._left == 0 and not self._written:
                raise Killed
        made = super().put(key, data, rows=rows)
        if key.startswith("raw/") and self._left == 0:
            raise Killed
        return made


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kills=st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=3))
def test_killed_anywhere_and_repeated_the_lake_is_the_same_byte_for_byte(
    kills: list[tuple[int, bool]], tmp_path_factory: pytest.TempPathFactory, clean: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("lake")
    for at, written in kills:
        try:
            ingest(Mortal(folder, at, written=written), FakeRemote())
        except Killed:
            continue
    ingest(Store(folder), FakeRemote())
    assert kept(Store(folder)) == clean


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The lake of one ingest without trouble."""
    store = Store(tmp_path_factory.mktemp("clean"))
    ingest(store, FakeRemote())
    return kept(store)


failure = st.tuples(
    st.sampled_from(["s0", "s1", "s3"]), st.sampled_from(["cpu_p95", "mem_p95"]), st.integers(0, HISTORY - 1),
    st.integers(1, 40),
)  # fmt: skip
trouble = st.fixed_dictionaries(
    {"fails": st.lists(failure, max_size=3), "dies_at": st.none() | st.integers(0, 5), "most_days": st.integers(9, 40)}
)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(troubles=st.lists(trouble, min_size=1, max_size=3))
def test_whatever_fails_first_the_lake_says_the_same_in_the_end(
    troubles: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    store, begin = Store(tmp_path_factory.mktemp("lake")), NOW.floor("D") - HISTORY * DAY
    for number, each in enumerate(troubles):
        fails = tuple(
            (server, column, begin + first * DAY, begin + (first + length) * DAY)
            for server, column, first, length in each["fails"]
        )
        remote = FakeRemote(fails=fails, dies_at=each["dies_at"], most_days=each["most_days"])
        try:
            ingest(store, remote, NOW + number * DAY)
        except SourceError:
            continue
    end = NOW + len(troubles) * DAY
    assert ingest(store, FakeRemote(), end).complete
    pd.testing.assert_frame_equal(seen(store), truth(FakeRemote(), begin, end.floor("D"), Cadence.DAILY))
    (key,) = store.keys("raw/marks")
    assert set(pd.read_parquet(tmp_path_of(store) / key, partitioning=None)["state"]) == {"read"}


def tmp_path_of(store: Store) -> Path:
    assert store.folder is not None
    return store.folder


def test_one_ingest_of_a_system_at_a_time_and_a_retry_of_its_own_goes_on(tmp_path: Path) -> None:
    store, remote = Store(tmp_path), FakeRemote()
    ingest(store, remote)
    (name,) = {key.split("/")[1] for key in store.keys("locks") if "ingest" in key}
    lease = leases.acquire(store, name, owner="run-1")
    try:
        with pytest.raises(ConflictError, match="is being written by run run-1"):
            ingest(store, remote)
        asked = stages.Asked(ingest_id="again", now=NOW)
        assert stages.collect(store, given_settings(), remote, asked, owner="run-1").complete
    finally:
        lease.release()


def test_what_was_read_before_everything_failed_stays_and_is_on_record(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(SourceError, match="does not answer"):
        ingest(store, FakeRemote(dies_at=2))
    (record,) = records(store)
    assert (record.problem, len(record.windows), record.planned) == ("fake://here does not answer", 2, 5)
    assert seen(store)[TIMESTAMP].max() == day("2025-12-31")


def test_the_record_tells_what_was_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = ingest(store, FakeRemote())
    (record,) = records(store)
    assert record == made
    assert sum(window.rows for window in record.windows) == 4 * HISTORY
    assert record.missing[0].remedy == "plug one in"
    assert record.columns == {"cpu_p95": 4, "mem_p95": 4}


def test_more_than_is_allowed_is_not_spent(tmp_path: Path) -> None:
    remote = FakeRemote(cost=2.0, most=5.0)
    with pytest.raises(SourceRefusedError, match=r"about 10\.00 USD \(a list of today\), and 5\.00 USD may be spent"):
        ingest(Store(tmp_path), remote)
    assert remote.reads == []
    assert ingest(Store(tmp_path), remote, spend=True).expected.cost == 10


class HalfBlind(FakeRemote):
    """Could not look for all of it."""

    def discover(self, window: Window) -> Found:
        return replace(super().discover(window), failed=("disk_p95: took too long",))


def test_what_could_not_be_looked_for_is_not_complete(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = ingest(store, HalfBlind())
    assert not made.complete
    assert records(store)[0].failed == ("disk_p95: took too long",)
    assert made.values == 4 * HISTORY * 2


def test_holes_of_what_is_gone_are_not_looked_for_every_night(tmp_path: Path) -> None:
    store, hole = Store(tmp_path), (day("2025-12-20"), day("2025-12-24"))
    ingest(store, FakeRemote(fails=(("s3", "mem_p95", *hole), ("s0", "cpu_p95", *hole))))
    fewer = FakeRemote(servers=3)
    ingest(store, fewer, NOW + DAY)  # looks back to the hole: s3 is not there, s0 answers
    assert ingest(store, fewer, NOW + 2 * DAY).since == "2026-03-09T00:00:00+00:00"
    back = FakeRemote()
    ingest(store, back, NOW + 3 * DAY)  # whoever comes back is asked for all that is lacking
    pd.testing.assert_frame_equal(
        seen(store), truth(back, day("2025-11-30"), day("2026-03-13"), Cadence.DAILY), check_like=True
    )


def test_holes_that_the_system_no_longer_keeps_are_forgotten(tmp_path: Path) -> None:
    store = Store(tmp_path)
    ingest(store, FakeRemote(fails=(("s0", "cpu_p95", day("2025-12-20"), day("2025-12-24")),)))
    short = FakeRemote(keeps=20 * DAY)
    ingest(store, short, NOW + DAY)
    assert ingest(store, FakeRemote(), NOW + 2 * DAY).since == "2026-03-09T00:00:00+00:00"


def test_a_system_without_any_series_is_no_success(tmp_path: Path) -> None:
    store = Store(tmp_path)
    ingest(store, FakeRemote())
    for dry_run in (False, True):
        assert not ingest(store, FakeRemote(servers=0), NOW + DAY, dry_run=dry_run).complete
    with pytest.raises(SourceError, match="took too long"):
        ingest(store, HalfBlind(servers=0), NOW + DAY)


def test_units_and_regions_that_no_run_takes_stay_out(tmp_path: Path) -> None:
    rows = pd.DataFrame({SERVER_ID: ["s0", "s1"], "business_unit": [" _fleet", "shop"], "region": ["eu", "_all"]})
    store = Store(tmp_path)
    made = ingest(store, FakeRemote(servers=2, inventory=rows))
    kept_rows = raw.get_inventory(store)
    assert kept_rows is not None
    assert inventories.at(kept_rows, NOW)["business_unit"].tolist() == ["unassigned", "shop"]
    assert sum("was left out" in text for text in made.warnings) == 2


class Strange(FakeRemote):
    """Answers what it was not asked."""

    def read(self, found: Found, cadence: Cadence, window: Window, *more: Any) -> Answer:
        rows = super().read(found, cadence, window, *more).observations
        return Answer(
            pd.concat([rows, rows.head(1)]).assign(
                **{TIMESTAMP: lambda frame: frame[TIMESTAMP] + pd.Timedelta(hours=1), "gpu_p95": np.float32(1)}
            )
        )


def test_what_was_not_asked_for_does_not_reach_the_lake(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"columns that were not asked for \(gpu_p95\); rows off the grid; two rows"):
        ingest(Store(tmp_path), Strange())
    assert Store(tmp_path).keys("raw/observations") == []


def test_a_resize_gets_the_date_on_which_it_was_seen(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def sized(vcpus: float) -> FakeRemote:
        return FakeRemote(servers=1, inventory=pd.DataFrame({SERVER_ID: ["s0"], "vcpus": [vcpus]}))

    ingest(store, sized(2))
    ingest(store, sized(4), NOW + 5 * DAY)
    ingest(store, sized(4), NOW + 6 * DAY)
    rows = raw.get_inventory(store)
    assert rows is not None
    assert rows["vcpus"].tolist() == [2, 4]
    assert rows["valid_from"].tolist() == [pd.NaT, day("2026-03-15")]


def test_many_different_marks_do_not_become_many_windows(tmp_path: Path) -> None:
    spans = [(f"s{n}", "cpu_p95", day(f"2026-01-{n + 1:02d}"), day(f"2026-01-{n + 12:02d}")) for n in range(9)]
    store, remote = Store(tmp_path), FakeRemote(servers=9, columns=("cpu_p95",), fails=tuple(spans))
    ingest(store, remote)
    remote.fails, remote.reads = (), []
    assert ingest(store, remote).complete
    assert sum(until <= "2026-02-01" for _, until, _ in asked_of(remote)) == 6
    assert seen(store)["cpu_p95"].notna().sum() == 9 * HISTORY
