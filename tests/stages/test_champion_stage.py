"""The stage `champion`, and those after it with a model older than the data, called as a notebook would."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from capforecast import stages
from capforecast.errors import ModelError
from capforecast.exchange import Unit
from capforecast.forecast import pointers, tables
from capforecast.forecast.candidates import candidate_names
from capforecast.lake.datasets import read_frame
from capforecast.lake.store import Store
from capforecast.schema import Cadence, Reference
from capforecast.settings import Settings

DAYS = 120
START = pd.Timestamp("2026-01-01", tz="UTC")
AFTER = ("forecast", "risk", "pools", "warnings", "drift")
COLUMNS = [
    "business_unit", "version", "kind", "model_as_of", "age_days", "action", "reason", "challenger", "ratio",
    "series_compared", "series_known", "series_not_trained", "previous_as_of", "relative_mae", "coverage_80",
    "coverage_95",
]  # fmt: skip


def settings(**models: object) -> Settings:
    return Settings.model_validate({"forecast": {"horizon_days": 7, "origins_daily": 4}, "models": models})


def observed(folder: Path, servers: str, days: int = DAYS, later: float = 0.0) -> str:
    """A source of a few weekly series, each letter a server; `later` is added to what comes after the first DAYS."""
    stamps = pd.date_range(START, periods=days, unit="us")
    parts = []
    for name in servers:
        rng = np.random.default_rng(ord(name))
        values = 40 + 8 * np.sin(2 * np.pi * np.arange(500) / 7) + rng.normal(0, 2, 500)
        values[DAYS:] += later
        parts.append(pd.DataFrame({"server_id": name, "timestamp": stamps, "cpu_p95": values[:days]}))
    path = folder / f"{servers}-{days}-{later:.0f}.parquet"
    pd.concat(parts).assign(business_unit="retail").to_parquet(path, index=False)
    return str(path)


def validated(store: Store, source: str) -> Unit:
    return stages.validate(store, settings(), stages.ingest(store, settings(), source), "retail")


def through(store: Store, unit: Unit, *names: str, chosen: Settings | None = None) -> Unit:
    """The unit after these stages, each given what it says it needs."""
    for name in names:
        work = getattr(stages, name)
        unit = unit.having(**work(store, chosen or settings(), unit.only(stages.NEEDS[name])))
    return unit


def row_of(store: Store, unit: Unit) -> dict[str, object]:
    table = read_frame(store, unit.references["champion"])
    assert list(table.columns) == COLUMNS
    (row,) = table.to_dict("records")
    return {str(name): value for name, value in row.items()}


def spoil(store: Store, manifest: Reference) -> None:
    store.put(manifest.uri.replace("manifest.json", "weights.parquet"), b"damaged")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "lake")


@pytest.fixture
def weekly(store: Store, tmp_path: Path) -> Unit:
    """The run that trained: servers a, b and c."""
    return through(store, validated(store, observed(tmp_path, "abc")), "train", "champion", *AFTER)


def test_the_first_model_is_champion_and_deciding_again_changes_no_byte(store: Store, weekly: Unit) -> None:
    row = row_of(store, weekly)
    assert (row["action"], row["age_days"], row["series_known"], row["series_not_trained"]) == ("first", 0.0, 3, 0)
    assert row["version"] == row["challenger"] == pointers.version_of(weekly.references["model"])
    assert row["previous_as_of"] == ""
    assert 0 < float(str(row["relative_mae"])) < 2
    assert through(store, weekly, "champion").references == weekly.references


def test_three_days_later_the_champion_forecasts_all_it_knows_and_says_whom_it_does_not(
    store: Store, weekly: Unit, tmp_path: Path
) -> None:
    unit = through(store, validated(store, observed(tmp_path, "abd", DAYS + 3)), "champion", *AFTER)
    row = row_of(store, unit)
    assert (row["action"], row["age_days"], row["challenger"]) == ("champion", 3.0, "")
    assert (row["series_known"], row["series_not_trained"]) == (3, 1)  # c, silent for three days, is still usable
    assert row["previous_as_of"] == weekly.as_of[:10]
    assert unit.references["model"] == weekly.references["model"]
    assert unit.references["previous_forecasts"].sha256 == weekly.references["forecasts"].sha256
    risks = read_frame(store, unit.references["risks"]).set_index("server_id")
    assert risks["reason"].to_dict() == {"a": "", "b": "", "c": "", "d": "not_trained"}
    assert read_frame(store, unit.references["servers"]).set_index("server_id")["tier"]["d"] == "unknown"
    ahead = read_frame(store, unit.references["forecasts"])
    assert set(ahead["server_id"]) == {"a", "b", "c"}
    assert ahead["timestamp"].min() == unit.cut_off
    assert len(read_frame(store, unit.references["warnings"]))
    assert unit.references["quality"].uri == unit.key("trained")
    judged = pd.read_parquet(tmp_path / "lake" / unit.key("quality"))
    assert set(judged["verdict"]) == {"ok"}  # what validation said stays on record


def test_a_unit_of_new_servers_only_is_unknown_and_no_error(store: Store, weekly: Unit, tmp_path: Path) -> None:
    listed = pd.DataFrame({"server_id": list("xyabc"), "business_unit": ["retail"] * 2 + ["other"] * 3})
    listed.to_csv(tmp_path / "i.csv", index=False)
    given = observed(tmp_path, "xy", DAYS + 3), str(tmp_path / "i.csv")
    ingested = stages.ingest(store, settings(), *given)
    unit = through(store, stages.validate(store, settings(), ingested, "retail"), "champion", *AFTER)
    row = row_of(store, unit)
    assert (row["series_known"], row["series_not_trained"]) == (0, 2)
    servers = read_frame(store, unit.references["servers"])
    assert servers["reason"].tolist() == ["not_trained"] * 2
    extras = stages.scorecard(store, settings(), ingested, [unit], ["retail"])
    made = stages.report(store, settings(), ingested, [unit], {"other": "drill"}, extras)
    assert made.tiers["unknown"] == 2


def test_a_unit_with_nothing_to_forecast_needs_no_model(store: Store, tmp_path: Path) -> None:
    unit = through(store, validated(store, observed(tmp_path, "ab", 5)), "train", "champion", *AFTER)
    assert not {"model", "champion", "challenger", "forecasts", "drift"} & set(unit.references)
    assert stages.why_train(store, settings(), unit) == ""
    assert stages.model_overview(store, [unit])[0]["action"] == "nothing to forecast"


def test_a_repeated_past_run_sees_no_later_champion_and_promotes_nothing(
    store: Store, weekly: Unit, tmp_path: Path
) -> None:
    past = validated(store, observed(tmp_path, "abc", DAYS - 20))
    with pytest.raises(ModelError, match="train first"):
        through(store, past, "champion")
    assert stages.why_train(store, settings(), past)
    again = through(store, past, "train", "champion", "forecast")
    row = row_of(store, again)
    assert (row["action"], row["age_days"]) == ("backfill", 0.0)
    assert again.references["model"] == again.references["challenger"] != weekly.references["model"]
    assert "previous_forecasts" not in again.references
    records = pointers.history(store, Cadence.DAILY, "retail")
    assert [record.pointer.manifest for record in records] == [weekly.references["model"]]


def test_the_earlier_run_is_the_one_with_the_next_lower_cut_off(store: Store, weekly: Unit, tmp_path: Path) -> None:
    for days in (DAYS + 2, DAYS + 9, DAYS - 10):  # the order in which they are written is none
        through(store, validated(store, observed(tmp_path, "abc", days)), "train", "champion", "forecast")
    os.utime(tmp_path / "lake" / weekly.references["forecasts"].uri)
    unit = through(store, validated(store, observed(tmp_path, "abc", DAYS + 5)), "champion")
    assert f"as_of={START + pd.Timedelta(days=DAYS + 2):%Y-%m-%d}/" in unit.references["previous_forecasts"].uri
    old = f"as_of={START + pd.Timedelta(days=DAYS - 10):%Y-%m-%d}/"
    assert old in unit.references["judged_forecasts"].uri, "the newest that is a week old: more has come since"


def test_a_damaged_champion_gives_way_to_the_last_good_one_or_stops_its_unit(
    store: Store, weekly: Unit, tmp_path: Path
) -> None:
    newer = through(store, validated(store, observed(tmp_path, "abc", DAYS + 7)), "train", "champion")
    assert row_of(store, newer)["action"] == "refreshed"
    spoil(store, newer.references["model"])
    later = validated(store, observed(tmp_path, "abc", DAYS + 8))
    unit = through(store, later, "champion", "forecast")
    row = row_of(store, unit)
    assert (row["action"], row["age_days"]) == ("fell_back", 8.0)
    assert "weights.parquet was changed" in str(row["reason"])
    assert unit.references["model"] == weekly.references["model"]
    with pytest.raises(ModelError, match=r"weights\.parquet was changed .*train"):
        through(store, later, "champion", chosen=settings(fall_back=False))
    assert "weights.parquet" in stages.why_train(store, settings(), later)


@pytest.mark.parametrize(("days", "servers", "words"), [(3, "abc", ""), (40, "abc", "40 days old"), (3, "abcd", "75")])
def test_training_is_needed_when_the_champion_is_old_or_knows_too_few(
    store: Store, weekly: Unit, tmp_path: Path, days: int, servers: str, words: str
) -> None:
    unit = validated(store, observed(tmp_path, servers, DAYS + days))
    why = stages.why_train(store, settings(), unit.only(stages.NEEDS["champion"]))
    assert words in why
    assert bool(why) == bool(words)


def test_what_came_after_a_past_warning_changes_nothing_of_what_it_said(
    store: Store, weekly: Unit, tmp_path: Path
) -> None:
    then = read_frame(store, weekly.references["warnings"])
    unit = through(store, validated(store, observed(tmp_path, "abc", DAYS + 5, later=90.0)), "champion", "warnings")
    now = read_frame(store, unit.references["warnings"])
    keys = ["server_id", "metric", "origin", "level"]
    both = now.merge(then, on=keys, suffixes=("", "_then"))
    assert len(both) == len(then) > 0
    for name in ("threshold", "days_q10", "days_q50", "line_30", "near_share", "above_share", "p_7d"):
        if name in both:
            old = both[f"{name}_then"]
            known = old.notna()
            np.testing.assert_array_equal(both.loc[known, name], old[known], err_msg=name)
    assert (now["origin"] < weekly.cut_off).all()
    assert not (now["event_days"] > (unit.cut_off - now["origin"]) / pd.Timedelta(days=1)).any()


def test_a_champion_of_a_version_with_other_candidates_counts_as_unusable(
    store: Store, weekly: Unit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = validated(store, observed(tmp_path, "abc", DAYS + 3))
    names = candidate_names(Cadence.DAILY)
    monkeypatch.setattr(tables, "candidate_names", lambda cadence: names[1:])
    assert names[0] in stages.why_train(store, settings(), unit)
    with pytest.raises(ModelError, match=names[0]):
        through(store, unit, "champion")
